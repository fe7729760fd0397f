"""The door for another person's inventory: what is wrong in it is mended and listed, or refused, never silently lost.

`slumpmap.vector.read_layer` refuses whatever is not as slumpmap writes it. A shapefile from a repository need not be
like that, and its owner is out of reach; so here each fault that has one sensible remedy is mended, and every row that
is changed or left out stands in a table with the reason.
"""

from __future__ import annotations

import codecs
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from pyproj.exceptions import CRSError

from slumpmap import observed
from slumpmap.errors import InputError
from slumpmap.labels import SLUMP_COLUMNS
from slumpmap.tables import write_csv
from slumpmap.vector import layers_in, open_layer, reading, write_layer

Flags = NDArray[np.bool_]

# What slumpmap calls a column, and the names under which it is looked for, small letters; ARTS's names among them.
ROLES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "uid", "slump_id", "rts_id"),
    "probability": ("probability", "prob"),
    "initiation": ("initiation",),
    "date": ("date", "basemapdate", "basmpdt", "img_date"),
}
PROBABILITIES = ("high", "medium", "low")
REPAIR_COLUMNS = ("row", "id", "problem", "action", "detail")

_KEPT, _OUT, _NOTE = "mended", "left out", "note"
_CURVED = ("CURVEPOLYGON", "MULTISURFACE")
# Coordinates shrink to a fifth. What shrinks to a hundredth and is large is made to fill a memory.
_MOST_UNPACKED, _MOST_TIMES = 50_000_000, 100
_PACKED = (".shp", ".gpkg", ".geojson", ".json")
# Latin-1 gives every byte some letter: it never fails, and it shows that names need another encoding.
_ANY_BYTE = "ISO-8859-1"


@dataclass(frozen=True)
class Foreign:
    """An inventory that came through the door.

    Attributes:
        slumps: one row a slump: `id` (text, unique), `probability`, `initiation`, `date` (text, None where unknown),
            the file's other columns, and valid 2D polygons or multipolygons.
        repairs: what was changed, left out or assumed: `row` (from 1 in the file; missing where it concerns the whole
            file), `id`, `problem`, `action` (mended, left out, note), `detail`.
        rows: number of rows in the file.
        numbers: (slumps,) row in the file of each slump, from 1.
    """

    slumps: gpd.GeoDataFrame
    repairs: pd.DataFrame
    rows: int
    numbers: NDArray[np.int_]

    def counts(self) -> pd.DataFrame:
        """Number of rows for each problem and action, in the order in which they were met."""
        grouped = self.repairs.groupby(["problem", "action"], sort=False, dropna=False)
        return grouped.size().rename("rows").reset_index()


class _Repairs:
    """Collects the table of repairs."""

    def __init__(self, rows: NDArray[np.int_]) -> None:
        self.rows = rows
        self.parts: list[pd.DataFrame] = []

    def of_rows(self, flags: Flags, problem: str, action: str, detail: Any) -> None:
        """Lists the rows that are flagged; `detail` is a text or (rows,) texts."""
        if flags.any():
            texts = detail if isinstance(detail, str) else np.asarray(detail, dtype=object)[flags]
            self.parts.append(
                pd.DataFrame({"row": self.rows[flags], "problem": problem, "action": action, "detail": texts})
            )

    def of_file(self, problem: str, detail: str) -> None:
        """Lists something that concerns the whole file."""
        self.parts.append(pd.DataFrame({"row": [pd.NA], "problem": problem, "action": _NOTE, "detail": detail}))

    def table(self, ids: Mapping[int, str]) -> pd.DataFrame:
        """The table, with the id of each row where it has one."""
        if not self.parts:
            return pd.DataFrame({name: pd.Series(dtype=object) for name in REPAIR_COLUMNS})
        table = pd.concat(self.parts, ignore_index=True).astype({"row": "Int64"})
        table["id"] = table["row"].astype(object).map(lambda row: None if row is pd.NA else ids.get(row)).astype(object)
        return table[list(REPAIR_COLUMNS)]


def read_foreign(
    path: Path,
    layer: str | None = None,
    columns: Mapping[str, str] | None = None,
    crs: str | None = None,
    encoding: str | None = None,
    where: str | None = None,
    target_crs: str | None = None,
) -> Foreign:
    """Reads an inventory of whatever origin.

    Mended and listed: curved geometries (GDAL draws arcs with a chord for every 4 degrees), heights, measures (where
    the layer declares them), invalid or open rings, collections of mixed geometries, missing and repeated ids, unknown
    probabilities, a CRS or an encoding that is assumed. Left out and listed: rows without geometry, without an area,
    with endless coordinates, of points or lines, and exact copies of an earlier row. Kept and listed: slumps of
    several parts, one outline under several ids.

    Args:
        path: shapefile, GeoPackage, GeoJSON or GeoParquet; a ZIP file that holds one of the first three.
        layer: which layer, or which file of the ZIP, where there are several.
        columns: the file's column for a role (`id`, `probability`, `initiation`, `date`); others are looked for under
            the names in `ROLES`, without regard to capitals.
        crs: CRS of the coordinates, if the file has none or a wrong one.
        encoding: of the text in a shapefile; None: as the file says, else UTF-8, else Latin-1 with a note.
        where: which rows, as an SQL condition such as `img_date = '2014-08-08'`; not for GeoParquet.
        target_crs: CRS to bring the slumps to; None leaves them as they are.

    Raises:
        InputError: the file is missing, unreadable, has no polygon, no CRS (or coordinates in degrees under a
            projected one), several layers without a choice, or lacks a column that is named.
    """
    path = Path(path)
    table, rows, notes = _open(path, layer, encoding, where)
    repairs = _Repairs(rows)
    for problem, detail in notes:
        repairs.of_file(problem, detail)
    kinds = table.pop("_kind").to_numpy(dtype=object)
    slumps = _with_crs(table, path, crs, repairs)
    geometry = _mended(slumps.geometry.to_numpy(), kinds, repairs)
    slumps = slumps.set_geometry(gpd.GeoSeries(geometry, index=slumps.index, crs=slumps.crs))
    slumps, ids = _with_roles(slumps, path, columns or {}, repairs)
    if not slumps.geometry.notna().any():
        remedy = "give outlines; points and lines have no area" if len(rows) else "choose other rows or another layer"
        raise InputError(path, f"inventory has no slump with an area in {len(rows)} rows", remedy)
    slumps = _without_copies(slumps, ids, repairs)
    there = slumps.geometry.notna().to_numpy()
    named = dict(zip(rows.tolist(), slumps["id"].tolist(), strict=True))
    foreign = Foreign(slumps[there].reset_index(drop=True), repairs.table(named), len(rows), rows[there])
    return foreign if target_crs is None else bring(foreign, target_crs)


def bring(foreign: Foreign, crs: str) -> Foreign:
    """Brings an inventory to another CRS; outlines that cross themselves there are mended and listed.

    Outlines that the CRS cannot hold are left out and listed.
    """
    slumps = foreign.slumps.to_crs(crs)
    repairs = _Repairs(foreign.numbers)
    shapes: NDArray[Any] = slumps.geometry.to_numpy().copy()
    lost = ~np.isfinite(shapely.bounds(shapes)).all(axis=1)
    repairs.of_rows(lost, "beyond the CRS", _OUT, f"the outline has no place in {slumps.crs.name}")
    wrong = ~lost & ~shapely.is_valid(shapes)
    repairs.of_rows(wrong, "invalid outline", _KEPT, f"after the change to {slumps.crs.name}")
    shapes[wrong] = polygons_of(shapely.make_valid(shapes[wrong], method="structure", keep_collapsed=False))
    slumps = slumps.set_geometry(gpd.GeoSeries(shapes, index=slumps.index, crs=slumps.crs))
    table = repairs.table(dict(zip(foreign.numbers.tolist(), slumps["id"].tolist(), strict=True)))
    listed = [part for part in (foreign.repairs, table) if len(part)]
    both = pd.concat(listed, ignore_index=True) if listed else foreign.repairs
    return Foreign(slumps[~lost].reset_index(drop=True), both, foreign.rows, foreign.numbers[~lost])


def import_inventory(path: Path, out: Path, out_repairs: Path, **options: Any) -> Foreign:
    """Brings an inventory into the form of the campaign's own slumps, and writes what was mended.

    Args:
        path: as `read_foreign`.
        out: .gpkg with the columns of confirmed slumps (`iteration_found` 0, `source` the file's name), for
            `slumpmap inventory --slumps`.
        out_repairs: .csv with the table of repairs, also where it is empty.
        options: of `read_foreign`.

    Raises:
        InputError: as `read_foreign`.
    """
    foreign = read_foreign(path, **options)
    slumps = foreign.slumps.assign(iteration_found=0, source=Path(path).name)
    write_layer(slumps[[*SLUMP_COLUMNS, "date", "geometry"]], out)
    write_repairs(foreign, out_repairs)
    return foreign


def write_repairs(foreign: Foreign, out: Path) -> None:
    """Writes the table of repairs as CSV."""
    write_csv(foreign.repairs, out)


def _open(
    path: Path, layer: str | None, encoding: str | None, where: str | None
) -> tuple[gpd.GeoDataFrame, NDArray[np.int_], list[tuple[str, str]]]:
    """The rows as they are with their GDAL geometry type `_kind`, their numbers in the file, and notes."""
    observed.read([path])
    if path.suffix == ".parquet":
        if where is not None:
            raise InputError(path, "rows of a GeoParquet file cannot be chosen by a condition", "save it as GeoPackage")
        table = open_layer(path, "inventory")
        if isinstance(table, gpd.GeoDataFrame):
            table = table.reset_index(drop=True).assign(_kind=table.geom_type.str.upper().to_numpy())
        return _spatial(table, path), np.arange(1, len(table) + 1), []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        source, layer = _source(path, layer)
        options: dict[str, Any] = {"layer": layer, "where": where, "fid_as_index": True, "on_invalid": "fix"}
        table, notes = _decoded(source, options, encoding)
        quoted = layer.replace('"', '\\"')
        # GDAL's own word for the geometry: what arrives here is made of straight lines already.
        sql = f'SELECT FID AS number, OGR_GEOMETRY AS kind FROM "{quoted}"'
        kinds = open_layer(source, "inventory", sql=sql, sql_dialect="OGRSQL", read_geometry=False, encoding=encoding)
    table = _spatial(table, path)
    places = pd.Series(np.arange(len(kinds)), index=kinds["number"].to_numpy()).loc[table.index].to_numpy()
    table = table.reset_index(drop=True).assign(_kind=kinds["kind"].to_numpy(dtype=object)[places])
    said = dict.fromkeys(
        str(item.message) for item in caught if issubclass(item.category, RuntimeWarning | UserWarning)
    )
    return table, places + 1, [*notes, *(("remark of the reader", text) for text in said)]


def _spatial(table: Any, path: Path) -> gpd.GeoDataFrame:
    if not isinstance(table, gpd.GeoDataFrame):
        raise InputError(path, "inventory has no geometries", "give a layer with outlines")
    return table.rename_geometry("geometry") if table.geometry.name != "geometry" else table


def _source(path: Path, layer: str | None) -> tuple[str, str]:
    """What GDAL is to open, and the layer in it."""
    source = str(path)
    if path.suffix.lower() == ".zip" and path.exists():
        inside = _packed(path)
        chosen = [name for name in inside if layer in (name, PurePosixPath(name).stem)] if layer else inside
        source = f"/vsizip/{path.resolve()}/{_only(chosen, inside, path, 'file')}"
        layer = None if PurePosixPath(source).suffix.lower() != ".gpkg" else layer
        layer = None if layer in (PurePosixPath(source).stem, PurePosixPath(source).name) else layer
    elif not path.exists():
        raise InputError(path, "inventory file is missing", "correct the path or bring the file")
    layers = layers_in(source, "inventory")
    if not layers:
        raise InputError(path, "inventory has no geometries", "give a layer with outlines")
    return source, _only([name for name in layers if layer in (None, name)], layers, path, "layer")


def _packed(path: Path) -> list[str]:
    """Names of the vector files in a ZIP file."""
    try:
        with zipfile.ZipFile(path) as packed:
            names = packed.namelist()
            sizes = [(member.file_size, member.compress_size) for member in packed.infolist()]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise InputError(path, f"inventory cannot be unpacked ({error})", "download it again") from error
    if any(size > _MOST_UNPACKED and size > _MOST_TIMES * packed_size for size, packed_size in sizes):
        raise InputError(path, "the ZIP file would unpack to far more than an inventory", "give the inventory itself")
    found = [
        name
        for name in names
        if PurePosixPath(name).suffix.lower() in _PACKED and not PurePosixPath(name).name.startswith("._")
    ]
    if not found:
        raise InputError(path, "the ZIP file holds no shapefile, GeoPackage or GeoJSON", "give the inventory itself")
    return found


def _only(chosen: list[str], there: list[str], path: Path, what: str) -> str:
    if len(chosen) != 1:
        names = ", ".join(there)
        fault = f"inventory has several {what}s ({names})" if chosen else f"inventory has no such {what}, only {names}"
        raise InputError(path, fault, f"choose one with the option for the layer: {there[0]}")
    return chosen[0]


def _decoded(source: str, options: dict[str, Any], encoding: str | None) -> tuple[Any, list[tuple[str, str]]]:
    """The table with its text decoded, and what was assumed for it."""
    try:
        codecs.lookup(encoding or _ANY_BYTE)
    except LookupError as error:
        raise InputError(source, f"unknown encoding {encoding!r}", "give one such as UTF-8 or GB18030") from error
    if encoding is not None or not source.lower().endswith(".shp"):
        return _read_encoded(source, options, encoding), []
    # A shapefile that names no encoding is opened as Latin-1 by GDAL, whatever it holds.
    with reading(source, "inventory"):
        named = pyogrio.read_info(source, layer=options["layer"])["encoding"]
    if named != _ANY_BYTE:
        return _read_encoded(source, options, None), []
    try:
        table = pyogrio.read_dataframe(source, encoding="UTF-8", **options)
    except UnicodeDecodeError:
        detail = "the text is no UTF-8 and the file names no encoding; read as Latin-1, so names may look wrong"
        return _read_encoded(source, options, _ANY_BYTE), [("encoding assumed", detail)]
    text = table.select_dtypes(["object", "string"]).drop(columns="geometry", errors="ignore")
    plain = all(str(value).isascii() for name in text for value in text[name].dropna())
    return table, [] if plain else [("encoding assumed", "the file names no encoding; its text is read as UTF-8")]


def _read_encoded(source: str, options: dict[str, Any], encoding: str | None) -> Any:
    try:
        return open_layer(source, "inventory", encoding=encoding, **options)
    except InputError as error:
        if isinstance(error.__cause__, UnicodeDecodeError):
            fault = f"the inventory's text is not in the encoding {encoding or 'that the file names'}"
            raise InputError(source, fault, "give its encoding, such as GB18030 or cp1252") from error
        raise


def _with_crs(layer: gpd.GeoDataFrame, path: Path, crs: str | None, repairs: _Repairs) -> gpd.GeoDataFrame:
    """The layer with a CRS that its coordinates can be in."""
    if crs is None and layer.crs is None:
        raise InputError(path, "inventory has no CRS", "name the CRS of its coordinates, such as EPSG:4326")
    if crs is not None:
        try:
            given = CRS.from_user_input(crs)
        except CRSError as error:
            raise InputError(path, f"unknown CRS {crs!r}", "give an EPSG code such as EPSG:32646") from error
        if given != layer.crs:
            said = "none" if layer.crs is None else layer.crs.name
            repairs.of_file("CRS assumed", f"{given.name}, as was asked; the file says {said}")
            layer = layer.set_crs(given, allow_override=True)
    west, south, east, north = _extent(layer)
    in_degrees = max(abs(west), abs(east)) <= 180 and max(abs(south), abs(north)) <= 90
    if layer.crs.is_geographic and not in_degrees:
        fault = f"coordinates from {west:g}, {south:g} to {east:g}, {north:g} are no degrees, as {layer.crs.name} has"
        raise InputError(path, fault, "name the CRS of its coordinates")
    if layer.crs.is_projected and in_degrees:
        fault = f"coordinates from {west:g}, {south:g} to {east:g}, {north:g} look like degrees, not {layer.crs.name}"
        raise InputError(path, fault, "name the CRS of its coordinates, such as EPSG:4326")
    return layer


def _extent(layer: gpd.GeoDataFrame) -> tuple[float, float, float, float]:
    """West, south, east, north of the finite coordinates; zeros where there is none."""
    xy = shapely.get_coordinates(layer.geometry.to_numpy())
    xy = xy[np.isfinite(xy).all(axis=1)]
    if not len(xy):
        return 0.0, 0.0, 0.0, 0.0
    (west, south), (east, north) = xy.min(axis=0).tolist(), xy.max(axis=0).tolist()
    return west, south, east, north


def _mended(shapes: NDArray[Any], kinds: NDArray[Any], repairs: _Repairs) -> NDArray[Any]:
    """Valid 2D polygons and multipolygons, None for what has no area."""
    shapes = shapes.copy()
    kinds = np.array([str(kind).upper() for kind in kinds], dtype=object)
    is_none = shapely.is_missing(shapes) | shapely.is_empty(shapes)
    unread = shapely.is_missing(shapes) & np.isin(kinds, ("NONE", "NAN", ""), invert=True)
    repairs.of_rows(is_none & ~unread, "empty geometry", _OUT, "the row has no outline")
    repairs.of_rows(
        unread, "unreadable geometry", _OUT, [f"a {kind} has no outline that can be read" for kind in kinds]
    )
    curved = np.array([kind.startswith(_CURVED) for kind in kinds], dtype=bool) & ~is_none
    repairs.of_rows(curved, "curved geometry", _KEPT, "arcs drawn with a chord for every 4 degrees")
    repairs.of_rows(shapely.has_z(shapes), "3D geometry", _KEPT, "heights dropped")
    shapes = shapely.force_2d(shapes)
    endless = ~is_none & ~np.isfinite(shapely.bounds(shapes)).all(axis=1)
    repairs.of_rows(endless, "coordinates that are no numbers", _OUT, "the outline cannot be placed")
    shapes[is_none | endless] = None
    areal = np.isin(shapely.get_type_id(shapes), (3, 6, 7)) | shapely.is_missing(shapes)
    names = np.array([getattr(shape, "geom_type", "") for shape in shapes], dtype=object)
    repairs.of_rows(~areal, "no polygon", _OUT, [f"a {name} has no area" for name in names])
    shapes[~areal] = None
    return _valid(shapes, repairs)


def _valid(shapes: NDArray[Any], repairs: _Repairs) -> NDArray[Any]:
    """Polygons made valid, collections reduced to their polygons, what has no area None."""
    there = ~shapely.is_missing(shapes)
    mixed = there & (shapely.get_type_id(shapes) == 7)
    repairs.of_rows(mixed, "mixed geometry types", _KEPT, "the polygons of the collection kept, the rest dropped")
    shapes = polygons_of(shapes)
    lost = mixed & shapely.is_missing(shapes)
    repairs.of_rows(lost, "no polygon", _OUT, "the collection holds no polygon")
    wrong = ~shapely.is_missing(shapes) & ~shapely.is_valid(shapes)
    reasons = shapely.is_valid_reason(shapes)
    shapes[wrong] = polygons_of(shapely.make_valid(shapes[wrong], method="structure", keep_collapsed=False))
    flat = there & ~lost & ~(shapely.area(shapes) > 0)
    repairs.of_rows(wrong & ~flat, "invalid outline", _KEPT, reasons)
    repairs.of_rows(flat, "no area", _OUT, "the outline encloses nothing")
    shapes[flat] = None
    parts = shapely.get_num_geometries(shapes)
    texts = [f"kept as one slump of {count} parts" for count in parts]
    repairs.of_rows(parts > 1, "several parts", _NOTE, texts)
    return shapes


def polygons_of(shapes: NDArray[Any]) -> NDArray[Any]:
    """The polygons in each geometry, as Polygon or MultiPolygon; None where there is none.

    Args:
        shapes: (rows,) geometries of any type; collections may hold multi types.
    """
    parts, row = shapely.get_parts(shapes, return_index=True)
    inner, place = shapely.get_parts(parts, return_index=True)
    row = row[place]
    areal = (shapely.get_type_id(inner) == 3) & ~shapely.is_empty(inner)
    result = np.full(len(shapes), None, dtype=object)
    if areal.any():
        shapely.multipolygons(inner[areal], indices=row[areal], out=result)
    single = shapely.get_num_geometries(result) == 1
    result[single] = shapely.get_geometry(result[single], 0)
    return result


def _with_roles(
    slumps: gpd.GeoDataFrame, path: Path, columns: Mapping[str, str], repairs: _Repairs
) -> tuple[gpd.GeoDataFrame, pd.Series]:
    """The slumps with slumpmap's columns, and the ids as the file has them."""
    strange = set(columns) - set(ROLES)
    if strange:
        raise InputError(path, f"there is no role {sorted(strange)[0]!r}", f"name one of {', '.join(ROLES)}")
    there = [str(name) for name in slumps.columns if name != "geometry"]
    found = {role: _column(role, columns.get(role), there, path) for role in ROLES}
    roles = {role: _text(slumps[name]) if name else None for role, name in found.items()}
    for role, name in found.items():
        if name is None:
            repairs.of_file("missing column", f"{role}: no column {' or '.join(ROLES[role])}")
        elif name != role:
            repairs.of_file("column taken", f"{name} as {role}")
    others = [name for name in there if name not in (*found.values(), *ROLES)]
    shadowed = [name for name in there if name in ROLES and name not in found.values()]
    if shadowed:
        repairs.of_file("column dropped", f"{', '.join(shadowed)}: another column has this role")
    given = roles["id"] if roles["id"] is not None else pd.Series(None, index=slumps.index, dtype=object)
    kept = slumps[[*others, "geometry"]].copy()
    kept.insert(0, "id", _unique(given, slumps, roles["id"] is not None, repairs))
    probability = _known_probability(roles["probability"], slumps, repairs)
    for place, (role, values) in enumerate((("probability", probability), *list(roles.items())[2:]), start=1):
        kept.insert(place, role, None if values is None else values)
        kept[role] = kept[role].astype(object).where(kept[role].notna(), None)
    return kept, given


def _column(role: str, named: str | None, there: list[str], path: Path) -> str | None:
    """The file's column for a role, None where it has none."""
    if named is not None:
        if named not in there:
            raise InputError(path, f"inventory lacks the column {named}", f"name one of {', '.join(there) or 'none'}")
        return named
    small = {name.lower(): name for name in reversed(there)}
    return next((small[name] for name in ROLES[role] if name in small), None)


def _text(column: pd.Series) -> pd.Series:
    """Values as trimmed text; None for what is missing or blank. Whole numbers have no decimals."""
    if pd.api.types.is_float_dtype(column) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    text = column.astype("string").str.strip()
    return text.astype(object).where(text.notna() & (text != ""), None)


def _unique(given: pd.Series, slumps: gpd.GeoDataFrame, has_column: bool, repairs: _Repairs) -> pd.Series:
    """Ids that differ: missing ones are the row's number, repeated ones get a number behind."""
    there = slumps.geometry.notna().to_numpy()
    rows = pd.Series(repairs.rows.astype(str), index=given.index, dtype=object)
    missing = given.isna()
    ids = given.where(~missing, "row-" + rows if has_column else rows)
    times = ids.groupby(ids).cumcount()
    new = ids.where(times == 0, ids + "-" + (times + 1).astype(str))
    while new.duplicated().any():  # a file may hold an id such as 7-2 beside two 7
        new = new.where(~new.duplicated(), new + "-" + rows)
    if has_column:
        named = "named " + new
        repairs.of_rows(missing.to_numpy() & there, "missing id", _KEPT, named.to_numpy())
    changed = (new != ids).to_numpy() & there
    repairs.of_rows(changed, "repeated id", _KEPT, ("id " + ids + " stands above; named " + new).to_numpy())
    return new


def _known_probability(values: pd.Series | None, slumps: gpd.GeoDataFrame, repairs: _Repairs) -> pd.Series | None:
    """Probabilities as slumpmap names them; None for others."""
    if values is None:
        return None
    small = values.str.lower()
    known = small.isin(PROBABILITIES)
    strange = values.notna() & ~known & slumps.geometry.notna()
    texts = [f"{value!r} is none of {', '.join(PROBABILITIES)}; left empty" for value in values]
    repairs.of_rows(strange.to_numpy(), "unknown probability", _KEPT, texts)
    return small.where(known, None)


def _without_copies(slumps: gpd.GeoDataFrame, given: pd.Series, repairs: _Repairs) -> gpd.GeoDataFrame:
    """Exact copies of an earlier row lose their geometry; one outline under several ids is noted."""
    there = slumps.geometry.notna().to_numpy()
    same = pd.factorize(shapely.to_wkb(shapely.normalize(slumps.geometry.to_numpy())))[0]
    outlines = pd.Series(same, index=slumps.index)
    again = there & outlines.duplicated().to_numpy()
    others = slumps.drop(columns=["id", "geometry"]).assign(_id=given, _outline=outlines)
    copy = again & others.astype(str).duplicated().to_numpy()
    first = pd.Series(repairs.rows, index=slumps.index).groupby(outlines).transform("min")
    repairs.of_rows(copy, "copy of a row", _OUT, [f"the same as row {row}" for row in first])
    repairs.of_rows(again & ~copy, "outline stands twice", _NOTE, [f"the outline of row {row}" for row in first])
    shapes = np.where(copy, None, slumps.geometry.to_numpy())
    return slumps.set_geometry(gpd.GeoSeries(shapes, index=slumps.index, crs=slumps.crs))
