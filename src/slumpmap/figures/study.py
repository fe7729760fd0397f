"""All figures of a study, made in one process: reading the libraries costs more than a figure."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd

from slumpmap.figures.affected import affected_map
from slumpmap.figures.clusters import ripley_figure
from slumpmap.figures.frequencies import frequencies_figure, read_selection
from slumpmap.figures.maps import inventory_map, map_extent, read_roads
from slumpmap.figures.ratios import dependence_figure, selection_figure
from slumpmap.figures.relief import read_relief
from slumpmap.figures.study_area import study_area_map
from slumpmap.figures.style import both_files, journal_style
from slumpmap.files import read_json
from slumpmap.grid import Grid
from slumpmap.inventory.build import read_inventory
from slumpmap.inventory.cells import cell_table, initiation_names, write_cells
from slumpmap.tables import read_csv

FINE_KM, COARSE_KM = 10.0, 25.0


def read_slumps(inventory: Path, grid: Grid) -> gpd.GeoDataFrame:
    """The inventory in the grid's CRS.

    Raises:
        InputError: it is refused.
    """
    return read_inventory(inventory).to_crs(grid.crs)


def map_figures(
    inventory: Path, grid: Grid, dem: Path | None, roads: Path | None, folder: Path, note: str = ""
) -> None:
    """Draws Fig. 1, 5 and 7 into `folder/figures`, and writes the cells behind Fig. 7 into `folder`.

    Args:
        inventory: the inventory, GeoPackage or GeoParquet.
        grid: the campaign's grid.
        dem: elevations, or None.
        roads: roads and railways as lines, or None.
        folder: of the study.
        note: what to say behind the titles.

    Raises:
        InputError: a file is refused.
    """
    slumps, lines = read_slumps(inventory, grid), read_roads(roads, grid)
    relief = None if dem is None else read_relief(dem, grid.crs, map_extent(grid))
    groups = initiation_names(slumps)
    fine, coarse = (cell_table(slumps, grid.area, side, groups) for side in (FINE_KM, COARSE_KM))
    write_cells(fine, folder / "cells_10km.gpkg")
    write_cells(coarse, folder / "cells_25km.gpkg")
    with journal_style():
        both_files(study_area_map(slumps, grid, relief, lines, note), folder / "figures", "fig01_study-area")
        both_files(inventory_map(slumps, grid, relief, lines, note), folder / "figures", "fig05_inventory")
        both_files(affected_map(fine, coarse, groups, grid, relief, note), folder / "figures", "fig07_affected-area")


def statistics_figures(inventory: Path, grid: Grid, folder: Path, note: str = "") -> None:
    """Draws Fig. 6 and, of the tables that a study has, ratios, dependence and clusters into `folder/figures`.

    Args:
        inventory: the inventory.
        grid: the campaign's grid.
        folder: of the study, with its tables; a table that is absent is said to be so in the figure.
        note: what to say behind the titles.

    Raises:
        InputError: a file is refused.
    """
    slumps = read_slumps(inventory, grid)
    tables = {name: folder / name for name in ("selection.csv", "dependence.csv", "joint.json", "clustering.json")}
    selection = read_selection(tables["selection.csv"]) if tables["selection.csv"].exists() else None
    dependence, reason = None, "no joint model: no layer given"
    if tables["dependence.csv"].exists():
        dependence = read_csv(tables["dependence.csv"], dtype={"value": str})
        reason = "; ".join(read_json(tables["joint.json"])["omissions"]) or "no factor is in the joint model"
    figures = folder / "figures"
    with journal_style():
        areas = slumps["area_ha"].to_numpy(dtype=float)
        both_files(frequencies_figure(areas, selection, note), figures, "fig06_frequencies")
        both_files(selection_figure(selection, note), figures, "selection-ratios")
        both_files(dependence_figure(dependence, reason, note), figures, "dependence")
        if tables["clustering.json"].exists():
            ripley = read_csv(folder / "ripley.csv")
            both_files(ripley_figure(ripley, read_json(tables["clustering.json"]), note), figures, "clusters")
