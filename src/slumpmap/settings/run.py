"""Section of how work is cut into jobs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from slumpmap.settings.base import Settings


class RunSettings(Settings):
    """How work is cut into jobs."""

    tiles_per_job: int = Field(16, ge=1, description="tiles that one job handles, since starting a job costs seconds")
    tiles_per_inference: int | None = Field(
        None, ge=1, description="the same for inference, which a GPU does far faster than the rest; default: as above"
    )
    torch_threads: int = Field(2, ge=1, description="CPU threads of training and inference; fixed for repeatability")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA where there is a GPU")
    gpus_per_job: int = Field(
        1, ge=1, description="GPUs that one job of training or inference asks a cluster for, and uses; none for `cpu`"
    )
    keep: Literal["all", "needed", "final"] = Field(
        "needed",
        description="which intermediate files stay when the jobs that read them are done: all; needed: without "
        "training pixels and traced parts, which nobody opens; final: without probability tiles too. "
        "`slumpmap clean` removes them later",
    )
    protect: bool = Field(
        False,
        description="write-protect finished models, so that a run which would train one again is refused: after an "
        "old decision or setting was changed, all later iterations would be trained anew",
    )
