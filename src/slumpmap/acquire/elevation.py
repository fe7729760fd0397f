"""The elevation model of a study area from open tiles: Copernicus DEM or NASADEM (reprocessed SRTM), by STAC."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from slumpmap.acquire.download import Downloader, Fetched, check_name
from slumpmap.acquire.patience import Patience, Rate
from slumpmap.acquire.receipts import write_receipt
from slumpmap.acquire.stac import (
    EARTH_SEARCH,
    PLANETARY_COMPUTER,
    PLANETARY_SIGN,
    Signer,
    Source,
    remote_of,
    search,
)
from slumpmap.acquire.wanted import lonlat_area
from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.raster import check_whole
from slumpmap.settings.download import ElevationSettings
from slumpmap.terrain.joining import join_dem

# Name of the asset and whether it is signed.
_SOURCES = {
    "copernicus": (Source(EARTH_SEARCH, "cop-dem-glo-30"), ["data"]),
    "nasadem": (Source(PLANETARY_COMPUTER, "nasadem", PLANETARY_SIGN), ["elevation"]),
}
# A campaign that needs more tiles of a degree than that has a wrong study area.
_MOST_TILES = 400


def fetch_dem(name: str, grid: Grid, settings: ElevationSettings, out: Path, only_list: bool = False) -> list[str]:
    """Writes the elevation model of the study area with a margin, in the grid's CRS.

    The tiles stay in a folder beside it, `NAME_tiles`, so that a larger area later loads only what is new.

    Args:
        name: `copernicus` or `nasadem`.
        grid: the campaign's grid.
        settings: of the provider.
        out: GeoTIFF to make: metres above the tiles' geoid, float32, nodata NaN.
        only_list: search only; nothing is downloaded.

    Returns:
        Ids of the tiles.

    Raises:
        InputError: no tile found, or one cannot be had.
    """
    collection, keys = _SOURCES[name]
    source = collection.with_settings(settings)
    margin = 1000 * settings.dem_margin_km + 2 * settings.dem_resolution
    items = search(source, lonlat_area(grid, margin), (), None, settings, _MOST_TILES)
    ids = [check_name(str(item["id"])) for item in items]
    if only_list:
        return ids
    patience, rate = Patience(settings.attempts, settings.wait_s), Rate(settings.requests_per_second)
    signer = Signer(source.sign, patience, rate, settings.timeout_s) if source.sign else None
    folder = out.parent / f"{name}_tiles"
    remotes = [remote_of(item, keys, f"{item_id}.tif", signer) for item, item_id in zip(items, ids, strict=True)]
    got = Downloader(patience, rate, settings.parallel, settings.timeout_s).fetch_all(remotes, folder)
    _join(got, grid, margin, settings.dem_resolution, out)
    facts = {"provider": source.api, "collection": source.collection, "items": ids}
    write_receipt(folder, out.stem, facts, [file.path for file in got], got)
    print(f"{out.name}: {len(got)} tiles of {source.collection}", file=sys.stderr, flush=True)
    return ids


def _join(tiles: Sequence[Fetched], grid: Grid, margin: float, resolution: float, out: Path) -> None:
    """Joins the tiles; one that cannot be read is deleted, so that it comes again."""
    paths = [tile.path for tile in tiles]
    try:
        for path in paths:
            check_whole(path, "DEM tile")
        join_dem(paths, grid, margin, resolution, out)
    except InputError as error:
        damaged = Path(error.source)
        if damaged not in paths:
            raise
        damaged.unlink(missing_ok=True)
        raise InputError(damaged, f"DEM tile is no whole raster ({error})", "run again: it is deleted") from None
