"""Commands for inventories of any origin: comparing two, and bringing one into the form of the campaign's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from slumpmap.cli.shared import FILE
from slumpmap.errors import InputError

Command = TypeVar("Command", bound=Callable[..., Any])


def door(suffix: str, of: str) -> Callable[[Command], Command]:
    """The options with which an inventory is read."""

    def decorate(function: Command) -> Command:
        for option in reversed(
            (
                click.option(f"--layer{suffix}", help=f"layer{of}, or file in its ZIP, where there are several"),
                click.option(f"--where{suffix}", help=f"rows{of} that count, such as \"img_date = '2014-08-08'\""),
                click.option(
                    f"--column{suffix}",
                    multiple=True,
                    metavar="ROLE=NAME",
                    help=f"column{of} for id, probability, initiation or date; may be repeated",
                ),
                click.option(f"--crs{suffix or '-of-file'}", help=f"CRS{of}, if the file has none or a wrong one"),
                click.option(f"--encoding{suffix}", help=f"of the text{of}, such as GB18030"),
            )
        ):
            function = option(function)
        return function

    return decorate


def reading(values: dict[str, Any], suffix: str) -> dict[str, Any]:
    """Takes the options of one inventory out of a command's values."""
    return {
        "layer": values.pop(f"layer{suffix}"),
        "where": values.pop(f"where{suffix}"),
        "columns": dict(_pair(f"--column{suffix}", text) for text in values.pop(f"column{suffix}")),
        "crs": values.pop(f"crs{suffix or '_of_file'}"),
        "encoding": values.pop(f"encoding{suffix}"),
    }


def _pair(option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise InputError(option.replace("_", "-"), f"{text!r} is no pair", "write it as NAME=VALUE")
    return name, value


@click.command("compare")
@click.argument("a", type=FILE)
@click.argument("b", type=FILE)
@click.option("--within", type=FILE, help="polygons in which slumps count")
@click.option(
    "--road-buffer",
    type=(FILE, float),
    default=None,
    metavar="ROADS METRES",
    help="count slumps up to METRES from these lines, on each side",
)
@click.option("--name-a", help="what to call A; default: the file's name")
@click.option("--name-b", help="what to call B; default: the file's name")
@click.option("--crs", help="projected CRS of areas and distances; default: Lambert equal-area about the slumps")
@click.option("--min-iou", type=click.FloatRange(0, 1), default=0.3, show_default=True, help="IoU of the same slump")
@click.option(
    "--min-contained",
    type=click.FloatRange(0, 1),
    default=0.5,
    show_default=True,
    help="share of the smaller outline in the larger one that makes them the same slump too",
)
@click.option(
    "--stable-share",
    type=click.FloatRange(0, 1),
    default=0.25,
    show_default=True,
    help="share of an earlier outline below which later ones in it mean new activity on a stabilized scar",
)
@click.option("--a-earlier", is_flag=True, help="A is the earlier one; not needed where the dates of both say so")
@click.option("--stable-a", metavar="COLUMN=VALUE", help="marks the stabilized scars of A")
@click.option("--note", default="", help="what to say behind the titles of figures, such as synthetic")
@door("-a", " of A")
@door("-b", " of B")
@click.option("--out", type=FILE, required=True, help="folder to make")
def compare(
    a: Path,
    b: Path,
    road_buffer: tuple[Path, float] | None,
    name_a: str | None,
    name_b: str | None,
    min_iou: float,
    min_contained: float,
    stable_share: float,
    stable_a: str | None,
    note: str,
    within: Path | None,
    crs: str | None,
    a_earlier: bool,
    out: Path,
    **values: Any,
) -> None:
    """Compare two inventories: slumps in common, relations, areas, F1; tables, map and figures.

    A is the earlier or the published one. Both may be any shapefile, GeoPackage, GeoJSON or GeoParquet.
    """
    from slumpmap.figures.comparison import comparison_figures
    from slumpmap.files import read_json
    from slumpmap.inventory.comparison import Rules
    from slumpmap.inventory.comparison_files import compare_files, statement

    roads, metres = road_buffer or (None, 0.0)
    compare_files(
        a,
        b,
        out,
        reading(values, "_a"),
        reading(values, "_b"),
        names=(name_a or a.stem, name_b or b.stem),
        roads=roads,
        road_buffer_m=metres,
        rules=Rules(min_iou, min_contained, stable_share),
        within=within,
        crs=crs,
        a_earlier=a_earlier,
        stable=_pair("--stable-a", stable_a) if stable_a else None,
    )
    comparison_figures(out, roads, note)
    click.echo(statement(read_json(out / "comparison.json")))


@click.command("import-inventory")
@click.argument("file", type=FILE)
@door("", "")
@click.option("--crs", "target_crs", help="CRS to bring the slumps to; default: the file's")
@click.option("--out-repairs", type=FILE, required=True, help="table of what was mended or left out, .csv")
@click.option("--out", type=FILE, required=True, help="slumps in the campaign's form, .gpkg")
def import_inventory(file: Path, target_crs: str | None, out_repairs: Path, out: Path, **values: Any) -> None:
    """Bring another person's inventory into the form of the campaign's slumps; list what was mended."""
    from slumpmap.inventory.foreign import import_inventory as import_file

    foreign = import_file(file, out, out_repairs, target_crs=target_crs, **reading(values, ""))
    click.echo(f"{len(foreign.slumps)} slumps from {foreign.rows} rows")
    for row in foreign.counts().itertuples():
        click.echo(f"{row.rows:6d} {row.action}: {row.problem}")


COMMANDS = (compare, import_inventory)
