"""Two opinions to one verdict, by a stated rule.

- A candidate is decided when every reviewer has decided it and they agree, or when they disagree, or one of them is
  unsure, and the adjudicator has decided it; the adjudicator's word is final.
- Where reviewers agree on a slump, the first-named reviewer's initiation group is taken (another reviewer's where the
  first gave none), the lowest of their probabilities, and the first-named reviewer's boundary or the ground that
  more than half of them drew, as the campaign says.
- A rejected candidate may serve as a negative if all who rejected it said so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from slumpmap.review.decisions import PROBABILITIES
from slumpmap.review.outlines import consensus_outline

Boundary = Literal["first", "majority"]

# Parts and holes of a majority's ground below this come of boundaries that were meant to be the same, square metres.
_SLIVER_M2 = 100.0


def disputed(opinions: Sequence[gpd.GeoDataFrame]) -> list[str]:
    """Ids of the candidates on which all reviewers have an opinion, but not one verdict, sorted."""
    verdicts = _verdict_table(opinions).dropna()
    return sorted(verdicts.index[_differ(verdicts)])


def undecided_by(opinion: gpd.GeoDataFrame | None, candidates: gpd.GeoDataFrame) -> int:
    """Number of candidates that a reviewer has still to decide."""
    return len(candidates) if opinion is None else int((~candidates["id"].isin(opinion.index)).sum())


def adjudicate(
    opinions: Sequence[gpd.GeoDataFrame], final: gpd.GeoDataFrame | None, boundary: Boundary = "first"
) -> gpd.GeoDataFrame:
    """The verdicts on all candidates that are decided.

    Args:
        opinions: each reviewer's decisions, indexed by candidate id, in the order of the config.
        final: the adjudicator's decisions, or None; rows on undisputed candidates are not used.
        boundary: which boundary an agreed slump gets.

    Returns:
        Rows indexed by candidate id, sorted, columns as in a decision file, `is_slump` boolean, and `agreed`: whether
        the reviewers were of one opinion.
    """
    table = _verdict_table(opinions).dropna()
    agreed = table.index[~_differ(table)]
    merged = _merge_agreed([opinion.loc[agreed] for opinion in opinions], boundary).assign(agreed=True)
    if final is not None:
        settled = final[final.index.isin(disputed(opinions)) & final["is_slump"].notna()]
        merged = pd.concat([merged, settled.assign(agreed=False)])
    merged["is_slump"] = merged["is_slump"].astype(bool)
    merged["use_as_negative"] = merged["use_as_negative"].astype(bool) & ~merged["is_slump"]
    return merged.sort_index()


def _verdict_table(opinions: Sequence[gpd.GeoDataFrame]) -> pd.DataFrame:
    """One row a candidate, one column a reviewer: `slump`, `reject`, `unsure`, or missing."""
    columns = [verdicts_of(opinion).rename(str(place)) for place, opinion in enumerate(opinions)]
    table: pd.DataFrame = pd.concat(columns, axis=1)
    return table


def verdicts_of(opinion: gpd.GeoDataFrame) -> pd.Series:
    """A reviewer's verdicts in words, `slump`, `reject` or `unsure`, indexed as the decisions are."""
    words = np.where(opinion["unsure"], "unsure", np.where(opinion["is_slump"].fillna(False), "slump", "reject"))
    return pd.Series(words, index=opinion.index, dtype=object)


def _differ(table: pd.DataFrame) -> pd.Series:
    """Which rows of a table of verdicts are not unanimous, or unsure."""
    return (table.nunique(axis=1) > 1) | (table == "unsure").any(axis=1)


def _merge_agreed(opinions: Sequence[gpd.GeoDataFrame], boundary: Boundary) -> gpd.GeoDataFrame:
    merged = opinions[0].copy()
    if boundary == "majority":
        merged.geometry = _majority_outlines(opinions)
    rank = {name: place for place, name in enumerate(PROBABILITIES)}
    ranks = pd.concat([opinion["probability"].map(rank) for opinion in opinions], axis=1)
    lowest = ranks.max(axis=1).map({place: name for name, place in rank.items()})
    merged["probability"] = lowest.astype(object).where(lowest.notna(), None)
    for opinion in opinions[1:]:
        merged["initiation"] = merged["initiation"].where(merged["initiation"].notna(), opinion["initiation"])
        merged["use_as_negative"] = merged["use_as_negative"] & opinion["use_as_negative"]
    return merged


def _majority_outlines(opinions: Sequence[gpd.GeoDataFrame]) -> NDArray[np.object_]:
    """The ground that more than half of the reviewers drew of each candidate; where there is none, the first one's."""
    drawn = np.column_stack([opinion.geometry.to_numpy() for opinion in opinions])
    outlines = drawn[:, 0].copy()
    accepted = opinions[0]["is_slump"].to_numpy(dtype=bool)
    for row in np.flatnonzero(accepted):
        common = consensus_outline(drawn[row], len(opinions) // 2 + 1, _SLIVER_M2)
        outlines[row] = outlines[row] if common.is_empty else common
    return outlines
