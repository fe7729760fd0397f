"""The checked catalogue: every scene that can take part, found sound, and which of them make each year's image."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import shapely
from shapely.geometry.base import BaseGeometry

from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.imagery.checks import check_scene, cloud_fraction_of, look_at
from slumpmap.imagery.naming import date_of, scenes_in, udm_of
from slumpmap.imagery.scenes import BOUNDS
from slumpmap.settings.imagery import CompositeSettings
from slumpmap.vector import read_layer, write_layer

_RASTERS = {".tif", ".tiff", ".vrt", ".jp2", ".img"}
# Reading headers and masks waits for disks more than it computes.
_THREADS = 8

YEAR, AREA, MONTH, CLOUD = "not in years", "outside the study area", "not in months", "above max_cloud"


@dataclass(frozen=True)
class Entry:
    """A scene that was named to us; `cloud` and the raster's `outline` are None until they are known."""

    path: Path
    udm: Path | None
    acquired: datetime
    cloud: float | None
    footprint: BaseGeometry
    outline: BaseGeometry | None = None


def make_catalogue(source: Path, grid: Grid, settings: CompositeSettings, years: Sequence[int], out: Path) -> None:
    """Checks the scenes and writes which of them are selected, and why others are not.

    Every scene of the years that touches the study area is checked, also where the month window or the
    cloud share leaves it out, so that a looser setting does not bring up files nobody has looked at.
    A scene without cloud fraction gets it from its UDM2; without UDM2 it counts as clear.

    Args:
        source: a scene catalogue (columns `path`, `acquired`, optional `udm`, `cloud_fraction`; relative
            paths count from the catalogue's folder), a folder of scenes, or one scene.
        grid: the campaign's grid.
        settings: months, cloud share and bands.
        years: years that are to be composited.
        out: GeoPackage to write: scene, path, udm, acquired, year, month, cloud_fraction, selected, reason,
            west, south, east, north of the raster (of the footprint where it was not looked at), footprint, both in
            the grid's CRS; ordered by time, name, path.

    Raises:
        InputError: a scene cannot be used, or none is left for one of the years.
    """
    entries = _entries(Path(source), grid)
    touches = shapely.relate_pattern([entry.footprint for entry in entries], grid.area, "T********")
    possible = [bool(hit) and entry.acquired.year in years for entry, hit in zip(entries, touches, strict=True)]
    with ThreadPoolExecutor(_THREADS) as pool:
        checked = list(
            pool.map(
                lambda job: _checked(job[0], grid, settings) if job[1] else job[0], zip(entries, possible, strict=True)
            )
        )
    rows = [_row(entry, bool(hit), settings, years, out) for entry, hit in zip(checked, touches, strict=True)]
    _check_enough(Path(source), rows, settings, years)
    rows.sort(key=lambda row: (row["acquired"], row["scene"], row["path"]))
    write_layer(gpd.GeoDataFrame(rows, geometry="geometry", crs=grid.crs), out)


def _entries(source: Path, grid: Grid) -> list[Entry]:
    """The scenes that a source names, not yet checked."""
    if source.is_dir():
        paths = list(scenes_in(source))
        if not paths:
            raise InputError(source, "the folder has no scenes (*.tif)", "correct the path or bring the scenes")
        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(lambda path: _entry_of_file(path, grid), paths))
    if source.suffix.lower() in _RASTERS:
        return [_entry_of_file(source, grid)]
    return _entries_of_catalogue(source, grid)


def _entry_of_file(path: Path, grid: Grid) -> Entry:
    facts = look_at(path, grid.crs)
    return Entry(path.absolute(), udm_of(path.absolute()), date_of(path, facts.date_tag), None, facts.outline)


def _entries_of_catalogue(source: Path, grid: Grid) -> list[Entry]:
    layer = read_layer(source, "scene catalogue", grid.crs, ("path", "acquired"), unique="path", empty_ok=False)
    folder = source.absolute().parent
    entries = []
    for number, row in enumerate(layer.to_dict("records"), start=1):
        path, udm, cloud = (_given(row.get(name)) for name in ("path", "udm", "cloud_fraction"))
        if path is None:
            raise InputError(source, f"scene catalogue has no path in row {number}", "name the file or delete the row")
        acquired = _moment(source, number, row["acquired"])
        share = None if cloud is None else _share(source, number, cloud)
        entries.append(
            Entry(folder / str(path), None if udm is None else folder / str(udm), acquired, share, row["geometry"])
        )
    return entries


def _given(value: Any) -> Any:
    """A cell of a table, None where it is empty."""
    return None if value is None or value == "" or pd.isna(value) else value


def _moment(source: Path, number: int, value: Any) -> datetime:
    """A cell of `acquired` as a time in UTC; one without zone is taken as UTC."""
    moment = pd.to_datetime(value, utc=True, errors="coerce")
    if pd.isna(moment):
        raise InputError(
            source,
            f"scene catalogue has the date {value!r} in row {number}, which cannot be understood",
            "write acquired as 2019-07-21 or 2019-07-21T04:12:33Z",
        )
    return datetime.fromtimestamp(moment.timestamp(), UTC)


def _share(source: Path, number: int, value: Any) -> float:
    """A cell of `cloud_fraction` as a share."""
    try:
        share = float(value)
    except ValueError:
        share = -1.0
    if not 0.0 <= share <= 1.0:
        raise InputError(
            source,
            f"scene catalogue has the cloud_fraction {value!r} in row {number}, not a share",
            "write it as 0..1 (a percentage divided by 100)",
        )
    return share


def _checked(entry: Entry, grid: Grid, settings: CompositeSettings) -> Entry:
    """The entry with its cloud share, after its files were found sound."""
    check_scene(entry.path, entry.udm, max(settings.bands_read))
    outline = look_at(entry.path, grid.crs).outline
    if not entry.footprint.intersects(outline):
        raise InputError(
            entry.path,
            "scene lies elsewhere than its footprint in the scene catalogue",
            "correct the footprint, the CRS of the catalogue or the georeference of the scene",
        )
    cloud = entry.cloud
    if cloud is None:
        cloud = 0.0 if entry.udm is None else cloud_fraction_of(entry.udm)
    return replace(entry, cloud=cloud, outline=outline)


def _named(path: Path, out: Path) -> str:
    """How the checked catalogue names a file.

    Below the working folder by the way from the catalogue, so that a campaign can be moved with its data, and two of
    them are equal to the byte; elsewhere in full.
    """
    here, folder = Path.cwd(), out.absolute().parent
    both = path.is_relative_to(here) and folder.is_relative_to(here)
    return Path(os.path.relpath(path, folder)).as_posix() if both else str(path)


def _row(entry: Entry, touches: bool, settings: CompositeSettings, years: Sequence[int], out: Path) -> dict[str, Any]:
    """A row of the checked catalogue."""
    reason = ""
    if entry.acquired.year not in years:
        reason = YEAR
    elif not touches:
        reason = AREA
    elif entry.acquired.month not in settings.months:
        reason = MONTH
    elif entry.cloud is not None and entry.cloud > settings.max_cloud:
        reason = CLOUD
    return {
        "scene": entry.path.stem,
        "path": _named(entry.path, out),
        "udm": "" if entry.udm is None else _named(entry.udm, out),
        "acquired": entry.acquired.isoformat(timespec="seconds"),
        "year": entry.acquired.year,
        "month": entry.acquired.month,
        "cloud_fraction": entry.cloud,
        "selected": not reason,
        "reason": reason,
        **dict(zip(BOUNDS, (entry.footprint if entry.outline is None else entry.outline).bounds, strict=True)),
        "geometry": entry.footprint,
    }


def _check_enough(
    source: Path, rows: Sequence[dict[str, Any]], settings: CompositeSettings, years: Sequence[int]
) -> None:
    """Refuses a year for which no scene is left, telling which rule dropped how many."""
    for year in sorted(set(years)):
        of_year = [row for row in rows if row["year"] == year]
        if any(row["selected"] for row in of_year):
            continue
        dropped = Counter(row["reason"] for row in of_year) + Counter({YEAR: len(rows) - len(of_year)})
        wanted = {
            YEAR: f"not in {year}",
            AREA: AREA,
            MONTH: f"not in months {','.join(map(str, settings.months))}",
            CLOUD: f"above max_cloud {settings.max_cloud:g}",
        }
        counts = ", ".join(f"{dropped[rule]} {text}" for rule, text in wanted.items() if dropped[rule])
        raise InputError(
            source,
            f"no scene is left for {year}; of {len(rows)} scenes {counts}",
            "add scenes, loosen imagery.months or imagery.max_cloud, or take the year out of imagery.years",
        )
