"""Simulated experts: programs that look up the truth, err at stated rates, and write decision files.

They stand in for people in synthetic campaigns. Nothing but this module and the evaluation reads the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from slumpmap.review.adjudication import disputed
from slumpmap.review.chance import uniform
from slumpmap.review.decisions import read_decisions, undecided
from slumpmap.settings.review import ExpertSettings
from slumpmap.vector import read_layer, write_layer

# A candidate shows a slump if they share this part of the smaller of the two.
_SEEN_SHARE = 0.1
# A slump is known already if confirmed outlines cover this part of it.
_KNOWN_SHARE = 0.5
# Xia et al. 2022, section 4.3: 810, 33 and 32 of 875 slumps had high, medium and low probability.
_PROBABILITY_STEPS = (810 / 875, 843 / 875)


def simulate_reviewer(
    candidates: Path,
    known: Path,
    truth: Path,
    reviewer: str,
    seed: int,
    settings: ExpertSettings,
    out: Path,
    disputed_by: Sequence[Path] = (),
) -> None:
    """Writes one simulated expert's decision file.

    Args:
        candidates: the iteration's candidates; those of status `new` are inspected.
        known: slumps confirmed before, which a person would see on the screen.
        truth: true outlines, with `id` and optionally `initiation`.
        reviewer: the expert's name; with `seed` it determines all errors.
        seed: the campaign's seed.
        settings: error rates.
        out: decision file to write.
        disputed_by: decision files of the reviewers; given, only what they disagree on is decided
            (the adjudicator's work).
    """
    layer = read_layer(candidates, "candidates", columns=("id", "status", "score"))
    to_inspect = layer[layer["status"] == "new"].reset_index(drop=True)
    if disputed_by:
        opinions = [read_decisions(path, to_inspect) for path in disputed_by]
        to_inspect = to_inspect[to_inspect["id"].isin(disputed(opinions))].reset_index(drop=True)
    slumps = _unknown_slumps(read_layer(truth, "truth", to_inspect.crs, columns=("id",)), known)
    decisions = undecided(to_inspect)
    owner, slump = _shown(to_inspect, slumps)
    is_slump = _verdicts(to_inspect, owner, slumps.area.to_numpy()[slump], reviewer, seed, settings)
    decisions["is_slump"] = is_slump
    decisions["use_as_negative"] = ~is_slump
    chance = uniform(seed, reviewer, "probability", decisions["candidate_id"])
    levels = np.array(["high", "medium", "low"], dtype=object)[np.searchsorted(_PROBABILITY_STEPS, chance)]
    decisions["probability"] = pd.Series(levels).where(is_slump, None)
    _draw_boundaries(decisions, owner, slump, slumps, reviewer, seed, settings.jitter_m)
    write_layer(decisions, out)


def _unknown_slumps(truth: gpd.GeoDataFrame, known: Path) -> gpd.GeoDataFrame:
    """The true slumps that are not covered by confirmed outlines."""
    confirmed = read_layer(known, "confirmed slumps", truth.crs).union_all()
    covered = shapely.area(shapely.intersection(truth.geometry.to_numpy(), confirmed)) / truth.area
    return truth[covered.to_numpy() < _KNOWN_SHARE].reset_index(drop=True)


def _shown(candidates: gpd.GeoDataFrame, slumps: gpd.GeoDataFrame) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Pairs (row of candidate, row of slump) of what an expert sees, ordered by candidate."""
    shapes, outlines = candidates.geometry.to_numpy(), slumps.geometry.to_numpy()
    owner, slump = shapely.STRtree(outlines).query(shapes, predicate="intersects")
    shared = shapely.area(shapely.intersection(shapes[owner], outlines[slump]))
    smaller = np.minimum(shapely.area(shapes[owner]), shapely.area(outlines[slump]))
    seen = shared >= _SEEN_SHARE * smaller
    order = np.lexsort((slump[seen], owner[seen]))
    return owner[seen][order], slump[seen][order]


def _verdicts(
    candidates: gpd.GeoDataFrame,
    owner: NDArray[np.intp],
    areas: NDArray[np.float64],
    reviewer: str,
    seed: int,
    settings: ExpertSettings,
) -> NDArray[np.bool_]:
    """Slump or not for each candidate: the truth, with this expert's errors."""
    true_slump = np.bincount(owner, weights=areas, minlength=len(candidates)) > 0
    chance = uniform(seed, reviewer, "verdict", candidates["id"])
    return np.where(true_slump, chance >= settings.miss_rate, chance < settings.false_accept_rate)


def _draw_boundaries(
    decisions: gpd.GeoDataFrame,
    owner: NDArray[np.intp],
    slump: NDArray[np.intp],
    slumps: gpd.GeoDataFrame,
    reviewer: str,
    seed: int,
    jitter_m: float,
) -> None:
    """Replaces the outlines of accepted candidates by the expert's drawing of the slumps they show.

    A drawing is the true outline, shifted and widened by normal deviates of `jitter_m`. A candidate that
    was accepted in error keeps its own outline.
    """
    shift = jitter_m * np.sqrt(2.0) * _normal(seed, reviewer, "shift", decisions["candidate_id"])[owner]
    angle = 2 * np.pi * uniform(seed, reviewer, "angle", decisions["candidate_id"])[owner]
    widen = jitter_m * _normal(seed, reviewer, "widen", decisions["candidate_id"])[owner]
    outlines = slumps.geometry.to_numpy()[slump]
    # A small slump must not vanish: it is never narrowed by more than a tenth of its diameter.
    narrowest = -0.1 * np.sqrt(4 * shapely.area(outlines) / np.pi)
    drawn = shapely.buffer(outlines, np.maximum(widen, narrowest))
    corners, part = shapely.get_coordinates(drawn, return_index=True)
    offset = np.column_stack([shift * np.cos(angle), shift * np.sin(angle)])
    drawn = gpd.GeoSeries(shapely.set_coordinates(drawn, corners + offset[part]))
    geometry = decisions.geometry.to_numpy().copy()
    rows, first = np.unique(owner, return_index=True)
    geometry[rows] = drawn.groupby(owner).agg(shapely.union_all).to_numpy()
    initiation = np.full(len(decisions), None, dtype=object)
    if "initiation" in slumps:
        initiation[rows] = slumps["initiation"].to_numpy()[slump[first]]
    accepted = decisions["is_slump"].to_numpy(dtype=bool)
    decisions["initiation"] = pd.Series(initiation).where(accepted, None)
    decisions.geometry = np.where(accepted, geometry, decisions.geometry.to_numpy())


def _normal(seed: int, reviewer: str, purpose: str, names: Sequence[str]) -> NDArray[np.float64]:
    """One standard normal deviate a name (Box and Muller 1958)."""
    radius = np.sqrt(-2.0 * np.log(1.0 - uniform(seed, reviewer, f"{purpose} radius", names)))
    return radius * np.cos(2.0 * np.pi * uniform(seed, reviewer, f"{purpose} phase", names))
