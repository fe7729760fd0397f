"""Commands for campaigns on a SLURM cluster."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import click

from slumpmap.cli.shared import FILE
from slumpmap.errors import InputError


@click.group()
def cluster() -> None:
    """What a campaign on a SLURM cluster needs beside Snakemake."""


@cluster.command(context_settings={"ignore_unknown_options": True})
@click.option("--folder", type=FILE, default=Path(), help="folder in which snakemake ran; default: this one")
@click.option("--wait", "let_end", is_flag=True, help="let the jobs end and keep what they make, instead of cancelling")
@click.option("--list", "only_list", is_flag=True, help="say which jobs go on, and change nothing")
@click.option("--patience", type=float, default=180.0, show_default=True, help="seconds for cancelled jobs to end")
@click.argument("snakemake", nargs=-1, type=click.UNPROCESSED)
def recover(folder: Path, let_end: bool, only_list: bool, patience: float, snakemake: tuple[str, ...]) -> None:
    """Clean up after a run whose main process died: end its jobs, unlock, resume.

    What stands after `--` is the snakemake command line to resume with, without `snakemake`; without it nothing is
    resumed.
    """
    from slumpmap.cluster import cancel, orphans, wait
    from slumpmap.runlock import claim

    if not (folder / ".snakemake").is_dir():
        raise InputError(folder, "snakemake never ran in this folder", "give the right one with --folder")
    claimed = claim(folder)
    if claimed is None:
        raise InputError(folder, "a run goes on in this folder", "end it first (Ctrl-C cancels its jobs)")
    with claimed:
        jobs = orphans(folder)
        for job in jobs:
            click.echo(f"SLURM job {job.id}: {job.rule}, {job.state} for {job.elapsed}")
        if only_list:
            click.echo(f"{len(jobs)} jobs of dead runs.")
            return
        if let_end:
            wait(folder, jobs)
        else:
            cancel(folder, jobs, patience)
        # Notes the runs as ended.
        orphans(folder)
    click.echo(f"{len(jobs)} jobs {'ended' if let_end else 'cancelled'}; the folder is unlocked.")
    if not snakemake:
        click.echo("Resume: run snakemake as before (the profile runs again what is incomplete).")
        return
    command = [sys.executable, "-m", "snakemake", *snakemake]
    click.echo(f"Resuming: {shlex.join(command)}")
    sys.exit(subprocess.run(command, cwd=folder, check=False).returncode)


@cluster.command()
@click.option("--config", type=FILE, required=True, help="campaign configuration")
def overhead(config: Path) -> None:
    """Say what queueing costs each stage, and how many tiles a job must handle to keep that under 10 %."""
    from slumpmap.cluster import QUEUE_S, queue_overhead
    from slumpmap.config import read_config

    campaign = read_config(config)
    run = campaign.run
    inference = run.tiles_per_inference or run.tiles_per_job
    click.echo(f"A job on a cluster costs about {QUEUE_S:g} s beside its work.")
    for stage in queue_overhead(campaign.folder / "benchmarks", run.tiles_per_job, inference):
        click.echo(
            f"  {stage.stage}: {stage.jobs} jobs of {stage.seconds:.0f} s, {100 * stage.share:.0f} % overhead;"
            f" under 10 % from {stage.tiles} tiles per job"
        )


COMMANDS = (cluster,)
