"""The command that begins a campaign of one's own."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import click

from slumpmap.cli.shared import FILE
from slumpmap.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
# What is asked where nobody said it, in this order; what may be left out has an empty default.
_QUESTIONS = {
    "area": ("Study area (a file with polygons, or west,south,east,north in degrees)", None),
    "scenes": ("Scenes (a folder, or a scene catalogue)", None),
    "slumps": ("Known slumps (polygons)", None),
    "years": ("Years, comma separated (empty: all that have scenes)", ""),
    "dem": ("DEM (a raster, a ZIP file or a folder of such; empty: none)", ""),
    "roads": ("Roads and railways (lines; empty: none)", ""),
    "lookalikes": ("Places that look like slumps and are none (polygons; empty: none)", ""),
    "vegetation": ("Raster of vegetation classes (empty: none)", ""),
    "soil": ("Raster of soil classes (empty: none)", ""),
}
_NEEDED = ("area", "scenes", "slumps")


@click.command()
@click.argument("region")
@click.option("--area", help="study area: a file with polygons, or west,south,east,north in degrees")
@click.option("--scenes", type=FILE, help="folder of scenes, or a scene catalogue")
@click.option("--slumps", type=FILE, help="outlines of known slumps")
@click.option("--dem", type=FILE, multiple=True, help="elevation: rasters, ZIP files with such, or folders of either")
@click.option("--roads", type=FILE, help="roads and railways as lines")
@click.option("--lookalikes", type=FILE, help="outlines of places that look like slumps and are none")
@click.option("--vegetation", type=FILE, help="raster of vegetation classes")
@click.option(
    "--vegetation-legend", type=FILE, help="CSV with the columns code,name; without it one is made to fill in"
)
@click.option("--soil", type=FILE, help="raster of soil classes")
@click.option("--soil-legend", type=FILE, help="likewise")
@click.option("--years", help="years to map, comma separated; default: all that have scenes")
@click.option(
    "--mapping-year", type=int, help="year on which slumps are mapped; default: the latest of the best covered"
)
@click.option("--months", default="7,8", show_default=True, help="months of acquisition, comma separated")
@click.option("--max-cloud", type=click.FloatRange(0, 1), default=0.3, show_default=True, help="largest cloud share")
@click.option(
    "--product",
    type=click.Choice(["analytic_sr", "analytic_8b_sr", "analytic", "analytic_8b", "scene"]),
    help="Planet's product, where the folder has several",
)
@click.option("--crs", help="CRS of all products, in metres; default: the UTM zone of the study area")
@click.option("--resolution", type=click.FloatRange(0, min_open=True), help="pixel size, metres; default: the scenes'")
@click.option("--reviewers", default="first,second", show_default=True, help="who decides, comma separated")
@click.option("--adjudicator", default="third", show_default=True, help="who decides where they disagree")
@click.option("--network", type=click.Choice(["small", "large"]), help="default: large if this machine has a GPU")
@click.option("--config", type=FILE, help="configuration to write; default: config/REGION.yaml")
@click.option("--data", type=FILE, help="folder to make for layers and map; default: data/REGION")
@click.option("--ask/--no-ask", default=None, help="ask for what is not given; default: in a terminal")
def new(region: str, config: Path | None, data: Path | None, ask: bool | None, **said: Any) -> None:
    """Begin a campaign in a region of your own: check the layers, draw them, write the configuration."""
    from slumpmap.region.make import MAP, make_region
    from slumpmap.region.overview import table_of

    if not _NAME.fullmatch(region):
        raise InputError(region, "is no name of a campaign", "take letters, digits, - and _, 100 at most")
    config, data = config or Path("config") / f"{region}.yaml", data or Path("data") / region
    if sys.stdin.isatty() if ask is None else ask:
        _ask(said)
    _check_given(said)
    made = make_region(_wish(region, said), config, data)
    click.echo(table_of(made.findings))
    click.echo("".join(f"\nNote: {line}" for line in made.advice))
    click.echo(f"\nThe map: {data / MAP}\nThe configuration, to be read and changed: {config}")
    click.echo(f"\nNext: slumpmap plan --config {config}\nThen: snakemake --cores all --configfile {config}")
    if not Path("Snakefile").exists():
        click.echo("Both in slumpmap's folder, where its Snakefile is.")


def _ask(said: dict[str, Any]) -> None:
    """Asks for what was not said."""
    for name, (question, default) in _QUESTIONS.items():
        if said[name]:
            continue
        answer = str(click.prompt(question, default=default, show_default=False)).strip()
        if answer:
            kind = str if name in ("area", "years") else Path
            said[name] = (kind(answer),) if name == "dem" else kind(answer)


def _check_given(said: dict[str, Any]) -> None:
    for name in _NEEDED:
        if not said[name]:
            raise InputError(f"--{name}", "is missing", "give it, or --ask to be asked")
    for what in ("vegetation", "soil"):
        if said[f"{what}_legend"] and not said[what]:
            raise InputError(f"--{what}-legend", f"is given without --{what}", "give both")


def _wish(region: str, said: dict[str, Any]) -> Any:
    from slumpmap.region.wish import Wish

    classes = {what: (said.pop(what), said.pop(f"{what}_legend")) for what in ("vegetation", "soil")}
    said |= {"classes": {what: files for what, files in classes.items() if files[0]}}
    said |= {name: _numbers(f"--{name}", said[name]) for name in ("years", "months")}
    said["reviewers"] = tuple(name.strip() for name in said["reviewers"].split(","))
    return Wish(name=region, **said)


def _numbers(option: str, text: str | None) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(part) for part in text.split(",")})) if text else ()
    except ValueError:
        raise InputError(option, f"{text!r} are no numbers", "give them comma separated, such as 2018,2019") from None


COMMANDS = (new,)
