"""The results section in words: `summary.json` and the tables of a study as a page that people read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from slumpmap.figures.numbers import BELOW_HA, NEAR_BELOW_HA, Number, read_numbers
from slumpmap.figures.table_words import TABLES, against_words, cluster_words, notes_of, sensitivity_words
from slumpmap.figures.words import clause, counted_words, decimals, listed, sentence, table, verb
from slumpmap.files import read_json, write_text
from slumpmap.inventory.attributes import CLASSES
from slumpmap.inventory.landscape import FLAT
from slumpmap.inventory.patterns import NORTH_FACING
from slumpmap.tables import read_csv

# Below this length of the resultant the directions of slumps have no mean worth saying.
_NO_DIRECTION = 0.1


class Facts:
    """The numbers of a study, by name, as text.

    Args:
        numbers: of `summary.json`.
    """

    def __init__(self, numbers: Mapping[str, Number]) -> None:
        self._numbers = numbers

    def __call__(self, name: str) -> str:
        """A number with its unit; it must have a value."""
        return decimals(self.value(name), self._numbers[name].unit)

    def bare(self, name: str) -> str:
        """A number without its unit, as the first of two limits stands."""
        return self(name).rstrip("°").split(" ")[0]

    def has(self, name: str) -> bool:
        """Whether there is such a number and it has a value."""
        return name in self._numbers and self._numbers[name].value is not None

    def value(self, name: str) -> float:
        """The value alone; it must be there."""
        value = self._numbers[name].value
        assert value is not None, name
        return value

    def n(self, name: str) -> float:
        """What the number rests on."""
        return self._numbers[name].n

    def why_not(self, name: str) -> str:
        """Why it has no value."""
        return self._numbers[name].missing

    def clause(self, name: str, one: str, many: str, rest: str) -> str:
        """A count and what is so of these slumps."""
        return clause(self.value(name), self.n(name), one, many, rest)

    def members(self, group: str) -> list[str]:
        """Names of the classes of a group of numbers, `group/class`."""
        return [name.split("/", 1)[1] for name in self._numbers if name.startswith(f"{group}/")]

    def groups(self, start: str) -> list[str]:
        """Groups of numbers whose name begins so."""
        return list(dict.fromkeys(name.split("/", 1)[0] for name in self._numbers if name.startswith(start)))

    def most(self, group: str) -> str:
        """The class with most slumps."""
        return max(self.members(group), key=lambda name: self.value(f"{group}/{name}"))

    def missing(self) -> dict[str, list[str]]:
        """What has no value, by reason."""
        reasons: dict[str, list[str]] = {}
        for one in self._numbers.values():
            if one.value is None:
                reasons.setdefault(one.missing, []).append(one.what)
        return reasons


def write_results(summary: Path, tables: Path | None, published: Path | None, out: Path) -> None:
    """Writes the results of a study in words.

    Args:
        summary: `summary.json` of the study.
        tables: folder with the tables of the study, `TABLES`; what is not there is left out and named.
        published: `published.csv`, or None.
        out: Markdown to write.

    Raises:
        InputError: the summary or a table is unreadable.
    """
    facts, about = Facts(read_numbers(summary)), read_json(summary)
    found = {} if tables is None else _read_tables(tables)
    sections = {
        "Number and size": size_words(facts),
        "Elevation": elevation_words(facts),
        "Slope and aspect": [*slope_words(facts), *aspect_words(facts)],
        "Solar radiation and topographic position": [*radiation_words(facts), *position_words(facts)],
        "Vegetation and soil": [text for layer in CLASSES for text in cover_words(facts, layer)],
        "Streams and roads": near_words(facts, about),
        "Probability": group_words(facts, "probability", "graded"),
        "Initiation": group_words(facts, "initiation", "dated"),
        "Where slumps cluster": [*cell_words(facts), *zone_words(facts), *cluster_words(found)],
        "Slumps against the landscape": against_words(found),
        "Without the doubtful slumps": sensitivity_words(found),
        "The published numbers": published_words(published),
        "Left out": left_out_words(facts, found),
    }
    if not facts.value("slumps"):
        sections = {name: sections[name] for name in ("Number and size", "Left out")}
    parts = opening(facts, about)
    for title, paragraphs in sections.items():
        if paragraphs:
            parts += [f"## {title}", *paragraphs]
    write_text(out, "\n\n".join(parts) + "\n")


def _read_tables(folder: Path) -> dict[str, Any]:
    """The tables that are there, by file name: CSV as frames, JSON as it is."""
    found: dict[str, Any] = {}
    for name in TABLES:
        path = folder / name
        if path.exists() and path.suffix == ".json":
            found[name] = read_json(path)
        elif path.exists():
            # A class may be called NA; only empty fields are unknown.
            found[name] = read_csv(path, keep_default_na=False, na_values=[""], dtype={"class": str})
    return found


def opening(facts: Facts, about: Mapping[str, Any]) -> list[str]:
    """Title, what the page is, and that data are synthetic if they are."""
    whose = "the campaign's own inventory" if about["study"] == "own" else "the given inventory"
    parts = [f"# Results of {about['campaign']}: {whose}"]
    if about["synthetic"]:
        parts.append(
            "**Synthetic data:** a program made landscape, images and slumps. Nothing here is about the Earth."
        )
    outside = facts.value("slumps_outside")
    if outside:
        text = (
            f"{counted_words(outside, 'slump')} of the inventory {verb(outside, 'lies', 'lie')} outside the study area"
        )
        parts.append(sentence(f"{text} and {verb(outside, 'does', 'do')} not count here"))
    parts.append(
        "n is the number of slumps, or the area of ground, that a number rests on. A slump has the mean value of the"
        " ground under its outline, and the vegetation and soil of its largest part. The study area is described by its"
        " pixels. `summary.json` has all numbers with more digits; docs/results.md defines them."
    )
    return parts


def size_words(facts: Facts) -> list[str]:
    """Count, affected area, sizes."""
    n = facts.value("slumps")
    text = f"The inventory has {counted_words(n, 'slump')} in a study area of {facts('region_area')}"
    if not n:
        return [f"{text}."]
    text += (
        f", {facts('slumps_per_100_km2')}. {verb(n, 'It affects', 'Together they affect')} {facts('area_total')},"
        f" {facts('area_total_share')} of the study area."
    )
    if n == 1:
        return [text]
    sizes = (
        f"The largest slump has {facts('area_largest')}, the smallest {facts('area_smallest')}; the mean is"
        f" {facts('area_mean')} and the median {facts('area_median')} (n = {n:,.0f})."
    )
    below = [facts.clause(f"below_{limit}_ha", "is", "are", f"smaller than {limit} ha") for limit in BELOW_HA]
    return [text, f"{sizes} {sentence(listed(below))}"]


# --- terrain and cover ----------------------------------------------------------------------------------------------


def elevation_words(facts: Facts) -> list[str]:
    """The middle 90 % of slumps, the extremes, and the study area."""
    return [
        *_of_slumps(facts, "elevation", "lie at elevations of {low} to {high} a.s.l.", "lowest", "highest", "is at"),
        *_of_ground(
            facts, "elevation", "The study area reaches from {low} to {high}, half of it below {median} (n = {n})."
        ),
    ]


def _of_slumps(facts: Facts, factor: str, words: str, least: str, most: str, has: str = "has") -> list[str]:
    """The middle 90 % of slumps, the median and the extremes; or why there are none."""
    name = {"pisr": "solar radiation", "tpi": "topographic position"}.get(factor, factor)
    if not facts.has(f"{factor}_median"):
        return [f"The {name} of the slumps is not known: {facts.why_not(f'{factor}_median')}."]
    n = facts.n(f"{factor}_median")
    if n == 1:
        return [f"The {name} of the only slump with a value is {facts(f'{factor}_median')} (n = 1)."]
    middle = words.format(low=facts.bare(f"{factor}_p05"), high=facts(f"{factor}_p95"))
    text = (
        f"The middle 90 % of the slumps {middle}; the median is {facts(f'{factor}_median')}. The {least} slump {has}"
        f" {facts(f'{factor}_lowest')}, the {most} {facts(f'{factor}_highest')} (n = {n:,.0f})."
    )
    unknown = facts.value("slumps") - n
    if unknown:
        text += f" {sentence(clause(unknown, facts.value('slumps'), 'has', 'have', 'no value'))}"
    return [text]


def _of_ground(facts: Facts, factor: str, words: str) -> list[str]:
    """The study area's values, if they are known."""
    name = f"region_{factor}"
    if not facts.has(f"{name}_lowest"):
        return []
    limits = {"low": facts.bare(f"{name}_lowest"), "high": facts(f"{name}_highest")}
    limits |= {key: facts.bare(f"{name}_{key}") for key in ("p01", "p05")}
    limits |= {key: facts(f"{name}_{key}") for key in ("p95", "p99", "median")}
    return [words.format(**limits, n=decimals(facts.n(f"{name}_lowest"), "km2"))]


def slope_words(facts: Facts) -> list[str]:
    """Range and classes of slope."""
    parts = [
        *_of_slumps(facts, "slope", "have mean slopes of {low}° to {high}", "gentlest", "steepest"),
        *_of_ground(
            facts, "slope", "Of the study area 90 % has slopes of {p05}° to {p95}; the median is {median} (n = {n})."
        ),
    ]
    if not facts.has("slope_median"):
        return parts
    classes = facts.members("slope")
    names = {
        name: f"{name[:-1]}° and more" if name.endswith("+") else f"{name.replace('-', '° to ')}°" for name in classes
    }
    most = facts.most("slope")
    parts.append(sentence(facts.clause(f"slope/{most}", "lies", "lie", f"on slopes of {names[most]}")))
    rows = [[names[name], f"{facts.value(f'slope/{name}'):,.0f}", facts(f"slope_share/{name}")] for name in classes]
    return [*parts, table(["mean slope", f"slumps (n = {facts.n(f'slope/{most}'):,.0f})", "share of slumps"], rows)]


def aspect_words(facts: Facts) -> list[str]:
    """The way that slumps face, sector by sector beside the landscape."""
    if not facts.has("north_facing"):
        return [f"The aspect of the slumps is not known: {facts.why_not('north_facing')}."]
    text = facts.clause("north_facing", "faces", "face", "north (N, NE or NW)")
    ground = [f"region_aspect_share/{name}" for name in NORTH_FACING]
    if all(facts.has(name) for name in ground):
        share = decimals(sum(facts.value(name) for name in ground), "%")
        text += f"; {share} of the study area faces that way"
    text = sentence(text)
    if facts.n("aspect_mean") > 1:
        length, n = facts.value("aspect_concentration"), f"n = {facts.n('aspect_mean'):,.0f}"
        text += (
            f" Directions cancel out (resultant length {length:.2f}, {n}), so that a mean of them says nothing."
            if length < _NO_DIRECTION
            else f" The mean direction is {facts.value('aspect_mean'):.0f}° clockwise from north; the resultant length,"
            f" 0 for all ways and 1 for one way, is {length:.2f} ({n})."
        )
    return [text, _beside(facts, "aspect"), *_without(facts, "aspect", "no aspect")]


def radiation_words(facts: Facts) -> list[str]:
    """Radiation of slumps and of the study area."""
    words = "The study area receives {low} to {high}: 98 % of it {p01} to {p99}, with a median of {median} (n = {n})."
    return [
        *_of_slumps(
            facts, "pisr", "potentially receive {low} to {high} of solar radiation a year", "shadiest", "sunniest"
        ),
        *_of_ground(facts, "pisr", words),
    ]


def position_words(facts: Facts) -> list[str]:
    """Topographic position, where the slumps have it: the paper has none."""
    if not facts.has("tpi_median") or facts.n("tpi_median") == 1:
        return []
    return [
        "Measured from the mean height of their surroundings (topographic position index), the middle 90 % of the"
        f" slumps lie at {facts.bare('tpi_p05')} to {facts('tpi_p95')}, the median at {facts('tpi_median')}"
        f" (n = {facts.n('tpi_median'):,.0f})."
    ]


def cover_words(facts: Facts, layer: str) -> list[str]:
    """The most frequent class of vegetation or soil, and a table of all beside the landscape."""
    if not facts.members(layer):
        return [f"The {layer} of the slumps is not known: {facts.why_not(layer)}."]
    most = facts.most(layer)
    text = facts.clause(f"{layer}/{most}", "is", "are", f"on {most}")
    if facts.has(f"region_{layer}_share/{most}"):
        text += f", which covers {facts(f'region_{layer}_share/{most}')} of the study area"
    return [sentence(text), _beside(facts, layer), *_without(facts, layer, f"no class of {layer}")]


def _beside(facts: Facts, group: str) -> str:
    """A table of classes: slumps, their share, the share of the study area."""
    classes = facts.members(group)
    ground = {name: f"region_{group}_share/{name}" for name in classes}
    areas = [decimals(facts.n(place), "km2") for place in ground.values() if facts.has(place)]
    # Flat ground is a class of aspect that few regions have.
    shown = [
        name
        for name in classes
        if name != FLAT or facts.value(f"{group}/{name}") or (facts.has(ground[name]) and facts.value(ground[name]))
    ]
    head = [group, f"slumps (n = {facts.n(f'{group}/{classes[0]}'):,.0f})", "share of slumps", "share of study area"]
    head[3] += f" (n = {areas[0]})" if areas else ""
    rows = [
        [
            name,
            f"{facts.value(f'{group}/{name}'):,.0f}",
            facts(f"{group}_share/{name}"),
            facts(ground[name]) if facts.has(ground[name]) else "-",
        ]
        for name in shown
    ]
    return table(head, rows)


def _without(facts: Facts, group: str, what: str) -> list[str]:
    """How many slumps have no value, if some have none."""
    name = f"{group}_unknown"
    return [sentence(facts.clause(name, "has", "have", what))] if facts.value(name) else []


# --- neighbours, groups, places -------------------------------------------------------------------------------------


def near_words(facts: Facts, about: Mapping[str, Any]) -> list[str]:
    """Slumps beside streams and near roads."""
    places = {
        "near_stream": ("adjacent to a simulated stream", f"whose line is at most {about['adjacent_m']:g} m away"),
        "near_road": ("near a road or railway", f"at most {about['near_road_m']:g} m from their centroid"),
    }
    parts = []
    for name, (words, meaning) in places.items():
        if facts.has(name):
            parts.append(sentence(facts.clause(name, "is", "are", f"{words}, {meaning}")))
        else:
            parts.append(f"Which slumps are {words} is not known: {facts.why_not(name)}.")
    if facts.has("near_road") and facts.value("near_road"):
        parts[-1] += f" {_near_sizes(facts)}"
    return parts


def _near_sizes(facts: Facts) -> str:
    """How large the slumps near roads are, and how close the closest is."""
    n = facts.n("near_road_area_mean")
    away = f"{facts('road_distance_closest')} from the road"
    if n == 1:
        return f"It has {facts('near_road_area_mean')}; its centroid is {away} (n = 1)."
    small = facts.clause(f"near_road_below_{NEAR_BELOW_HA}_ha", "is", "are", f"smaller than {NEAR_BELOW_HA} ha")
    return (
        f"Those near a road have {facts.bare('near_road_area_smallest')} to {facts('near_road_area_largest')}, in the"
        f" mean {facts('near_road_area_mean')} (n = {n:,.0f}); {small}. The centroid of the closest is {away}."
    )


def group_words(facts: Facts, group: str, done: str) -> list[str]:
    """Groups of probability or initiation as a table."""
    if not facts.members(group):
        return [f"The {group} of the slumps is not known: {facts.why_not(group)}."]
    names, most = facts.members(group), facts.most(group)
    words = f"of {most} probability" if group == "probability" else f"in the group {most}"
    parts = [sentence(facts.clause(f"{group}/{most}", "is", "are", words))]
    rows = [[name, f"{facts.value(f'{group}/{name}'):,.0f}", facts(f"{group}_share/{name}")] for name in names]
    n = facts.n(f"{group}/{most}")
    parts.append(table([group, f"slumps (n = {n:,.0f})", "share"], rows))
    unknown = facts.value(f"{group}_unknown")
    if unknown:
        why = f"not {done}, and {verb(unknown, 'does', 'do')} not count in these shares"
        parts.append(sentence(facts.clause(f"{group}_unknown", "is", "are", why)))
    if group == "initiation":
        parts.append(
            "A slump is in the group of the two years between whose images it began, and in `before` if the first image"
            " shows it already."
        )
    return parts


def cell_words(facts: Facts) -> list[str]:
    """How slumps are spread over square cells, where there are such."""
    parts = []
    for side in facts.groups("cells_"):
        name = f"{side}/occupied"
        km = side.removeprefix("cells_").removesuffix("km")
        text = clause(facts.value(name), facts.n(name), "has", "have", "slumps", f"cell of {km} km")
        if facts.has(f"{side}/most_slumps"):
            text += (
                f"; the fullest has {facts(f'{side}/most_slumps')}, and at most {facts(f'{side}/most_area')} or"
                f" {facts(f'{side}/most_share')} of a cell are affected. The tenth of the cells with most slumps has"
                f" {facts(f'{side}/densest_tenth_share')} of them"
            )
        parts.append(sentence(text))
    return parts


def zone_words(facts: Facts) -> list[str]:
    """Slumps in named zones, where there are such."""
    names = [name for name in facts.members("zone") if "/" not in name]
    if not names:
        return []
    rows = [
        [
            name,
            f"{facts.value(f'zone/{name}'):,.0f}",
            facts(f"zone_share/{name}"),
            *(
                f"{facts.value(place):,.0f} (n = {facts.n(place):,.0f})" if facts.has(place) else "not known"
                for place in (f"zone/{name}/near_road", f"zone/{name}/doubtful")
            ),
        ]
        for name in names
    ]
    head = [
        "zone",
        f"slumps (n = {facts.value('slumps'):,.0f})",
        "share",
        "near a road",
        "of low or medium probability",
    ]
    return ["Slumps whose centroid lies in a zone:", table(head, rows)]


def published_words(published: Path | None) -> list[str]:
    """How many of the published numbers agree."""
    if published is None:
        return []
    verdicts = read_csv(published, ("agrees",), keep_default_na=False)["agrees"]
    yes, no = int((verdicts == "yes").sum()), int((verdicts == "no").sum())
    if not yes + no:
        return ["None of the numbers of Xia et al. (2022) can be set beside ours; `published.md` says why."]
    text = clause(yes, yes + no, "agrees", "agree", "with Xia et al. (2022) within the stated tolerance", "number")
    return [f"{sentence(text)} `published.md` sets each published number beside ours."]


def left_out_words(facts: Facts, found: Mapping[str, Any]) -> list[str]:
    """What the page does not say, and why."""
    rows = [[_few(names), reason] for reason, names in facts.missing().items()]
    rows += [[f"`{name}`", "the table is not there"] for name in TABLES if name not in found]
    rows += notes_of(found)
    return [table(["what", "why"], rows, texts=2)] if rows else ["Nothing: every number and table could be made."]


def _few(names: list[str]) -> str:
    """The first three, and how many more there are."""
    more = len(names) - 3
    return "; ".join(names[:3]) + (f"; and {counted_words(more, 'number')} more of that kind" if more > 0 else "")
