"""Comparison of the slumps of each iteration with the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from slumpmap.files import write_json
from slumpmap.grid import HECTARE
from slumpmap.learning.metrics import Overlaps, harmonic_mean, match_objects, polygon_overlaps, share
from slumpmap.vector import read_layer

Flags = NDArray[np.bool_]

_IOUS = (0.4, 0.5)


def evaluate(
    slumps: Path,
    truth: Path,
    mmu_ha: float,
    out_json: Path | None = None,
    area: Path | None = None,
    candidates: Sequence[Path] = (),
) -> dict[str, Any]:
    """Recall, precision and F1 of the slumps known after each iteration, and of each iteration's model.

    A true slump counts if it has at least the minimum mapping unit; it is found if a mapped slump overlaps it.
    A mapped slump is right if it overlaps a true slump of any size. With an area, slumps count that have their
    inner point (`shapely.point_on_surface`) in it; overlaps are looked for beyond. Beside that, objects whose
    IoU is larger than 0.4 and 0.5.

    Args:
        slumps: mapped slumps, column `iteration_found`, 0 for the initial labels.
        truth: true outlines; optional column `landscape`.
        mmu_ha: minimum mapping unit, ha, in the CRS of `truth`, which must be projected.
        out_json: file that receives the result, or None.
        area: polygons in which the evaluation counts, or None for everywhere.
        candidates: candidates of each iteration, in order: what its model mapped before anybody inspected it.

    Returns:
        `mmu_ha`, `truth` (count), and `iterations`: for each of 0 .. last the counts `mapped`, `right`, `found`,
        `missed`, the scores `recall`, `precision`, `f1` (None where undefined), `recall_beyond_initial` and
        `precision_beyond_initial` (slumps and truth that the initial labels do not overlap), `at_iou` and
        `by_landscape` (counts and recall). `models`: for each layer of candidates the same scores of all its
        polygons, without a view to earlier iterations.

    Raises:
        InputError: a layer is missing, unreadable or lacks a column.
    """
    true = read_layer(truth, "truth")
    mapped = read_layer(slumps, "slumps", str(true.crs), columns=("iteration_found",))
    inside = read_layer(area, "evaluation area", str(true.crs)).union_all() if area is not None else None
    counted_true = _within(true, inside) & (true.area.to_numpy() >= mmu_ha * HECTARE)
    counted_mapped = _within(mapped, inside)
    rounds = mapped["iteration_found"].to_numpy(dtype=int)
    pairs = polygon_overlaps(mapped, true)
    result = {
        "mmu_ha": mmu_ha,
        "truth": int(counted_true.sum()),
        "iterations": [
            {"iteration": number}
            | _by_overlap(pairs, rounds, number, counted_mapped, counted_true)
            | {"at_iou": _at_ious(mapped[counted_mapped & (rounds <= number)], true[counted_true])}
            | {"by_landscape": _by_landscape(true, counted_true, _found(pairs, rounds <= number, len(true)))}
            for number in range(int(rounds.max(initial=0)) + 1)
        ],
        "models": [
            {"iteration": number}
            | _model_scores(read_layer(path, "candidates", str(true.crs)), true, counted_true, inside)
            for number, path in enumerate(candidates, start=1)
        ],
    }
    if out_json is not None:
        write_json(out_json, result)
    return result


def _within(layer: gpd.GeoDataFrame, area: shapely.Geometry | None) -> Flags:
    """Rows whose inner point lies in the area."""
    if area is None:
        return np.ones(len(layer), dtype=bool)
    return np.asarray(shapely.covers(area, shapely.point_on_surface(layer.geometry.to_numpy())), dtype=bool)


def _found(pairs: Overlaps, chosen: Flags, count: int) -> Flags:
    """True slumps that one of the chosen mapped slumps overlaps."""
    found = np.zeros(count, dtype=bool)
    found[pairs.truth[chosen[pairs.mapped]]] = True
    return found


def _by_overlap(
    pairs: Overlaps,
    rounds: NDArray[np.int_],
    number: int,
    counted_mapped: Flags,
    counted_true: Flags,
) -> dict[str, Any]:
    """Counts and scores by any overlap, after iteration `number`."""
    right = np.zeros(len(rounds), dtype=bool)
    right[pairs.mapped] = True
    present = counted_mapped & (rounds <= number)
    later = present & (rounds > 0)
    found = _found(pairs, rounds <= number, len(counted_true))
    unlabelled = counted_true & ~_found(pairs, rounds == 0, len(counted_true))
    recall, precision = share(found[counted_true]), share(right[present])
    return {
        "mapped": int(present.sum()),
        "right": int((right & present).sum()),
        "found": int((found & counted_true).sum()),
        "missed": int((~found & counted_true).sum()),
        "recall": recall,
        "precision": precision,
        "f1": harmonic_mean(recall, precision),
        "recall_beyond_initial": share(found[unlabelled]),
        "precision_beyond_initial": share(right[later]),
    }


def _model_scores(
    mapped: gpd.GeoDataFrame, true: gpd.GeoDataFrame, counted_true: Flags, inside: shapely.Geometry | None
) -> dict[str, Any]:
    """Scores of everything that one model mapped."""
    counted = _within(mapped, inside)
    pairs = polygon_overlaps(mapped, true)
    found = _found(pairs, np.ones(len(mapped), dtype=bool), len(true))
    right = np.zeros(len(mapped), dtype=bool)
    right[pairs.mapped] = True
    return {
        "mapped": int(counted.sum()),
        "right": int((right & counted).sum()),
        "found": int((found & counted_true).sum()),
        "recall": share(found[counted_true]),
        "precision": share(right[counted]),
        "at_iou": _at_ious(mapped[counted], true[counted_true]),
        "by_landscape": _by_landscape(true, counted_true, found),
    }


def _at_ious(mapped: gpd.GeoDataFrame, true: gpd.GeoDataFrame) -> dict[str, dict[str, float | None]]:
    """Recall, precision and F1 of objects that match better than that, among those that count."""
    matches = {str(iou): match_objects(mapped, true, iou) for iou in _IOUS}
    return {
        iou: {"recall": match.recall, "precision": match.precision, "f1": match.f1} for iou, match in matches.items()
    }


def _by_landscape(true: gpd.GeoDataFrame, counted: Flags, found: Flags) -> dict[str, Mapping[str, Any]]:
    """Recall in each landscape; empty if the truth names none."""
    if "landscape" not in true:
        return {}
    names = true["landscape"].astype(str).to_numpy()
    groups = {str(name): counted & (names == name) for name in sorted(set(names[counted]))}
    return {
        name: {"truth": int(group.sum()), "found": int((found & group).sum()), "recall": share(found[group])}
        for name, group in groups.items()
    }
