"""Sections of who decides, on what pictures, in which order, and of the iterations between."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from slumpmap.errors import InputError
from slumpmap.names import check_different, check_reviewer
from slumpmap.settings.base import Count, Metres, Settings, Share


class BoundarySettings(Settings):
    """How several reviewers' boundaries of a slump become one."""

    boundary: Literal["first", "majority"] = Field(
        "first",
        description="boundary of a slump that all reviewers accepted: the first-named reviewer's, or the ground that "
        "more than half of them drew",
    )


class ReviewSettings(BoundarySettings):
    """Who decides, and where the decision files are."""

    mode: Literal["people", "simulated"] = Field("people", description="people write the decisions, or two programs")
    reviewers: tuple[str, ...] = Field(("first", "second"), min_length=1, description="names of the reviewers")
    adjudicator: str = Field("adjudicator", description="who decides where the reviewers disagree")
    decisions: Path = Field(
        Path("decisions"), description="folder of the people's decision files, NN/<reviewer>.gpkg; no rule writes there"
    )
    hide_score: bool = Field(True, description="the page shows the model's score only after the verdict")
    repeat_share: Share = Field(
        0.01, description="share of the candidates that a reviewer is shown twice, unnoticed, to see how steady he is"
    )

    @field_validator("reviewers", "adjudicator")
    @classmethod
    def _names_are_file_names(cls, given: tuple[str, ...] | str) -> tuple[str, ...] | str:
        try:
            return check_reviewer(given) if isinstance(given, str) else tuple(map(check_reviewer, given))
        except InputError as error:
            raise ValueError(f"{error.source}: {error.fault}; {error.remedy}") from error

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        try:
            check_different([*self.reviewers, self.adjudicator])
        except InputError as error:
            raise ValueError(f"{error.source}: {error.fault}") from error
        return self


class ChipSettings(Settings):
    """Pictures of the candidates for inspection."""

    margin_m: Metres = Field(300.0, description="ground shown round a candidate's box, metres")
    context_m: float = Field(1500.0, gt=0, description="width of the wide picture, metres")
    max_px: int = Field(640, ge=64, description="width of a picture, pixels; wider ground is averaged")
    quality: int = Field(90, ge=50, le=100, description="JPEG quality")
    files: tuple[Literal["webp", "gif", "sheets"], ...] = Field(
        ("sheets",),
        description="what is made of the pictures beside the page: an animated WebP or GIF a candidate, contact sheets",
    )


class GrowthSettings(Settings):
    """What is measured of a slump in the images of all years."""

    margin_m: Metres = Field(60.0, description="ground round a candidate's box that is looked at in each year, metres")
    rim_m: Metres = Field(15.0, description="how far outside the reviewed boundary a slump may be found, metres")
    advance_m: Metres = Field(15.0, description="how much farther for each year after the mapping year, metres")
    min_valid: float = Field(0.6, gt=0, le=1, description="share of its ground that a year must show to be measured")

    def reach_m(self, years: int) -> float:
        """How far outside its boundary a slump may be found, so many years after it was drawn, metres."""
        return self.rim_m + self.advance_m * max(years, 0)


class RankingSettings(Settings):
    """The order in which candidates are opened."""

    explore_share: Share = Field(
        0.0,
        description="share of the places in the queue that go to candidates drawn at random from the rest of it, so "
        "that a reviewer who stops early learns without bias what the rest hides; 0.05 draws every 20th. Who opens "
        "all candidates needs none",
    )


class ExpertSettings(Settings):
    """Errors of the simulated experts; the adjudicator makes half as many."""

    miss_rate: Share = Field(0.05, description="share of true slumps that an expert rejects")
    false_accept_rate: Share = Field(0.01, description="share of other candidates that an expert accepts")
    jitter_m: Metres = Field(3.0, description="standard deviation of the drawn boundary, metres")


class IterationSettings(Settings):
    """The loop."""

    maximum: int = Field(8, ge=1, le=99, description="iterations after which the campaign ends in any case")
    new_negatives: Count = Field(20, description="rejected candidates that join the negatives per iteration, at most")
    negative_spacing_m: Metres = Field(500.0, description="distance between new negatives, for diversity, metres")
