"""What Xia et al. (2022) state, beside what can be recomputed from it, and from the published inventory if it is there.

    python benchmarks/paper_checks.py [--inventory FILE [--column ROLE=NAME ...]] [--json FILE]

Numbers of the paper are checked against each other: sums of Table 2, groups, shares, units, and the places that say the
same thing twice. With the published inventory (Zenodo 6397028, any vector format) areas and counts are taken from the
outlines themselves. Radiation is checked by benchmarks/pisr_options.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from slumpmap.figures.published import NO, OPEN, YES, paper
from slumpmap.files import write_json
from slumpmap.grid import HECTARE
from slumpmap.inventory.comparison import equal_area_crs
from slumpmap.inventory.foreign import PROBABILITIES, Foreign, bring, read_foreign

PAPER = paper()
TABLE2 = PAPER.table2
SLUMPS, INITIAL = round(PAPER["slumps"]), round(PAPER["initial"])
PROBABILITY = {name: (round(PAPER[name]), round(PAPER[f"{name}_share"])) for name in PROBABILITIES}
INITIATION = {
    "before 2016": round(PAPER["before_2016"]),
    "2016-2017": round(PAPER["from_2016"]),
    "2017-2018": round(PAPER["from_2017"]),
    "2018-2019": round(PAPER["from_2018"]),
}
NEAR_ROAD, NEAR_STREAM = round(PAPER["near_road"]), round(PAPER["near_stream"])
BEILUHE, BEILUHE_COMPARED = round(PAPER["beiluhe"]), round(PAPER["luo_zone"])
STUDY_AREA_KM2, STUDY_AREA_HA, AFFECTED_HA = PAPER["study_area"], PAPER["study_area_ha"], PAPER["affected"]
LARGEST_HA, SMALLEST_HA = PAPER["largest"], PAPER["smallest"]


@dataclass(frozen=True)
class Check:
    """A statement of the paper beside what comes out of its own numbers.

    Attributes:
        section: where it stands.
        statement: what is said.
        stated: as it stands there; `-` where the paper does not say it.
        recomputed: what comes out.
        agrees: yes, no, or `-` where there is nothing to agree with.
        note: why not, or what else to know.
    """

    section: str
    statement: str
    stated: str
    recomputed: str
    agrees: str
    note: str = ""


def check(section: str, statement: str, stated: str, recomputed: str, agrees: bool | None, note: str = "") -> Check:
    """A check with its verdict in words."""
    return Check(section, statement, stated, recomputed, OPEN if agrees is None else YES if agrees else NO, note)


def rounds_to(part: float, whole: float, percent: float, decimals: int = 0) -> bool:
    """Whether a share, rounded half away from zero, is the percentage that is stated."""
    scale = 10**decimals
    return bool(np.floor(100 * part / whole * scale + 0.5) == round(percent * scale))


def counts_that_round_to(percent: float, whole: int, decimals: int = 0) -> list[int]:
    """Numbers out of `whole` whose share rounds to the percentage; none if no number can have it."""
    return [count for count in range(whole + 1) if rounds_to(count, whole, percent, decimals)]


def table2_checks(rows: Sequence[tuple[int, int, int, int, int, int]] = TABLE2) -> list[Check]:
    """Sums, chains and yields of Table 2."""
    table = np.array(rows)
    positives, inferred, new, total = (table[:, column] for column in (1, 3, 4, 5))
    found = int(new.sum())
    each = ", ".join(f"{100 * n / i:.1f}" for n, i in zip(new, inferred, strict=True))
    least, most = PAPER["inferred_least"], PAPER["inferred_most"]
    # "2 to 5 thousand" holds what rounds to thousands of that.
    outside = [int(row[0]) for row in table if not least <= row[3] < most + 500]
    return [
        check("Table 2", "initial and newly found slumps are all", f"{SLUMPS}", f"{positives[0]} + {found} ="
              f" {positives[0] + found}", bool(positives[0] + found == SLUMPS)),
        check("Table 2", "each total is positives and newly found", "8 rows",
              f"{int((positives + new == total).sum())} rows", bool((positives + new == total).all())),
        check("Table 2", "each iteration trains on the total before", "7 rows",
              f"{int((positives[1:] == total[:-1]).sum())} rows", bool((positives[1:] == total[:-1]).all())),
        check("Table 2", "inferred polygons, all iterations", OPEN, f"{inferred.sum():,}", None),
        check("Table 2", "yield, newly found per inferred, %", OPEN,
              f"{100 * found / inferred.sum():.2f}; by iteration {each}", None,
              f"{inferred.sum() / found:.0f} polygons for a new slump"),
        check("6.3", "each iteration inferred 2 to 5 thousand polygons", f"{least:g} to {most:g}",
              f"{inferred.min():,} to {inferred.max():,}", not outside,
              f"iteration {', '.join(map(str, outside))} did not; perhaps only new ones are meant" if outside else ""),
        check("4.2", "repeated until no new slumps were found", "0", f"{new[-1]} in the last iteration",
              bool(new[-1] == 0), "" if new[-1] == 0 else "the last iteration of the table still found some"),
    ]  # fmt: skip


def group_checks(
    probability: Mapping[str, tuple[int, int]] = PROBABILITY, initiation: Mapping[str, int] = INITIATION
) -> list[Check]:
    """Groups of probability and of initiation: sums and percentages."""
    graded = sum(count for count, _ in probability.values())
    begun = sum(initiation.values())
    groups = " + ".join(map(str, initiation.values()))
    most = initiation["2016-2017"]
    sums = " + ".join(str(count) for count, _ in probability.values())
    checks = [check("4.3", "slumps by probability are all", f"{SLUMPS}", f"{sums} = {graded}", graded == SLUMPS)]
    for name, (count, percent) in probability.items():
        right = rounds_to(count, SLUMPS, percent)
        checks.append(
            check("4.3", f"share of {name} probability", f"{percent} %", f"{100 * count / SLUMPS:.2f} %", right,
                  "" if right else "cut off, not rounded; rounded the three would sum to 101 %")
        )  # fmt: skip
    short = SLUMPS - begun
    return [
        *checks,
        check("5", "slumps by initiation are all", f"{SLUMPS}", f"{groups} = {begun}", begun == SLUMPS,
              f"{short} slumps are in no group" if short else ""),
        check("5", "more than half began from 2016 to 2017", "> 50 %",
              f"{100 * most / SLUMPS:.1f} % of all, {100 * most / begun:.1f} % of those in a group", most > SLUMPS / 2),
    ]  # fmt: skip


def share_checks() -> list[Check]:
    """Shares quoted in sections 5 and 6, and whether a whole number of slumps can have them."""
    small = counts_that_round_to(PAPER["below_10_ha"], SLUMPS, 1)
    near_small = counts_that_round_to(PAPER["near_road_below_2"], NEAR_ROAD, 1)
    names = ("slope_4_8", "alpine_meadow", "loam")
    steep, meadow, loam = (counts_that_round_to(PAPER[name], SLUMPS) for name in names)
    any_percent = f"{SLUMPS} slumps can have any whole percentage"
    parts = [PAPER[name] for name in ("region_loam", "region_sandy_loam", "region_other_soil")]
    soils = sum(parts)
    unsure = sum(PROBABILITY[name][0] for name in ("medium", "low"))
    zone, doubtful = PAPER["niu_zone"], PAPER["niu_zone_doubtful"]
    beiluhe_near, half = PAPER["beiluhe_near_road"], PAPER["beiluhe_west_share"]
    return [
        check("5", "smaller than 10 ha", f"{PAPER['below_10_ha']} %", f"{_span(small)} of {SLUMPS}", bool(small)),
        check(
            "5",
            "on slopes of 4 to 8 degrees",
            f"{PAPER['slope_4_8']:g} %",
            f"{_span(steep)} of {SLUMPS}",
            None,
            any_percent,
        ),
        check(
            "5", "in alpine meadow", f"~{PAPER['alpine_meadow']:g} %", f"{_span(meadow)} of {SLUMPS}", None, any_percent
        ),
        check("5", "on loam", f"~{PAPER['loam']:g} %", f"{_span(loam)} of {SLUMPS}", None, any_percent),
        check(
            "5",
            "soils of the region sum up",
            "100 %",
            f"{' + '.join(map(str, parts))} = {soils:.1f} %",
            round(soils, 1) == 100,
        ),
        check(
            "5",
            "selection of loam: share of slumps by share of region",
            OPEN,
            f"{PAPER['loam']:g} / {parts[0]} = {PAPER['loam'] / parts[0]:.2f}",
            None,
            "not stated; above 1 as the text says",
        ),
        check(
            "5",
            "near-road slumps smaller than 2 ha",
            f"{PAPER['near_road_below_2']} %",
            f"{_span(near_small)} of {NEAR_ROAD}",
            bool(near_small),
        ),
        check(
            "5",
            "slumps beside streams",
            f"{NEAR_STREAM}",
            f"{100 * NEAR_STREAM / SLUMPS:.1f} % of {SLUMPS}",
            None,
            "the share is not stated",
        ),
        check(
            "5",
            f"~{half:g} % lie in the west of Beiluhe",
            f"~{half:g} %",
            f"{BEILUHE} of {SLUMPS} = {100 * BEILUHE / SLUMPS:.1f} %",
            abs(100 * BEILUHE / SLUMPS - half) < 5,
            f"{BEILUHE} is Beiluhe as a whole (abstract, 6.1)",
        ),
        check(
            "6.1, 6.2",
            "slumps in Beiluhe, said twice",
            f"{BEILUHE}",
            f"{BEILUHE_COMPARED}",
            BEILUHE == BEILUHE_COMPARED,
            "6.2 counts in the area of Luo et al.; how the two differ is not said",
        ),
        check(
            "6.1",
            f"{beiluhe_near:g} of the near-road slumps in Beiluhe",
            f"{beiluhe_near:g} of {NEAR_ROAD}",
            f"{100 * beiluhe_near / NEAR_ROAD:.0f} % there, {100 * BEILUHE / SLUMPS:.0f} % of all slumps",
            None,
        ),
        check(
            "6.2",
            f"{PAPER['niu_failures']:g} failures there, {zone:g} slumps here, {doubtful:g} of them of low or medium"
            " probability",
            f"{PAPER['niu_failures']:g}, {zone:g}, {doubtful:g}",
            f"{doubtful:g} is {100 * doubtful / zone:.0f} % of {zone:g};"
            f" {100 * unsure / SLUMPS:.0f} % of all slumps are",
            None,
            "slumpmap compare recounts it where both inventories are at hand",
        ),
    ]


def _span(counts: Sequence[int]) -> str:
    """The numbers that a share allows."""
    if not counts:
        return "no number"
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def area_checks() -> list[Check]:
    """Areas, units and elevations."""
    pixels, least = SMALLEST_HA * HECTARE / PAPER["pixel"] ** 2, PAPER["least_pixels"]
    near_mean = PAPER["near_road_mean"]
    near_sum = near_mean * NEAR_ROAD
    top, ends = PAPER["highest"], [PAPER[f"abstract_elevation_{end}"] for end in ("low", "high")]
    inner = [PAPER[f"elevation_90_{end}"] for end in ("low", "high")]
    radiation = [PAPER[f"pisr_{end}"] for end in ("low", "high")]
    offered = [PAPER[f"region_pisr_{end}"] for end in ("low", "high")]
    rest = (near_sum - LARGEST_HA) / (NEAR_ROAD - 1)
    return [
        check(
            "abstract, 5",
            "study area in both units",
            f"{STUDY_AREA_KM2:,.0f} km2",
            f"{STUDY_AREA_HA / 100:,.0f} km2",
            STUDY_AREA_HA / 100 == STUDY_AREA_KM2,
        ),
        check(
            "4.2",
            f"{SMALLEST_HA} ha in pixels of {PAPER['pixel']:g} m",
            f"~{least:g}",
            f"{pixels:.1f}",
            abs(pixels - least) <= 1,
        ),
        check(
            "5", "mean area of a slump", OPEN, f"{AFFECTED_HA / SLUMPS:.2f} ha", None, f"{AFFECTED_HA:g} ha by {SLUMPS}"
        ),
        check("5", "share of the region that slumps affect", OPEN, f"{100 * AFFECTED_HA / STUDY_AREA_HA:.3f} %", None),
        check(
            "5",
            f"largest slump, {LARGEST_HA} ha, among those near roads",
            f"mean {near_mean} ha",
            f"{near_sum:.1f} ha in all, {rest:.2f} ha for each other one",
            None,
            "possible, but the sentence may mean the largest of all",
        ),
        check(
            "abstract, 5",
            "elevations of slumps, said twice",
            f"{ends[0]:g} to {ends[1]:g} m",
            f"highest at {top:g} m",
            top <= ends[1],
            "the abstract's range leaves out the highest slump; it does not say what share it holds",
        ),
        check(
            "5",
            "90 % of slumps within the abstract's elevations",
            f"{inner[0]:g} to {inner[1]:g} m",
            f"inside {ends[0]:g} to {ends[1]:g} m",
            ends[0] <= inner[0] and inner[1] <= ends[1],
        ),
        check(
            "5",
            "radiation of slumps within that of the region",
            f"{radiation[0]:g} to {radiation[1]:g}",
            f"inside {offered[0]:g} to {offered[1]:g} kWh m-2",
            offered[0] <= radiation[0] and radiation[1] <= offered[1],
            "benchmarks/pisr_options.py asks which model gives such values",
        ),
    ]


def inventory_checks(foreign: Foreign) -> list[Check]:
    """The published numbers beside those of an inventory's own outlines.

    Args:
        foreign: the inventory in an equal-area CRS.
    """
    area = foreign.slumps.area.to_numpy() / HECTARE
    small = 100 * float((area < 10).mean())
    checks = [
        check("abstract", "slumps", f"{SLUMPS}", f"{len(area)}", len(area) == SLUMPS),
        check("5", "largest slump", f"{LARGEST_HA} ha", f"{area.max():.2f} ha", abs(area.max() - LARGEST_HA) < 0.05),
        check("5", "smallest slump", f"{SMALLEST_HA} ha", f"{area.min():.3f} ha", bool(0.045 <= area.min() < 0.055)),
        check(
            "5",
            "smaller than 10 ha",
            f"{PAPER['below_10_ha']} %",
            f"{small:.1f} %",
            rounds_to(small, 100, PAPER["below_10_ha"], 1),
        ),
        check("5", "affected area", f"{AFFECTED_HA:g} ha", f"{area.sum():.0f} ha", 1650 <= area.sum() < 1750),
    ]
    grades = foreign.slumps["probability"]
    if grades.notna().any():
        counted = {name: int((grades == name).sum()) for name in PROBABILITIES}
        stated = {name: count for name, (count, _) in PROBABILITY.items()}
        checks.append(check("4.3", "slumps by probability", _listed(stated), _listed(counted), counted == stated))
    began = foreign.slumps["initiation"]
    if began.notna().any():
        groups = {str(name): int(count) for name, count in began.fillna("unknown").value_counts(sort=False).items()}
        right = sorted(count for name, count in groups.items() if name != "unknown") == sorted(INITIATION.values())
        checks.append(check("5", "slumps by initiation", _listed(INITIATION), _listed(groups), right))
    return checks


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())


def all_checks() -> list[Check]:
    """Everything that the paper's own numbers allow."""
    return [*table2_checks(), *group_checks(), *share_checks(), *area_checks()]


def markdown(checks: Sequence[Check]) -> str:
    """The checks as a table, and how many agree."""
    rows = [
        f"| {one.section} | {one.statement} | {one.stated} | {one.recomputed} | {one.agrees} | {one.note} |"
        for one in checks
    ]
    counted = {word: sum(one.agrees == word for one in checks) for word in (YES, NO, OPEN)}
    heading = ["| section | statement | stated | recomputed | agrees | note |", "|---|---|---|---|---|---|"]
    total = f"{counted[YES]} agree, {counted[NO]} do not, {counted[OPEN]} say what the paper does not."
    return "\n".join([*heading, *rows, "", total])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--inventory", type=Path, help="the published inventory")
    parser.add_argument("--layer", help="its layer, where there are several")
    parser.add_argument("--column", action="append", default=[], metavar="ROLE=NAME", help="its column for a role")
    parser.add_argument("--json", type=Path, help="file for the checks")
    options = parser.parse_args()
    checks = all_checks()
    if options.inventory:
        columns = dict(text.split("=", 1) for text in options.column)
        foreign = read_foreign(options.inventory, layer=options.layer, columns=columns)
        checks += inventory_checks(bring(foreign, equal_area_crs(foreign.slumps)))
    print(markdown(checks))
    if options.json:
        write_json(options.json, [asdict(one) for one in checks])


if __name__ == "__main__":
    main()
