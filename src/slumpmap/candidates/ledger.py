"""The ledger of places: which candidates are known slumps, which were rejected before, which are new.

Only new ones go to inspection, so that a place is judged once. Each rule looks at the ground that people have
not judged yet:

- *known*: the candidate shows a confirmed slump (confirmed slumps cover at least `known_share` of it, or one of
  them lies at least half inside it), and less than `fresh_ha` of it is *fresh ground*, farther than `rim_m` from
  the slumps that it overlaps. A fatter outline of a known slump stays known; a candidate that swallows a known slump
  and ground where a neighbour may hide is new, however large the slump is.
- *rejected*: of the candidate's ground outside confirmed slumps, places rejected in earlier iterations cover at
  least `rejected_share`, and this ground is smaller than `growth` times those places. What lies inside a slump
  that was confirmed since is no longer rejected. A place that grew is new again.
- *new*: everything else.
"""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from slumpmap.errors import InputError
from slumpmap.grid import HECTARE
from slumpmap.settings.candidates import LedgerSettings
from slumpmap.vector import read_layer, write_layer, write_parquet

# A slump of which this share lies inside a candidate is shown by it, however much else the candidate shows.
_SWALLOWED_SHARE = 0.5


def compare(
    polygons: Path, slumps: Path, rejected: Path | None, iteration: int, settings: LedgerSettings, out: Path
) -> None:
    """Writes the candidates of an iteration: its polygons with `status`, what they match, and why.

    Args:
        polygons: the iteration's polygons (`merge_parts`).
        slumps: all slumps confirmed so far, column `id`.
        rejected: places rejected in earlier iterations, columns `id`, `iteration`; None in the first.
        iteration: number of the iteration; the ids of its candidates begin with it.
        settings: shares, rim, fresh ground and growth.
        out: GeoPackage to write; further columns `status`, `matches` (ids of the slumps and rejected places that
            it overlaps, comma separated), `covered_by_slumps`, `covered_by_rejected` (shares), `reason`.

    Raises:
        InputError: a layer is missing, unreadable, lacks a column or has an id twice.
    """
    layer = read_layer(polygons, "polygons", columns=("id",), unique="id")
    crs = str(layer.crs)
    shapes = layer.geometry.to_numpy()
    slump = _Overlap(shapes, read_layer(slumps, "slumps", crs, columns=("id",), unique="id"))
    none = gpd.GeoDataFrame({"id": pd.Series(dtype=object)}, geometry=[], crs=crs)
    columns = ("id", "iteration")
    places = read_layer(rejected, "rejected places", crs, columns=columns, unique="id") if rejected else none
    place = _Overlap(shapes, places)

    outside = shapely.difference(shapes, slump.together)
    ground = shapely.area(outside)
    shown = ((slump.share >= settings.known_share) & (slump.share > 0)) | (slump.inside >= _SWALLOWED_SHARE)
    # Fresh ground is part of the ground outside: only where that is large need slumps be widened, which is slow.
    fresh = np.where(shown, ground, np.nan)
    wide = fresh >= settings.fresh_ha * HECTARE
    rims = shapely.buffer(slump.together[wide], settings.rim_m)
    fresh[wide] = shapely.area(shapely.difference(outside[wide], rims))
    known = fresh < settings.fresh_ha * HECTARE

    turned_down = shapely.area(shapely.intersection(outside, place.together))
    their_ground = shapely.area(shapely.difference(place.together, slump.together))
    hit = ~known & (turned_down >= settings.rejected_share * ground) & (turned_down > 0)
    grown = hit & (ground >= settings.growth * their_ground)

    with np.errstate(divide="ignore", invalid="ignore"):
        facts = {"share": slump.share, "down": turned_down / ground, "times": ground / their_ground}
    facts["fresh"] = fresh / HECTARE
    cases = [known, grown, hit, shown, slump.share > 0, place.share > 0]
    layer["id"] = [f"{iteration:02d}-{name}" for name in layer["id"]]
    layer["status"] = np.select([known, hit & ~grown], ["known", "rejected"], "new")
    layer["matches"] = [",".join(filter(None, pair)) for pair in zip(slump.names, place.names, strict=True)]
    layer["covered_by_slumps"] = slump.share.round(4)
    layer["covered_by_rejected"] = place.share.round(4)
    layer["reason"] = _reasons(cases, pd.DataFrame(facts))
    write_layer(layer, out)
    write_parquet(layer, out.with_suffix(".parquet"))


class _Overlap:
    """What a layer of places covers of each candidate.

    Attributes:
        together: union of the places that overlap the candidate, whole; empty where none does, (candidates,).
        share: share of the candidate's area that they cover together, 0..1, (candidates,).
        inside: the largest share of one such place that lies inside the candidate, 0..1, (candidates,).
        names: ids of those places, sorted, comma separated, (candidates,).
    """

    def __init__(self, candidates: NDArray[np.object_], places: gpd.GeoDataFrame) -> None:
        # In the order of the ids, the last bit of a union does not depend on the order of the file's rows.
        places = places.assign(id=places["id"].astype(str)).sort_values("id", ignore_index=True)
        outlines, count = places.geometry.to_numpy(), len(candidates)
        row, place = shapely.STRtree(outlines).query(candidates, predicate="intersects")
        row, place = np.array([row, place])[:, np.lexsort((place, row))]
        shared = shapely.area(shapely.intersection(candidates[row], outlines[place]))
        row, place, shared = row[shared > 0], place[shared > 0], shared[shared > 0]
        self.inside: NDArray[np.float64] = np.zeros(count)
        np.maximum.at(self.inside, row, shared / shapely.area(outlines[place]))
        self.together = np.full(count, shapely.Polygon(), dtype=object)
        self.names = np.full(count, "", dtype=object)
        if len(row):
            united = gpd.GeoSeries(outlines[place]).groupby(row).agg(shapely.union_all)
            self.together[united.index.to_numpy()] = united.to_numpy()
            joined = places["id"].iloc[place].groupby(row).agg(",".join)
            self.names[joined.index.to_numpy()] = joined.to_numpy()
        covered = shapely.area(shapely.intersection(candidates, self.together))
        self.share: NDArray[np.float64] = covered / shapely.area(candidates)


def _reasons(cases: list[NDArray[np.bool_]], facts: pd.DataFrame) -> NDArray[np.object_]:
    """One sentence a candidate, that of the first case which holds."""
    sentences = (
        "Confirmed slumps cover {0.share:.0%} of it, and it holds hardly any fresh ground.",
        "Rejected before, but its ground outside slumps is {0.times:.1f} times as large now.",
        "Places rejected before cover {0.down:.0%} of its ground outside slumps.",
        "It shows a confirmed slump, but {0.fresh:.2f} ha of it are fresh ground.",
        "Confirmed slumps cover only {0.share:.0%} of it.",
        "Places rejected before cover only {0.down:.0%} of it.",
        "No confirmed slump and no rejected place is here.",
    )
    case = np.select(cases, list(range(len(cases))), len(cases))
    texts = [sentences[number].format(fact) for number, fact in zip(case, facts.itertuples(), strict=True)]
    return np.array(texts, dtype=object)


def update_rejected(previous: Path | None, rejected_now: gpd.GeoDataFrame, iteration: int, out: Path) -> None:
    """Appends the places rejected in an iteration to those rejected before; no row is ever lost.

    Args:
        previous: the list that the iteration before wrote; None in the first.
        rejected_now: rejected candidates with `id` and further columns.
        iteration: number of the iteration, written to the column `iteration`.
        out: GeoPackage to write.

    Raises:
        InputError: an id occurs twice.
    """
    now = rejected_now.assign(iteration=iteration)
    before = now.iloc[:0]
    if previous is not None:
        before = read_layer(previous, "rejected places", str(now.crs), columns=("id", "iteration"), unique="id")
    ids = pd.concat([before["id"].astype(str), now["id"].astype(str)])
    if ids.duplicated().any():
        raise InputError(
            previous or out,
            f"place {ids[ids.duplicated()].iloc[0]!r} would be rejected twice",
            "remove the results of this iteration and run the workflow again",
        )
    layers = [layer for layer in (before, now) if not layer.empty] or [now]
    write_layer(gpd.GeoDataFrame(pd.concat(layers, ignore_index=True), crs=now.crs), out)
