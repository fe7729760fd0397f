"""Potential incoming solar radiation of an elevation model, file to file, block by block with a halo."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import rasterio
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from rasterio.windows import Window
from scipy import ndimage

from slumpmap import __version__
from slumpmap.errors import InputError
from slumpmap.files import atomic
from slumpmap.progress import Progress
from slumpmap.raster import atomic_cog
from slumpmap.terrain.dem import Dem, open_dem
from slumpmap.terrain.north import Convergence, convergence_of
from slumpmap.terrain.pisr import pisr_by_period
from slumpmap.terrain.pisr_model import Pisr, PisrSettings
from slumpmap.terrain.pisr_reference import pisr_reference

Floats = NDArray[np.float64]
Method = Literal["fast", "reference"]
Part = Literal["total", "beam", "diffuse", "reflected"]

PARTS: tuple[Part, ...] = ("total", "beam", "diffuse", "reflected")
UNITS = "kWh m-2"
# As UDUNITS reads it, to which CF holds.
_CF_UNITS = "kW h m-2"
# A block with a halo of 10 km in 30 m cells takes 1 GB.
_BLOCK_PX = 4096
# Where the cells' width changes with the latitude, by 0.1 % over so many rows of 1 arc second.
_GEOGRAPHIC_ROWS = 512
# The reference method takes minutes for this.
_REFERENCE_PX = 250_000
_FORMULA = (
    "Kumar, Skidmore and Knowles (1997), doi 10.1080/136588197242266; per area of the slope; "
    "shadows of the terrain within the halo"
)
_MONTH_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True)
class Span:
    """Some days of the year and their name.

    Args:
        name: such as `01`, or empty for the only span.
        days: days of the year.
    """

    name: str
    days: tuple[int, ...]


def spans(days: Sequence[int], monthly: bool) -> list[Span]:
    """The spans to sum over: all days together, or those of each month that has any (29 February counts in March)."""
    if not monthly:
        return [Span("", tuple(days))]
    ends = np.cumsum(_MONTH_DAYS)
    month = np.minimum(np.searchsorted(ends, days), 11)
    chosen = [(number, tuple(d for d, m in zip(days, month, strict=True) if m == number)) for number in range(12)]
    return [Span(f"{number + 1:02d}", part) for number, part in chosen if part]


def solar(
    dem: Path,
    out: Path,
    settings: PisrSettings,
    part: Part = "total",
    monthly: bool = False,
    halo_m: float = 10_000.0,
    method: Method = "fast",
    threads: int = 1,
    any_elevation: bool = False,
    out_unreliable: Path | None = None,
) -> None:
    """Writes potential incoming solar radiation (PISR), kWh per square metre of slope, on the cells of a DEM.

    A GeoTIFF holds one part, a band for each span of days; a NetCDF file (.nc) holds all parts, the spans as the
    dimension `month`. Sums are those over `settings.days`. Memory is bounded by a block of 4096 cells and its halo.

    Args:
        dem: as `slumpmap.terrain.dem.open_dem` takes it.
        out: .tif or .nc.
        settings: formulas, days, sectors.
        part: what a GeoTIFF holds.
        monthly: a sum for each month instead of one over all days.
        halo_m: terrain within this distance casts shadows across the borders of blocks, metres.
        method: `fast`, or `reference`: the plain one, for small areas.
        threads: CPU threads of the fast method; the values do not depend on it.
        any_elevation: accepts elevations that are implausible on Earth's land.
        out_unreliable: GeoTIFF to write: 1 where the edge of the coverage or a void lies within the halo, so that
            terrain may be missing that casts shadows; 0 elsewhere.

    Raises:
        InputError: the DEM is refused by `open_dem`, another ending, or an area too large for the reference method.
    """
    with open_dem(dem, any_elevation) as source:
        cells = source.dataset.height * source.dataset.width
        if method == "reference" and cells > _REFERENCE_PX:
            fault = f"DEM has {cells} cells, the reference method is for {_REFERENCE_PX} at the most"
            raise InputError(dem, fault, "cut out a part, or take the fast method")
        settings = replace(settings, longitude=_centre(source)[0])
        periods = spans(settings.days, monthly)
        windows = list(_blocks(source))
        _say_plan(settings, method, halo_m)
        progress = Progress("PISR", len(windows), "blocks")
        convergence = convergence_of(source)
        with ExitStack() as stack:
            writer = stack.enter_context(_writer(out, source, settings, part, periods))
            mask = stack.enter_context(_mask_writer(out_unreliable, source)) if out_unreliable is not None else None
            for done, window in enumerate(windows, 1):
                reach = _reach_px(source, window, halo_m)
                # No more than there is on some side, and the neighbours that a slope needs.
                halo = max(1, min(reach, _beside(source, window)))
                elevation = source.read(window, halo)
                writer.write(
                    window, _of_window(source, elevation, window, halo, convergence, settings, periods, method, threads)
                )
                if mask is not None:
                    mask.write(_unreliable(source.read(window, reach), reach), 1, window=window)
                progress.update(done)


def _of_window(
    dem: Dem,
    elevation: Floats,
    window: Window,
    halo: int,
    convergence: Convergence,
    settings: PisrSettings,
    periods: Sequence[Span],
    method: Method,
    threads: int,
) -> list[Pisr]:
    """Radiation of a window for each span."""
    dx, dy = dem.cell_size(window.row_off, window.height)
    cell = float(dx.mean()), float(dy.mean())
    turned = float(convergence.of(Window(window.col_off, window.row_off, window.width, window.height)).mean())
    latitude = _latitudes(dem, window, halo)
    if method == "reference":
        middle = float(latitude[len(latitude) // 2])
        return [
            pisr_reference(elevation, cell, middle, replace(settings, days=span.days), halo, turned) for span in periods
        ]
    origin = window.row_off - halo, window.col_off - halo
    days = [span.days for span in periods]
    heights = elevation.astype(np.float32)
    return pisr_by_period(heights, cell, latitude, days, settings, halo, turned, origin, threads)


def _reach_px(dem: Dem, window: Window, halo_m: float) -> int:
    """Cells within which terrain casts shadows."""
    dx, dy = dem.cell_size(window.row_off, window.height)
    return max(1, math.ceil(halo_m / min(float(dx.min()), float(dy.min()))))


def _beside(dem: Dem, window: Window) -> int:
    """Cells between the window and the raster's farthest edge."""
    height, width = dem.dataset.shape
    below, right = height - window.row_off - window.height, width - window.col_off - window.width
    return int(max(window.row_off, window.col_off, below, right))


def _blocks(dem: Dem) -> Iterator[Window]:
    """Windows that cover the raster; low ones where the cells' width depends on the row."""
    height, width = dem.dataset.shape
    step = _GEOGRAPHIC_ROWS if dem.geographic else _BLOCK_PX
    for row in range(0, height, step):
        for column in range(0, width, _BLOCK_PX):
            yield Window(column, row, min(_BLOCK_PX, width - column), min(step, height - row))


def _latitudes(dem: Dem, window: Window, halo: int) -> Floats:
    """Latitude of the rows of a window with its halo, in its middle column, degrees."""
    rows = window.row_off - halo + np.arange(window.height + 2 * halo) + 0.5
    columns = np.full(rows.shape, window.col_off + window.width / 2)
    return np.clip(_geodetic(dem, rows, columns)[1], -90.0, 90.0)


def _centre(dem: Dem) -> tuple[float, float]:
    """Longitude and latitude of the middle, degrees."""
    height, width = dem.dataset.shape
    longitude, latitude = _geodetic(dem, np.array([height / 2]), np.array([width / 2]))
    return float(longitude[0]), float(latitude[0])


def _geodetic(dem: Dem, rows: Floats, columns: Floats) -> tuple[Floats, Floats]:
    """Longitude and latitude of places in the raster, degrees."""
    transform = dem.dataset.transform
    x, y = transform.c + transform.a * columns, transform.f + transform.e * rows
    longitude, latitude = Transformer.from_crs(dem.dataset.crs, "EPSG:4326", always_xy=True).transform(x, y)
    if not np.isfinite(latitude).all():
        raise InputError(dem.path, "DEM's CRS gives no latitude somewhere on it", "project it to a suitable CRS")
    return np.asarray(longitude), np.asarray(latitude)


def _unreliable(elevation: Floats, halo: int) -> NDArray[np.uint8]:
    """1 where a cell without elevation lies within a square of the halo's reach, for the cells inside the halo."""
    missing = np.isnan(elevation).astype(np.uint8)
    for axis in (0, 1):
        missing = ndimage.maximum_filter1d(missing, 2 * halo + 1, axis=axis, mode="nearest")
    return np.asarray(missing[halo:-halo, halo:-halo])


class _Writer(Protocol):
    """What takes the radiation of a window."""

    def write(self, window: Window, parts: Sequence[Pisr]) -> None: ...


@contextmanager
def _mask_writer(out: Path, dem: Dem) -> Iterator[Any]:
    """The mask's GeoTIFF."""
    profile = dem.profile() | {"dtype": "uint8", "predictor": 1, "nodata": None}
    with atomic_cog(out, average=False) as file, rasterio.open(file, "w", **profile) as target:
        yield target


@contextmanager
def _writer(out: Path, dem: Dem, settings: PisrSettings, part: Part, periods: Sequence[Span]) -> Iterator[_Writer]:
    """A writer for the ending of `out`."""
    attributes = _attributes(settings, periods)
    if out.suffix.lower() in {".tif", ".tiff"}:
        with (
            atomic_cog(out) as file,
            rasterio.open(file, "w", **(dem.profile() | {"count": len(periods)})) as target,
        ):
            target.update_tags(**attributes, PART=part)
            target.units = [UNITS] * len(periods)
            target.descriptions = tuple(f"PISR {part}{f', month {span.name}' if span.name else ''}" for span in periods)
            yield _GeoTiff(target, part)
    elif out.suffix.lower() == ".nc":
        import h5netcdf

        with atomic(out) as file, h5netcdf.File(file, "w") as target:
            _frame(target, dem, attributes, periods)
            yield _NetCdf(target)
    else:
        raise InputError(out, f"ending {out.suffix or '(none)'} is unknown", "choose .tif or .nc")


@dataclass(frozen=True)
class _GeoTiff:
    target: Any
    part: Part

    def write(self, window: Window, parts: Sequence[Pisr]) -> None:
        """One part, a band for each span."""
        for band, sums in enumerate(parts, 1):
            self.target.write(getattr(sums, self.part).astype(np.float32), band, window=window)


@dataclass(frozen=True)
class _NetCdf:
    target: Any

    def write(self, window: Window, parts: Sequence[Pisr]) -> None:
        """All parts; the first dimension is the month where there is one."""
        rows, columns = window.toslices()
        for name in PARTS:
            variable = self.target.variables[name]
            for number, sums in enumerate(parts):
                place = (rows, columns) if len(variable.dimensions) == 2 else (number, rows, columns)
                variable[place] = getattr(sums, name).astype(np.float32)


def _attributes(settings: PisrSettings, periods: Sequence[Span]) -> dict[str, str]:
    """What was computed, for the file's metadata."""
    days = sorted(day for span in periods for day in span.days)
    chosen = asdict(settings) | {"days": f"{days[0]}-{days[-1]} ({len(days)} days)"}
    return {"UNITS": UNITS, "FORMULA": _FORMULA} | {name.upper(): str(value) for name, value in chosen.items()}


def _frame(target: Any, dem: Dem, attributes: dict[str, str], periods: Sequence[Span]) -> None:
    """Dimensions, coordinates and empty variables of a NetCDF file after the CF conventions 1.8."""
    height, width = dem.dataset.shape
    monthly = bool(periods[0].name)
    target.dimensions = ({"month": len(periods)} if monthly else {}) | {"y": height, "x": width}
    target.attrs.update({"Conventions": "CF-1.8", "title": "Potential incoming solar radiation"})
    target.attrs["history"] = f"made by slumpmap {__version__}"
    target.attrs.update({name.lower(): value for name, value in attributes.items()})
    target.attrs["units"] = _CF_UNITS
    crs, transform = CRS.from_user_input(dem.dataset.crs), dem.dataset.transform
    axes = {axis["axis"]: axis for axis in crs.cs_to_cf() if "axis" in axis}
    for name, values in (
        ("y", transform.f + transform.e * (np.arange(height) + 0.5)),
        ("x", transform.c + transform.a * (np.arange(width) + 0.5)),
    ):
        variable = target.create_variable(name, (name,), "f8", data=values)
        variable.attrs.update(axes.get(name.upper(), {}))
    if monthly:
        months = target.create_variable("month", ("month",), "i4", data=[int(span.name) for span in periods])
        months.attrs.update({"long_name": "month of the year", "units": "1"})
    mapping = target.create_variable("spatial_ref", (), "i4", data=0)
    mapping.attrs.update({name: value for name, value in crs.to_cf().items() if value is not None})
    mapping.attrs["GeoTransform"] = " ".join(f"{value:.15g}" for value in transform.to_gdal())
    sizes = (["month"] if monthly else []) + ["y", "x"]
    chunks = (*((1,) if monthly else ()), min(height, 512), min(width, 512))
    for name in PARTS:
        variable = target.create_variable(
            name,
            tuple(sizes),
            "f4",
            fillvalue=np.float32(np.nan),
            chunks=chunks,
            compression="gzip",
            compression_opts=1,
        )
        variable.attrs.update(
            {
                "units": _CF_UNITS,
                "long_name": f"potential incoming solar radiation, {name}",
                "grid_mapping": "spatial_ref",
            }
        )
        # No cell_methods: the sum is over days, of which the file has no axis.
        variable.attrs["comment"] = "sum over the days of the attribute `days`" if not monthly else "sum of each month"


def _say_plan(settings: PisrSettings, method: Method, halo_m: float) -> None:
    """Says on standard error what is computed."""
    days = f"{len(settings.days)} days, sun every {settings.step_minutes:g} min"
    reach = f"shadows within {halo_m / 1000:g} km" if settings.shadows else "no cast shadows"
    print(f"PISR: {method}, atmosphere {settings.atmosphere}, {days}, {reach}", file=sys.stderr, flush=True)
