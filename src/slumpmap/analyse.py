"""Another person's inventory through the rules of the campaign's own; what can be refused is refused at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import shapely
import yaml

from slumpmap.config import Config, check_config, grid_of, read_values
from slumpmap.errors import InputError
from slumpmap.files import write_text
from slumpmap.intake import check_layers
from slumpmap.inventory.foreign import read_foreign

SNAKEFILE = Path(__file__).resolve().parents[2] / "Snakefile"
# Sections and inputs of a configuration that an analysis uses; of a synthetic corridor everything is kept, since its
# files are made as the whole says.
_SECTIONS = ("campaign", "seed", "data", "results", "grid", "terrain", "inventory", "run")
_LAYERS = ("dem", "roads", "vegetation", "vegetation_legend", "soil", "soil_legend")


def analyse(
    inventory: Path, layers: Path, reading: Mapping[str, Any], cores: str = "all", options: Sequence[str] = ()
) -> int:
    """Checks an inventory and the layers, and runs the workflow up to the inventory's analysis.

    The configuration that it runs with is written to `results/CAMPAIGN/analysis/given/config.yaml`.

    Args:
        inventory: any vector file.
        layers: configuration with the grid and the layers.
        reading: how the inventory is read, as `slumpmap.inventory.foreign.read_foreign` takes it.
        cores: for snakemake.
        options: further options of snakemake.

    Returns:
        Exit status of snakemake.

    Raises:
        InputError: configuration, layers or inventory are refused, or slumpmap does not run from a checkout.
    """
    if not SNAKEFILE.exists():
        raise InputError(SNAKEFILE, "the workflow is missing", "run slumpmap from a checkout of its repository")
    values = analysis_values(inventory, layers, reading)
    config = check_config(values, str(layers))
    _check_ground(config)
    _check_slumps(inventory, config, reading)
    folder = config.folder / "analysis" / "given"
    write_text(folder / "config.yaml", yaml.safe_dump(values, sort_keys=False, allow_unicode=True))
    command = [sys.executable, "-m", "snakemake", "analyse", "--snakefile", str(SNAKEFILE)]
    command += ["--configfile", str(folder / "config.yaml"), "--cores", cores, "--show-failed-logs", *options]
    status = subprocess.run(command, check=False).returncode
    if status == 0 and (folder / "selection.csv").exists():  # a dry run makes nothing
        print(f"The analysis of {inventory} is in {folder}")
    return status


def analysis_values(inventory: Path, layers: Path, reading: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with what the analysis of an inventory needs, and nothing of mapping.

    Raises:
        InputError: the configuration is unreadable or not valid, in whatever section.
    """
    values = read_values(layers)
    given = {"layer": reading.get("layer"), "where": reading.get("where"), "encoding": reading.get("encoding")}
    given |= {"crs_of_file": reading.get("crs"), "inventory": str(inventory.resolve())}
    given["columns"] = [f"{role}={name}" for role, name in (reading.get("columns") or {}).items()]
    values["analysis"] = (values.get("analysis") or {}) | given
    whole = check_config(values, str(layers))
    if whole.demo is not None:
        return values
    kept = {name: values[name] for name in _SECTIONS if name in values}
    ground = {name: path for name, path in values["inputs"].items() if name in _LAYERS}
    return kept | {"inputs": ground, "analysis": values["analysis"]}


def _check_ground(config: Config) -> None:
    """Refuses layers that are missing or of no use; those of a synthetic corridor are still to be made."""
    config.check_files()
    if config.demo is None:
        files = config.input_files()
        check_layers(grid_of(config.grid), **{name: getattr(files, name) for name in _LAYERS})


def _check_slumps(inventory: Path, config: Config, reading: Mapping[str, Any]) -> None:
    """Refuses an inventory that does not come through the door or has no slump in the study area; says what it saw."""
    foreign = read_foreign(inventory, target_crs=config.grid.crs, **reading)
    print(f"{len(foreign.slumps)} slumps from {foreign.rows} rows of {inventory}")
    for row in foreign.counts().itertuples():
        print(f"{row.rows:6d} {row.action}: {row.problem}")
    area = grid_of(config.grid).area
    inside = shapely.contains(area, shapely.centroid(foreign.slumps.geometry.to_numpy()))
    if not inside.any():
        fault = f"none of the {len(inside)} slumps lies in the study area of {config.campaign}"
        raise InputError(inventory, fault, "check its CRS, and bounds or area of the grid")
    if not inside.all():
        print(f"{int((~inside).sum()):6d} outside the study area: they do not count against the landscape")
    sys.stdout.flush()
