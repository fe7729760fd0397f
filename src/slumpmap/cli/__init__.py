"""Command line: one thin subcommand a rule, and the commands that people use beside the workflow.

Each command imports its room when it runs, so that `slumpmap --help` and the light steps do not wait for torch.
"""

from __future__ import annotations

import sys

import click

from slumpmap import __version__
from slumpmap.cli import (
    analysis,
    campaign,
    candidates,
    cluster,
    compare,
    crossval,
    decisions,
    doctor,
    exchange,
    fetch,
    figures,
    growth,
    imagery,
    inputs,
    inventory,
    learning,
    numbers,
    overview,
    plan,
    provenance,
    qgis,
    ranking,
    review,
    site,
    terrain,
)
from slumpmap.errors import InputError
from slumpmap.sidecar.command import RecordedGroup, record


@click.group(cls=RecordedGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="slumpmap")
def app() -> None:
    """Map retrogressive thaw slumps iteratively, from satellite scenes to a reviewed inventory."""


for _room in (
    analysis,
    campaign,
    candidates,
    cluster,
    compare,
    crossval,
    decisions,
    doctor,
    exchange,
    fetch,
    figures,
    growth,
    imagery,
    inputs,
    inventory,
    learning,
    numbers,
    overview,
    plan,
    provenance,
    qgis,
    ranking,
    review,
    site,
    terrain,
):
    for _command in _room.COMMANDS:
        app.add_command(_command)
record(app)


def main() -> None:
    """Entry point: user errors end with one message and exit status 1."""
    try:
        app()
    except InputError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
