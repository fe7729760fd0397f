"""The door to vector layers on disk: checked reading, atomic and repeatable writing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError
from pyproj import CRS
from pyproj.exceptions import CRSError, ProjError
from shapely.errors import GEOSException

from slumpmap import observed
from slumpmap.errors import InputError
from slumpmap.files import ADDRESS_MARKS, REPLACE, atomic
from slumpmap.gis.looks import look_of, style_of
from slumpmap.gis.stored import STYLES, store_styles
from slumpmap.tables import PARQUET_ERRORS

# GeoPackage stores the time of writing; a fixed one keeps equal content equal to the byte.
pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "1970-01-01T00:00:00.000Z"})

# What the readers of vector files raise on a damaged one.
_DAMAGED = (
    *PARQUET_ERRORS,
    DataSourceError,
    DataLayerError,
    FeatureError,
    FieldError,
    GeometryError,
    GEOSException,
    CRSError,
)
# The oldest version of GeoPackage that every program in use reads without a warning.
_PACKAGE_VERSION = {"VERSION": "1.2"}
POLYGONS = ("Polygon", "MultiPolygon")
LINES = ("LineString", "MultiLineString")


def read_layer(
    path: Path,
    what: str,
    crs: str | None = None,
    columns: Sequence[str] = (),
    kinds: Sequence[str] = POLYGONS,
    unique: str | None = None,
    empty_ok: bool = True,
) -> gpd.GeoDataFrame:
    """Reads a vector layer and refuses what cannot be used.

    Args:
        path: GeoPackage, shapefile, GeoJSON or GeoParquet.
        what: what the layer is to the user (`positives`, `roads`), for the message.
        crs: CRS to bring the geometries to; None leaves them as they are.
        columns: columns that must be there.
        kinds: geometry types that are accepted.
        unique: a column whose values must not repeat.
        empty_ok: whether a layer without rows is accepted.

    Returns:
        The rows in the file's order, index 0..n-1, geometries 2D.

    Raises:
        InputError: file missing or unreadable, no CRS, column missing, invalid, empty or wrong geometry,
            duplicate values, or no rows where some are needed.
    """
    layer = load_layer(path, what)
    missing = [name for name in columns if name not in layer.columns]
    if missing:
        raise InputError(path, f"{what} lacks the column {', '.join(missing)}", "add it, see config/README.md")
    _check_geometries(layer, path, what, kinds)
    if unique is not None and layer[unique].duplicated().any():
        twice = layer.loc[layer[unique].duplicated(), unique].iloc[0]
        raise InputError(path, f"{what} has several rows with {unique} {twice!r}", "keep one row of each")
    if not empty_ok and layer.empty:
        raise InputError(path, f"{what} has no rows", "give at least one")
    layer = layer.reset_index(drop=True)
    layer.geometry = shapely.force_2d(layer.geometry.to_numpy())
    return layer if crs is None else brought(layer, crs, path, what)


def brought(layer: gpd.GeoDataFrame, crs: str, path: Path, what: str) -> gpd.GeoDataFrame:
    """A layer that was read from `path` in another CRS.

    Raises:
        InputError: there is no way to it, or it has no place for a geometry of the layer.
    """
    try:
        layer = layer.to_crs(crs)
    except (ProjError, CRSError) as error:
        raise InputError(path, f"{what} cannot be brought to {crs} ({error})", "correct its CRS") from error
    lost = ~np.isfinite(shapely.bounds(layer.geometry.to_numpy())).all(axis=1)
    if lost.any():
        fault = f"{what} has a geometry in row {int(lost.argmax()) + 1} that has no place in {crs}"
        raise InputError(path, fault, "check the layer's CRS and the row's coordinates")
    return layer


def load_layer(path: Path, what: str, name: str | None = None) -> gpd.GeoDataFrame:
    """Reads a vector layer with geometries and CRS; nothing else is known of it yet.

    Args:
        path: GeoPackage, shapefile, GeoJSON or GeoParquet.
        what: what the layer is to the user, for the message.
        name: name of the layer in the file; None: the first.

    Raises:
        InputError: file missing or unreadable, no such layer, no geometries, no CRS.
    """
    layer = open_layer(path, what, **({} if Path(path).suffix == ".parquet" else {"layer": name}))
    if not isinstance(layer, gpd.GeoDataFrame):
        raise InputError(path, f"{what} has no geometry column", "save it as a layer with geometries")
    if layer.crs is None:
        raise InputError(path, f"{what} has no CRS", "assign the CRS in which the coordinates are given")
    return layer


def open_layer(path: Path | str, what: str, **options: Any) -> gpd.GeoDataFrame | pd.DataFrame:
    """Reads a vector layer or table as it is, unchecked.

    Args:
        path: GeoPackage, shapefile, GeoJSON or GeoParquet; what GDAL calls `/vsi...` too.
        what: what the layer is to the user, for the message.
        options: for `pyogrio.read_dataframe`, such as `layer`, or of GeoParquet for `geopandas.read_parquet`.

    Raises:
        InputError: the file is missing or unreadable.
    """
    _check_there(path, what)
    with reading(path, what):
        if Path(path).suffix == ".parquet":
            return gpd.read_parquet(path, **options)
        if Path(path).suffix.lower() == ".gpkg" and options.get("layer") is None and "sql" not in options:
            options["layer"] = _only_layer(path)
        return pyogrio.read_dataframe(path, **options)


def _only_layer(path: Path | str) -> str | None:
    """The layer of a GeoPackage that has one beside its styles; None: there are several, and GDAL takes the first."""
    names = [str(name) for name in pyogrio.list_layers(path)[:, 0] if name != STYLES]
    return names[0] if len(names) == 1 else None


def _check_there(path: Path | str, what: str) -> None:
    if str(path).startswith("/vsi"):
        return
    _check_path(Path(path), what)
    if not Path(path).exists():
        raise InputError(path, f"{what} file is missing", "correct the path or bring the file")


def _check_path(path: Path, what: str) -> None:
    """Refuses a path that pyogrio would not open, but another one that it makes of it."""
    if any(mark in str(path) for mark in ADDRESS_MARKS):
        fault = f"{what} has one of ! ; ? in its path, which GDAL takes for parts of an address"
        raise InputError(path, fault, "rename the file or folder")


@contextmanager
def reading(path: Path | str, what: str, remedy: str = REPLACE) -> Iterator[None]:
    """Says of what the libraries raise on a damaged file which file it is.

    Raises:
        InputError: something in the block could not read the file.
    """
    observed.read([path])
    try:
        yield
    except _DAMAGED as error:
        raise InputError(path, f"{what} cannot be read ({error})", remedy) from error


def layers_in(path: Path | str, what: str) -> list[str]:
    """Names of a file's layers with geometries, in its order; of a GeoParquet file there is one.

    Args:
        path: the file; what GDAL calls `/vsi...` too.
        what: what the file is to the user, for the message.

    Raises:
        InputError: the file is missing or unreadable.
    """
    _check_there(path, what)
    if Path(path).suffix == ".parquet":
        return [Path(path).stem]
    with reading(path, what):
        return [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]


def frame_of(path: Path, what: str, name: str) -> tuple[CRS, tuple[float, float, float, float] | None]:
    """CRS and bounds (west, south, east, north) of a layer, without reading its rows; None: it has no rows.

    Args:
        path: the file.
        what: what the layer is to the user, for the message.
        name: of the layer in the file.

    Raises:
        InputError: the file is missing or unreadable, there is no such layer, or it has no CRS.
    """
    _check_there(path, what)
    with reading(path, what):
        info = pyogrio.read_info(path, layer=name, force_total_bounds=True, force_feature_count=True)
        if info["crs"] is None:
            raise InputError(path, f"{what} has no CRS", "assign the CRS in which the coordinates are given")
        crs = CRS(info["crs"])
    if not info["features"]:
        return crs, None
    west, south, east, north = map(float, info["total_bounds"])
    return crs, (west, south, east, north)


def _check_geometries(layer: gpd.GeoDataFrame, path: Path, what: str, kinds: Sequence[str]) -> None:
    """Refuses missing, empty, mistyped and invalid geometries, naming the first row at fault (from 1)."""
    geometry = layer.geometry
    checks = (
        (geometry.isna() | geometry.is_empty, "an empty geometry", "delete the row or draw its outline"),
        (~geometry.geom_type.isin(kinds), f"a geometry that is no {kinds[0]}", f"give {kinds[0]} geometries only"),
        (~geometry.is_valid, "an invalid geometry", "repair it, for example with Fix geometries in QGIS"),
    )
    for wrong, fault, remedy in checks:
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            reason = f" ({shapely.is_valid_reason(geometry.iloc[row])})" if "invalid" in fault else ""
            raise InputError(path, f"{what} has {fault} in row {row + 1}{reason}", remedy)


def write_layer(layer: gpd.GeoDataFrame, path: Path, finish: Callable[[Path], None] = lambda _: None) -> None:
    """Writes a GeoPackage atomically, one layer named after the file, also where it has no rows.

    Geometries are promoted to multi types where single and multi ones are mixed. A layer whose name has a look
    (`slumpmap.gis.looks`) carries it as its style, so that QGIS opens it drawn.

    Args:
        layer: the rows.
        path: the file to make.
        finish: what is done with the file before it takes its name; where it raises, `path` stays as it was.
    """
    _check_path(Path(path), "layer")
    kinds = set(layer.geom_type.dropna().unique())
    with atomic(path) as temporary:
        pyogrio.write_dataframe(
            layer,
            temporary,
            layer=Path(path).stem,
            driver="GPKG",
            geometry_type="Unknown" if not kinds else None,
            promote_to_multi=len(kinds) > 1,
            dataset_options=_PACKAGE_VERSION,
        )
        look = look_of(Path(path).stem)
        if look is not None:
            store_styles(temporary, {Path(path).stem: style_of(look)})
        finish(temporary)


def write_package(
    layers: Mapping[str, gpd.GeoDataFrame], kinds: Mapping[str, str], path: Path, finish: Callable[[Path], None]
) -> None:
    """Writes several layers into one GeoPackage, atomically.

    Args:
        layers: by name, in the order in which they are to lie.
        kinds: geometry type of each, such as `MultiPolygon`, also where it has no rows.
        path: the file to make.
        finish: what is done with the file before it takes its name.
    """
    version = _PACKAGE_VERSION
    with atomic(path) as temporary:
        for name, layer in layers.items():
            multi = kinds[name].startswith("Multi")
            pyogrio.write_dataframe(
                layer,
                temporary,
                layer=name,
                driver="GPKG",
                geometry_type=kinds[name],
                promote_to_multi=multi,
                dataset_options=version,
            )
            version = {}
        finish(temporary)


def write_parquet(layer: gpd.GeoDataFrame, path: Path) -> None:
    """Writes GeoParquet 1.1 atomically, for exchange."""
    with atomic(path) as temporary:
        layer.to_parquet(temporary, schema_version="1.1.0", write_covering_bbox=True)


def write_geojson(layer: gpd.GeoDataFrame, path: Path) -> None:
    """Writes GeoJSON (RFC 7946) atomically, in longitude and latitude whatever the layer's CRS."""
    with atomic(path) as temporary:
        degrees = layer.to_crs("EPSG:4326")
        pyogrio.write_dataframe(degrees, temporary, layer=Path(path).stem, driver="GeoJSON", RFC7946="YES")
