"""The JSON files that one step writes and later ones read: what must be in them, and how they are refused.

What is not named here is left as it is, so that a file of a later slumpmap with further keys is read too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from slumpmap.errors import InputError
from slumpmap.files import read_json


class Record(BaseModel):
    """A mapping in a file; keys with a default may be absent."""

    model_config = ConfigDict(extra="allow", strict=True, allow_inf_nan=False)


class Capture(Record):
    """Confirmed candidates that the same reviewers accepted."""

    by: list[str]
    count: int


class Outcome(Record):
    """outcome.json: the row of Table 2, and who decided what."""

    iteration: int
    state: str
    waiting_for: dict[str, int]
    positives: int
    negatives: int
    inferred: int
    known: int
    rejected_before: int
    inspected: int
    new: int
    total: int
    known_found_again: int = 0
    reviews: dict[str, dict[str, Any]] = {}
    captures: list[Capture] = []


class After(Record):
    """What is right after an iteration."""

    iteration: int
    recall: float | None
    precision: float | None


class Evaluation(Record):
    """evaluation.json: slumps of the truth, and scores after each iteration."""

    truth: int
    iterations: list[After]


class Missed(Record):
    """Slumps that no polygon overlaps more than a threshold."""

    threshold: float
    false_negatives: int


class Part(Record):
    """scores.json, as far as it tells what was missed of a part that was kept from a model."""

    truth: int
    polygons: list[Missed]


class AtIou(Record):
    """Scores of the polygons that overlap more than a threshold."""

    threshold: float
    precision: float | None
    recall: float | None
    f1: float | None


class Scores(Record):
    """scores.json: what a model mapped of the part that was kept from it."""

    truth: int
    mapped: int
    polygons: list[AtIou]
    ap_huang: float | None
    ap_score: float | None
    pixel_iou: float | None
    pixel_f1: float | None
    boundary_iou: float | None


class Omission(Record):
    """A layer of the landscape that is missing, and why."""

    layer: str
    reason: str


class LayerFacts(Record):
    """Range of a layer of the landscape."""

    area_km2: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    quantiles: dict[str, float | None] = {}


class Landscape(Record):
    """landscape.json: areas, ranges, and what is missing."""

    area_km2: float
    layers: dict[str, LayerFacts]
    omissions: list[Omission]


def read_record(path: Path, shape: type[BaseModel], what: str) -> dict[str, Any]:
    """Reads a JSON file that must have a shape.

    Args:
        path: the file.
        shape: what must be in it.
        what: what the file is to the user, for the message.

    Returns:
        What is in the file.

    Raises:
        InputError: the file is missing, is no JSON, lacks something, or has another kind of value somewhere.
    """
    return shaped(read_json(path), shape, path, what)


def shaped(value: Any, shape: type[BaseModel], path: Path, what: str) -> dict[str, Any]:
    """A value that was read from `path`, checked as in `read_record`."""
    try:
        return shape.model_validate(value).model_dump(exclude_unset=True)
    except ValidationError as error:
        faults = error.errors()
    lacking = [str(one["loc"][-1]) for one in faults if one["type"] == "missing"]
    where = ".".join(map(str, faults[0]["loc"])) or "as a whole"
    fault = f"lacks {', '.join(lacking)}" if lacking else f"is not what slumpmap writes ({where}: {faults[0]['msg']})"
    raise InputError(path, f"{what} {fault}", "remove it and run the workflow again")


def read_landscape(folder: Path) -> dict[str, Any]:
    """What `landscape.json` of a folder says."""
    return read_record(folder / "landscape.json", Landscape, "landscape")


def read_outcome(path: Path) -> dict[str, Any]:
    """The outcome of an iteration."""
    return read_record(path, Outcome, "outcome")
