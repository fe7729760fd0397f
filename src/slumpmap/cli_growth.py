"""Commands that measure when slumps began and how they grow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from slumpmap.config import InferenceSettings
from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.options import with_settings

FILE = click.Path(path_type=Path)
grid_option = click.option("--grid", "grid_file", type=FILE, required=True, help="grid.json of the campaign")


@click.command()
@grid_option
@click.option("--candidates", type=FILE, required=True, help="candidates of the iteration; the new ones are done")
@click.option("--known", type=FILE, help="slumps known before the first iteration, which are done too")
@click.option("--model", type=FILE, required=True, multiple=True, help="model bundle; several make an ensemble")
@click.option("--imagery", required=True, multiple=True, help="YEAR=FOLDER of a year's tiles, once for each year")
@click.option("--mapping-year", type=int, required=True, help="year in which the candidates were mapped")
@click.option("--bands", default="red,green,blue", show_default=True, help="what the tiles' bands are")
@click.option("--scaling", type=FILE, required=True, help="scaling.json of the campaign")
@click.option("--tiles", "tile_ids", required=True, help="tile ids, comma separated")
@click.option("--margin-m", type=float, default=60.0, show_default=True, help="ground round a candidate's box, metres")
@click.option("--threads", type=int, default=2, show_default=True, help="CPU threads of torch")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="where torch runs"
)
@with_settings(InferenceSettings)
@click.option("--out", type=FILE, required=True, help="folder to make")
def yearly(
    grid_file: Path,
    candidates: Path,
    known: Path | None,
    model: tuple[Path, ...],
    imagery: tuple[str, ...],
    mapping_year: int,
    bands: str,
    scaling: Path,
    tile_ids: str,
    margin_m: float,
    threads: int,
    device: str,
    settings: InferenceSettings,
    out: Path,
) -> None:
    """Write the probabilities of each new candidate in the images of all years."""
    from slumpmap.learning.yearly import write_yearly_tiles

    write_yearly_tiles(
        model,
        _folders(imagery),
        mapping_year,
        candidates,
        known,
        Grid.read(grid_file),
        out,
        tile_ids.split(","),
        settings,
        margin_m,
        scaling,
        threads,
        device,
        bands.split(","),
    )


def _folders(texts: Sequence[str]) -> dict[int, Path]:
    """Year -> folder, of YEAR=FOLDER."""
    found: dict[int, Path] = {}
    for text in texts:
        year, equals, folder = text.partition("=")
        if not year.isdigit() or not equals or not folder or int(year) in found:
            raise InputError("--imagery", f"{text!r} is no YEAR=FOLDER of another year", "see --help")
        found[int(year)] = Path(folder)
    return found
