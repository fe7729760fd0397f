"""Commands about what a campaign takes: the plan before it, and room on the disk after it."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import click

from slumpmap.cli.provenance import shown
from slumpmap.cli.shared import path_option
from slumpmap.config import read_config

config_option = path_option("config", "campaign configuration")


@click.command()
@config_option
@click.option("--cores", type=click.IntRange(1), help="cores that the run may use; default: this machine's")
@click.option("--memory-gb", type=click.FloatRange(0, min_open=True), help="memory; default: this machine's")
@click.option("--gpus", type=click.IntRange(0), default=0, show_default=True, help="GPUs")
@click.option(
    "--step-seconds", type=click.FloatRange(0, min_open=True), help="what a training step takes there, if you know"
)
@click.option(
    "--map-mpx-s", type=click.FloatRange(0, min_open=True), help="Mpx that inference maps in a second, if you know"
)
def plan(
    config: Path,
    cores: int | None,
    memory_gb: float | None,
    gpus: int,
    step_seconds: float | None,
    map_mpx_s: float | None,
) -> None:
    """Say what a campaign will take, stage by stage, and what is done already.

    Jobs, hours, memory and disk, from measured rates, and from the campaign's own once its jobs have run.
    """
    from slumpmap.plan import Machine, describe, make_plan

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9 if memory_gb is None else memory_gb
    machine = Machine(cores or os.cpu_count() or 1, memory, gpus, step_seconds, map_mpx_s)
    click.echo(describe(make_plan(read_config(config), machine)))


@click.command()
@config_option
@click.option("--pictures", is_flag=True, help="pictures of candidates too, where all is decided")
@click.option("--imagery", is_flag=True, help="the 8-bit tiles too, once the campaign has ended")
@click.option("--dry-run", is_flag=True, help="say what would go, and remove nothing")
def clean(config: Path, pictures: bool, imagery: bool, dry_run: bool) -> None:
    """Remove what a campaign can make again and does not need at present.

    Decisions, models, candidates, outcomes, inventories, figures and the user's files stay in any case.
    """
    from slumpmap.clean import AGAIN, look, remove

    campaign = read_config(config)
    cleaning = look(campaign, pictures, imagery)
    sizes = cleaning.sizes()
    for kind, (count, size) in sizes.items():
        click.echo(f"{kind}: {count} files, {size:,} bytes. Later: {AGAIN[kind]}.")
    for (folder, reason), count in Counter((path.parent, reason) for path, reason in cleaning.kept).items():
        click.echo(f"stays: {count} files of {shown(campaign.folder / folder)}: {reason}")
    total = sum(size for _, size in sizes.values())
    if dry_run or not cleaning.files:
        click.echo(f"{total:,} bytes in {len(cleaning.files)} files would go.")
        return
    click.echo(f"{remove(cleaning):,} bytes removed. Finished products stand: snakemake makes none of them again.")


COMMANDS = (plan, clean)
