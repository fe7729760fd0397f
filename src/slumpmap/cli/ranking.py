"""Commands of the ranking: what is known of each candidate, and the order in which people open them."""

from __future__ import annotations

from pathlib import Path

import click

from slumpmap.cli.shared import FILE, grid_option
from slumpmap.options import with_settings
from slumpmap.settings.review import RankingSettings


@click.command("evidence")
@grid_option
@click.option("--candidates", type=FILE, required=True, help="candidates of the iteration")
@click.option("--known", type=FILE, required=True, help="slumps known when the iteration began")
@click.option("--negatives", type=FILE, required=True, help="look-alikes known then")
@click.option("--rejected", type=FILE, help="places rejected before")
@click.option("--imagery", type=FILE, required=True, help="folder with a folder of 8-bit tiles for each year")
@click.option("--years", required=True, help="years of the tiles, comma separated")
@click.option("--mapping-year", type=int, required=True, help="year in which the candidates were mapped")
@click.option("--dem", type=FILE, help="elevation model, metres")
@click.option("--out", type=FILE, required=True, help="Parquet file to make")
def evidence(
    grid_file: Path,
    candidates: Path,
    known: Path,
    negatives: Path,
    rejected: Path | None,
    imagery: Path,
    years: str,
    mapping_year: int,
    dem: Path | None,
    out: Path,
) -> None:
    """Measure each candidate: shape, colour, edge, change over the years, ground, neighbours."""
    from slumpmap.grid import Grid
    from slumpmap.review.evidence import collect_evidence

    folders = {int(year): imagery / year for year in years.split(",")}
    grid = Grid.read(grid_file)
    collect_evidence(candidates, known, negatives, rejected, folders, mapping_year, dem, grid, out)


@click.command("rank")
@click.option("--candidates", type=FILE, required=True, help="candidates of the iteration")
@click.option(
    "--evidence", type=FILE, required=True, multiple=True, help="evidence of the iterations so far, this one's last"
)
@click.option("--rejected", type=FILE, help="places decided before (outcome/rejected.gpkg)")
@click.option("--seed", type=int, default=1, show_default=True, help="seed of random choices")
@with_settings(RankingSettings)
@click.option("--out", type=FILE, required=True, help="GeoPackage to make")
def rank(
    candidates: Path, evidence: tuple[Path, ...], rejected: Path | None, seed: int, settings: RankingSettings, out: Path
) -> None:
    """Write the queue: the new candidates, those first that are likely to show a new slump."""
    from slumpmap.review.ranking import rank_candidates

    rank_candidates(candidates, evidence, rejected, settings, seed, out)


COMMANDS = (evidence, rank)
