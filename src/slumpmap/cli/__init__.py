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
    new,
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

# What people type, in the order in which they come to it; all else is what the workflow runs.
FOR_PEOPLE = {
    "Begin": ("doctor", "demo-data", "new", "catalogue", "fetch", "plan"),
    "Decide": ("status", "review", "review-export", "review-import", "agreement"),
    "Check and tidy": ("verify", "reproduce", "clean", "cluster", "crossval", "model-card"),
    "Any inventory, any elevation model": ("import-inventory", "analyse", "compare", "recapture", "terrain"),
}


class House(RecordedGroup):
    """The group of all commands, whose help begins with those that people type."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands by section."""
        people = [name for names in FOR_PEOPLE.values() for name in names]
        steps = [name for name in self.list_commands(ctx) if name not in people]
        for title, names in [*FOR_PEOPLE.items(), ("Steps that the workflow runs", steps)]:
            with formatter.section(title):
                width = formatter.width - max(map(len, names)) - 6
                formatter.write_dl([(name, self.commands[name].get_short_help_str(width)) for name in names])


@click.group(cls=House, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
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
    new,
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
