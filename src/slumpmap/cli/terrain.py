"""Commands of the terrain room, for any elevation model, in a campaign or outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from slumpmap.cli.shared import FILE, out_option
from slumpmap.errors import InputError
from slumpmap.options import with_settings
from slumpmap.settings.terrain import DemSettings, PositionSettings, RadiationSettings, SlopeSettings, StreamSettings

dem_option = click.option("--dem", type=FILE, required=True, help="elevation model, metres; any raster, a VRT too")


@click.group()
def terrain() -> None:
    """Slope, aspect, position, light, radiation and streams of any elevation model."""


@terrain.command()
@dem_option
@click.option("--out-aspect", type=FILE, help="aspect too, degrees")
@with_settings(SlopeSettings)
@out_option
def slope(dem: Path, out_aspect: Path | None, settings: SlopeSettings, out: Path) -> None:
    """Slope, degrees."""
    _slope_aspect(dem, out, out_aspect, settings)


@terrain.command()
@dem_option
@with_settings(SlopeSettings)
@out_option
def aspect(dem: Path, settings: SlopeSettings, out: Path) -> None:
    """Direction of the slope, degrees clockwise from north; flat ground has none."""
    _slope_aspect(dem, None, out, settings)


def _slope_aspect(dem: Path, slope_file: Path | None, aspect_file: Path | None, settings: SlopeSettings) -> None:
    from slumpmap.terrain.slope import slope_aspect

    choices = settings.slope_engine, settings.slope_method, settings.north, settings.any_elevation
    slope_aspect(dem, slope_file, aspect_file, *choices)


@terrain.command()
@dem_option
@with_settings(PositionSettings)
@out_option
def tpi(dem: Path, settings: PositionSettings, out: Path) -> None:
    """Height above the mean of the ground around, metres."""
    from slumpmap.terrain.position import topographic_position

    topographic_position(dem, out, settings.radius_m, settings.any_elevation)


@terrain.command()
@dem_option
@click.option("--azimuth", type=float, default=315.0, show_default=True, help="of the sun, degrees from grid north")
@click.option("--altitude", type=float, default=45.0, show_default=True, help="of the sun, degrees")
@with_settings(DemSettings)
@out_option
def hillshade(dem: Path, azimuth: float, altitude: float, settings: DemSettings, out: Path) -> None:
    """Shaded relief, 0 to 1."""
    from slumpmap.terrain.hillshade import write_hillshade

    write_hillshade(dem, out, azimuth, altitude, settings.any_elevation)


@terrain.command("fill-voids")
@dem_option
@click.option("--reach", type=click.IntRange(1), default=5, show_default=True, help="cells from the nearest elevation")
@with_settings(DemSettings)
@out_option
def fill_voids(dem: Path, reach: int, settings: DemSettings, out: Path) -> None:
    """The elevation model with its small voids filled by a membrane; larger ones stay nodata."""
    from slumpmap.terrain.dem import fill_dem

    fill_dem(dem, out, reach, settings.any_elevation)


@terrain.command()
@dem_option
@with_settings(RadiationSettings)
@click.option("--monthly", is_flag=True, help="a sum for each month, instead of one over all days")
@click.option(
    "--part",
    type=click.Choice(["total", "beam", "diffuse", "reflected"]),
    default="total",
    show_default=True,
    help="what a GeoTIFF holds; a .nc file holds all",
)
@click.option(
    "--method",
    type=click.Choice(["fast", "reference"]),
    default="fast",
    show_default=True,
    help="reference: plain time steps and rays, for small areas",
)
@click.option("--out-unreliable", type=FILE, help="mask of cells that shadows from beyond the coverage may reach, .tif")
@click.option("--threads", type=click.IntRange(1), default=2, show_default=True, help="CPU threads")
@out_option
def pisr(dem: Path, settings: RadiationSettings, out: Path, out_unreliable: Path | None, **options: Any) -> None:
    """Potential incoming solar radiation, kWh per square metre of slope; GeoTIFF (.tif) or NetCDF (.nc)."""
    from slumpmap.terrain.pisr_model import PisrSettings
    from slumpmap.terrain.solar import solar

    names = ("atmosphere", "ephemeris", "albedo", "pressure", "geometry", "step_minutes", "sectors", "shadows")
    model = PisrSettings(days=settings.day_numbers, **{name: getattr(settings, name) for name in names})
    options |= {"halo_m": 1000 * settings.halo_km, "any_elevation": settings.any_elevation}
    solar(dem, out, model, out_unreliable=out_unreliable, **options)


@terrain.command()
@dem_option
@with_settings(StreamSettings)
@click.option("--out-distance", type=FILE, help="distance from the nearest stream, metres, .tif")
@out_option
def streams(dem: Path, settings: StreamSettings, out_distance: Path | None, out: Path) -> None:
    """Stream network as lines with Strahler order, length and catchment."""
    from slumpmap.terrain.streams import streams as write_streams

    choices = settings.min_catchment_km2, settings.drainage_engine, settings.any_elevation
    write_streams(dem, out, out_distance, *choices)


@terrain.command("stream-sensitivity")
@click.option("--slumps", type=FILE, required=True, help="outlines of slumps")
@dem_option
@click.option("--catchments-km2", default="0.45,0.9,1.8,4.5,9", show_default=True, help="thresholds, km2")
@click.option("--distances-m", default="0,50,100,200,500", show_default=True, help="distances, metres")
@with_settings(DemSettings)
@out_option
def stream_sensitivity(
    slumps: Path, dem: Path, catchments_km2: str, distances_m: str, settings: DemSettings, out: Path
) -> None:
    """Share of slumps near streams, for each catchment threshold and distance, as CSV."""
    from slumpmap.terrain.streams import stream_sensitivity as write_table

    thresholds, distances = _numbers("--catchments-km2", catchments_km2), _numbers("--distances-m", distances_m)
    write_table(slumps, dem, out, thresholds, distances, any_elevation=settings.any_elevation)


def _numbers(name: str, text: str) -> list[float]:
    """Numbers, comma separated."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(name, f"{text!r} are no numbers", "give them comma separated, such as 0.9,1.8") from error


COMMANDS = (terrain,)
