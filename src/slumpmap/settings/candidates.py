"""Sections of candidates and their ledger."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from slumpmap.settings.base import FromText, Metres, Settings, Share


class CandidateSettings(Settings):
    """Probabilities to polygons."""

    threshold: float = Field(0.5, gt=0, lt=1, description="probability from which a pixel belongs to a candidate")
    mmu_ha: float = Field(0.05, ge=0, description="minimum mapping unit, ha")
    connectivity: Annotated[Literal[4, 8], FromText] = Field(
        8, description="whether pixels that touch at a corner belong together (8)"
    )


class LedgerSettings(Settings):
    """Which candidates are known, rejected before, or new."""

    known_share: Share = Field(
        0.25,
        description="a candidate shows a slump that is confirmed if confirmed slumps cover at least this share of "
        "it, or one of them lies at least half inside it; it is known ...",
    )
    rim_m: Metres = Field(
        15.0, description="... unless much of it is fresh ground, farther than this from these slumps, metres:"
    )
    fresh_ha: float = Field(0.1, gt=0, description="fresh ground from which it is shown nevertheless, ha")
    rejected_share: Share = Field(
        0.25,
        description="a candidate is a rejected place if rejected ones cover at least this share of its ground "
        "outside confirmed slumps ...",
    )
    growth: float = Field(2.0, ge=1, description="... and it is not this many times as large as what was rejected")
