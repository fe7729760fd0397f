"""When and from where the corridor is imaged: strips, dates, weather and sensor of each scene."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import shapely
from shapely.geometry import Polygon, box

from slumpmap.demo.landscape import Bounds
from slumpmap.demo.noise import fbm_grid
from slumpmap.demo.sensing import CLOUD_GAIN, CLOUD_M, CLOUD_OCTAVES

PIXEL_M = 3.0
TILT_DEG = 12.5
# Strip spacing as a share of the strip width: each place is seen 1 / 0.58 = 1.7 times a summer.
SPACING = 0.58
LONGEST_M = 12000.0
# Ground imaged beyond the study area, metres.
COLLAR_M = 90.0
NO_CLOUDS, NO_SNOW = 99.0, 99.0

_PLAN = 601


@dataclass(frozen=True)
class Acquisition:
    """One scene's geometry, weather and sensor.

    Args:
        name: file stem without product suffix, `20190714_041523_1003`.
        time: of the acquisition, UTC.
        footprint: valid ground, clipped to the collar of the study area.
        shift: misregistration east and north, metres.
        gains: per band.
        haze: added reflectance x 10000 in blue.
        blur: see `sensing.record`.
        noise: see `sensing.record`.
        clouds: threshold of the cloud noise; `NO_CLOUDS`: none.
        sun: where the cloud that shades a place stands, metres east and north of it.
        greenness: of the sward, 0..1.
        snow: threshold of the snow noise; `NO_SNOW`: none.
        seed: of clouds and noise.
    """

    name: str
    time: datetime
    footprint: Polygon
    shift: tuple[float, float]
    gains: tuple[float, float, float, float]
    haze: float
    blur: float
    noise: float
    clouds: float
    sun: tuple[float, float]
    greenness: float
    snow: float
    seed: int

    @property
    def grid(self) -> tuple[float, float, int, int]:
        """West and north edge (multiples of the pixel, metres), rows and columns of the scene."""
        west, south, east, north = self.footprint.bounds
        # A collar of nodata pixels all round, as delivered scenes have.
        first, top = math.floor(west / PIXEL_M) - 2, math.ceil(north / PIXEL_M) + 2
        return (
            first * PIXEL_M,
            top * PIXEL_M,
            top - math.floor(south / PIXEL_M) + 2,
            math.ceil(east / PIXEL_M) + 2 - first,
        )


@dataclass(frozen=True)
class _Weather:
    """The kind of day: first and last day of the year, cloud cover range, snow thresholds range."""

    days: tuple[int, int]
    cover: tuple[float, float]
    snow: tuple[float, float] | None


# A negative cover is a cloudless day.
_SUMMER = _Weather((184, 238), (-0.12, 0.11), None)
_OVERCAST = _Weather((190, 235), (0.55, 0.8), None)
_JUNE = _Weather((158, 172), (-0.05, 0.15), (0.9, 1.8))
_SEPTEMBER = _Weather((258, 271), (-0.05, 0.15), (0.6, 1.6))


def plan(bounds: Bounds, years: Sequence[int], seed: int) -> list[Acquisition]:
    """All scenes of the corridor in order of time.

    Args:
        bounds: west, south, east, north of the study area, metres.
        years: calendar years.
        seed: of the corridor.
    """
    scenes: list[Acquisition] = []
    for year in years:
        rng = np.random.default_rng([seed, _PLAN, year])
        strips = _strips(bounds, rng)
        scenes += _fly(strips, year, _SUMMER, rng)
        other = [(_JUNE, _SEPTEMBER)[year % 2]] if bounds[2] - bounds[0] < 5000 else [_JUNE, _SEPTEMBER]
        for weather in [_OVERCAST, *other]:
            scenes += _fly([strips[int(rng.integers(len(strips)))]], year, weather, rng)
    return sorted(scenes, key=lambda scene: (scene.time, scene.name))


def _strips(bounds: Bounds, rng: np.random.Generator) -> list[Polygon]:
    """Rotated rectangles that cover the study area with overlap, cut into scenes along the track."""
    west, south, east, north = bounds
    width = min(7000.0, max(2000.0, 0.4 * (east - west)))
    spacing = SPACING * width
    tilt = math.radians(TILT_DEG + rng.uniform(-2.0, 2.0))
    across, along = np.array([math.cos(tilt), -math.sin(tilt)]), np.array([math.sin(tilt), math.cos(tilt)])
    middle = np.array([(west + east) / 2, (south + north) / 2])
    corners = np.array([[x, y] for x in (west, east) for y in (south, north)]) - middle
    side, length = np.abs(corners @ across).max(), np.abs(corners @ along).max() + COLLAR_M
    pieces = math.ceil(2 * length / LONGEST_M)
    area = box(*bounds)
    strips = []
    # The first strip's centre line is so far out that its inner edge still reaches in.
    for position in np.arange(-side - rng.uniform(0.0, 0.5) * spacing, side + 0.5 * spacing, spacing):
        for piece in range(pieces):
            low, high = -length + 2 * length * np.array([piece, piece + 1]) / pieces + [-150.0, 150.0]
            ends = [(-0.5, low), (0.5, low), (0.5, high), (-0.5, high)]
            strip = Polygon([middle + (position + part * width) * across + v * along for part, v in ends])
            seen = strip.intersection(box(*bounds).buffer(COLLAR_M, join_style="mitre"))
            if seen.intersection(area).area > 0.02 * area.area / pieces**2:
                strips.append(shapely.orient_polygons(seen))
    return strips


def _fly(strips: list[Polygon], year: int, weather: _Weather, rng: np.random.Generator) -> list[Acquisition]:
    """Images strips on days of that weather, each with a sensor of its own."""
    first, last = weather.days
    scenes = []
    for footprint in strips:
        day = int(rng.integers(first, last + 1))
        time = datetime(year, 1, 1) + timedelta(days=day - 1, seconds=int(rng.integers(12960, 17640)))
        satellite = f"{int(rng.integers(0x1000, 0x10FF)):04x}"
        stream = int(rng.integers(1 << 40))
        reach = rng.uniform(0.0, 0.7) * PIXEL_M
        bearing, height = rng.uniform(0.0, 2 * math.pi), rng.uniform(280.0, 700.0)
        gains = rng.normal(1.0, 0.03) * rng.normal(1.0, 0.009, 4)
        scenes.append(
            Acquisition(
                name=f"{time:%Y%m%d_%H%M%S}_{satellite}",
                time=time,
                footprint=footprint,
                shift=(reach * math.cos(bearing), reach * math.sin(bearing)),
                gains=(float(gains[0]), float(gains[1]), float(gains[2]), float(gains[3])),
                haze=float(rng.gamma(2.0, 20.0)),
                blur=float(rng.uniform(0.06, 0.16)),
                noise=float(rng.uniform(9.0, 16.0)),
                clouds=_cloud_threshold(footprint, float(rng.uniform(*weather.cover)), stream),
                # The morning sun stands in the south-east.
                sun=(height * 0.5, -height * 0.55),
                greenness=_greenness(day),
                snow=float(rng.uniform(*weather.snow)) if weather.snow else NO_SNOW,
                seed=stream,
            )
        )
    return scenes


def _greenness(day: int) -> float:
    """Greenness of the sward by day of the year: full in July and August, straw in June and late September."""
    return 1.0 / (1.0 + math.exp((172.0 - day) / 6.0)) / (1.0 + math.exp((day - 247.0) / 7.0))


def _cloud_threshold(footprint: Polygon, cover: float, seed: int) -> float:
    """The value of the cloud noise that a share `cover` of the footprint exceeds."""
    if cover <= 0.0:
        return NO_CLOUDS
    west, south, east, north = footprint.bounds
    step = 60.0
    shape = max(2, int((north - south) / step)), max(2, int((east - west) / step))
    noise = fbm_grid(shape, west, north, step, CLOUD_M, CLOUD_OCTAVES, seed, CLOUD_GAIN)
    x, y = np.meshgrid(west + np.arange(shape[1]) * step, north - np.arange(shape[0]) * step)
    return float(np.quantile(noise[shapely.contains_xy(footprint, x, y)], 1.0 - cover))
