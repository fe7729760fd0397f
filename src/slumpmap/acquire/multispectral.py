"""Sentinel-2 and Landsat scenes as the imagery room reads them: one COG with a UDM2-like mask beside it.

Bands are blue, green, red, near infrared, as in PlanetScope's four; values are surface reflectance times 10000, as in
its surface reflectance product; 0 is nodata. So `imagery.bands`, `nir_band` and `reflectance` keep their defaults.
"""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.transform import Affine
from rasterio.vrt import WarpedVRT
from rasterio.warp import transform_bounds
from rasterio.windows import Window as RasterWindow
from rasterio.windows import from_bounds

from slumpmap.acquire.download import Downloader, Fetched, check_name
from slumpmap.acquire.patience import Patience, Rate
from slumpmap.acquire.receipts import has_receipt, write_receipt
from slumpmap.acquire.stac import (
    EARTH_SEARCH,
    PLANETARY_COMPUTER,
    PLANETARY_SIGN,
    Item,
    Signer,
    Source,
    asset,
    remote_of,
    search,
)
from slumpmap.acquire.wanted import Wanted
from slumpmap.errors import InputError
from slumpmap.files import write_json
from slumpmap.grid import Grid
from slumpmap.raster import check_whole, write_cog
from slumpmap.settings.download import MultispectralSettings

BANDS = ("blue", "green", "red", "nir")
_TEN_THOUSAND = 10_000.0
_UDM_BANDS = 8
# UDM2 bands by number: clear, snow, shadow, cloud, unusable. The rest stays 0.
_CLEAR, _SNOW, _SHADOW, _CLOUD, _UNUSABLE = 0, 1, 2, 5, 7

# A whole Sentinel-2 tile takes 3 GB while it is cut: one at a time.
_CUTTING = threading.Lock()

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Classes:
    """What a provider's mask says of each pixel.

    Args:
        fill: no data.
        snow: snow or ice.
        shadow: shadow of a cloud.
        cloud: cloud of any kind, also thin.
        clear: none of these, and usable.
    """

    fill: Bools
    snow: Bools
    shadow: Bools
    cloud: Bools
    clear: Bools


def of_scl(scl: NDArray[Any]) -> Classes:
    """Sentinel-2's scene classification: 0 none, 1 defective, 2 dark, 3 cloud shadow, 4 plants, 5 bare, 6 water,
    7 unclassified, 8 and 9 cloud, 10 cirrus, 11 snow (Sen2Cor 2.11).
    """  # noqa: D205
    return Classes(scl == 0, scl == 11, scl == 3, np.isin(scl, (8, 9, 10)), np.isin(scl, (2, 4, 5, 6, 7)))


def of_qa_pixel(qa: NDArray[Any]) -> Classes:
    """Landsat's QA_PIXEL, Collection 2: bit 0 fill, 1 dilated cloud, 2 cirrus, 3 cloud, 4 shadow, 5 snow.

    Fill is 0 too: a pixel that is anything has a bit, and what is fill becomes 0 on reading where the file declares it.
    """
    snow, shadow = ((qa >> bit) & 1 == 1 for bit in (5, 4))
    fill = (qa & 1 == 1) | (qa == 0)
    cloud = (qa >> 1) & 0b111 != 0
    return Classes(fill, snow, shadow, cloud, ~(fill | snow | shadow | cloud))


@dataclass(frozen=True)
class Mission:
    """A collection of scenes and how it is read.

    Args:
        source: API and collection.
        bands: names of the assets of blue, green, red, near infrared.
        mask: name of the asset of the mask.
        classes: what the mask means.
    """

    source: Source
    bands: Sequence[Sequence[str]]
    mask: str
    classes: Callable[[NDArray[Any]], Classes]


# Sentinel-2's Collection 1, since the older collection's note on the offset of its values is not to be relied on
# (Element84/earth-search, issues 66 and 71).
MISSIONS = {
    "sentinel-2": Mission(
        Source(EARTH_SEARCH, "sentinel-2-c1-l2a"), [["blue"], ["green"], ["red"], ["nir"]], "scl", of_scl
    ),
    "landsat": Mission(
        Source(PLANETARY_COMPUTER, "landsat-c2-l2", PLANETARY_SIGN),
        [["blue"], ["green"], ["red"], ["nir08"]],
        "qa_pixel",
        of_qa_pixel,
    ),
}


def fetch_multispectral(
    name: str, wish: Wanted, grid: Grid, settings: MultispectralSettings, folder: Path, only_list: bool = False
) -> list[str]:
    """Brings the scenes of a mission into a folder, clipped to the study area's box.

    Args:
        name: of the mission, a key of `MISSIONS`.
        wish: area, windows and clouds.
        grid: the campaign's grid.
        settings: of the provider.
        folder: gets `ITEM.tif`, `ITEM_udm2.tif`, `ITEM_metadata.json`, and a receipt for each item.
        only_list: search only; nothing is downloaded.

    Returns:
        Ids of the items, by time.

    Raises:
        InputError: nothing or too much found, or a file cannot be had.
    """
    mission = MISSIONS[name]
    source = mission.source.with_settings(settings)
    items = search(source, wish.area, wish.windows, wish.max_cloud, settings, settings.max_scenes)
    ids = [check_name(str(item["id"])) for item in items]
    if only_list:
        return ids
    patience, rate = Patience(settings.attempts, settings.wait_s), Rate(settings.requests_per_second)
    signer = Signer(source.sign, patience, rate, settings.timeout_s) if source.sign else None
    downloader = Downloader(patience, rate, settings.parallel, settings.timeout_s)
    facts = {"provider": source.api, "collection": source.collection, "box": [round(x, 3) for x in grid.area.bounds]}

    def one(item: Item) -> None:
        item_id = str(item["id"])
        if not has_receipt(folder, item_id, **facts):
            files, got = _bring(item, mission, grid, downloader, signer, folder)
            write_receipt(folder, item_id, facts | {"item": item_id}, files, got)
            print(f"{item_id}: {len(files)} files", file=sys.stderr, flush=True)

    # Each item downloads several files at a time already; two at a time hide the cutting behind the downloads.
    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(one, item) for item in items]
    for job in jobs:
        job.result()
    return ids


def _bring(
    item: Item, mission: Mission, grid: Grid, downloader: Downloader, signer: Signer | None, folder: Path
) -> tuple[list[Path], list[Fetched]]:
    """Downloads the bands of an item, cuts them, and deletes what was cut from."""
    item_id = check_name(str(item["id"]))
    # Beside the folder, in which every raster is a scene.
    raw = folder.with_name(f"{folder.name}_parts") / item_id
    names = [*zip(mission.bands, BANDS, strict=True), ([mission.mask], "mask")]
    scales = [scale_of(asset(item, keys), item_id) for keys, _ in names[:-1]]
    got = downloader.fetch_all([remote_of(item, keys, f"{name}.tif", signer) for keys, name in names], raw)
    for file in got:
        _check(file)
    paths = [file.path for file in got]
    with _CUTTING:
        files = _cut(paths[:-1], scales, paths[-1], mission.classes, grid, folder / f"{item_id}.tif")
    if files:
        facts = {key: item["properties"].get(key) for key in ("datetime", "eo:cloud_cover", "gsd", "platform")}
        write_json(folder / f"{item_id}_metadata.json", _as_planet(item_id, facts))
        files.append(folder / f"{item_id}_metadata.json")
    shutil.rmtree(raw)
    return files, got


def _check(file: Fetched) -> None:
    """Refuses a TIFF that is not whole, which only shows here where the provider gives no checksum."""
    try:
        check_whole(file.path, "band")
    except InputError:
        file.path.unlink()
        raise


def _as_planet(item_id: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata in the form in which Planet delivers them, so that one reader serves all."""
    cloud = facts["eo:cloud_cover"]
    properties = {
        "acquired": facts["datetime"],
        "cloud_cover": None if cloud is None else cloud / 100,
        "gsd": facts["gsd"],
        "instrument": facts["platform"],
    }
    return {"type": "Feature", "id": item_id, "properties": properties}


def scale_of(found: Mapping[str, Any], item_id: str) -> tuple[float, float]:
    """Scale and offset that turn the values of a band into reflectance (STAC raster extension, 1.x and 2.0).

    Raises:
        InputError: the item does not say them.
    """
    first = [*(found.get("raster:bands") or []), *(found.get("bands") or []), found]
    for entry in first:
        for prefix in ("", "raster:"):
            if f"{prefix}scale" in entry:
                return float(entry[f"{prefix}scale"]), float(entry.get(f"{prefix}offset", 0.0))
    raise InputError(
        f"item {item_id}", "it does not say how its values become reflectance (raster:bands)", "use another collection"
    )


def _cut(
    bands: Sequence[Path],
    scales: Sequence[tuple[float, float]],
    mask: Path,
    classes: Callable[[NDArray[Any]], Classes],
    grid: Grid,
    out: Path,
) -> list[Path]:
    """Writes the study area's box of a scene and of its mask; nothing where the scene has no pixel there."""
    with rasterio.open(bands[0]) as first:
        window = _box(first, grid)
        if window is None:
            return []
        crs, transform = first.crs, first.window_transform(window)
        shape = int(window.height), int(window.width)
    values = np.stack(
        [_reflectance(path, scale, crs, transform, shape) for path, scale in zip(bands, scales, strict=True)]
    )
    found = classes(_read(mask, crs, transform, shape, Resampling.nearest))
    values[:, found.fill] = 0
    if not values.any():
        return []
    write_cog(out, values, transform, crs, 0)
    udm = np.zeros((_UDM_BANDS, *shape), np.uint8)
    udm[_CLEAR], udm[_SNOW], udm[_SHADOW], udm[_CLOUD] = found.clear, found.snow, found.shadow, found.cloud
    udm[_UNUSABLE] = found.fill
    mask_out = out.with_name(f"{out.stem}_udm2.tif")
    write_cog(mask_out, udm, transform, crs, None)
    return [out, mask_out]


def _box(dataset: rasterio.DatasetReader, grid: Grid) -> RasterWindow | None:
    """The window of a raster, whole pixels, that holds the study area; None where they do not touch."""
    wide = transform_bounds(grid.crs, dataset.crs, *grid.area.bounds, densify_pts=21)
    window = from_bounds(*wide, transform=dataset.transform)
    left, top = max(0, int(np.floor(window.col_off)) - 1), max(0, int(np.floor(window.row_off)) - 1)
    right = min(dataset.width, int(np.ceil(window.col_off + window.width)) + 1)
    bottom = min(dataset.height, int(np.ceil(window.row_off + window.height)) + 1)
    return RasterWindow(left, top, right - left, bottom - top) if left < right and top < bottom else None


def _read(path: Path, crs: Any, transform: Affine, shape: tuple[int, int], how: Resampling) -> NDArray[Any]:
    """A band on given pixels, which are its own where they are the same; 0 where it has no value and beyond it."""
    place = {"crs": crs, "transform": transform, "height": shape[0], "width": shape[1]}
    try:
        with (
            rasterio.open(path) as dataset,
            WarpedVRT(dataset, **place, resampling=how, nodata=0) as view,
        ):
            values: NDArray[Any] = view.read(1)
            return values
    except RasterioError as error:
        raise InputError(path, f"band cannot be read ({error})", "delete it and run again") from None


def _reflectance(
    path: Path, scale: tuple[float, float], crs: Any, transform: Affine, shape: tuple[int, int]
) -> NDArray[np.uint16]:
    """A band as reflectance times 10000; valid pixels are 1 or more."""
    values = _read(path, crs, transform, shape, Resampling.bilinear)
    tens = np.clip(
        np.rint(np.float32(_TEN_THOUSAND * scale[0]) * values + np.float32(_TEN_THOUSAND * scale[1])), 1, 65535
    )
    return np.where(values == 0, 0, tens).astype(np.uint16)
