"""What a reviewer says of one candidate, and how it is written into a row of a decision file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import pandas as pd
import shapely
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

# Xia et al. 2022, section 2.3.3: what a slump must show.
CRITERIA: dict[str, tuple[str, str]] = {
    "headwall_highest": ("Headwall highest", "the headwall lies at the highest ground inside the slump"),
    "colour_differs": ("Colour differs", "bare, yellowish-brown ground, unlike the vegetation around"),
    "headwall_arcuate": ("Arcuate, shaded headwall", "an arcuate, nearly vertical headwall with a narrow shadow"),
    "retreats_upslope": ("Retreats upslope", "the headwall moves uphill from year to year"),
}
REASONS: dict[str, str] = {
    "drained_pond": "Drained pond",
    "pit": "Pit",
    "river_bar": "River bar",
    "bare_ground": "Bare ground",
    "shadow": "Shadow",
    "cloud": "Cloud",
    "other": "Other",
}
_MOST_CORNERS = 20_000

Probability = Literal["high", "medium", "low"]
Verdict = Literal["slump", "reject", "unsure"]
Reason = Literal["drained_pond", "pit", "river_bar", "bare_ground", "shadow", "cloud", "other"]


class Criteria(BaseModel):
    """The four criteria: met, not met, or not judged."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    headwall_highest: bool | None = None
    colour_differs: bool | None = None
    headwall_arcuate: bool | None = None
    retreats_upslope: bool | None = None


class Opinion(BaseModel):
    """One reviewer's opinion of one candidate; without a verdict nothing is decided yet.

    Raises:
        ValidationError: unknown field, wrong type, or fields that contradict each other.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    verdict: Verdict | None = None
    probability: Probability | None = None
    criteria: Criteria = Criteria()
    initiation: Annotated[str, StringConstraints(max_length=40)] | None = None
    reason: Reason | None = None
    use_as_negative: bool = False
    note: Annotated[str, StringConstraints(max_length=2000)] = ""
    boundary: dict[str, Any] | None = Field(None, description="GeoJSON polygon in the campaign's CRS")
    headwall: dict[str, Any] | None = Field(None, description="GeoJSON line in the campaign's CRS")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.verdict == "slump" and self.probability is None:
            raise ValueError("a slump needs a probability: high, medium or low")
        if self.verdict == "reject" and self.headwall is not None:
            raise ValueError("a rejected place has no headwall")
        if self.boundary is not None:
            _checked(self.boundary, ("Polygon", "MultiPolygon"), "boundary")
        if self.headwall is not None:
            _checked(self.headwall, ("LineString",), "headwall")
        return self

    @property
    def outline(self) -> shapely.Geometry | None:
        """The boundary as a geometry; None: the candidate's own."""
        return None if self.boundary is None else _geometry(self.boundary)

    @property
    def headwall_line(self) -> shapely.LineString | None:
        """The headwall as a geometry."""
        return None if self.headwall is None else _geometry(self.headwall)


def suggested_probability(criteria: Criteria) -> Probability:
    """High if all four criteria are met, medium if three, else low.

    Xia et al. (2022, section 4.3) give high to slumps that strictly meet all four and leave medium and low to the
    expert; the step between these two is ours.
    """
    met = sum(bool(value) for value in criteria.model_dump().values())
    return {4: "high", 3: "medium"}.get(met, "low")  # type: ignore[return-value]


def as_row(opinion: Opinion, own_outline: shapely.Geometry) -> dict[str, Any]:
    """The columns of a decision file for an opinion, without those that the reviewer does not give.

    Args:
        opinion: what the reviewer said.
        own_outline: the candidate's outline, which is the boundary where none was drawn.
    """
    slump = opinion.verdict == "slump"
    return {
        "is_slump": None if opinion.verdict in (None, "unsure") else slump,
        "unsure": opinion.verdict == "unsure",
        "probability": opinion.probability if slump else None,
        "initiation": opinion.initiation if slump else None,
        "use_as_negative": opinion.use_as_negative and opinion.verdict == "reject",
        "reason": opinion.reason if opinion.verdict == "reject" else None,
        "note": opinion.note or None,
        **opinion.criteria.model_dump(),
        "headwall": None if opinion.headwall is None else _geometry(opinion.headwall).wkt,
        "geometry": own_outline if opinion.outline is None else opinion.outline,
    }


def of_row(row: Mapping[str, Any], own_outline: shapely.Geometry) -> Opinion:
    """The opinion in a row of a decision file that `read_decisions` accepted.

    Free text in `reason` that is none of the known reasons is kept in the note.
    """
    verdict = "unsure" if bool(row["unsure"]) else "slump" if bool(row["is_slump"]) else "reject"
    reason = row["reason"] if row["reason"] in REASONS else None
    words = [row["note"], None if reason else row["reason"]]
    headwall = row["headwall"]
    outline = row["geometry"]
    return Opinion(
        verdict=verdict,
        probability=row["probability"] if verdict == "slump" else None,
        criteria=Criteria(**{name: _maybe(row[name]) for name in CRITERIA}),
        initiation=row["initiation"] if verdict == "slump" and isinstance(row["initiation"], str) else None,
        reason=reason if verdict == "reject" else None,
        use_as_negative=bool(row["use_as_negative"]),
        note="; ".join(text for text in words if isinstance(text, str))[:2000],
        boundary=None if outline.equals_exact(own_outline) else json.loads(shapely.to_geojson(outline)),
        headwall=json.loads(shapely.to_geojson(shapely.from_wkt(headwall)))
        if isinstance(headwall, str) and verdict != "reject"
        else None,
    )


def same(one: Opinion, other: Opinion, own_outline: shapely.Geometry) -> bool:
    """Whether two opinions say the same, however their geometries are stored."""

    def key(opinion: Opinion) -> tuple[dict[str, Any], shapely.Geometry, shapely.Geometry | None]:
        row = as_row(opinion, own_outline)
        outline = shapely.multipolygons(shapely.get_parts(row.pop("geometry")))
        line = row.pop("headwall")
        return row, shapely.normalize(outline), None if line is None else shapely.from_wkt(line)

    (facts, outline, line), (other_facts, other_outline, other_line) = key(one), key(other)
    lines_equal = (line is None) == (other_line is None) and bool(shapely.equals_exact(line, other_line, 0.001))
    lines_equal |= line is None and other_line is None
    return facts == other_facts and outline.equals_exact(other_outline, 0.001) and lines_equal


def _maybe(value: Any) -> bool | None:
    return None if pd.isna(value) else bool(value)


def _geometry(value: Mapping[str, Any]) -> shapely.Geometry:
    return shapely.force_2d(shapely.from_geojson(json.dumps(value)))


def _checked(value: Mapping[str, Any], kinds: tuple[str, ...], what: str) -> None:
    """Refuses what is no geometry of these kinds, or no valid one."""
    try:
        shape = _geometry(value)
    except (shapely.errors.GEOSException, TypeError, ValueError) as error:
        raise ValueError(f"the {what} is no GeoJSON geometry") from error
    if shape is None or shape.geom_type not in kinds:
        raise ValueError(f"the {what} is no {kinds[0]}")
    if shapely.get_num_coordinates(shape) > _MOST_CORNERS:
        raise ValueError(f"the {what} has more than {_MOST_CORNERS} corners")
    if shape.is_empty or not all(map(math.isfinite, shape.bounds)):
        raise ValueError(f"the {what} is empty")
    if not shape.is_valid:
        raise ValueError(f"the {what} is not valid: {shapely.is_valid_reason(shape)}")
