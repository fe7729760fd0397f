"""A STAC collection of a campaign's rasters: an item for each tile and year, and one for the terrain.

Plain JSON after STAC 1.1 and the projection extension 2.0, self-contained: all links are relative, so that the folder
may move with the results.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from pyproj import CRS, Transformer

from slumpmap import observed
from slumpmap.errors import InputError
from slumpmap.files import way_to, write_json
from slumpmap.gis.looks import look_of
from slumpmap.grid import Grid
from slumpmap.raster import open_raster
from slumpmap.vector import open_layer

_VERSION = "1.1.0"
_PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
_COG = "image/tiff; application=geotiff; profile=cloud-optimized"
_MEDIA = {".gpkg": "application/geopackage+sqlite3", ".parquet": "application/vnd.apache.parquet"}
_UNITS = {"slope": "degree", "aspect": "degree", "tpi": "m", "pisr": "kW.h/m2", "stream_distance": "m"}
_COLLECTION = "collection.json"
# Points to a side of a footprint: straight lines of a projection are bent in longitude and latitude.
_POINTS = 8
_DECIMALS = 7

Period = tuple[str, str]


@dataclass(frozen=True)
class Rasters:
    """The rasters of a campaign.

    Args:
        terrain: rasters on the cells of the elevation model.
        mosaics: images of a year each, in a folder named after the year with its tiles.
        probability: folder with the probability tiles of the last iteration, or None.
        year: year that was mapped, or None.
        catalogue: checked scene catalogue, which says when the images of a year were taken; None: some time in it.
    """

    terrain: Sequence[Path] = ()
    mosaics: Sequence[Path] = ()
    probability: Path | None = None
    year: int | None = None
    catalogue: Path | None = None


def write_stac(campaign: str, title: str, grid: Grid, rasters: Rasters, files: Sequence[Path], out: Path) -> None:
    """Writes `collection.json` and a folder of items for each kind of raster.

    Args:
        campaign: id of the collection.
        title: its title.
        grid: the campaign's grid.
        rasters: what is described; a tile without a file has no item.
        files: GeoPackages and GeoParquet files, assets of the collection.
        out: folder to make.

    Raises:
        InputError: a file is missing or unreadable, or a folder of images is not named after a year.
    """
    out = Path(out)
    periods = _periods(rasters)
    items = [*_tile_items(grid, rasters, periods, out), *_terrain_item(rasters.terrain, _whole(periods), out)]
    for path, item in items:
        write_json(path, item | {"collection": campaign, "links": _links(path, out)})
    links = [{"rel": "root", "href": f"./{_COLLECTION}", "type": "application/json", "title": title}]
    links += [{"rel": "item", "href": way_to(path, out), "type": "application/geo+json"} for path, _ in items]
    boxes = [item["bbox"] for _, item in items] or [_footprint(grid.crs, grid.area.bounds)[1]]
    west, south, east, north = np.transpose(boxes)
    collection = {
        "type": "Collection",
        "stac_version": _VERSION,
        "id": campaign,
        "title": title,
        "description": "Images, probabilities and terrain behind an inventory of retrogressive thaw slumps",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [[float(west.min()), float(south.min()), float(east.max()), float(north.max())]]},
            "temporal": {"interval": [list(_whole(periods))]},
        },
        "links": links,
        "assets": {f"{path.stem}{path.suffix.replace('.', '_')}": _asset_of_file(path, out) for path in files},
    }
    write_json(out / _COLLECTION, collection)
    observed.wrote_folder(out)


def _periods(rasters: Rasters) -> dict[int, Period]:
    """First and last time that the images of each year show, as far as the catalogue says; else the year."""
    years = [_year_of(path) for path in rasters.mosaics] + ([] if rasters.year is None else [rasters.year])
    periods = {year: (f"{year}-01-01T00:00:00Z", f"{year}-12-31T23:59:59Z") for year in sorted(set(years))}
    if rasters.catalogue is not None:
        scenes = open_layer(rasters.catalogue, "scene catalogue")
        taken = scenes[scenes["selected"].astype(bool)]
        for year in periods:
            times = taken.loc[taken["year"] == year, "acquired"]
            if len(times):
                periods[year] = (_time(times.min()), _time(times.max()))
    return periods


def _time(text: str) -> str:
    """A time of the catalogue in UTC as STAC writes it."""
    time = datetime.fromisoformat(text)
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


def _whole(periods: Mapping[int, Period]) -> tuple[str | None, str | None]:
    """From the first to the last of the periods; open where there is none."""
    if not periods:
        return None, None
    return min(first for first, _ in periods.values()), max(last for _, last in periods.values())


def _year_of(mosaic: Path) -> int:
    if not re.fullmatch(r"\d{4}", mosaic.parent.name):
        raise InputError(mosaic, "its folder is not named after a year", "give the mosaics of the workflow")
    return int(mosaic.parent.name)


def _tile_items(
    grid: Grid, rasters: Rasters, periods: Mapping[int, Period], out: Path
) -> list[tuple[Path, dict[str, Any]]]:
    """The items of all tiles that have a file: images of each year, and probabilities."""
    folders = {f"images-{_year_of(path)}": (path.parent, _year_of(path)) for path in rasters.mosaics}
    if rasters.probability is not None and rasters.year is not None:
        folders["probability"] = rasters.probability, rasters.year
    items = []
    for kind, (folder, year) in folders.items():
        name = "probability" if kind == "probability" else "image"
        for tile in grid.tiles:
            file = folder / f"{tile.id}.tif"
            if file.exists():
                path = out / kind / f"{tile.id}.json"
                items.append((path, _item(f"{kind}-{tile.id}", {name: file}, periods[year], path.parent)))
    return items


def _terrain_item(
    terrain: Sequence[Path], period: tuple[str | None, str | None], out: Path
) -> list[tuple[Path, dict[str, Any]]]:
    """The item of the terrain; its time is the campaign's, since nobody knows that of the elevation model."""
    if not terrain:
        return []
    first, last = period
    if first is None or last is None:
        raise InputError("--terrain", "STAC asks for a time, and no year is given", "give --year or --mosaic")
    path = out / "terrain.json"
    return [(path, _item("terrain", {file.stem: file for file in terrain}, (first, last), path.parent))]


def _item(name: str, assets: Mapping[str, Path], period: Period, folder: Path) -> dict[str, Any]:
    """An item without its links; its footprint is that of its first asset."""
    described = {key: _asset(key, path, folder) for key, path in assets.items()}
    first = next(iter(assets.values()))
    with open_raster(first) as source:
        geometry, box = _footprint(source.crs.to_wkt(), source.bounds)
    return {
        "type": "Feature",
        "stac_version": _VERSION,
        "stac_extensions": [_PROJECTION],
        "id": name,
        "geometry": geometry,
        "bbox": box,
        "properties": {"datetime": None, "start_datetime": period[0], "end_datetime": period[1]},
        "assets": described,
    }


def _asset(key: str, path: Path, folder: Path) -> dict[str, Any]:
    """A raster with its frame and its bands."""
    with open_raster(path) as source:
        code = CRS(source.crs.to_wkt()).to_authority()
        frame: dict[str, Any] = {"proj:code": ":".join(code)} if code else {"proj:wkt2": source.crs.to_wkt()}
        frame |= {"proj:shape": [source.height, source.width], "proj:transform": list(source.transform)[:6]}
        frame |= {"proj:bbox": list(source.bounds)}
        names = ["red", "green", "blue"] if source.count == 3 else [f"band {n}" for n in source.indexes]
        band: dict[str, Any] = {"data_type": source.dtypes[0]}
        if source.nodata is not None:
            band["nodata"] = "nan" if np.isnan(source.nodata) else source.nodata
    if key in _UNITS:
        band["unit"] = _UNITS[key]
    look = look_of(key)
    titled = {} if look is None else {"title": look.title} | ({"description": look.hint} if look.hint else {})
    bands = [band] if len(names) == 1 else [band | {"name": name} for name in names]
    return {"href": way_to(path, folder), "type": _COG, "roles": ["data"], **titled, **frame, "bands": bands}


def _asset_of_file(path: Path, folder: Path) -> dict[str, Any]:
    look = look_of(path.stem)
    titled = {} if look is None else {"title": look.title}
    return {"href": way_to(path, folder), "type": _MEDIA[path.suffix], "roles": ["data"], **titled}


def _footprint(crs: str, bounds: Sequence[float]) -> tuple[dict[str, Any], list[float]]:
    """A box of a CRS as a GeoJSON polygon in longitude and latitude, and its bounds there."""
    west, south, east, north = bounds
    ring = shapely.segmentize(shapely.box(west, south, east, north), max(east - west, north - south) / _POINTS)
    corners = shapely.get_coordinates(ring)
    turned = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(*corners.T)
    places = np.round(np.column_stack(turned), _DECIMALS)
    if not shapely.is_ccw(shapely.linearrings(places)):
        places = places[::-1]
    box = [*places.min(axis=0).tolist(), *places.max(axis=0).tolist()]
    return {"type": "Polygon", "coordinates": [places.tolist()]}, box


def _links(path: Path, out: Path) -> list[dict[str, str]]:
    way = way_to(out / _COLLECTION, path.parent)
    return [{"rel": rel, "href": way, "type": "application/json"} for rel in ("root", "parent", "collection")]
