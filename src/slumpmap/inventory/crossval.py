"""Cross-validation: what the network of each part mapped, compared with the outlines that were kept from it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from slumpmap.errors import InputError
from slumpmap.files import write_json, write_text
from slumpmap.grid import HECTARE
from slumpmap.learning.metrics import (
    THRESHOLDS,
    Match,
    PixelCounts,
    average_precision,
    block_bootstrap,
    block_numbers,
    iou_average_precision,
    match_objects,
    polygon_overlaps,
    polygon_scores,
    precision_recall,
    right_by_score,
    share,
)
from slumpmap.records import Scores, read_record
from slumpmap.vector import read_layer

# The IoU at which candidates are judged over their scores: any overlap helps an inspector.
_CURVE_IOU = 0.0
_HEADINGS = {
    "part": "Part",
    "truth": "Slumps",
    "mapped": "Mapped",
    "ap_huang": "AP (Huang et al.)",
    "ap_score": "AP over scores",
    "pixel_iou": "Area IoU",
    "pixel_f1": "Area F1",
    "boundary_iou": "Boundary IoU",
} | {
    f"{name}_{iou:g}": f"{heading}, IoU > {iou:g}"
    for iou in THRESHOLDS
    for name, heading in (("precision", "Precision"), ("recall", "Recall"), ("f1", "F1"))
}
_PLAIN = ("truth", "mapped", "ap_huang", "ap_score", "pixel_iou", "pixel_f1", "boundary_iou")


def score_part(
    polygons: Path,
    truth: Path,
    area: Path,
    mmu_ha: float,
    block_m: float,
    boundary_m: float,
    seed: int,
    out: Path,
    out_curve: Path,
) -> dict[str, Any]:
    """Scores of the polygons of one part.

    Outlines are cut at the edge of the part, as the mapped polygons are; what is left of one counts if it has the
    minimum mapping unit.

    Args:
        polygons: mapped polygons, column `score`.
        truth: known slumps.
        area: where the part lies.
        mmu_ha: minimum mapping unit, ha.
        block_m: side of the blocks that the intervals are drawn from, metres.
        boundary_m: how far from its outline a polygon's area counts in the boundary IoU, metres.
        seed: seed of the draws.
        out: .json for the scores.
        out_curve: .csv for the precision-recall curve over the candidates' scores: `score`, `precision`, `recall`.

    Returns:
        What is written: `truth` and `mapped` (counts), `polygons` (the counts of Huang et al. 2020 at each IoU),
        `ap_huang` (over IoU), `ap_score` (over scores, any overlap), `pixel_iou` and `pixel_f1` (of the areas),
        `boundary_iou` (of the areas along the outlines), and `intervals`: the ends of 90 % of `ap_huang`, `ap_score`
        and, for any overlap, `precision` and `recall`; None where there are too few blocks.

    Raises:
        InputError: a layer is missing, unreadable or lacks a column.
    """
    mapped = read_layer(polygons, "polygons", columns=("score",))
    ground = read_layer(area, "area of the part", str(mapped.crs)).union_all()
    true = read_layer(truth, "slumps", str(mapped.crs))
    true = true.set_geometry(true.intersection(ground))
    true = true[true.area >= mmu_ha * HECTARE].reset_index(drop=True)
    match, blocks = match_objects(mapped, true), block_numbers([mapped, true], block_m)
    scores = mapped["score"].to_numpy(dtype=float)
    curve = average_precision(scores, mapped, true, _CURVE_IOU)
    areas, rims = _area_counts(mapped, true), _area_counts(_rims(mapped, boundary_m), _rims(true, boundary_m))
    right = right_by_score(scores, polygon_overlaps(mapped, true), _CURVE_IOU)
    result = {
        "truth": len(true),
        "mapped": len(mapped),
        "polygons": [asdict(at_iou) for at_iou in polygon_scores(match.mapped_iou, match.truth_iou)],
        "ap_huang": iou_average_precision(match.mapped_iou, match.truth_iou),
        "ap_score": curve.average_precision,
        "pixel_iou": areas.iou,
        "pixel_f1": areas.f1,
        "boundary_iou": rims.iou,
        "intervals": _intervals(match, scores, right, blocks, seed),
    }
    write_json(out, result)
    columns = {"score": curve.score, "precision": curve.precision, "recall": curve.recall}
    write_text(out_curve, pd.DataFrame(columns).to_csv(index=False, lineterminator="\n"))
    return result


def _intervals(
    match: Match, scores: NDArray[np.float64], right: NDArray[np.bool_], blocks: list[NDArray[np.int64]], seed: int
) -> dict[str, list[float] | None]:
    """The ends of 90 % of each statistic over draws of blocks; None where there are too few blocks."""
    statistics: dict[str, Callable[..., float | None]] = {
        "ap_huang": lambda m, t: iou_average_precision(match.mapped_iou[m], match.truth_iou[t]),
        "ap_score": lambda m, t: precision_recall(scores[m], right[m], len(t)).average_precision,
        "precision": lambda m, _: share(match.mapped_right[m]),
        "recall": lambda _, t: share(match.truth_found[t]),
    }
    found = {name: block_bootstrap(statistic, blocks, seed) for name, statistic in statistics.items()}
    return {name: list(ends) if ends else None for name, ends in found.items()}


def _area_counts(mapped: gpd.GeoDataFrame, true: gpd.GeoDataFrame) -> PixelCounts:
    """Agreement of the areas, in square metres for pixels."""
    found, known = mapped.union_all(), true.union_all()
    common = shapely.area(shapely.intersection(found, known))
    return PixelCounts(round(common), round(found.area - common), round(known.area - common))


def _rims(layer: gpd.GeoDataFrame, distance: float) -> gpd.GeoDataFrame:
    """The parts of the polygons that lie within the distance of their own outlines."""
    return layer.set_geometry(layer.difference(layer.buffer(-distance)))


def write_table(scores: Sequence[Path], out: Path) -> None:
    """Writes the scores of all parts, their mean and standard deviation, as .csv and .md.

    Args:
        scores: what `score_part` wrote for each part, in order.
        out: .csv to write; the .md is written beside it.

    Raises:
        InputError: a file cannot be read.
    """
    rows = [_row(str(number), path) for number, path in enumerate(scores, 1)]
    names = [name for name in _HEADINGS if name != "part"]
    columns = {name: [row[name] for row in rows if row[name] is not None] for name in names}
    mean = {name: float(np.mean(values)) if values else None for name, values in columns.items()}
    spread = {name: float(np.std(values, ddof=1)) if len(values) > 1 else None for name, values in columns.items()}
    rows += [{"part": "mean"} | mean, {"part": "standard deviation"} | spread]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(_HEADINGS), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out, text.getvalue())
    lines = [" | ".join(_HEADINGS.values()), " | ".join(["---:"] * len(_HEADINGS))]
    lines += [" | ".join(_shown(row[name]) for name in _HEADINGS) for row in rows]
    write_text(out.with_suffix(".md"), "".join(f"| {line} |\n" for line in lines))


def _row(part: str, path: Path) -> dict[str, Any]:
    """The row of a part, from its scores."""
    found = read_record(path, Scores, "scores of a part")
    row = {"part": part} | {name: found[name] for name in _PLAIN}
    for at_iou in found["polygons"]:
        for name in ("precision", "recall", "f1"):
            row[f"{name}_{at_iou['threshold']:g}"] = at_iou[name]
    lacking = [name for name in _HEADINGS if name not in row]
    if lacking:
        raise InputError(path, f"scores of a part lack {', '.join(lacking)}", "remove it and run the workflow again")
    return {name: row[name] for name in _HEADINGS}


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
