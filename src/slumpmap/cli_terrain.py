"""Commands of the terrain room, for any elevation model, in a campaign or outside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from slumpmap.errors import InputError

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)
dem_option = click.option("--dem", type=FILE, required=True, help="elevation model, metres; any raster, a VRT too")
out_option = click.option("--out", type=FILE, required=True, help="file to make")
any_elevation_option = click.option(
    "--any-elevation", is_flag=True, help="accept elevations below -500 m or above 9000 m"
)
threads_option = click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="CPU threads")
engine_option = click.option(
    "--engine", type=click.Choice(["numba", "richdem"]), default="numba", show_default=True, help="who routes the water"
)


@click.group()
def terrain() -> None:
    """Slope, aspect, position, light, radiation and streams of any elevation model."""


def slope_options(command: Command) -> Command:
    """Options of slope and aspect."""
    for option in (
        any_elevation_option,
        click.option(
            "--north",
            type=click.Choice(["grid", "true"]),
            default="grid",
            show_default=True,
            help="what aspect counts from: the columns, or true north",
        ),
        click.option(
            "--method",
            type=click.Choice(["horn", "zevenbergen_thorne"]),
            default="horn",
            show_default=True,
            help="finite differences",
        ),
        click.option(
            "--engine",
            type=click.Choice(["auto", "richdem", "numpy"]),
            default="auto",
            show_default=True,
            help="who computes; auto: richdem where it is installed and serves",
        ),
        dem_option,
    ):
        command = option(command)
    return command


@terrain.command()
@slope_options
@click.option("--out-aspect", type=FILE, help="aspect too, degrees")
@out_option
def slope(dem: Path, out: Path, out_aspect: Path | None, **options: Any) -> None:
    """Slope, degrees."""
    from slumpmap.terrain.slope import slope_aspect

    slope_aspect(dem, out, out_aspect, **options)


@terrain.command()
@slope_options
@out_option
def aspect(dem: Path, out: Path, **options: Any) -> None:
    """Direction of the slope, degrees clockwise from north; flat ground has none."""
    from slumpmap.terrain.slope import slope_aspect

    slope_aspect(dem, None, out, **options)


@terrain.command()
@dem_option
@click.option("--radius", "radius_m", type=float, default=100.0, show_default=True, help="neighbourhood, metres")
@any_elevation_option
@out_option
def tpi(dem: Path, radius_m: float, any_elevation: bool, out: Path) -> None:
    """Height above the mean of the ground around, metres."""
    from slumpmap.terrain.position import topographic_position

    topographic_position(dem, out, radius_m, any_elevation)


@terrain.command()
@dem_option
@click.option("--azimuth", type=float, default=315.0, show_default=True, help="of the sun, degrees from grid north")
@click.option("--altitude", type=float, default=45.0, show_default=True, help="of the sun, degrees")
@any_elevation_option
@out_option
def hillshade(dem: Path, azimuth: float, altitude: float, any_elevation: bool, out: Path) -> None:
    """Shaded relief, 0 to 1."""
    from slumpmap.terrain.hillshade import write_hillshade

    write_hillshade(dem, out, azimuth, altitude, any_elevation)


@terrain.command("fill-voids")
@dem_option
@click.option("--reach", type=click.IntRange(1), default=5, show_default=True, help="cells from the nearest elevation")
@any_elevation_option
@out_option
def fill_voids(dem: Path, reach: int, any_elevation: bool, out: Path) -> None:
    """The elevation model with its small voids filled by inverse distance; larger ones stay nodata."""
    from slumpmap.terrain.dem import fill_dem

    fill_dem(dem, out, reach, any_elevation)


@terrain.command()
@dem_option
@click.option("--days", default="1-365", show_default=True, help="days of the year: 172, 121-243, or 1-59,335-365")
@click.option("--monthly", is_flag=True, help="a sum for each month, instead of one over all days")
@click.option(
    "--part",
    type=click.Choice(["total", "beam", "diffuse", "reflected"]),
    default="total",
    show_default=True,
    help="what a GeoTIFF holds; a .nc file holds all",
)
@click.option(
    "--atmosphere",
    type=click.Choice(["kumar", "none", "saga_height"]),
    default="kumar",
    show_default=True,
    help="transmittance",
)
@click.option("--ephemeris", type=click.Choice(["cooper", "spa"]), default="cooper", show_default=True)
@click.option("--albedo", type=click.FloatRange(0, 1), default=0.2, show_default=True, help="of the ground around")
@click.option("--pressure/--no-pressure", default=True, show_default=True, help="thinner air higher up")
@click.option("--shadows/--no-shadows", default=True, show_default=True, help="hills cast shadows")
@click.option(
    "--geometry",
    type=click.Choice(["half_angle", "literal"]),
    default="half_angle",
    show_default=True,
    help="of diffuse and reflected radiation",
)
@click.option("--step-minutes", type=float, default=5.0, show_default=True, help="step of the sun's path")
@click.option("--sectors", type=click.IntRange(4, 360), default=32, show_default=True, help="directions of horizons")
@click.option("--halo-km", type=click.FloatRange(0), default=10.0, show_default=True, help="how far shadows reach")
@click.option(
    "--method",
    type=click.Choice(["fast", "reference"]),
    default="fast",
    show_default=True,
    help="reference: plain time steps and rays, for small areas",
)
@click.option("--out-unreliable", type=FILE, help="mask of cells that shadows from beyond the coverage may reach, .tif")
@threads_option
@any_elevation_option
@out_option
def pisr(
    dem: Path,
    days: str,
    monthly: bool,
    part: Any,
    halo_km: float,
    method: Any,
    out_unreliable: Path | None,
    threads: int,
    any_elevation: bool,
    out: Path,
    **choices: Any,
) -> None:
    """Potential incoming solar radiation, kWh per square metre of slope; GeoTIFF (.tif) or NetCDF (.nc)."""
    from slumpmap.terrain.pisr_model import PisrSettings
    from slumpmap.terrain.solar import solar

    settings = PisrSettings(days=days_of_year(days), **choices)
    solar(dem, out, settings, part, monthly, 1000 * halo_km, method, threads, any_elevation, out_unreliable)


@terrain.command()
@dem_option
@click.option(
    "--min-catchment-km2", type=float, default=0.9, show_default=True, help="least catchment of a stream, km2"
)
@click.option("--out-distance", type=FILE, help="distance from the nearest stream, metres, .tif")
@engine_option
@any_elevation_option
@out_option
def streams(
    dem: Path, min_catchment_km2: float, out_distance: Path | None, engine: Any, any_elevation: bool, out: Path
) -> None:
    """Stream network as lines with Strahler order, length and catchment."""
    from slumpmap.terrain.streams import streams as write_streams

    write_streams(dem, out, out_distance, min_catchment_km2, engine, any_elevation)


@terrain.command("stream-sensitivity")
@click.option("--slumps", type=FILE, required=True, help="outlines of slumps")
@dem_option
@click.option("--min-catchments-km2", default="0.45,0.9,1.8,4.5,9", show_default=True, help="thresholds, km2")
@click.option("--distances-m", default="0,50,100,200,500", show_default=True, help="distances, metres")
@engine_option
@any_elevation_option
@out_option
def stream_sensitivity(
    slumps: Path, dem: Path, min_catchments_km2: str, distances_m: str, engine: Any, any_elevation: bool, out: Path
) -> None:
    """Share of slumps near streams, for each catchment threshold and distance, as CSV."""
    from slumpmap.terrain.streams import stream_sensitivity as write_table

    thresholds = numbers("--min-catchments-km2", min_catchments_km2)
    write_table(slumps, dem, out, thresholds, numbers("--distances-m", distances_m), engine, any_elevation)


def numbers(name: str, text: str) -> list[float]:
    """Numbers, comma separated.

    Raises:
        InputError: something else.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(name, f"{text!r} are no numbers", "give them comma separated, such as 0.9,1.8") from error


def days_of_year(text: str) -> tuple[int, ...]:
    """Days of the year from single ones and ranges, comma separated: `172`, `121-243`, `1-59,335-365`.

    Raises:
        InputError: something else.
    """
    days: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdigit() or (last and not last.isdigit()):
            raise InputError("--days", f"{text!r} names no days", "give days of the year, such as 121-243")
        days.extend(range(int(first), int(last or first) + 1))
    if not days or min(days) < 1 or max(days) > 366 or len(set(days)) < len(days):
        raise InputError("--days", f"{text!r} names no days, or some twice", "give days from 1 to 366, such as 121-243")
    return tuple(sorted(days))
