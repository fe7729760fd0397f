"""Commands of scenes and tiles."""

from __future__ import annotations

from pathlib import Path

import click

from slumpmap.cli.shared import bands_option, grid_option, out_option, path_option, tiles_option
from slumpmap.grid import Grid
from slumpmap.options import with_settings
from slumpmap.settings.imagery import CompositeSettings, LayerSettings, ScalingSettings


@click.command("check-scenes")
@grid_option
@path_option("scenes", "scene catalogue, folder of scenes, or one scene")
@click.option("--years", required=True, help="years to composite, comma separated")
@with_settings(CompositeSettings)
@out_option
def check_scenes(grid_file: Path, scenes: Path, years: str, settings: CompositeSettings, out: Path) -> None:
    """Check every scene and say which of them make the image of each year."""
    from slumpmap.imagery.catalogue import make_catalogue

    make_catalogue(scenes, Grid.read(grid_file), settings, [int(year) for year in years.split(",")], out)


@click.command("scaling")
@grid_option
@path_option("catalogue", "checked scene catalogue")
@click.option("--bands", required=True, help="band numbers of red, green, blue, and near infrared if it is read")
@with_settings(ScalingSettings)
@out_option
def scaling(grid_file: Path, catalogue: Path, bands: str, settings: ScalingSettings, out: Path) -> None:
    """Write the campaign's linear transformation to 8 bit."""
    from slumpmap.imagery.scaling import make_scaling

    make_scaling(catalogue, Grid.read(grid_file), settings, [int(band) for band in bands.split(",")], out)


@click.command("tiles")
@grid_option
@path_option("catalogue", "checked scene catalogue")
@path_option("scaling", "scaling.json of the campaign")
@click.option("--year", type=int, required=True, help="year to composite")
@tiles_option
@with_settings(CompositeSettings)
@out_option
def tiles(
    grid_file: Path, catalogue: Path, scaling: Path, year: int, tile_ids: str, settings: CompositeSettings, out: Path
) -> None:
    """Composite scenes to 8-bit tiles."""
    from slumpmap.imagery.composite import make_tiles

    make_tiles(catalogue, scaling, Grid.read(grid_file), year, settings, out, tile_ids.split(","))


@click.command("mosaic")
@grid_option
@path_option("folder", "folder of the 8-bit tiles of a year")
@bands_option
@out_option
def mosaic(grid_file: Path, folder: Path, bands: str, out: Path) -> None:
    """Write a VRT that shows the tiles of a year as one image."""
    from slumpmap.raster import RGB_NODATA, write_mosaic

    write_mosaic(Grid.read(grid_file), folder, len(bands.split(",")), RGB_NODATA, out)


@click.command("layers")
@grid_option
@path_option("imagery", "folder of the year's 8-bit tiles")
@path_option("catalogue", "checked scene catalogue")
@path_option("scaling", "scaling.json of the campaign")
@path_option("slope", "slope of the DEM, degrees", required=False)
@path_option("aspect", "aspect of the DEM, degrees", required=False)
@click.option("--year", type=int, required=True, help="year of the tiles")
@tiles_option
@with_settings(LayerSettings)
@out_option
def layers(
    grid_file: Path,
    imagery: Path,
    catalogue: Path,
    scaling: Path,
    slope: Path | None,
    aspect: Path | None,
    year: int,
    tile_ids: str,
    settings: LayerSettings,
    out: Path,
) -> None:
    """Add further layers to the 8-bit tiles, as input of the network."""
    from slumpmap.terrain.layers import make_layers

    grid = Grid.read(grid_file)
    make_layers(imagery, catalogue, scaling, grid, year, settings, out, tile_ids.split(","), slope, aspect)


COMMANDS = (
    check_scenes,
    scaling,
    tiles,
    mosaic,
    layers,
)
