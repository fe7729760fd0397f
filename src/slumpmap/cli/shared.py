"""Options that commands of several rooms take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)
grid_option = click.option("--grid", "grid_file", type=FILE, required=True, help="grid.json of the campaign")
out_option = click.option("--out", type=FILE, required=True, help="file or folder to make")
tiles_option = click.option("--tiles", "tile_ids", required=True, help="tile ids, comma separated")
seed_option = click.option("--seed", type=int, default=1, show_default=True, help="seed of random choices")
threads_option = click.option("--threads", type=int, default=2, show_default=True, help="CPU threads of torch")
bands_option = click.option("--bands", default="red,green,blue", show_default=True, help="what the tiles' bands are")
device_option = click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="where torch runs"
)


def path_option(name: str, text: str, required: bool = True, multiple: bool = False) -> Callable[[Command], Command]:
    """A click option that takes a path."""
    return click.option(f"--{name}", type=FILE, required=required, multiple=multiple, help=text)


note_option = click.option("--note", default="", help="what to add to titles, such as `synthetic data`")
