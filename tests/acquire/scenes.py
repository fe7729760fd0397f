"""Little scenes as providers have them: Planet's with UDM2 and metadata, Sentinel-2 and Landsat bands, DEM tiles."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from providers import Providers
from rasterio.io import MemoryFile
from rasterio.transform import Affine
from rasterio.warp import transform_bounds
from shapely.geometry import box, mapping

from slumpmap.grid import Grid

CRS = "EPSG:32646"
WEST, NORTH = 499_980.0, 3_840_000.0


def grid(metres: float = 600.0) -> Grid:
    """A study area in the middle of the scenes."""
    area = box(WEST + 300, NORTH - 300 - metres, WEST + 300 + metres, NORTH - 300)
    return Grid.over(area, CRS, 3.0, 256)


def tiff(values: NDArray[Any], size: float, nodata: float | None = 0, crs: str = CRS, west: float = WEST) -> bytes:
    """A GeoTIFF in memory, (bands, rows, columns)."""
    return tiff_at(values, Affine(size, 0, west, 0, -size, NORTH), nodata, crs)


def tiff_at(values: NDArray[Any], transform: Affine, nodata: float | None, crs: str) -> bytes:
    profile = {"count": values.shape[0], "height": values.shape[1], "width": values.shape[2], "dtype": values.dtype}
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", crs=crs, transform=transform, nodata=nodata, compress="deflate", **profile
        ) as t:
            t.write(values)
        return bytes(memory.read())


def footprint(metres: float = 1200.0) -> dict[str, Any]:
    """The scenes' outline in longitude and latitude."""
    found: dict[str, Any] = mapping(
        box(*transform_bounds(CRS, "EPSG:4326", WEST, NORTH - metres, WEST + metres, NORTH))
    )
    return found


def udm2(clear: NDArray[np.bool_]) -> NDArray[np.uint8]:
    mask = np.zeros((8, *clear.shape), np.uint8)
    mask[0], mask[5] = clear, ~clear
    return mask


def add_planet(world: Providers, item: str, cloudy_rows: int = 0, **properties: Any) -> None:
    """A PlanetScope item of 400 x 400 pixels, and what an order of it delivers."""
    acquired = f"{item[:4]}-{item[4:6]}-{item[6:8]}T{item[9:11]}:{item[11:13]}:{item[13:15]}Z"
    said = {"acquired": acquired, "cloud_cover": cloudy_rows / 400, "quality_category": "standard"}
    said |= {"instrument": "PSB.SD", "gsd": 3.7, **properties}
    assets = ["ortho_analytic_4b_sr", "ortho_analytic_8b_sr", "ortho_udm2"]
    permissions = [f"assets.{asset}:download" for asset in assets]
    feature = {"id": item, "type": "Feature", "geometry": footprint(), "properties": said, "assets": assets}
    world.scenes.append(feature | {"_permissions": permissions})
    scene, mask = _planet_files(int(item[:8]), cloudy_rows)
    world.bundles[item] = {
        f"{item}_3B_AnalyticMS_SR_clip.tif": scene,
        f"{item}_3B_udm2_clip.tif": mask,
        f"{item}_metadata.json": json.dumps(feature).encode(),
    }


@cache
def _planet_files(seed: int, cloudy_rows: int) -> tuple[bytes, bytes]:
    """A scene and its mask; made once for all tests."""
    values = np.random.default_rng(seed).integers(200, 3000, (4, 400, 400), np.uint16)
    clear = np.ones((400, 400), bool)
    clear[:cloudy_rows] = False
    return tiff(values, 3), tiff(udm2(clear), 3, None)


def add_asset(world: Providers, name: str, content: bytes, **facts: Any) -> dict[str, Any]:
    """A file among the server's and its STAC asset, with size and checksum."""
    world.files[f"/assets/{name}"] = content
    digest = hashlib.sha256(content).hexdigest()
    return {"href": f"{world.url}/assets/{name}", "file:size": len(content), "file:checksum": f"1220{digest}", **facts}


def add_stac(world: Providers, collection: str, item: str, assets: dict[str, Any], **properties: Any) -> None:
    """A STAC item with the scenes' outline."""
    geometry = properties.pop("geometry", footprint())
    world.items.append(
        {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": item,
            "collection": collection,
            "geometry": geometry,
            "bbox": list(
                box(*np.array(geometry["coordinates"][0]).min(0), *np.array(geometry["coordinates"][0]).max(0)).bounds
            ),
            "properties": {"datetime": "2019-07-21T04:12:33Z", **properties},
            "links": [],
            "assets": assets,
        }
    )
