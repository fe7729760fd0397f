"""Initiation groups: between which images of a campaign a slump began."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise


def initiation_groups(years: Sequence[int], mapping_year: int | None = None) -> tuple[str, ...]:
    """Names of the groups, the earliest first: `before 2016`, `2016-2017`, `2017-2018`, ...

    The first group is that of slumps which the first image shows already; each further one is that of slumps
    which the second of its years is the first to show.

    Args:
        years: years of the campaign's images.
        mapping_year: year in which slumps are outlined; what began later cannot be among them. None: the last.
    """
    until = max(years) if mapping_year is None else mapping_year
    shown = sorted({year for year in years if year <= until})
    return f"before {shown[0]}", *(f"{before}-{after}" for before, after in pairwise(shown))
