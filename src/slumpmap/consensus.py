"""Outlines from the votes of several experts, split into a training part and a held-out part."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from rasterio.features import shapes

from slumpmap.errors import InputError
from slumpmap.grid import box_area
from slumpmap.raster import open_raster, reading
from slumpmap.settings.inputs import ConsensusSettings
from slumpmap.vector import write_layer


def make_consensus(votes: Path, settings: ConsensusSettings, crs: str, out: Path) -> None:
    """Writes the layers of a campaign whose truth is what enough experts outlined.

    - `truth.gpkg`: outlines of the pixels with enough votes, 4-connected, over the whole raster.
    - `positives.gpkg`: their parts inside the training bounds.
    - `training_area.gpkg`, `evaluation_area.gpkg`: the two rectangles.

    Args:
        votes: single-band integer raster, number of experts who outlined each pixel.
        settings: least number of votes and the two rectangles.
        crs: the grid's CRS, in which the rectangles are given and the layers are written.
        out: folder.

    Raises:
        InputError: unreadable raster, another CRS, or no pixel with enough votes in either part.
    """
    with open_raster(votes, "votes") as dataset:
        if dataset.crs != crs:
            raise InputError(votes, f"votes are in {dataset.crs}, the grid in {crs}", "set grid.crs to the votes' CRS")
        with reading(votes, "votes"):
            chosen = (dataset.read(1) >= settings.at_least).astype(np.uint8)
        outlines = [
            shapely.geometry.shape(geometry)
            for geometry, _ in shapes(chosen, mask=chosen > 0, connectivity=4, transform=dataset.transform)
        ]
    truth = gpd.GeoDataFrame(
        {"id": [f"v{number:03d}" for number in range(1, len(outlines) + 1)]}, geometry=outlines, crs=crs
    )
    training, evaluation = box_area(settings.training), box_area(settings.evaluation)
    positives = truth.clip(training, keep_geom_type=True).sort_values("id")
    if positives.empty or not truth.intersects(evaluation).any():
        fault = f"no pixel has {settings.at_least} votes in the training or in the evaluation part"
        raise InputError(votes, fault, "lower consensus.at_least or move the bounds")
    write_layer(truth, out / "truth.gpkg")
    write_layer(positives, out / "positives.gpkg")
    for name, area in (("training_area", training), ("evaluation_area", evaluation)):
        write_layer(gpd.GeoDataFrame({"id": [name]}, geometry=[area], crs=crs), out / f"{name}.gpkg")
