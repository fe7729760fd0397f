"""What all sections of a configuration share: the base model and the types of values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from slumpmap.files import fault_of_path

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Metres = Annotated[float, Field(ge=0.0)]
Count = Annotated[int, Field(ge=0)]
Bounds = tuple[float, float, float, float]
# No login and no query: what a configuration says is copied into reports.
Address = Annotated[str, Field(pattern=r"^https?://[^@?#\s]+$")]
# Options reach the models as text, and a literal of integers accepts no text by itself.
FromText = BeforeValidator(lambda value: int(value) if isinstance(value, str) and value.isdigit() else value)


class Settings(BaseModel):
    """Base of all sections: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="after")
    def _paths_that_every_step_can_take(self) -> Self:
        for name, value in self:
            for path in value if isinstance(value, tuple) else (value,):
                if isinstance(path, Path) and (fault := fault_of_path(path)):
                    raise ValueError(f"the path of {name} {fault}; rename the file or folder")
        return self
