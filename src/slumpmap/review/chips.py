"""Time-lapse chips: for each candidate to inspect the same square in every year, with what lies around it.

People compare years, so that all years of a candidate share one window, one pixel size and one stretch. What
differs between two frames then differs on the ground.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from PIL import Image

from slumpmap.grid import Grid, Window
from slumpmap.imagery.catalogue import CLOUD
from slumpmap.progress import Progress
from slumpmap.raster import RGB_NODATA, Mosaic
from slumpmap.review.extra import image_of
from slumpmap.review.pack import CONTEXT, RELIEF, frame_name, write_pack
from slumpmap.review.relief import Relief
from slumpmap.settings.imagery import DatedImage
from slumpmap.settings.review import ChipSettings
from slumpmap.vector import read_layer

Bytes = NDArray[np.uint8]

# Percentiles that become black and white, of the whole chip and of the candidate's box, whichever is wider: a small
# bright candidate must not be burnt out by its dull surroundings. The least range that is stretched: without one the
# noise of an even snow field would fill the screen.
_STRETCH = (0.5, 99.5)
_LEAST_RANGE = 30.0
# A year with this share of valid pixels in the candidate's box shows it; with less than the second it does not.
_WHOLE, _SOME = 0.98, 0.5
# Two greys of the pattern that stands for ground without image: no ground looks like it.
_PATTERN = (88, 104)
_PATTERN_PX = 4


@dataclass(frozen=True)
class Sources:
    """What the chips of a campaign are made of.

    Args:
        grid: the campaign's grid.
        imagery: folder of the 8-bit tiles of each year.
        mapping_year: the year in which slumps are mapped.
        catalogue: the checked catalogue of scenes, which gives the dates.
        dem: elevations, or None.
        images: further dated images.
    """

    grid: Grid
    imagery: Mapping[int, Path]
    mapping_year: int
    catalogue: Path
    dem: Path | None
    images: Sequence[DatedImage]


@dataclass(frozen=True)
class Frame:
    """One date of a candidate.

    Args:
        label: what is written beside it, such as `2018`.
        date: year, or ISO date; frames are in its order.
        source: where it is from.
        values: (3, size, size) 8-bit values before the stretch, 0 = nodata.
        dates: dates of its scenes, clearest first.
        clouds: whether there were scenes, but clouds in them.
        shared: whether it shares the stretch of the years (images of other sensors do not).
    """

    label: str
    date: str
    source: str
    values: Bytes
    dates: list[str]
    clouds: bool
    shared: bool


def make_chips(
    candidates: Path,
    known: Path,
    rejected: Path | None,
    sources: Sources,
    settings: ChipSettings,
    tile_ids: Sequence[str],
    out: Path,
) -> None:
    """Writes the packs of some tiles, `out/<tile>.zip`: chips of the new candidates whose centre lies in the tile.

    Args:
        candidates: the iteration's ledger of candidates.
        known: slumps confirmed before; shown around.
        rejected: places rejected before, or None in the first iteration; shown around.
        sources: images, scenes, elevations.
        settings: sizes.
        tile_ids: tiles to write.
        out: folder.

    Raises:
        InputError: an input is missing or unreadable.
    """
    grid = sources.grid
    ledger = read_layer(candidates, "candidates", grid.crs, ("id", "status", "score"), unique="id")
    surroundings = _Surroundings(ledger, known, rejected, grid.crs)
    scenes = read_layer(sources.catalogue, "checked scene catalogue", grid.crs, ("acquired", "year", "reason"))
    new = ledger[ledger["status"] == "new"].reset_index(drop=True)
    tile_of = tiles_of(new, grid)
    progress = Progress("chips", int(np.isin(tile_of, tile_ids).sum()), "candidates")
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=256))
        mosaics = {
            year: stack.enter_context(Mosaic(grid, folder, bands=3, nodata=RGB_NODATA))
            for year, folder in sorted(sources.imagery.items())
        }
        maker = _Maker(sources, settings, mosaics, scenes, surroundings)
        done = 0
        for tile_id in tile_ids:
            done += write_pack(out / f"{tile_id}.zip", maker.of_tile(new[tile_of == tile_id], tile_id))
            progress.update(done)


def tiles_of(candidates: gpd.GeoDataFrame, grid: Grid) -> NDArray[np.object_]:
    """Id of the tile in which the centre of each candidate's box lies.

    Every candidate lies in the study area, but the centre of its box may not, nor its tile then be one of the
    grid's: such a candidate goes to the nearest tile.
    """
    boxes = candidates.bounds.to_numpy()
    column = ((boxes[:, 0] + boxes[:, 2]) / 2 - grid.x0) // (grid.resolution * grid.tile_px)
    row = (grid.y0 - (boxes[:, 1] + boxes[:, 3]) / 2) // (grid.resolution * grid.tile_px)
    places = np.array([(tile.x, tile.y) for tile in grid.tiles])
    distance = (column[:, None] - places[:, 0]) ** 2 + (row[:, None] - places[:, 1]) ** 2
    names = np.array([tile.id for tile in grid.tiles], dtype=object)
    return names[distance.argmin(axis=1)] if len(candidates) else np.empty(0, dtype=object)


class _Surroundings:
    """Outlines that are drawn faintly round a candidate: known slumps, rejected places, other candidates."""

    def __init__(self, ledger: gpd.GeoDataFrame, known: Path, rejected: Path | None, crs: str) -> None:
        layers = {"known": read_layer(known, "known slumps", crs, ("id",)), "candidate": ledger}
        if rejected is not None:
            places = read_layer(rejected, "rejected places", crs, ("id", "is_slump"))
            layers["rejected"] = places[~places["is_slump"].astype(bool)]
        self.kinds = np.concatenate([np.full(len(layer), kind, object) for kind, layer in layers.items()])
        self.ids = np.concatenate([layer["id"].astype(str).to_numpy(object) for layer in layers.values()])
        self.shapes = np.concatenate([layer.geometry.to_numpy() for layer in layers.values()])
        self._tree = shapely.STRtree(self.shapes)

    def around(self, bounds: tuple[float, float, float, float], own_id: str) -> list[dict[str, Any]]:
        """What touches a box, except the candidate itself, in the order of the layers."""
        found = np.sort(self._tree.query(shapely.box(*bounds), predicate="intersects"))
        found = found[(self.kinds[found] != "candidate") | (self.ids[found] != own_id)]
        return [
            {"kind": self.kinds[row], "id": self.ids[row], "geometry": as_geojson(self.shapes[row])} for row in found
        ]


@dataclass(frozen=True)
class _Maker:
    """Renders candidates; what is shared by all of them."""

    sources: Sources
    settings: ChipSettings
    mosaics: Mapping[int, Mosaic]
    scenes: gpd.GeoDataFrame
    surroundings: _Surroundings

    def of_tile(
        self, candidates: gpd.GeoDataFrame, tile_id: str
    ) -> Iterator[tuple[str, dict[str, Any], dict[str, bytes]]]:
        """Id, meta and pictures of the candidates of a tile, in the order of the file."""
        relief = self._relief(candidates)
        for row in candidates.itertuples():
            yield row.id, *self._of_candidate(row, tile_id, relief)

    def _relief(self, candidates: gpd.GeoDataFrame) -> Relief | None:
        if self.sources.dem is None or candidates.empty:
            return None
        windows = [self._window(shape.bounds, self.settings.margin_m) for shape in candidates.geometry]
        boxes = np.array([self.sources.grid.bounds(window) for window in windows])
        west, south = boxes[:, :2].min(axis=0)
        east, north = boxes[:, 2:].max(axis=0)
        return Relief(self.sources.dem, self.sources.grid.crs, (west, south, east, north))

    def _of_candidate(self, row: Any, tile_id: str, relief: Relief | None) -> tuple[dict[str, Any], dict[str, bytes]]:
        box = row.geometry.bounds
        window = self._window(box, self.settings.margin_m)
        factor = math.ceil(window.width / self.settings.max_px)
        frames = sorted([*self._years(window, factor, row.geometry), *self._images(window, factor)], key=_by_date)
        inner = self._inner(box, window, factor)
        low, high = stretch_of([frame.values for frame in frames if frame.shared], inner)
        pictures = {
            frame_name(number): self._jpeg(stretched(frame.values, low, high) if frame.shared else frame.values)
            for number, frame in enumerate(frames)
        }
        bounds, size = self.sources.grid.bounds(window), window.width // factor
        context, pictures[CONTEXT] = self._context(window, low, high)
        meta: dict[str, Any] = {
            "id": row.id,
            "tile": tile_id,
            "crs": self.sources.grid.crs,
            "bounds": bounds,
            "size": size,
            "resolution": factor * self.sources.grid.resolution,
            "frames": [{"file": frame_name(number), **_described(frame, inner)} for number, frame in enumerate(frames)],
            "mapping_frame": [frame.date for frame in frames].index(str(self.sources.mapping_year)),
            "context": context,
            "relief": None,
            "outline": as_geojson(row.geometry),
            "around": self.surroundings.around(context["bounds"], row.id),
            "area_ha": float(row.area_ha),
            "score": float(row.score),
            "nodata_share": float(row.nodata_share),
            "at_edge": bool(row.at_edge),
            "uphill_deg": None,
            "slope_deg": None,
            "elevation_m": None,
        }
        if relief is not None:
            # Elevations are coarser than images, but lines are not.
            picture, step = relief.picture(bounds, self.settings.max_px)
            pictures[RELIEF] = _encoded(picture, self.settings.quality)
            meta["relief"] = {"file": RELIEF, "contour_m": step}
            ground = relief.ground(box)
            if ground is not None:
                meta |= {name: _rounded(value) for name, value in vars(ground).items()}
        return meta, pictures

    def _window(self, box: tuple[float, float, float, float], margin_m: float) -> Window:
        """The square of whole pixels round the box's centre, `margin_m` more than its longer side each way.

        Its side is a multiple of the factor by which it will be averaged down.
        """
        grid = self.sources.grid
        west, south, east, north = box
        half = max(east - west, north - south) / 2 + margin_m
        column, row = ~grid.transform @ ((west + east) / 2, (south + north) / 2)
        side = 2 * math.ceil(half / grid.resolution)
        factor = math.ceil(side / self.settings.max_px)
        side = math.ceil(side / (2 * factor)) * 2 * factor
        return Window(round(row) - side // 2, round(column) - side // 2, side, side)

    def _inner(self, box: tuple[float, float, float, float], window: Window, factor: int) -> tuple[slice, slice]:
        """Rows and columns of the candidate's box in its chip."""
        inner = self.sources.grid.window_of(box)
        top, left = (inner.row - window.row) // factor, (inner.column - window.column) // factor
        bottom = math.ceil((inner.row + inner.height - window.row) / factor)
        right = math.ceil((inner.column + inner.width - window.column) / factor)
        return slice(top, bottom), slice(left, right)

    def _years(self, window: Window, factor: int, outline: shapely.Geometry) -> Iterator[Frame]:
        here = self.scenes[self.scenes.intersects(outline)]
        for year, mosaic in self.mosaics.items():
            of_year = here[here["year"] == year]
            used = of_year[of_year["reason"] == ""].sort_values(["cloud_fraction", "acquired"])
            yield Frame(
                label=str(year),
                date=str(year),
                source="scenes",
                values=averaged(mosaic.read(window), factor),
                dates=[text[:10] for text in used["acquired"]],
                clouds=bool(of_year["reason"].isin(["", CLOUD]).any()),
                shared=True,
            )

    def _images(self, window: Window, factor: int) -> Iterator[Frame]:
        bounds, size = self.sources.grid.bounds(window), window.width // factor
        for image in self.sources.images:
            values = image_of(image, self.sources.grid.crs, bounds, size)
            yield Frame(
                f"{image.name} {image.date}", str(image.date), image.name, values, [str(image.date)], False, False
            )

    def _context(self, window: Window, low: float, high: float) -> tuple[dict[str, Any], bytes]:
        """The surroundings in the mapping year: at least `context_m` wide, and twice the chip."""
        grid = self.sources.grid
        side = max(math.ceil(self.settings.context_m / grid.resolution), 2 * window.width)
        factor = math.ceil(side / self.settings.max_px)
        side = math.ceil(side / (2 * factor)) * 2 * factor
        middle = window.row + window.height // 2, window.column + window.width // 2
        wide = Window(middle[0] - side // 2, middle[1] - side // 2, side, side)
        values = averaged(self.mosaics[self.sources.mapping_year].read(wide), factor)
        meta = {
            "file": CONTEXT,
            "bounds": grid.bounds(wide),
            "size": side // factor,
            "resolution": factor * grid.resolution,
        }
        return meta, self._jpeg(stretched(values, low, high))

    def _jpeg(self, values: Bytes) -> bytes:
        return _encoded(Image.fromarray(with_pattern(values)), self.settings.quality)


def _by_date(frame: Frame) -> tuple[str, str]:
    """Order of frames: a year counts as its July, when its scenes are from."""
    return (f"{frame.date}-07" if len(frame.date) == 4 else frame.date), frame.label


def _described(frame: Frame, inner: tuple[slice, slice]) -> dict[str, Any]:
    """What the page is told of a frame."""
    share = float(frame.values[:, *inner].any(axis=0).mean())
    gap = "cloudy" if frame.clouds else "missing"
    state = "ok" if share >= _WHOLE else "partly" if share >= _SOME else gap
    return {
        "label": frame.label,
        "date": frame.date,
        "source": frame.source,
        "state": state,
        "valid_share": round(share, 3),
        "dates": frame.dates,
    }


def averaged(values: Bytes, factor: int) -> Bytes:
    """Bands averaged over squares of `factor` pixels; nodata where most of a square is.

    Args:
        values: (bands, rows, columns) uint8, 0 = nodata; rows and columns are multiples of `factor`.
        factor: 1 or more.

    Returns:
        (bands, rows / factor, columns / factor) uint8.
    """
    if factor == 1:
        return values
    bands, rows, columns = values.shape
    shape = (bands, rows // factor, factor, columns // factor, factor)
    total = values.reshape(shape).sum(axis=(2, 4), dtype=np.uint32)
    count = values.any(axis=0).reshape(shape[1:]).sum(axis=(1, 3), dtype=np.uint32)
    mean = np.maximum((total + count // 2) // np.maximum(count, 1), 1)
    return np.where(2 * count > factor**2, mean, 0).astype(np.uint8)


def stretch_of(frames: Sequence[Bytes], inner: tuple[slice, slice]) -> tuple[float, float]:
    """The 8-bit values that become black and white in all frames of a candidate.

    Args:
        frames: (3, rows, columns) uint8 each, 0 = nodata.
        inner: rows and columns of the candidate's box.

    Returns:
        Low and high; one pair for all bands, since stretching each band by itself would change the colours.
    """
    ranges = [_range_of(frames), _range_of([frame[:, *inner] for frame in frames])]
    known = [ends for ends in ranges if ends is not None]
    if not known:
        return 0.0, 255.0
    low, high = min(ends[0] for ends in known), max(ends[1] for ends in known)
    missing = max(_LEAST_RANGE - (high - low), 0.0)
    return low - missing / 2, high + missing / 2


def _range_of(frames: Sequence[Bytes]) -> tuple[float, float] | None:
    """The percentiles of valid values; None where there are none."""
    counts = np.sum([np.bincount(frame.ravel(), minlength=256) for frame in frames], axis=0)
    counts[RGB_NODATA] = 0
    total = counts.sum()
    if total == 0:
        return None
    low, high = np.searchsorted(counts.cumsum(), np.array(_STRETCH) / 100 * total)
    return float(low), float(high)


def stretched(values: Bytes, low: float, high: float) -> Bytes:
    """8-bit values with `low` as 1 and `high` as 255; nodata stays 0."""
    table = np.clip(np.round((np.arange(256) - low) / (high - low) * 254 + 1), 1, 255).astype(np.uint8)
    table[RGB_NODATA] = RGB_NODATA
    return table[values]


def with_pattern(values: Bytes) -> Bytes:
    """An image for the screen: (rows, columns, 3), ground without image filled with a pattern of greys."""
    valid = values.any(axis=0)
    if valid.all():
        return np.moveaxis(values, 0, -1)
    rows, columns = np.indices(valid.shape) // _PATTERN_PX
    pattern = np.where((rows + columns) % 2 == 0, *_PATTERN).astype(np.uint8)
    return np.moveaxis(np.where(valid, values, pattern), 0, -1)


def as_geojson(shape: shapely.Geometry) -> dict[str, Any]:
    """A geometry as a GeoJSON object in the campaign's CRS, to the centimetre."""
    geometry: dict[str, Any] = json.loads(shapely.to_geojson(shapely.set_precision(shape, 0.01, mode="pointwise")))
    return geometry


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _encoded(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
