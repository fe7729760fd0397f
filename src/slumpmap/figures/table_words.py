"""The tables of a study in words: selection, tests, joint model, clusters, sensitivity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from slumpmap.figures.words import counted_words, decimals, listed, sentence, table, verb

# What `slumpmap study` makes for each inventory.
TABLES = ("selection.csv", "tests.csv", "joint.json", "clustering.json", "sensitivity.csv")
# A statement that changes by more without doubtful slumps is shown.
_CHANGES_PERCENT = 10.0
_SURE = 0.05
_WORDS = {
    "tpi": "topographic position",
    "pisr": "solar radiation",
    "stream_distance_m": "distance from streams",
    "road_distance_m": "distance from roads",
}
_UNITS = {"elevation": " m", "slope": "°", "tpi": " m", "pisr": " kWh m⁻²"}
_MODELS = {"logistic": "the logistic model", "trees": "boosted trees"}
Found = Mapping[str, Any]


def factor_words(name: str) -> str:
    """A factor as people call it."""
    return _WORDS.get(name, name)


def against_words(found: Found) -> list[str]:
    """Classes that slumps prefer or avoid, tests against the landscape, and what holds together."""
    return [*selection_words(found), *test_words(found), *joint_words(found)]


def selection_words(found: Found) -> list[str]:
    """Classes whose interval of the selection ratio leaves out 1."""
    if "selection.csv" not in found:
        return []
    rows = found["selection.csv"]
    judged = int(rows["ratio_low"].notna().sum())
    if not judged:
        return ["No class has enough slumps for an interval of its selection ratio."]
    chosen = rows[rows["finding"].isin(["preferred", "avoided"])]
    text = (
        "The selection ratio is the share of a class among the slumps by its share of the study area: 1 is as"
        " available,"
        f" 3 three times as often. Of {counted_words(judged, 'class', 'classes')} with an interval, slumps prefer"
        f" {(chosen['finding'] == 'preferred').sum()} and avoid {(chosen['finding'] == 'avoided').sum()}."
        " The intervals draw whole blocks of ground; a few of so many leave out 1 by chance."
    )
    if not len(chosen):
        return [text]
    lines = [
        [
            factor_words(row["factor"]),
            f"{row['class']}{_UNITS.get(row['factor'], '')}",
            str(row["finding"]),
            f"{row['slumps']:.0f}",
            decimals(100 * row["slump_share"], "%"),
            decimals(100 * row["landscape_share"], "%"),
            f"{row['ratio']:.2f}",
            f"{row['ratio_low']:.2f} to {row['ratio_high']:.2f}",
        ]
        for _, row in chosen.iterrows()
    ]
    head = ["factor", "class", "finding", "slumps", "share of slumps", "share of study area", "ratio", "interval"]
    return [text, table(head, lines, texts=3)]


def test_words(found: Found) -> list[str]:
    """Tests of slumps against random points, as a table."""
    if "tests.csv" not in found:
        return []
    rows = found["tests.csv"]
    tested = rows[rows["p"].notna()]
    if not len(tested):
        return ["No factor could be tested against the landscape."]
    sure = [factor_words(name) for name in tested.loc[tested["p"] < _SURE, "factor"]]
    differ = (
        f"slumps differ from the landscape (p below {_SURE}) in {listed(sure)}" if sure else "no difference is sure"
    )
    text = (
        f"In tests on thinned samples, in which no two places are close to each other, {differ}. n counts slumps and"
        " random points in a thinned sample."
    )
    lines = [
        [
            factor_words(row["factor"]),
            str(row["test"]),
            _direction(row),
            f"{row['statistic']:.2f}",
            _p(row["p"]),
            f"{row['slumps']:.0f}, {row['landscape']:.0f}",
        ]
        for _, row in tested.iterrows()
    ]
    return [text, table(["factor", "test", "slumps are", "statistic", "p", "n"], lines, texts=3)]


def _direction(row: pd.Series) -> str:
    """Where slumps differ: higher, lower, or turned by so many degrees."""
    if row["factor"] != "aspect":
        return "-" if pd.isna(row["direction"]) else str(row["direction"])
    return "-" if pd.isna(row["direction"]) else _turn(float(row["direction"]))


def _turn(degrees: float) -> str:
    return f"turned by {abs(degrees):.0f}° {'clockwise' if degrees >= 0 else 'counterclockwise'}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def joint_words(found: Found) -> list[str]:
    """What each model of all factors says, and whether they agree."""
    if "joint.json" not in found:
        return []
    joint = found["joint.json"]
    if not joint["models"]:
        return [f"There is no model of all factors: {'; '.join(joint['omissions'])}."]
    parts = []
    for name, model in joint["models"].items():
        holds = [factor_words(factor) for factor in model["holds"]]
        auc = "no AUC" if model["auc"] is None else f"an AUC of {model['auc']:.2f}"
        kept = f"{listed(holds)} {verb(len(holds), 'holds', 'hold')}" if holds else "no factor holds"
        parts.append(
            f"{_MODELS.get(name, name)} ({auc} on ground not seen; n = {counted_words(model['slumps'], 'slump')} and"
            f" {counted_words(model['landscape'], 'point')} in {counted_words(model['blocks'], 'block')}): {kept} after"
            " the others"
        )
    text = (
        f"A model of all factors together tells which of them still matters once the others are known. {_joined(parts)}"
    )
    answers = [set(model["holds"]) for model in joint["models"].values()]
    if len(answers) > 1 and answers[0] != answers[1]:
        text += " The two do not agree: factors that go together can stand for each other, so believe neither alone."
    return [text]


def _joined(parts: list[str]) -> str:
    return " ".join(sentence(part) for part in parts)


def cluster_words(found: Found) -> list[str]:
    """Distances to the nearest neighbour and Ripley's L."""
    if "clustering.json" not in found:
        return []
    facts = found["clustering.json"]
    nearest, ripley = facts["nearest_neighbour"], facts["ripley"]
    if nearest is None:
        return [f"Nothing is said of clusters: {'; '.join(facts['omissions'])}."]
    ratio = nearest["ratio"]
    how = "closer together than" if ratio < 1 else "farther apart than"
    text = (
        f"The mean distance from a slump to the nearest other one is {decimals(nearest['mean_m'], 'm')}, {ratio:.2f}"
        f" times that of random places in the study area ({_chance(nearest['p'])}, {facts['simulations']} random"
        f" patterns, n = {nearest['slumps']:,.0f}): slumps lie {how} chance would have them."
    )
    if nearest["p"] >= _SURE:
        text = text.rsplit(":", 1)[0] + ": that may be chance."
    if ripley and ripley["clustered_m"]:
        low, high = (decimals(value, "m") for value in ripley["clustered_m"])
        span = f"at {low}" if low == high else f"from {low} to {high}"
        whole = "" if ripley["p"] is None else f"; {_chance(ripley['p'])} for the whole curve"
        text += (
            f" By Ripley's L they lie in clusters at distances {span} ({decimals(ripley['farthest_m'], 'm')} is the"
            f" farthest looked at{whole})."
        )
    elif ripley:
        text += f" By Ripley's L they lie in no clusters up to {decimals(ripley['farthest_m'], 'm')}."
    return [text]


def _chance(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3g}"


def sensitivity_words(found: Found) -> list[str]:
    """Statements that change without slumps of low or medium probability."""
    if "sensitivity.csv" not in found:
        return []
    rows = found["sensitivity.csv"].set_index("statement")
    subsets = ["all", "without_low", "high_only"]
    n = [f"{value:,.0f}" for value in rows.loc["slumps", subsets]] if "slumps" in rows.index else ["?"] * 3
    if n[0] == n[2]:
        return ["No slump is of low or medium probability, so that all statements rest on all slumps alike."]
    others = rows.drop(index="slumps", errors="ignore")
    known = others[others["change_percent"].notna()]
    moved = known[known["change_percent"].abs() > _CHANGES_PERCENT]
    text = (
        f"Said again without slumps of low probability, and of slumps of high probability alone, {len(moved)} of"
        f" {counted_words(len(known), 'statement')} {verb(len(moved), 'changes', 'change')} by more than"
        f" {_CHANGES_PERCENT:g} %."
    )
    note = found["sensitivity.csv"]["note"].dropna()
    text += f" {sentence('; '.join(note[note.index == 0]))}" if 0 in note.index else ""
    if not len(moved):
        return [text]
    lines = [
        [
            _plain(str(name)),
            *(f"{row[column]:.3g}" if pd.notna(row[column]) else "-" for column in subsets),
            f"{row['change_percent']:+.0f} %",
        ]
        for name, row in moved.iterrows()
    ]
    head = [
        "statement",
        *(f"{words} (n = {count})" for words, count in zip(("all", "without low", "high only"), n, strict=True)),
    ]
    return [text, table([*head, "change"], lines)]


def _plain(statement: str) -> str:
    """A statement with its factor as people call it."""
    for name, words in _WORDS.items():
        statement = statement.replace(f"median {name},", f"median {words},").replace(f", {name}", f", {words}")
        statement = statement.replace(f"frequent {name},", f"frequent {words},")
    return statement


def notes_of(found: Found) -> list[list[str]]:
    """What the tables leave out, and why: rows of two texts."""
    rows: list[list[str]] = []
    if "tests.csv" in found:
        tests = found["tests.csv"]
        silent = tests[tests["p"].isna() & tests["note"].notna()]
        rows += [[f"test of {factor_words(row['factor'])}", str(row["note"])] for _, row in silent.iterrows()]
    if "joint.json" in found:
        joint = found["joint.json"]
        rows += [
            [f"{factor_words(row['factor'])} in the model of all factors", row["reason"]]
            for row in joint["factors_left_out"]
        ]
        rows += [["model of all factors", text] for text in joint["omissions"]]
    if "clustering.json" in found:
        rows += [["clusters", text] for text in found["clustering.json"]["omissions"]]
    if "selection.csv" in found:
        selection = found["selection.csv"]
        silent = selection[selection["class"].isna() & selection["note"].notna()]
        rows += [[f"selection of {factor_words(row['factor'])}", str(row["note"])] for _, row in silent.iterrows()]
        none = int(((selection["slumps"] == 0) & (selection["landscape_share"] > 0)).sum())
        if none:
            what = f"selection ratio of {counted_words(none, 'class', 'classes')}"
            rows.append([f"interval of the {what}", "no slump lies there"])
    return rows
