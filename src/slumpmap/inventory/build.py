"""The inventory: one row a slump, with its outline, its origin, what lies near it and the ground under it."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import pandas as pd

from slumpmap.grid import Grid
from slumpmap.inventory import attributes, provenance
from slumpmap.inventory.attributes import Layers
from slumpmap.inventory.omissions import Omissions
from slumpmap.inventory.provenance import Provenance
from slumpmap.labels import SLUMP_COLUMNS
from slumpmap.review.growth_table import MEASURED
from slumpmap.settings.analysis import InventorySettings
from slumpmap.tables import write_csv
from slumpmap.vector import read_layer, write_layer, write_parquet

TERRAIN = ("elevation_mean", "elevation_min", "elevation_max", "slope_mean", "aspect_mean", "aspect_concentration")
# What figures and tables need of an inventory.
NEEDED = (
    "id",
    "iteration_found",
    "lon",
    "lat",
    "area_ha",
    "perimeter_m",
    "circularity",
    "probability",
    "initiation",
    "near_road",
    "road_distance_m",
    *TERRAIN,
    "aspect_class",
)
COLUMNS = (
    *NEEDED,
    "length_m",
    "width_m",
    "elevation_headwall",
    "headwall_azimuth",
    "headwall_source",
    "tpi_mean",
    "pisr_mean",
    "near_stream",
    "stream_distance_m",
    "vegetation",
    "vegetation_share",
    "soil",
    "soil_share",
    "model",
    "scenes",
    "scene_dates",
    "reviewers",
    "omissions",
)

# Decimals that the CSV keeps: 1e-6 degrees is 0.1 m, 1e-4 ha is one square metre.
_DECIMALS = {"lon": 6, "lat": 6, "area_ha": 4, "share": 4, "covered": 4}
_DECIMALS |= dict.fromkeys(("circularity", "aspect_concentration", "vegetation_share", "soil_share"), 4)
_OTHER_DECIMALS = 2


def build_inventory(
    slumps: Path,
    grid: Grid,
    layers: Layers,
    settings: InventorySettings,
    out: Path,
    known: Provenance | None = None,
) -> None:
    """Writes the inventory, the rows ordered by id, its geometries in the grid's CRS.

    - `out`, a GeoPackage, and beside it the same as GeoParquet (`.parquet`) and without geometries (`.csv`);
    - `omissions.csv`: of which slump which attribute is missing or rests on a part of it, and why;
    - `class_shares.csv`: the share of every vegetation and soil class of every slump.

    Columns whose layer is not given are null. Where a layer is given but says nothing of a slump, the column
    `omissions` names it, and a line on standard output counts such slumps.

    Args:
        slumps: confirmed slumps, columns `id`, `iteration_found`, `probability`, `initiation`, `source`; `date` may
            be there.
        grid: the campaign's grid.
        layers: what describes the ground.
        settings: CRS of areas, distances that count as near.
        out: GeoPackage to write.
        known: what is known of the campaign's making, or None.

    Raises:
        InputError: a layer or raster is missing, unreadable, without CRS or of the wrong kind; a column is
            missing; ids repeat; the area CRS is not projected in metres; a class has no name in the legend.
    """
    known = known or Provenance()
    layer = read_layer(slumps, "slumps", grid.crs, columns=SLUMP_COLUMNS, unique="id")
    layer = layer.assign(id=layer["id"].astype(str).astype(object)).sort_values("id", ignore_index=True)
    shapes, omissions = layer.geometry, Omissions(layer["id"])
    drawn = provenance.drawn_headwalls(layer, known.iterations)
    tables = attributes.ground_statistics(shapes, layers, omissions)
    parts = [
        pd.DataFrame(
            {
                "id": layer["id"],
                "iteration_found": layer["iteration_found"].astype("int64"),
                "probability": _text(layer["probability"]),
                "initiation": _text(layer["initiation"]),
            }
        ),
        attributes.places(shapes),
        attributes.sizes(shapes, settings.area_crs or grid.crs),
        attributes.near_roads(shapes, layers.roads, settings.near_road_m, omissions),
        attributes.near_streams(shapes, layers.streams, settings.adjacent_m, tables.get("elevation"), omissions),
        attributes.relief(shapes, tables),
        attributes.facing(shapes, tables, layers.dem, drawn, omissions),
        attributes.cover_classes(shapes, tables, layers),
        provenance.origins(layer, known),
        provenance.measured(layer, known.growth),
    ]
    table = pd.concat(parts, axis=1).assign(omissions=omissions.of_slumps())[[*COLUMNS, *MEASURED]]
    inventory = gpd.GeoDataFrame(table, geometry=shapes.to_numpy(), crs=layer.crs)
    write_layer(inventory, out)
    write_parquet(inventory, out.with_suffix(".parquet"))
    _write_csv(table, out.with_suffix(".csv"))
    _write_csv(omissions.table(), out.with_name("omissions.csv"))
    _write_csv(attributes.class_shares(layer["id"], tables, layers), out.with_name("class_shares.csv"))


def read_inventory(path: Path) -> gpd.GeoDataFrame:
    """Reads an inventory that `build_inventory` wrote, GeoPackage or GeoParquet.

    Raises:
        InputError: the file is missing, unreadable, or not an inventory.
    """
    return read_layer(path, "inventory", columns=NEEDED, unique="id")


def _text(column: pd.Series) -> pd.Series:
    """A text column with None for what is missing, also where the whole column is."""
    return column.astype(object).where(column.notna(), None)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    """Writes the table with fixed decimals and empty fields for nulls."""
    rounded = table.copy()
    for name in rounded.select_dtypes("float"):
        rounded[name] = rounded[name].round(_DECIMALS.get(str(name), _OTHER_DECIMALS))
    write_csv(rounded, path)
