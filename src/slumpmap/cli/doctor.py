"""The command that looks at the machine; `__main__` runs it without click where packages are missing."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path(), help="where campaigns are to run")
@click.option("--json", "json_wanted", is_flag=True, help="for programs instead of people")
def doctor(folder: Path, json_wanted: bool) -> None:
    """Look at this machine, and say what will work on it and what to do about the rest."""
    from slumpmap.doctor import run

    sys.exit(run(folder, json_wanted))


COMMANDS = (doctor,)
