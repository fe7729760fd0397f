"""The folder that a reviewer opens in QGIS: candidates with forms, what is known, images of all years, a project."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import shapely

from slumpmap.config import grid_of
from slumpmap.errors import InputError
from slumpmap.files import write_text
from slumpmap.gis.project import Bounds, Group, Project, write_project
from slumpmap.grid import Grid
from slumpmap.review.decisions import CRITERIA_COLUMNS
from slumpmap.review.opinion import CRITERIA
from slumpmap.review.qgis.desk import Desk
from slumpmap.review.qgis.layers import contours, further_images, relief, write_around, write_mosaics, year_layers
from slumpmap.review.qgis.package import edited_layers, forms_of, write_candidates
from slumpmap.review.qgis.rows import CANDIDATES, EXPORTED, verdicts

PROJECT, AROUND, NOTES = "review.qgz", "around.gpkg", "README.txt"


@dataclass(frozen=True)
class Exported:
    """What was written.

    Args:
        project: the QGIS project.
        candidates: the GeoPackage that is edited.
        rows: candidates in it.
        open: of them, those without a verdict.
        years: whose images are in the project.
        missing: years of the campaign without images.
    """

    project: Path
    candidates: Path
    rows: int
    open: int
    years: tuple[int, ...]
    missing: tuple[int, ...]


def export_review(desk: Desk, out: Path) -> Exported:
    """Writes the folder.

    Args:
        desk: whose review.
        out: the folder; made where it is missing.

    Raises:
        InputError: the candidates are not there yet, the folder holds an earlier export, the reviewer is at work on the
            page, or an input is refused.
    """
    out = Path(out).resolve()
    package = out / f"{CANDIDATES}_{desk.iteration:02d}_{desk.reviewer}.gpkg"
    if package.exists():
        remedy = "bring it back with slumpmap review-import, or choose another folder"
        raise InputError(package, "it is there already and may hold edits", remedy)
    with desk.held():
        rows = desk.rows()
    config, grid, forms = desk.config, grid_of(desk.config.grid), forms_of(desk, rows)
    view = _view(rows, grid, config.chips.margin_m)
    bounds: Bounds = tuple(map(float, rows.total_bounds)) if len(rows) else view  # type: ignore[assignment]
    years = write_mosaics(config, grid, out)
    images = [*year_layers(config, grid, years), *further_images(config, out)]
    groups = [
        Group("Candidates", edited_layers(package.name, forms, grid.crs, bounds)),
        Group("Around", [*write_around(desk, grid, out / AROUND), *contours(config, out)]),
        Group("Images", images, one_at_a_time=True),
        Group("Relief", list(relief(config, out))),
    ]
    groups = [group for group in groups if group.layers]
    title = f"slumpmap: {config.campaign}, iteration {desk.iteration:02d}, {desk.reviewer}"
    write_project(Project(title, grid.crs, view, groups, _themes(groups)), out / PROJECT)
    write_text(out / NOTES, _notes(desk, package.name))
    # The last of all: where it is, the folder is whole.
    write_candidates(desk, rows, forms, package)
    missing = tuple(year for year in config.imagery.years if year not in years)
    return Exported(out / PROJECT, package, len(rows), int((verdicts(rows) == "open").sum()), years, missing)


def _themes(groups: list[Group]) -> dict[str, list[str]]:
    """One theme an image, with all that is drawn over it; and one of the relief with contour lines."""
    by_title = {group.title: [layer.key for layer in group.layers] for group in groups}
    above = [*by_title["Candidates"], *(key for key in by_title["Around"] if key != "contours")]
    images = next(group.layers for group in groups if group.title == "Images")
    themes = {layer.title: [*above, layer.key] for layer in images}
    if "Relief" in by_title:
        themes["Relief"] = [*above, "contours", "relief"]
    return themes


def _view(rows: gpd.GeoDataFrame, grid: Grid, margin_m: float) -> Bounds:
    """What the map shows first: the first candidate that is open, or the first, or the study area."""
    if rows.empty:
        bounds: Bounds = grid.area.bounds
        return bounds
    opened = rows[verdicts(rows) == "open"]
    first = (opened if len(opened) else rows).geometry.iloc[0]
    west, south, east, north = shapely.buffer(first, margin_m).bounds
    return west, south, east, north


def _notes(desk: Desk, package: str) -> str:
    """What a reviewer has to know, as plain text."""
    criteria = "\n".join(f"   - {CRITERIA[name][0]}: {CRITERIA[name][1]}." for name in CRITERIA_COLUMNS)
    return f"""Inspection of candidates in QGIS
{desk.config.campaign}, iteration {desk.iteration:02d}, {desk.reviewer}

1. Open review.qgz (QGIS 3.22 or later). Leave this folder where it is: the images are read from the results of the
   campaign.
2. Select the layer "Candidates" and start editing (the pencil). Open its attribute table, and change to the form view
   (lower right corner): candidates on the left, the form on the right. The buttons below the list make the map follow
   (pan or zoom to the feature).
3. For each candidate choose a verdict, and save now and then.
   - A slump needs a probability. It meets the paper's criteria (Xia et al. 2022):
{criteria}
     High: all four. Medium, low: how sure you are.
   - Not a slump: say what it is instead; "Use as negative" lets the next model learn from it.
   - Unsure: leave the verdict open, and tick the box.
   - Not looked at yet: leave it open.
4. The years are themes (the eye above the list of layers): 2016, 2017, ... Or tick a year in the group "Images".
5. Correct boundaries with the vertex tool. Several slumps in one candidate: split it (Split Features), or add a part
   (Add Part). Edits snap to neighbours, and common borders stay common.
6. Draw headwalls in the layer "Headwalls", one line a candidate.
7. Save the edits, close QGIS, and hand in:

   slumpmap review-import --campaign CONFIG --iteration {desk.iteration} --reviewer "{desk.reviewer}" {package}

   It checks everything first, says what changes, and keeps a copy of what was there. You may go on in QGIS and hand in
   again.

Do not change or delete the column "{EXPORTED}": it tells what you edited from what you left alone.
"""
