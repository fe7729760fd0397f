"""The ledger of places: which candidates are known slumps, which were rejected before, which are new.

Only new ones go to inspection, so that a place is judged once:

- *known*: confirmed slumps cover at least `known_share` of the candidate. A candidate that is a fatter outline of
  a known slump stays known; one that swallows a small known slump and much other ground is new, since a
  neighbour may hide in it.
- *rejected*: places rejected in earlier iterations cover at least `rejected_share` of it, and it is smaller than
  `growth` times what was rejected there. A place that grew is new again.
- *new*: everything else.
"""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from slumpmap.config import LedgerSettings
from slumpmap.errors import InputError
from slumpmap.vector import read_layer, write_layer


def compare(
    polygons: Path, slumps: Path, rejected: Path | None, iteration: int, settings: LedgerSettings, out: Path
) -> None:
    """Writes the candidates of an iteration: its polygons with `status`, what they match, and why.

    Args:
        polygons: the iteration's polygons (`merge_parts`).
        slumps: all slumps confirmed so far, column `id`.
        rejected: places rejected in earlier iterations, columns `id`, `iteration`; None in the first.
        iteration: number of the iteration; the ids of its candidates begin with it.
        settings: shares and growth.
        out: GeoPackage to write; further columns `status`, `matches` (ids of the slumps and rejected places that
            it overlaps, comma separated), `covered_by_slumps`, `covered_by_rejected` (shares), `reason`.

    Raises:
        InputError: a layer is missing, unreadable or lacks a column.
    """
    layer = read_layer(polygons, "polygons", columns=("id", "area_ha"), unique="id")
    crs = str(layer.crs)
    known = _Overlap(layer, read_layer(slumps, "slumps", crs, columns=("id",)))
    empty = gpd.GeoDataFrame({"id": pd.Series(dtype=object)}, geometry=[], crs=crs)
    places = read_layer(rejected, "rejected places", crs, columns=("id", "iteration")) if rejected else empty
    turned_down = _Overlap(layer, places)

    is_known = (known.share >= settings.known_share) & (known.share > 0)
    hit = (turned_down.share >= settings.rejected_share) & (turned_down.share > 0)
    grown = hit & (layer.area.to_numpy() >= settings.growth * turned_down.their_area)
    is_rejected = hit & ~grown & ~is_known
    layer["id"] = [f"{iteration:02d}-{name}" for name in layer["id"]]
    layer["status"] = np.select([is_known, is_rejected], ["known", "rejected"], "new")
    layer["matches"] = _joined(known.names, turned_down.names)
    layer["covered_by_slumps"] = known.share.round(4)
    layer["covered_by_rejected"] = turned_down.share.round(4)
    layer["reason"] = np.select(
        [is_known, is_rejected, grown, known.share > 0],
        [
            "confirmed slumps cover it",
            "rejected before",
            f"rejected before, but it is {settings.growth:g} times as large now",
            "mostly ground that no confirmed slump covers",
        ],
        "nothing is known here",
    )
    write_layer(layer, out)


class _Overlap:
    """What a layer of places covers of each candidate.

    Attributes:
        share: share of the candidate's area that the places cover together, 0..1, (candidates,).
        their_area: area of the places that overlap it, overlaps counted once, m2, (candidates,).
        names: ids of those places, sorted, comma separated, (candidates,).
    """

    def __init__(self, candidates: gpd.GeoDataFrame, places: gpd.GeoDataFrame) -> None:
        shapes, outlines = candidates.geometry.to_numpy(), places.geometry.to_numpy()
        count = len(candidates)
        row, place = shapely.STRtree(outlines).query(shapes, predicate="intersects")
        real = shapely.area(shapely.intersection(shapes[row], outlines[place])) > 0
        row, place = row[real], place[real]
        together = np.full(count, shapely.Polygon(), dtype=object)
        if len(row):
            united = gpd.GeoSeries(outlines[place]).groupby(row).agg(shapely.union_all)
            together[united.index.to_numpy()] = united.to_numpy()
        self.their_area: NDArray[np.float64] = shapely.area(together)
        covered = shapely.area(shapely.intersection(shapes, together))
        self.share: NDArray[np.float64] = covered / shapely.area(shapes) if count else covered
        self.names = np.full(count, "", dtype=object)
        if len(row):
            names = pd.Series(places["id"].to_numpy(dtype=object)[place]).groupby(row)
            joined = names.agg(lambda ids: ",".join(sorted(map(str, ids))))
            self.names[joined.index.to_numpy()] = joined.to_numpy()


def _joined(first: NDArray[np.object_], second: NDArray[np.object_]) -> list[str]:
    return [",".join(filter(None, pair)) for pair in zip(first, second, strict=True)]


def update_rejected(previous: Path | None, rejected_now: gpd.GeoDataFrame, iteration: int, out: Path) -> None:
    """Appends the places rejected in an iteration to those rejected before; no row is ever lost.

    Args:
        previous: the list that the iteration before wrote; None in the first.
        rejected_now: rejected candidates with `id` and further columns.
        iteration: number of the iteration, written to the column `iteration`.
        out: GeoPackage to write.

    Raises:
        InputError: an id is in the list already.
    """
    now = rejected_now.assign(iteration=iteration)
    if previous is None:
        write_layer(now, out)
        return
    before = read_layer(previous, "rejected places", str(now.crs), columns=("id", "iteration"), unique="id")
    twice = now.loc[now["id"].isin(before["id"]), "id"]
    if not twice.empty:
        fault = f"place {twice.iloc[0]!r} was rejected before"
        raise InputError(previous, fault, "remove the results of this iteration and run the workflow again")
    layers = [layer for layer in (before, now) if not layer.empty] or [now]
    write_layer(gpd.GeoDataFrame(pd.concat(layers, ignore_index=True), crs=now.crs), out)
