"""Labels of an iteration: the slumps known so far, and the look-alikes that teach the model its mistakes."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.settings.review import IterationSettings
from slumpmap.vector import read_layer, write_layer

SLUMP_COLUMNS = ("id", "iteration_found", "probability", "initiation", "source")
NEGATIVE_COLUMNS = ("id", "iteration_found", "score")


def first_labels(positives: Path, negatives: Path | None, grid: Grid, out: Path) -> None:
    """Checks the user's outlines and writes them as the labels of iteration 1.

    Args:
        positives: outlines of known slumps; optional columns `id` and `initiation`.
        negatives: outlines of known look-alikes, or None.
        grid: the campaign's grid; the layers are brought to its CRS.
        out: folder that receives `positives.gpkg` and `negatives.gpkg`.

    Raises:
        InputError: any fault of the layers, no positive, an outline outside the study area, duplicate ids.
    """
    slumps = _outlines(positives, "positives", grid)
    if slumps.empty:
        raise InputError(positives, "there is no positive outline", "give at least one known slump")
    if not slumps.geom_type.eq("Polygon").all():
        slumps = _split(slumps)
    slumps = slumps.assign(iteration_found=0, probability=None, source="initial")
    slumps["initiation"] = slumps["initiation"].astype(object) if "initiation" in slumps else None
    write_layer(slumps[[*SLUMP_COLUMNS, "geometry"]], out / "positives.gpkg")
    if negatives is None:
        looks = gpd.GeoDataFrame({"id": pd.Series(dtype=object)}, geometry=[], crs=grid.crs)
    else:
        looks = _outlines(negatives, "negatives", grid)
    looks = looks.assign(iteration_found=0, score=np.nan)
    write_layer(looks[[*NEGATIVE_COLUMNS, "geometry"]], out / "negatives.gpkg")


def _outlines(path: Path, what: str, grid: Grid) -> gpd.GeoDataFrame:
    """A user's polygon layer in the grid's CRS, with text ids, all inside the study area."""
    layer = read_layer(path, what, crs=grid.crs)
    if "id" in layer and layer["id"].notna().all():
        layer["id"] = layer["id"].astype(str).astype(object)
        _refuse_repeats(layer, path, what)
    else:
        layer["id"] = [f"{what[0]}{number:05d}" for number in range(1, len(layer) + 1)]
    outside = ~layer.intersects(grid.area)
    if outside.any():
        name = layer.loc[outside, "id"].iloc[0]
        fault = f"{int(outside.sum())} of {len(layer)} {what} lie outside the study area, the first is {name!r}"
        raise InputError(path, fault, "clip the layer to the study area, or check its CRS")
    return layer


def _refuse_repeats(layer: gpd.GeoDataFrame, path: Path, what: str) -> None:
    twice = layer["id"].duplicated()
    if twice.any():
        name = layer.loc[twice, "id"].iloc[0]
        raise InputError(path, f"{what} have several rows with id {name!r}", "give each row its own id")


def _split(slumps: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """One row a polygon: each part of a multi-part outline is a slump of its own, `id.1`, `id.2`, ..."""
    several = slumps.geometry.count_geometries().to_numpy() > 1
    parts = slumps.explode(index_parts=False)
    number = parts.groupby(level=0).cumcount().add(1).astype(str)
    parts["id"] = parts["id"].where(~several[parts.index], parts["id"].str.cat(number, sep="."))
    return parts.reset_index(drop=True)


def next_labels(
    positives: Path, negatives: Path, accepted: Path, rejected: Path, settings: IterationSettings, out: Path
) -> None:
    """Writes the labels of the iteration that follows.

    The accepted slumps join the positives. Of the places that reviewers gave free as negatives, a limited
    number of hard ones joins the negatives: highest score first, none within `negative_spacing_m` of another
    negative, so that they do not all show one spot.

    Args:
        positives: labels of the iteration that ended.
        negatives: likewise.
        accepted: slumps found in it.
        rejected: places rejected in it and before, with `iteration`, `score`, `use_as_negative`.
        settings: number and spacing of new negatives.
        out: folder that receives `positives.gpkg` and `negatives.gpkg`.
    """
    all_slumps(positives, accepted, out / "positives.gpkg")
    looks = read_layer(negatives, "negatives", columns=NEGATIVE_COLUMNS)
    places = read_layer(rejected, "rejected places", looks.crs, columns=("id", "iteration", "score", "use_as_negative"))
    places = places.rename(columns={"iteration": "iteration_found"})
    offered = places[places["use_as_negative"].astype(bool) & ~places["id"].isin(looks["id"])]
    chosen = select_negatives(offered, looks, settings.new_negatives, settings.negative_spacing_m)
    write_layer(_stack(looks, chosen[[*NEGATIVE_COLUMNS, "geometry"]]), out / "negatives.gpkg")


def all_slumps(positives: Path, accepted: Path, out: Path) -> None:
    """Writes all slumps of the campaign so far: those known when the last iteration began, and its finds."""
    known = read_layer(positives, "positives", columns=SLUMP_COLUMNS, unique="id")
    found = read_layer(accepted, "accepted slumps", known.crs, columns=SLUMP_COLUMNS)
    write_layer(_stack(known, found), out)


def _stack(first: gpd.GeoDataFrame, second: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The rows of both; an empty layer must not decide the columns' types."""
    parts = [layer for layer in (first, second) if not layer.empty]
    return gpd.GeoDataFrame(pd.concat(parts, ignore_index=True), crs=first.crs) if parts else first


def select_negatives(
    offered: gpd.GeoDataFrame, present: gpd.GeoDataFrame, limit: int, spacing_m: float
) -> gpd.GeoDataFrame:
    """Greedy choice of hard, spread-out negatives.

    Args:
        offered: places with `score` and `id`; higher scores are harder, ties go to the first id.
        present: negatives that there are already.
        limit: number to choose at most.
        spacing_m: smallest distance between centroids, to each other and to `present`, metres.

    Returns:
        The chosen rows of `offered`, hardest first.
    """
    ranked = offered.sort_values(["score", "id"], ascending=[False, True])
    places = shapely.get_coordinates(shapely.centroid(ranked.geometry.to_numpy()))
    taken = shapely.get_coordinates(shapely.centroid(present.geometry.to_numpy()))
    free = np.ones(len(ranked), dtype=bool)
    if len(taken):
        free = shapely.distance(shapely.points(places), shapely.multipoints(taken)) >= spacing_m
    chosen: list[int] = []
    while len(chosen) < limit and free.any():
        pick = int(free.argmax())
        chosen.append(pick)
        free &= np.hypot(*(places - places[pick]).T) >= spacing_m
        free[pick] = False
    return ranked.iloc[chosen]
