"""The numbers of Xia et al. (2022), and how an inventory's own agree with them: the published inventory should.

What the paper states is in `xia2022.yaml` beside this file, and nowhere else.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

import yaml

from slumpmap.figures.numbers import Number, read_numbers
from slumpmap.figures.words import counted_words, verb
from slumpmap.files import read_json, write_text

YES, NO, OPEN = "yes", "no", "-"
_OTHER_DISTANCE = (
    "slumps are near a road up to {:g} m here and up to {:g} m in the paper; near-road numbers differ for it."
)
_FILE = Path(__file__).with_name("xia2022.yaml")


@dataclass(frozen=True)
class Stated:
    """A number of the paper.

    Attributes:
        name: for programs.
        value: as printed.
        unit: slumps, ha, ...
        place: sections, tables and figures where it stands.
        definition: what it is, as far as the paper says.
        ours: name of the number of an inventory that says the same; None where none can.
        tolerance: difference up to which the two agree.
        why: of the tolerance, where it is not half a unit of the last digit; without `ours` why there is none.
        approximate: whether it is printed as about that much.
    """

    name: str
    value: float
    unit: str
    place: str
    definition: str
    ours: str | None = None
    tolerance: float = 0.0
    why: str = ""
    approximate: bool = False


@dataclass(frozen=True)
class Paper:
    """What the paper states.

    Attributes:
        reference: how it is cited.
        numbers: by name.
        table2: its rows: iteration, positive and negative polygons, inferred, newly found, total.
    """

    reference: str
    numbers: Mapping[str, Stated]
    table2: tuple[tuple[int, int, int, int, int, int], ...]

    def __getitem__(self, name: str) -> float:
        """The value of a number."""
        return self.numbers[name].value


@cache
def paper() -> Paper:
    """Reads what the paper states."""
    facts = yaml.safe_load(_FILE.read_text(encoding="utf-8"))
    numbers = [Stated(**row) for row in facts["numbers"]]
    rows = [(row[0], row[1], row[2], row[3], row[4], row[5]) for row in facts["table2"]]
    return Paper(facts["reference"], {one.name: one for one in numbers}, tuple(rows))


@dataclass(frozen=True)
class Beside:
    """A number of the paper beside that of an inventory; None and `-` where there is nothing to compare."""

    name: str
    place: str
    definition: str
    published: float
    unit: str
    ours: float | None
    n: float | None
    of: str
    difference: float | None
    tolerance: float
    agrees: str
    note: str


def beside(stated: Stated, numbers: Mapping[str, Number]) -> Beside:
    """Sets a number of the paper beside that of an inventory."""
    found, note = _found(stated, numbers)
    value = found.value if found else None
    difference = None if value is None else value - stated.value
    # Differences of decimal fractions carry an error in their last digits.
    agrees = OPEN if difference is None else YES if abs(difference) <= stated.tolerance + 1e-9 else NO
    about = [note, stated.why if difference is not None else ""]
    return Beside(
        stated.name, stated.place, stated.definition, stated.value, stated.unit, value,
        found.n if found else None, found.of if found else "",
        difference, stated.tolerance, agrees, "; ".join(text for text in about if text),
    )  # fmt: skip


def _found(stated: Stated, numbers: Mapping[str, Number]) -> tuple[Number | None, str]:
    """Our number for one of the paper, and why there is none. Names of classes may differ in capitals."""
    if stated.ours is None:
        return None, stated.why
    names = {name.casefold(): name for name in numbers}
    name = names.get(stated.ours.casefold())
    if name is not None:
        return numbers[name], numbers[name].missing
    group, _, member = stated.ours.partition("/")
    if group.startswith("zone"):
        return None, f"no zone {member.split('/')[0]!r} is given"
    kind = group.removeprefix("region_").removesuffix("_share")
    there = [name.partition("/")[2] for name in numbers if name.startswith(f"{group}/")]
    if there:
        return None, f"no class {member!r} of {kind}; there are {', '.join(there)}"
    return None, numbers[kind].missing if kind in numbers else f"the landscape has no {kind}"


def own_sums(stated: Paper) -> list[str]:
    """Which of the paper's own sums close, and which do not, in words."""
    total = round(stated["slumps"])
    lines = []
    for words, names in (
        ("Groups of probability", ("high", "medium", "low")),
        ("Groups of initiation", ("before_2016", "from_2016", "from_2017", "from_2018")),
    ):
        parts = [round(stated[name]) for name in names]
        text = f"{words}: {' + '.join(map(str, parts))} = {sum(parts)}, "
        rest = total - sum(parts)
        lines.append(
            text
            + (f"which is all {total} slumps." if not rest else f"not {total}: {abs(rest)} slumps are in no group.")
        )
    found = sum(row[4] for row in stated.table2)
    first = stated.table2[0][1]
    lines.append(f"Table 2: {first} known and {found} newly found slumps make {first + found}.")
    if stated["highest"] > stated["abstract_elevation_high"]:
        lines.append(
            f"The abstract's elevations end at {stated['abstract_elevation_high']:g} m, section 5 has a slump at"
            f" {stated['highest']:g} m; what share the abstract's range holds is not said."
        )
    lines.append(
        f"Beiluhe holds {stated['beiluhe']:g} slumps by the abstract; {stated['luo_zone']:g} lie in the area of Luo et"
        " al. (2019). How the two areas differ is not said."
    )
    return lines


def write_published(summary: Path, out: Path) -> None:
    """Writes the paper's numbers beside an inventory's as CSV (`out`) and, with the paper's own sums, as Markdown.

    Args:
        summary: `summary.json` of the inventory.
        out: CSV to write; the Markdown is written beside it.

    Raises:
        InputError: the summary is missing or no JSON.
    """
    numbers, near_m = read_numbers(summary), read_json(summary)["near_road_m"]
    rows = [beside(stated, numbers) for stated in paper().numbers.values()]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [field.name for field in fields(Beside)]
    writer.writerow(names)
    writer.writerows(
        [["" if (value := getattr(row, name)) is None else _digits(value) for name in names] for row in rows]
    )
    write_text(out, text.getvalue())
    warnings = [] if near_m == paper()["near_road_m"] else [_OTHER_DISTANCE.format(near_m, paper()["near_road_m"])]
    if numbers["slumps_outside"].value:
        outside = counted_words(numbers["slumps_outside"].value, "slump")
        warnings.append(f"{outside} of the inventory outside the study area of the configuration: not counted in ours.")
    write_text(out.with_suffix(".md"), markdown(rows, warnings))


def markdown(rows: Sequence[Beside], warnings: Sequence[str] = ()) -> str:
    """The comparison as a page: what can be compared, what cannot and why, and the paper's own sums."""
    compared = [row for row in rows if row.agrees != OPEN]
    agree = sum(row.agrees == YES for row in compared)
    lines = [
        "# The published numbers beside ours",
        "",
        f"Published: {paper().reference}. {_of(agree, len(compared))} Two numbers agree if they differ by no more than"
        " the tolerance, which is half a unit of the last printed digit unless the note gives a reason. Percentages"
        " that the paper cuts off instead of rounding do not agree.",
        "",
        *(f"**Note:** {text}\n" for text in warnings),
        "| where | what | published | ours | n | difference | tolerance | agrees | note |",
        "|---|---|---:|---:|---:|---:|---:|---|---|",
        *(
            f"| {row.place} | {row.definition} ({row.unit}) | {_digits(row.published)} | {_digits(row.ours)} |"
            f" {_digits(row.n)} {row.of} | {_digits(row.difference)} | {_digits(row.tolerance)} | {row.agrees} |"
            f" {row.note} |"
            for row in compared
        ),
        "",
        "## Not compared",
        "",
        "| where | what | published | why not |",
        "|---|---|---:|---|",
        *(
            f"| {row.place} | {row.definition} | {_digits(row.published)} {row.unit} | {row.note} |"
            for row in rows
            if row.agrees == OPEN
        ),
        "",
        "## The paper's own sums",
        "",
        *(f"- {line}" for line in own_sums(paper())),
        "",
        "`benchmarks/paper_checks.py` recomputes the rest of what the paper's own numbers allow.",
    ]
    return "\n".join(lines) + "\n"


def _of(agree: int, compared: int) -> str:
    if not compared:
        return "None of them can be compared."
    return f"Of {counted_words(compared, 'number')} that can be compared, {agree} {verb(agree, 'agrees', 'agree')}."


def _digits(value: float | str | None) -> str:
    """A number with six significant digits, whole ones in full; text as it is; nothing for None."""
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.6g}"
