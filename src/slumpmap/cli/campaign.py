"""Commands about a whole campaign."""

from __future__ import annotations

from pathlib import Path

import click

from slumpmap.cli.shared import out_option, path_option
from slumpmap.config import read_config


@click.command("config-reference")
@out_option
def config_reference(out: Path) -> None:
    """Write the reference of every configuration key (config/README.md)."""
    from slumpmap.files import write_text
    from slumpmap.reference import config_reference as reference

    write_text(out, reference())


@click.command("status")
@path_option("config", "campaign configuration")
def status(config: Path) -> None:
    """Say for each iteration what is done and what waits."""
    from slumpmap.status import campaign_status

    click.echo(campaign_status(read_config(config), config))


COMMANDS = (
    config_reference,
    status,
)
