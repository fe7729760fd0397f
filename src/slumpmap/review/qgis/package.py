"""The GeoPackage that is edited: the candidates and the headwalls, with their styles and forms inside."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import shapely

from slumpmap.gis.project import Bounds, Layer
from slumpmap.gis.stored import ColumnHint, store_hints, store_styles
from slumpmap.review.qgis.desk import Desk
from slumpmap.review.qgis.rows import CANDIDATES, EXPORTED, EXPORTED_FOR, HEADWALLS, RANK, digests
from slumpmap.review.qgis.style import (
    CANDIDATES_TITLE,
    HEADWALLS_TITLE,
    Form,
    candidate_form,
    headwall_form,
    put_candidate_style,
    put_headwall_style,
    style_document,
)
from slumpmap.vector import write_package


def forms_of(desk: Desk, rows: gpd.GeoDataFrame) -> dict[str, Form]:
    """The forms of the layers that are edited.

    Args:
        desk: whose review.
        rows: indexed by candidate.
    """
    # Groups that stand there already stay in the list, also where the campaign's years give others.
    groups = list(dict.fromkeys([*desk.initiation_groups, *rows["initiation"].dropna()]))
    area_crs, crs = desk.config.inventory.area_crs, desk.config.grid.crs
    candidates = candidate_form(groups, area_crs, crs, RANK in desk.candidates, desk.adjudicates)
    return {CANDIDATES: candidates, HEADWALLS: headwall_form()}


def write_candidates(desk: Desk, rows: gpd.GeoDataFrame, forms: dict[str, Form], path: Path) -> None:
    """Writes the GeoPackage that is edited, with styles that QGIS takes by itself.

    Args:
        desk: whose review.
        rows: indexed by candidate.
        forms: of the layers.
        path: the file to make.
    """
    marks = digests(rows)
    table = rows.assign(**{EXPORTED: marks["row"] + " " + marks["headwall"], EXPORTED_FOR: desk.label})
    # As a number, since QGIS's lists write the word true into a boolean as 0.
    table["is_slump"] = table["is_slump"].astype("Int32")
    if RANK in desk.candidates:
        table[RANK] = desk.candidates.set_index("id")[RANK]
    table = table.reset_index(names="candidate_id")
    with_headwall = table[table["headwall"].notna()]
    lines = gpd.GeoDataFrame(
        {"candidate_id": with_headwall["candidate_id"].to_numpy(object)},
        geometry=shapely.from_wkt(with_headwall["headwall"].to_numpy(object)),
        crs=rows.crs,
    )
    # The form numbers the columns of the file.
    columns = [column.name for column in forms[CANDIDATES].columns if column.name in table]
    layers = {CANDIDATES: table[[*columns, "geometry"]], HEADWALLS: lines}
    kinds = {CANDIDATES: "MultiPolygon", HEADWALLS: "LineString"}
    write_package(layers, kinds, path, lambda file: _add_styles(file, forms))


def _add_styles(path: Path, forms: dict[str, Form]) -> None:
    """Adds the styles that QGIS takes by itself, and what is said of the columns."""
    store_styles(path, {name: style_document(name, form) for name, form in forms.items()})
    columns = [(name, column) for name, form in forms.items() for column in form.columns if column.hint]
    store_hints(path, [ColumnHint(name, column.name, column.alias, column.hint) for name, column in columns])


def edited_layers(package: str, forms: dict[str, Form], crs: str, bounds: Bounds) -> list[Layer]:
    """The layers of the GeoPackage as a project shows them.

    Args:
        package: name of the GeoPackage, beside the project.
        forms: of its layers.
        crs: the campaign's CRS.
        bounds: of the candidates, metres.
    """
    headwalls = Layer(
        HEADWALLS,
        HEADWALLS_TITLE,
        f"./{package}|layername={HEADWALLS}",
        crs,
        bounds,
        lambda node: put_headwall_style(node, forms[HEADWALLS]),
        "Line",
        locked=False,
    )
    candidates = Layer(
        CANDIDATES,
        CANDIDATES_TITLE,
        f"./{package}|layername={CANDIDATES}",
        crs,
        bounds,
        lambda node: put_candidate_style(node, forms[CANDIDATES]),
        "Polygon",
        labels=True,
        locked=False,
    )
    return [headwalls, candidates]
