"""Reads what came back: the rows of a decision file as QGIS or another program saved them, and the headwalls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from slumpmap.errors import InputError
from slumpmap.review.decisions import BOOLEANS, COLUMNS, REQUIRED, as_booleans
from slumpmap.review.parts import side_by_side
from slumpmap.review.qgis.desk import Desk
from slumpmap.review.qgis.rows import CANDIDATES, EXPORTED, EXPORTED_FOR, FACTS, HEADWALLS, text_of
from slumpmap.vector import layers_in, load_layer

# Shapefiles cut the names of columns after ten letters and texts after 254 bytes.
_DBF_NAME, _DBF_TEXT = 10, 254
# Pieces of one candidate that overlap by less than this are a boundary cut in two, square metres.
_TOUCHING_M2 = 1.0

_TEXT_COLUMNS = ("probability", "initiation", "reason", "note")


@dataclass(frozen=True)
class Edited:
    """What came back.

    Args:
        rows: indexed by candidate, in the campaign's CRS, columns as in a decision file, and `exported`: what the row
            was when it was exported, missing where it does not say so.
        headwalls: whether the file says anything of headwalls; where it does not, they are as in the decision file.
        joined: candidates of several rows that became parts of one boundary.
    """

    rows: gpd.GeoDataFrame
    headwalls: bool
    joined: list[str]


def read_edited(desk: Desk, file: Path, now: gpd.GeoDataFrame) -> Edited:
    """Reads an edited file. Columns that it does not have are as in the decision file.

    Args:
        desk: whose review.
        file: GeoPackage, shapefile, GeoJSON or GeoParquet.
        now: the rows of the decision file, indexed by candidate.

    Raises:
        InputError: the file cannot be read, is of another desk, lacks a column, names unknown candidates, has several
            rows of one candidate, texts that were cut off, headwalls that belong to none, or values of no known kind.
    """
    layers = layers_in(file, "edited file")
    layer = load_layer(file, "edited file", _candidate_layer(file, layers))
    layer = _with_own_names(layer, file)
    if file.suffix.lower() == ".shp":
        _refuse_cut_texts(layer, file)
    _check_desk(layer, desk, file)
    layer["candidate_id"] = text_of(layer["candidate_id"])
    _check_ids(layer, now.index, desk, file)
    for column in [name for name in BOOLEANS if name in layer]:
        values = layer[column]
        layer[column], strange = as_booleans(values)
        if strange is not None:
            name = layer.loc[values == strange, "candidate_id"].iloc[0]
            raise InputError(file, f"{column} of {name!r} is {strange!r}", "give true, false, or leave it empty")
    for column in [name for name in (*_TEXT_COLUMNS, EXPORTED) if name in layer]:
        layer[column] = text_of(layer[column])
    layer["probability"] = layer["probability"].str.lower()
    layer = layer.set_geometry(shapely.force_2d(layer.geometry.to_numpy()), crs=layer.crs).to_crs(desk.config.grid.crs)
    layer, joined = _joined(layer, file)
    rows = _completed(layer.set_index("candidate_id"), now)
    apart = HEADWALLS in layers and len(layers) > 1
    if apart:
        rows["headwall"] = _headwalls(desk, file, now.index).reindex(rows.index).astype(object)
        rows["headwall"] = rows["headwall"].where(rows["headwall"].notna(), None)
    return Edited(rows, apart or "headwall" in layer, joined)


def _candidate_layer(file: Path, layers: Sequence[str]) -> str | None:
    """Which layer of a file holds the candidates."""
    others = [name for name in layers if name != HEADWALLS]
    if CANDIDATES in others:
        return CANDIDATES
    if len(others) != 1:
        fault = f"edited file has {len(others)} layers with geometries and none is named {CANDIDATES}"
        raise InputError(file, fault, f"name the layer with the decisions {CANDIDATES}")
    return None if file.suffix == ".parquet" else others[0]


def _with_own_names(layer: gpd.GeoDataFrame, file: Path) -> gpd.GeoDataFrame:
    """The columns under their own names, whatever case or length a program made of them."""
    wanted = (*COLUMNS, EXPORTED, EXPORTED_FOR)
    short = {name[:_DBF_NAME]: name for name in wanted} | {name: name for name in wanted}
    found = {
        column: short[column.lower()]
        for column in layer.columns.drop("geometry", errors="ignore")
        if column.lower() in short
    }
    layer = gpd.GeoDataFrame(layer.rename_geometry("geometry") if layer.geometry.name != "geometry" else layer)
    layer = layer[[*found, "geometry"]].rename(columns=found)
    twice = layer.columns[layer.columns.duplicated()]
    if len(twice):
        raise InputError(file, f"edited file has the column {twice[0]} twice", "remove one of them")
    missing = [name for name in REQUIRED if name not in layer]
    if missing:
        raise InputError(file, f"edited file lacks the column {', '.join(missing)}", "edit the exported file")
    return layer.reset_index(drop=True)


def _refuse_cut_texts(layer: gpd.GeoDataFrame, file: Path) -> None:
    for column in [name for name in ("note", "headwall", "reason") if name in layer]:
        lengths = layer[column].dropna().astype(str).str.encode("utf-8").str.len()
        if (lengths >= _DBF_TEXT).any():
            name = layer.loc[lengths.idxmax(), "candidate_id"]
            raise InputError(
                file, f"the shapefile has cut off the {column} of {name!r}", "bring the GeoPackage back instead"
            )


def _check_desk(layer: gpd.GeoDataFrame, desk: Desk, file: Path) -> None:
    """Refuses what was exported for somebody else, or of another iteration."""
    if EXPORTED_FOR not in layer:
        return
    said = text_of(layer[EXPORTED_FOR])
    other = said[said.notna() & (said != desk.label)]
    if len(other):
        fault = f"it was exported for {other.iloc[0]!r}, not for {desk.label!r}"
        raise InputError(file, fault, "correct --campaign, --iteration or --reviewer, or take the right file")


def _check_ids(layer: gpd.GeoDataFrame, known: pd.Index, desk: Desk, file: Path) -> None:
    nameless = layer["candidate_id"].isna()
    if nameless.any():
        row = int(nameless.to_numpy().argmax()) + 1
        remedy = "draw within a candidate; what is no candidate cannot be decided here"
        raise InputError(file, f"row {row} has no candidate_id", remedy)
    unknown = ~layer["candidate_id"].isin(known)
    if unknown.any():
        name = layer.loc[unknown, "candidate_id"].iloc[0]
        fault = f"candidate {name!r} was not to be inspected by {desk.reviewer} in iteration {desk.iteration}"
        raise InputError(file, fault, "remove the row, or take the right file")


def _joined(layer: gpd.GeoDataFrame, file: Path) -> tuple[gpd.GeoDataFrame, list[str]]:
    """Rows of one candidate that lie side by side become one, of several parts: QGIS's split makes such rows."""
    twice = layer["candidate_id"].duplicated(keep=False)
    if not twice.any():
        return layer, []
    pieces: dict[str, shapely.Geometry] = {}
    said = [name for name in (*FACTS, EXPORTED) if name in layer]
    for name, rows in layer[twice].groupby("candidate_id", sort=False):
        alike = rows[said].astype(object).where(rows[said].notna(), None).apply(tuple, axis=1).nunique() == 1
        if not (alike and _cover_nothing_twice(rows.geometry.to_numpy())):
            raise InputError(
                file,
                f"candidate {name!r} has several rows that overlap or say different things",
                "keep one; parts of one candidate must lie side by side and say the same",
            )
        pieces[str(name)] = side_by_side(shapely.get_parts(rows.geometry.to_numpy()))
    first = layer[~layer["candidate_id"].duplicated()].reset_index(drop=True)
    names = first["candidate_id"]
    geometry = np.array(
        [pieces.get(name, shape) for name, shape in zip(names, first.geometry, strict=True)], dtype=object
    )
    return first.set_geometry(gpd.GeoSeries(geometry, crs=layer.crs)), list(pieces)


def _cover_nothing_twice(shapes: NDArray[np.object_]) -> bool:
    """Whether polygons are sound and cover no ground twice."""
    if not bool(shapely.is_valid(shapes).all()) or bool((shapely.get_dimensions(shapes) != 2).any()):
        return False
    twice = float(shapely.area(shapes).sum() - shapely.area(shapely.union_all(shapes)))
    return twice < _TOUCHING_M2


def _completed(layer: gpd.GeoDataFrame, now: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """All columns of a decision file; what the file does not have is as it is now."""
    here = now.loc[layer.index]
    columns: dict[str, Any] = {
        name: layer[name] if name in layer and name in (*FACTS, "headwall") else here[name]
        for name in COLUMNS
        if name != "candidate_id"
    }
    for name in ("unsure", "use_as_negative"):
        columns[name] = columns[name].fillna(False)
    columns["exported"] = layer[EXPORTED] if EXPORTED in layer else pd.Series(None, layer.index, dtype=object)
    return gpd.GeoDataFrame(columns, geometry=layer.geometry, crs=layer.crs)


def _headwalls(desk: Desk, file: Path, known: pd.Index) -> pd.Series:
    """The headwall lines of a file as WKT, by candidate."""
    layer = load_layer(file, "headwalls", HEADWALLS)
    if "candidate_id" not in layer:
        raise InputError(file, "headwalls lack the column candidate_id", "edit the exported file")
    names = text_of(layer["candidate_id"])
    wrong = ~names.isin(known)
    if wrong.any():
        name = names[wrong].iloc[0]
        fault = "a headwall has no candidate_id" if name is None else f"there is no candidate {name!r} for a headwall"
        raise InputError(file, fault, "give it the id of its candidate, or delete it")
    shapes = shapely.force_2d(layer.to_crs(desk.config.grid.crs).geometry.to_numpy())
    lines: dict[str, str] = {}
    for name, pieces in gpd.GeoSeries(shapes).groupby(names.to_numpy(object)):
        parts = shapely.get_parts(pieces.to_numpy())
        line = parts[0] if len(parts) == 1 else shapely.line_merge(shapely.union_all(parts))
        if line is None or line.geom_type != "LineString" or line.is_empty:
            raise InputError(
                file, f"the headwall of candidate {name!r} is not one line", "join its pieces end to end, or keep one"
            )
        lines[str(name)] = str(shapely.to_wkt(line, rounding_precision=-1))
    return pd.Series(lines, dtype=object)
