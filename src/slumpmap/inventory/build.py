"""The inventory: one row a slump, with its shape, its distance to roads and its terrain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from slumpmap.config import InventorySettings
from slumpmap.files import atomic
from slumpmap.grid import HECTARE, Grid, check_projected
from slumpmap.inventory.zonal import zonal_direction, zonal_statistics
from slumpmap.labels import SLUMP_COLUMNS
from slumpmap.review.growth_table import MEASURED
from slumpmap.vector import LINES, read_layer, write_layer, write_parquet

SECTORS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")

TERRAIN = ("elevation_mean", "elevation_min", "elevation_max", "slope_mean", "aspect_mean", "aspect_concentration")
COLUMNS = (
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

# Decimals that the CSV keeps: 1e-6 degrees is 0.1 m, 1e-4 ha is one square metre.
_DECIMALS = {"lon": 6, "lat": 6, "area_ha": 4, "circularity": 4, "aspect_concentration": 4}
_OTHER_DECIMALS = 2


def build_inventory(
    slumps: Path,
    grid: Grid,
    dem: Path | None,
    slope: Path | None,
    aspect: Path | None,
    roads: Path | None,
    settings: InventorySettings,
    out_gpkg: Path,
    out_parquet: Path,
    out_csv: Path,
    growth: Sequence[Path] = (),
) -> None:
    """Writes the inventory as GeoPackage, GeoParquet and CSV, the rows ordered by id.

    Geometries are in the grid's CRS. Columns whose input is not given are null. Slumps that lie where a
    terrain raster has no value get nulls; one line of the log counts them.

    Args:
        slumps: confirmed slumps, columns `id`, `iteration_found`, `probability`, `initiation`, `source`.
        grid: the campaign's grid.
        dem: elevations, metres, or None.
        slope: slope, degrees, or None.
        aspect: down-slope direction, degrees clockwise from north, or None.
        roads: roads and railways as lines, or None.
        settings: CRS of areas, distance that counts as near.
        out_gpkg: file to write.
        out_parquet: file to write.
        out_csv: file to write, without geometries.
        growth: what was measured of the slumps in each iteration (`review.growth_table`): the columns MEASURED, which
            stand beside the confirmed `initiation`; slumps that nobody measured get nulls.

    Raises:
        InputError: a layer or raster is missing, unreadable, without CRS or of the wrong kind; a column is
            missing; ids repeat; the area CRS is not projected in metres.
    """
    layer = read_layer(slumps, "slumps", grid.crs, columns=SLUMP_COLUMNS, unique="id")
    layer = layer.sort_values("id", ignore_index=True)
    parts = [
        pd.DataFrame(
            {
                "id": layer["id"].astype(str).astype(object),
                "iteration_found": layer["iteration_found"].astype("int64"),
                "probability": _text(layer["probability"]),
                "initiation": _text(layer["initiation"]),
            }
        ),
        _measured(layer, growth),
        _places(layer),
        _shapes(layer, settings.area_crs or grid.crs),
        _road_distances(layer, roads, settings.near_road_m),
        _terrain(layer, dem, slope, aspect),
    ]
    table = pd.concat(parts, axis=1)[[*COLUMNS, *MEASURED]]
    inventory = gpd.GeoDataFrame(table, geometry=layer.geometry.to_numpy(), crs=layer.crs)
    write_layer(inventory, out_gpkg)
    write_parquet(inventory, out_parquet)
    _write_csv(table, out_csv)


def read_inventory(path: Path) -> gpd.GeoDataFrame:
    """Reads an inventory that `build_inventory` wrote, GeoPackage or GeoParquet.

    Raises:
        InputError: the file is missing, unreadable, or not an inventory.
    """
    return read_layer(path, "inventory", columns=COLUMNS, unique="id")


def aspect_class(degrees: NDArray[np.float64]) -> NDArray[np.object_]:
    """Sector of 45 degrees, centred on the eight winds: N is 337.5 up to 22.5. None for NaN.

    Args:
        degrees: (slumps,) directions clockwise from north.
    """
    known = ~np.isnan(degrees)
    sector = np.floor((np.where(known, degrees, 0.0) + 22.5) / 45.0).astype(int) % len(SECTORS)
    names: NDArray[np.object_] = np.array(SECTORS, dtype=object)[sector]
    names[~known] = None
    return names


def _text(column: pd.Series) -> pd.Series:
    """A text column with None for what is missing, also where the whole column is."""
    return column.astype(object).where(column.notna(), None)


def _places(layer: gpd.GeoDataFrame) -> pd.DataFrame:
    """Longitude and latitude (WGS84, degrees) of the centroids, taken in the plane."""
    points = layer.geometry.centroid.to_crs("EPSG:4326")
    return pd.DataFrame({"lon": points.x, "lat": points.y}, index=layer.index)


def _measured(layer: gpd.GeoDataFrame, growth: Sequence[Path]) -> pd.DataFrame:
    """What was measured of each slump; nulls where nothing was."""
    table = pd.DataFrame(np.nan, index=layer["id"].astype(str), columns=list(MEASURED))
    table["initiation_measured"] = pd.Series(None, table.index, dtype=object)
    for path in growth:
        part = read_layer(path, "growth", columns=("id", *MEASURED), unique="id").set_index("id")
        known = table.index.intersection(part.index)
        table.loc[known] = part.loc[known, list(MEASURED)]
    return table.set_index(layer.index).assign(initiation_measured=_text(table["initiation_measured"]).to_numpy())


def _shapes(layer: gpd.GeoDataFrame, crs: str) -> pd.DataFrame:
    """Area in ha, perimeter in m, and circularity 4 pi A / P^2 (1 for a circle, Cox 1927)."""
    check_projected(crs, "inventory.area_crs")
    outlines = layer.geometry.to_crs(crs)
    area, perimeter = outlines.area, outlines.length
    return pd.DataFrame(
        {"area_ha": area / HECTARE, "perimeter_m": perimeter, "circularity": 4 * np.pi * area / perimeter**2},
        index=layer.index,
    )


def _road_distances(layer: gpd.GeoDataFrame, roads: Path | None, near_m: float) -> pd.DataFrame:
    """Distance from each centroid to the nearest road, metres, and whether it is at most `near_m`."""
    distance = np.full(len(layer), np.nan)
    if roads is not None:
        lines = read_layer(roads, "roads", str(layer.crs), kinds=LINES).geometry.to_numpy()
        if len(lines) and len(layer):
            centroids = shapely.centroid(layer.geometry.to_numpy())
            # One distance a slump: of equally near roads the first serves.
            distance = shapely.distance(centroids, lines[shapely.STRtree(lines).nearest(centroids)])
    # No road in the layer means none near; no layer means that nobody knows.
    near = pd.Series(distance <= near_m, index=layer.index, dtype="boolean")
    return pd.DataFrame(
        {"near_road": near if roads is not None else near.mask(near.notna()), "road_distance_m": distance}
    )


def _terrain(layer: gpd.GeoDataFrame, dem: Path | None, slope: Path | None, aspect: Path | None) -> pd.DataFrame:
    """Elevation, slope and aspect of the ground under each slump; nulls where unknown."""
    table = pd.DataFrame(np.nan, index=layer.index, columns=list(TERRAIN))
    if dem is not None:
        table[list(TERRAIN[:3])] = zonal_statistics(dem, layer).to_numpy()
        _warn(table["elevation_mean"], dem, "elevation")
    if slope is not None:
        table["slope_mean"] = zonal_statistics(slope, layer)["mean"]
        _warn(table["slope_mean"], slope, "slope")
    if aspect is not None:
        # Flat ground has no aspect: a slump without one is no fault of the file, so there is no warning.
        table[list(TERRAIN[4:])] = zonal_direction(aspect, layer).to_numpy()
    table["aspect_class"] = aspect_class(table["aspect_mean"].to_numpy())
    return table


def _warn(values: pd.Series, raster: Path, what: str) -> None:
    """Says how many slumps a raster does not cover."""
    missing = int(values.isna().sum())
    if missing:
        print(f"warning: {raster}: no {what} under {missing} of {len(values)} slumps; their values stay empty")


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    """Writes the table with fixed decimals and empty fields for nulls."""
    rounded = table.copy()
    for name in rounded.select_dtypes("float"):
        rounded[name] = rounded[name].round(_DECIMALS.get(str(name), _OTHER_DECIMALS))
    with atomic(path) as temporary:
        rounded.to_csv(temporary, index=False, lineterminator="\n")
