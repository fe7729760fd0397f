"""Commands of probabilities to polygons."""

from __future__ import annotations

from pathlib import Path

import click

from slumpmap.cli.shared import grid_option, out_option, path_option, tiles_option
from slumpmap.grid import Grid
from slumpmap.options import with_settings
from slumpmap.settings.candidates import CandidateSettings, LedgerSettings


@click.command("parts")
@grid_option
@path_option("probability", "folder of probability tiles")
@tiles_option
@with_settings(CandidateSettings)
@out_option
def parts(grid_file: Path, probability: Path, tile_ids: str, settings: CandidateSettings, out: Path) -> None:
    """Trace the parts of candidates in each tile."""
    from slumpmap.candidates.parts import trace_parts

    trace_parts(probability, Grid.read(grid_file), out, tile_ids.split(","), settings.threshold, settings.connectivity)


@click.command("polygons")
@grid_option
@path_option("parts", "folder of traced parts")
@click.option("--area-crs", default=None, help="CRS in which areas are taken; the grid's where left out")
@with_settings(CandidateSettings)
@out_option
def polygons(grid_file: Path, parts: Path, area_crs: str | None, settings: CandidateSettings, out: Path) -> None:
    """Join the parts across tiles to whole polygons."""
    from slumpmap.candidates.merge import merge_parts

    merge_parts(parts, Grid.read(grid_file), out, settings.mmu_ha, settings.connectivity, area_crs or None)


@click.command("ledger")
@path_option("polygons", "polygons of the iteration")
@path_option("slumps", "all slumps confirmed so far")
@path_option("rejected", "places rejected in earlier iterations", required=False)
@click.option("--iteration", type=int, required=True, help="number of the iteration")
@with_settings(LedgerSettings)
@out_option
def ledger(
    polygons: Path, slumps: Path, rejected: Path | None, iteration: int, settings: LedgerSettings, out: Path
) -> None:
    """Say of each polygon whether it is known, was rejected before, or is new."""
    from slumpmap.candidates.ledger import compare

    compare(polygons, slumps, rejected, iteration, settings, out)


COMMANDS = (
    parts,
    polygons,
    ledger,
)
