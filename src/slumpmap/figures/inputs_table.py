"""Table 1: the data that a campaign uses, counted from the files themselves."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import shapely
from rasterio.crs import CRS

from slumpmap.files import write_text
from slumpmap.grid import Grid
from slumpmap.inventory.attributes import CLASSES, Layers
from slumpmap.legend import read_legend
from slumpmap.raster import open_raster
from slumpmap.vector import LINES, POLYGONS, read_layer

COLUMNS = ("data", "file", "resolution", "period", "amount", "used_for")
_HEADINGS = ("Data", "File", "Resolution", "Period", "Amount", "Used for")
_KM = 1000.0
_RASTERS = {
    "dem": ("Digital elevation model", "terrain, maps"),
    "vegetation": ("Vegetation classes", "cover of slumps and landscape"),
    "soil": ("Soil texture classes", "soil of slumps and landscape"),
}


@dataclass(frozen=True)
class Inputs:
    """What a campaign was given; None where it has none.

    Args:
        layers: DEM, roads, class rasters with legends; what is derived of the DEM does not count.
        catalogue: checked catalogue of the scenes.
        mapping_year: year in which slumps are outlined.
        outlines: known slumps.
        negatives: known look-alikes.
    """

    layers: Layers
    catalogue: Path | None = None
    mapping_year: int | None = None
    outlines: Path | None = None
    negatives: Path | None = None


def table1(inputs: Inputs, grid: Grid, out: Path, note: str = "") -> None:
    """Writes Table 1 as CSV, and beside it as Markdown.

    Args:
        inputs: the files.
        grid: the campaign's grid.
        out: the CSV.
        note: what to say above the Markdown table, such as `synthetic data`.

    Raises:
        InputError: a file is missing or refused.
    """
    rows = [_study_area(grid), *_images(inputs, grid), *_rasters(inputs.layers), *_vectors(inputs, grid)]
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out, text.getvalue())
    lines = [_HEADINGS, ["---"] * len(COLUMNS), *([row[name] or "-" for name in COLUMNS] for row in rows)]
    head = f"Note: {note}.\n\n" if note else ""
    write_text(out.with_suffix(".md"), head + "".join(f"| {' | '.join(line)} |\n" for line in lines))


def _row(data: str, file: Path | None, resolution: str, period: str, amount: str, used_for: str) -> dict[str, str]:
    name = "" if file is None else file.name
    return dict(zip(COLUMNS, (data, name, resolution, period, amount, used_for), strict=True))


def _study_area(grid: Grid) -> dict[str, str]:
    amount = f"{grid.area.area / _KM**2:,.1f} km2, {len(grid.tiles)} tiles"
    return _row("Study area", None, "", "", amount, f"all, in {grid.crs}")


def _images(inputs: Inputs, grid: Grid) -> list[dict[str, str]]:
    """A row for each year of the catalogue."""
    if inputs.catalogue is None:
        return []
    scenes = read_layer(inputs.catalogue, "catalogue", columns=("acquired", "year", "selected"))
    scenes["day"] = pd.to_datetime(scenes["acquired"], utc=True).dt.strftime("%Y-%m-%d")
    rows = []
    for year, of_year in scenes.groupby("year"):
        used = of_year[of_year["selected"].astype(bool)]
        period = "" if used.empty else f"{used['day'].min()} to {used['day'].max()}"
        role = "mapping, time lapse" if year == inputs.mapping_year else "time lapse"
        amount = f"{len(used)} of {len(of_year)} scenes"
        rows.append(_row(f"Satellite images {year}", inputs.catalogue, f"{grid.resolution:g} m", period, amount, role))
    return rows


def _rasters(layers: Layers) -> list[dict[str, str]]:
    rows = []
    for name, (data, role) in _RASTERS.items():
        path = getattr(layers, name)
        if path is None:
            continue
        with open_raster(path, name) as raster:
            cell = _cell(raster.transform.a, raster.crs)
            amount = f"{raster.width} x {raster.height} pixels"
        if name in CLASSES:
            amount = f"{len(read_legend(getattr(layers, f'{name}_legend'), name))} classes"
        rows.append(_row(data, path, cell, "", amount, role))
    return rows


def _cell(size: float, crs: CRS) -> str:
    return f"{size:g} m" if crs.is_projected else f"{size * 3600:.3g} arc seconds"


def _vectors(inputs: Inputs, grid: Grid) -> list[dict[str, str]]:
    rows = []
    roads = inputs.layers.roads
    if roads is not None:
        lines = read_layer(roads, "roads", grid.crs, kinds=LINES).geometry.to_numpy()
        length = shapely.length(shapely.intersection(lines, grid.area)).sum() / _KM
        rows.append(_row("Roads and railways", roads, "", "", f"{length:,.1f} km in the area", "near-road slumps"))
    outlines = (
        ("Known slumps", inputs.outlines, "training"),
        ("Known look-alikes", inputs.negatives, "training"),
    )
    for data, path, role in outlines:
        if path is not None:
            count = len(read_layer(path, data.lower(), kinds=POLYGONS))
            rows.append(_row(data, path, "", "", f"{count} outlines", role))
    return rows
