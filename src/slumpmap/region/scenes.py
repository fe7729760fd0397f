"""The scenes of a region: catalogued, and what they are told by looking into them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from rasterio.crs import CRS
from shapely.geometry.base import BaseGeometry

from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.imagery.folder import catalogue_folder
from slumpmap.raster import open_raster
from slumpmap.region.wish import Finding, Wish
from slumpmap.vector import read_layer, write_layer

_THREADS = 8
_METRES_PER_DEGREE = 111_320.0
# Band numbers of red, green, blue and near infrared in what Planet delivers, by the number of bands.
_PLANET = {4: ((3, 2, 1), 4), 8: ((6, 4, 2), 8)}


@dataclass(frozen=True)
class _Header:
    crs: str
    dtype: str
    bands: int
    metres: float


@dataclass(frozen=True)
class Scenes:
    """The scenes of a region.

    Args:
        catalogue: its file, a scene catalogue.
        table: the scenes: path, acquired (UTC), cloud_fraction, product if known; footprints in degrees.
        product: of Planet's, or `scene`.
        crs: their CRS with the number of scenes.
        dtype: of the values.
        bands: number of bands.
        metres: median pixel size.
        left_out: what the folder held beside them, a line each.
    """

    catalogue: Path
    table: gpd.GeoDataFrame
    product: str
    crs: Mapping[str, int]
    dtype: str
    bands: int
    metres: float
    left_out: tuple[str, ...]

    @cached_property
    def rgb(self) -> tuple[int, int, int]:
        """Band numbers of red, green and blue."""
        return _PLANET[self.bands][0] if self.bands in _PLANET else (1, 2, 3)

    @property
    def bands_are_known(self) -> bool:
        """Whether the meaning of the bands follows from the product, not from a guess."""
        return self.product != "scene" and self.bands in _PLANET

    @property
    def near_infrared(self) -> int | None:
        """Its band number, if it is known."""
        return _PLANET[self.bands][1] if self.bands_are_known else None


@dataclass(frozen=True)
class Season:
    """The scenes of a year that can make its image.

    Args:
        year: calendar year.
        scenes: of the months, not too cloudy, in the study area.
        others: of the year, but not these.
        cover: share of the study area that they cover, 0..1.
        ground: what they cover, in the grid's CRS.
    """

    year: int
    scenes: int
    others: int
    cover: float
    ground: BaseGeometry


def bring_scenes(wish: Wish, out: Path) -> Scenes:
    """Writes the catalogue of a folder, or a copy of a catalogue, and looks into every scene's header.

    Args:
        wish: what the user said.
        out: catalogue to write; scenes are named by their way from a folder beside `out`'s own.

    Raises:
        InputError: no scene, or some that cannot be used together.
    """
    if not wish.scenes.exists():
        raise InputError(wish.scenes, "there is no such folder or catalogue of scenes", "correct the path")
    if wish.scenes.is_dir():
        listing = catalogue_folder(wish.scenes, out, wish.product)
        product = listing.product
        left_out = tuple(f"{count} files left out: {why}" for why, count in Counter(listing.left_out.values()).items())
    else:
        _copy_catalogue(wish.scenes, out)
        product, left_out = "scene", ()
    table = read_layer(out, "scene catalogue", "EPSG:4326", ("path", "acquired"), empty_ok=False)
    table["acquired"] = pd.to_datetime(table["acquired"], utc=True, format="ISO8601")
    if "product" in table and table["product"].nunique() == 1:
        product = str(table["product"].iloc[0])
    with ThreadPoolExecutor(_THREADS) as pool:
        headers = list(pool.map(lambda path: _header(out.absolute().parent / path), table["path"]))
    for what in ("bands", "dtype"):
        kinds = Counter(getattr(header, what) for header in headers)
        if len(kinds) > 1:
            listed = ", ".join(f"{count} with {kind}" for kind, count in kinds.most_common())
            remedy = "put those that belong together into a folder of their own"
            raise InputError(wish.scenes, f"the scenes differ in {what}: {listed}", remedy)
    crs, metres = Counter(header.crs for header in headers), float(np.median([header.metres for header in headers]))
    return Scenes(out, table, product, crs, headers[0].dtype, headers[0].bands, metres, left_out)


def _copy_catalogue(source: Path, out: Path) -> None:
    """Copies a catalogue, its relative paths now counted from the copy's folder."""
    table = read_layer(source, "scene catalogue", None, ("path", "acquired"), unique="path", empty_ok=False)
    for name in {"path", "udm"} & set(table.columns):
        named = table[name].notna() & (table[name] != "")
        table.loc[named, name] = [_from(Path(text), source, out) for text in table.loc[named, name]]
    write_layer(table, out)


def _from(path: Path, source: Path, out: Path) -> str:
    if path.is_absolute():
        return str(path)
    return os.path.relpath(source.absolute().parent / path, out.absolute().parent)


def _header(path: Path) -> _Header:
    with open_raster(path, "scene") as dataset:
        step = abs(dataset.transform.a) * (_METRES_PER_DEGREE if dataset.crs.is_geographic else 1.0)
        return _Header(crs_name(dataset.crs), dataset.dtypes[0], dataset.count, step)


def crs_name(crs: CRS) -> str:
    """A CRS as people name it: its EPSG code, if it has one."""
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.to_dict().get("proj", "without EPSG code"))


def seasons(scenes: Scenes, grid: Grid, wish: Wish) -> list[Season]:
    """What the scenes of each year cover of the study area, years rising; years without any are there only if wished.

    Args:
        scenes: of the region.
        grid: of the campaign.
        wish: months, cloud share, years.
    """
    table = scenes.table.to_crs(grid.crs)
    table = table[table.intersects(grid.area)]
    acquired = table["acquired"].dt
    cloud = table["cloud_fraction"] if "cloud_fraction" in table else pd.Series(np.nan, table.index)
    usable = acquired.month.isin(wish.months) & ~(cloud.astype(float) > wish.max_cloud)
    found = []
    for year in wish.years or sorted(set(acquired.year)):
        of_year = acquired.year == year
        ground = shapely.intersection(shapely.union_all(table.geometry[of_year & usable].to_numpy()), grid.area)
        count = int((of_year & usable).sum())
        if count or wish.years:
            others = int((of_year & ~usable).sum())
            found.append(Season(int(year), count, others, float(ground.area / grid.area.area), ground))
    return found


def check_seasons(found: Sequence[Season], scenes: Scenes, wish: Wish) -> Season:
    """The season on which slumps are mapped: the wished year, or the latest of the best covered.

    Raises:
        InputError: there is no usable scene of a year, or no year at all.
    """
    empty = [season.year for season in found if not season.scenes]
    months = ", ".join(map(str, wish.months))
    rule = f"in the study area, of months {months} and with at most {wish.max_cloud:.0%} clouds"
    if not found or empty:
        fault = f"no scene of {empty[0]} lies" if empty else "no scene lies"
        listed = ", ".join(sorted({f"{moment:%Y-%m}" for moment in scenes.table["acquired"]}))
        remedy = f"check the study area, or change --months, --max-cloud or --years; the scenes are of {listed}"
        raise InputError(wish.scenes, f"{fault} {rule}", remedy)
    if wish.mapping_year is None:
        best = max(season.cover for season in found)
        return [season for season in found if season.cover > best - 0.01][-1]
    chosen = [season for season in found if season.year == wish.mapping_year]
    if not chosen:
        years = ", ".join(str(season.year) for season in found)
        raise InputError("--mapping-year", f"{wish.mapping_year} is not among the years {years}", "choose one of them")
    return chosen[0]


def describe_scenes(scenes: Scenes, found: Sequence[Season], season: Season, source: Path) -> Finding:
    """The row of the table."""
    lines = [
        f"scenes: {len(scenes.table)} ({scenes.product}), {scenes.bands} bands of {scenes.dtype}, {scenes.metres:.3g} m"
    ]
    for each in found:
        mark = "; slumps are mapped on it" if each is season else ""
        less = f", {each.others} more are out of season or too cloudy" if each.others else ""
        lines.append(f"{each.year}: {each.scenes} cover {each.cover:.0%}{less}{mark}")
    if not scenes.bands_are_known:
        named = ", ".join(map(str, scenes.rgb))
        lines.append(f"red, green, blue are taken to be bands {named}: look at imagery.bands in the configuration")
    if "udm" not in scenes.table or not scenes.table["udm"].fillna("").astype(bool).any():
        lines.append("no masks of clouds: what clouds hide cannot be told from ground")
    crs = ", ".join(scenes.crs)
    return Finding("scenes", str(source), crs, season.cover, (*lines, *scenes.left_out))
