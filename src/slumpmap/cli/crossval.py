"""Commands of the cross-validation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click

from slumpmap.cli.shared import note_option, out_option, path_option, seed_option


@click.command("score")
@path_option("polygons", "mapped polygons of the part kept for testing")
@path_option("truth", "known slumps")
@path_option("area", "where the part kept for testing lies")
@click.option("--mmu-ha", type=float, required=True, help="minimum mapping unit, ha")
@click.option("--block-m", type=float, required=True, help="side of the blocks that intervals are drawn from, metres")
@click.option("--boundary-m", type=float, required=True, help="width of the rims of the boundary IoU, metres")
@seed_option
@path_option("out-curve", "precision-recall curve, .csv")
@out_option
def score(
    polygons: Path,
    truth: Path,
    area: Path,
    mmu_ha: float,
    block_m: float,
    boundary_m: float,
    seed: int,
    out_curve: Path,
    out: Path,
) -> None:
    """Compare what a model mapped with outlines that were kept from it."""
    from slumpmap.inventory.crossval import score_part

    score_part(polygons, truth, area, mmu_ha, block_m, boundary_m, seed, out, out_curve)


@click.command("crossval-table")
@path_option("scores", "scores of a part", multiple=True)
@path_option("curve", "precision-recall curve of a part", multiple=True)
@note_option
@path_option("out-curves", "figure of the curves, .png; a .pdf is written beside it")
@out_option
def crossval_table(scores: tuple[Path, ...], curve: tuple[Path, ...], note: str, out_curves: Path, out: Path) -> None:
    """Write table and curves of a cross-validation."""
    from slumpmap.figures.curves import precision_recall_plot
    from slumpmap.inventory.crossval import write_table

    write_table(scores, out)
    curves = {f"part {number}": path for number, path in enumerate(curve, 1)}
    precision_recall_plot(curves, out_curves, f"Cross-validation{f' ({note})' if note else ''}")


@click.command("crossval", context_settings={"ignore_unknown_options": True})
@path_option("config", "campaign configuration")
@click.option("--folds", type=int, help="parts of the blocks; default: crossval.folds of the configuration")
@click.argument("snakemake", nargs=-1, type=click.UNPROCESSED)
def crossval(config: Path, folds: int | None, snakemake: tuple[str, ...]) -> None:
    """Cross-validate the model over spatial blocks, the parts at the same time.

    Further options go to snakemake, such as --cores 8 or a profile.
    """
    changed = [] if folds is None else ["--config", f"crossval={{folds: {folds}}}"]
    given = snakemake or ("--cores", "all")
    command = [sys.executable, "-m", "snakemake", "crossval", "--configfile", str(config), *changed, *given]
    sys.exit(subprocess.run(command, check=False).returncode)


COMMANDS = (
    score,
    crossval_table,
    crossval,
)
