"""Commands about where products come from: whether they still hold, and how one is made again."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from slumpmap.cli.shared import FILE
from slumpmap.config import read_config
from slumpmap.errors import InputError

_SHOWN = 3


@click.command()
@click.argument("campaign", type=FILE)
@click.option("--quick", is_flag=True, help="trust files whose size and time are as recorded")
def verify(campaign: Path, quick: bool) -> None:
    """Say whether the products of CAMPAIGN (a configuration, or a folder of results) still are what their sidecars say.

    The exit status is 1 where something changed, is missing, or comes from nowhere.
    """
    from slumpmap.sidecar.verify import verify as compare

    people = None if campaign.is_dir() else read_config(campaign).review.decisions
    report = compare(_results(campaign), quick, people)
    click.echo(f"{report.products} products, made from {report.inputs} files that nobody made.")
    if report.gone:
        click.echo(f"{len(report.gone)} products are no longer there: temporary ones, or cleaned away.")
    for maker, count in report.versions.most_common():
        click.echo(f"{count:6d} made by {maker}")
    if len(report.versions) > 1:
        click.echo("Products of several versions lie side by side; `snakemake --forceall` makes all of them anew.")
    for finding in report.findings:
        click.echo(f"{finding.kind:13s} {shown(finding.path)}{_resting(finding.products)}")
    for kind, remedy in dict.fromkeys((finding.kind, finding.remedy) for finding in report.findings):
        click.echo(f"  {kind}: {remedy}.")
    click.echo(f"{len(report.findings)} findings." if report.findings else "All as it was made.")
    sys.exit(1 if report.findings else 0)


def _resting(products: Sequence[Path]) -> str:
    names = ", ".join(shown(path) for path in products[:_SHOWN])
    more = f" and {len(products) - _SHOWN} more" if len(products) > _SHOWN else ""
    return f"  <- {names}{more}" if products else ""


def shown(path: Path) -> str:
    """A path for people: from here where it lies below, and with escapes for what would upset a terminal."""
    here = Path.cwd()
    text = str(path.relative_to(here) if path.is_relative_to(here) else path)
    return text if text.isprintable() else repr(text)


def _results(campaign: Path) -> Path:
    return campaign if campaign.is_dir() else read_config(campaign).folder


@click.command()
@click.argument("figure")
@click.option("--campaign", type=FILE, default=Path("results"), help="where to look for a name; default: results")
@click.option("--last", type=click.IntRange(1), help="only so many commands, from the products that are there")
@click.option("--dry-run", is_flag=True, help="print the commands and run nothing")
@click.option("--into", type=FILE, help="folder to run in, which is kept; default: a temporary one")
def reproduce(figure: str, campaign: Path, last: int | None, dry_run: bool, into: Path | None) -> None:
    """Print and run the commands that make FIGURE (any product: its path, or its name), and compare the result.

    They run in a folder of their own, on links to the files that nobody made: nothing of the campaign is touched. The
    exit status is 1 where the result differs.
    """
    from slumpmap.sidecar.reproduce import chain_of, find_product, run_chain

    chain = chain_of(find_product(figure, campaign if Path(figure).exists() else _results(campaign)), last)
    click.echo(f"# {shown(chain.target.product)}: {len(chain.steps)} commands, which took {chain.seconds:.0f} s")
    for doubt in chain.doubts:
        click.echo(f"# doubtful: {doubt if doubt.isprintable() else repr(doubt)}")
    # As bytes: a name may hold some that are no text, and the shell needs them as they are.
    click.echo(os.fsencode(f"cd {shlex.quote(str(chain.target.base))}"))
    for step in chain.steps:
        click.echo(os.fsencode(f"python -m slumpmap {shlex.join(step.run.command)}"))
    if dry_run:
        return
    place = Path(tempfile.mkdtemp(prefix="slumpmap-")) if into is None else into
    same = True
    for number, (step, compared) in enumerate(run_chain(chain, place), 1):
        unlike = [one for one in compared if not one.same]
        click.echo(f"{number}/{len(chain.steps)} {step.run.command[0]}: {len(compared) - len(unlike)} of ", nl=False)
        click.echo(f"{len(compared)} files identical")
        for one in unlike:
            click.echo(f"    differs: {shown(one.product)}, now {shown(one.again)}")
        same = all(one.same for one in compared if one.product == chain.target.product)
    click.echo(f"{shown(chain.target.product)}: {'identical' if same else 'differs'}")
    if into is None and same:
        shutil.rmtree(place)
    else:
        click.echo(f"The new files are in {shown(place)}")
    if not same:
        raise InputError(chain.target.product, "made again it differs", "see the first step above that differs")


COMMANDS = (verify, reproduce)
