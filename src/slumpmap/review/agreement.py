"""How far reviewers agree on the same candidates: verdicts, boundaries, probability, initiation, time.

The coefficients and where they come from are in `slumpmap.review.coefficients`. Verdicts have three categories, since
`unsure` is an opinion too; beside the kappa of all three there is that of the candidates on which both were sure.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from slumpmap.errors import InputError
from slumpmap.files import write_json, write_text
from slumpmap.review.adjudication import verdicts_of
from slumpmap.review.coefficients import Kappa, Quartiles, cohen_kappa, krippendorff_alpha, table_of
from slumpmap.review.decisions import PROBABILITIES, read_decisions
from slumpmap.tables import read_csv
from slumpmap.vector import read_layer

VERDICTS = ("slump", "reject", "unsure")
# Points on a boundary from which the distance to another one is taken.
_BOUNDARY_POINTS = 200

Codes = NDArray[np.intp]


@dataclass(frozen=True)
class Reviewer:
    """What one reviewer did.

    Attributes:
        name: the reviewer.
        decided: candidates with a verdict, `unsure` among them.
        slump: how many of them were accepted.
        reject: how many were rejected.
        unsure: how many were left to the adjudicator.
        minutes: time spent on all; None where the decision file does not say.
        seconds_each: median time spent on one; None likewise.
        repeats: agreement with themselves on hidden repeats; None where there is no such file.
    """

    name: str
    decided: int
    slump: int
    reject: int
    unsure: int
    minutes: float | None
    seconds_each: float | None
    repeats: Kappa | None


@dataclass(frozen=True)
class Pair:
    """How far two reviewers agree.

    Attributes:
        first: the one.
        second: the other.
        table: counts of verdicts in the order of `VERDICTS`, the first's in the row.
        verdict: agreement on slump, reject and unsure.
        sure: agreement on slump and reject, where both were sure.
        iou: intersection over union of the boundaries of candidates that both accepted.
        boundary_m: mean distance between those boundaries, CRS units (metres).
        probability: agreement on high, medium and low, where both accepted.
        initiation: agreement on the initiation group, where both accepted and both gave one.
    """

    first: str
    second: str
    table: list[list[int]]
    verdict: Kappa
    sure: Kappa
    iou: Quartiles
    boundary_m: Quartiles
    probability: Kappa
    initiation: Kappa


@dataclass(frozen=True)
class Agreement:
    """How far all reviewers agree.

    Attributes:
        candidates: number of candidates to inspect.
        reviewers: what each did.
        pairs: each with each.
        alpha: Krippendorff's alpha of all verdicts; None where it is not defined.
    """

    candidates: int
    reviewers: list[Reviewer]
    pairs: list[Pair]
    alpha: float | None


def agreement_of_files(candidates: Path, decisions: Mapping[str, Path]) -> Agreement:
    """How far the decision files of two or more reviewers agree.

    A file `<decision file's stem>.repeats.csv` beside a decision file, if there is one, tells what the reviewer
    said of candidates that were shown twice: columns `candidate_id`, `verdict`, `repeat_verdict`.

    Args:
        candidates: candidates of the iteration; those of status `new` were inspected.
        decisions: each reviewer's decision file.

    Raises:
        InputError: fewer than two reviewers, or a file is refused.
    """
    if len(decisions) < 2:
        raise InputError("agreement", "it takes two reviewers", "give the decision files of two reviewers or more")
    layer = read_layer(candidates, "candidates", columns=("id", "status", "score"))
    to_inspect = layer[layer["status"] == "new"].reset_index(drop=True)
    opinions = {name: read_decisions(path, to_inspect) for name, path in decisions.items()}
    repeats = {name: _read_repeats(path) for name, path in decisions.items()}
    return agreement_of(opinions, len(to_inspect), repeats)


def _read_repeats(decision_file: Path) -> Kappa | None:
    path = decision_file.with_suffix(".repeats.csv")
    if not path.exists():
        return None
    columns = ("candidate_id", "verdict", "repeat_verdict")
    rows = read_csv(path, columns, what="table of repeats", dtype=str, keep_default_na=False)
    given = rows[["verdict", "repeat_verdict"]]
    if not given.isin([*VERDICTS, ""]).all(axis=None):
        raise InputError(path, f"holds a verdict other than {', '.join(VERDICTS)}", "correct it, or remove the file")
    first, again = (_codes(given[name], VERDICTS) for name in given)
    return cohen_kappa(table_of(first, again, len(VERDICTS)))


def agreement_of(
    opinions: Mapping[str, gpd.GeoDataFrame], candidates: int, repeats: Mapping[str, Kappa | None] | None = None
) -> Agreement:
    """How far reviewers agree.

    Args:
        opinions: each reviewer's decisions, as `read_decisions` gives them.
        candidates: number of candidates to inspect.
        repeats: each reviewer's agreement with themselves.
    """
    judged = {name: verdicts_of(opinion) for name, opinion in opinions.items()}
    ids = pd.Index(sorted(set().union(*(series.index for series in judged.values()))))
    codes = {name: _codes(series.reindex(ids), VERDICTS) for name, series in judged.items()}
    counts = sum(np.eye(len(VERDICTS), dtype=np.int64)[column] * (column >= 0)[:, None] for column in codes.values())
    return Agreement(
        candidates,
        [_reviewer(name, codes[name], opinion, (repeats or {}).get(name)) for name, opinion in opinions.items()],
        [
            _pair(first, second, codes[first], codes[second], opinions[first], opinions[second])
            for first, second in combinations(opinions, 2)
        ],
        krippendorff_alpha(np.asarray(counts)),
    )


def _codes(values: pd.Series, categories: Sequence[str]) -> Codes:
    """The place of each value among the categories, -1 for what is none of them."""
    place = {category: number for number, category in enumerate(categories)}
    return np.asarray(values.map(place).fillna(-1), dtype=np.intp)


def _reviewer(name: str, codes: Codes, opinion: gpd.GeoDataFrame, repeats: Kappa | None) -> Reviewer:
    slump, reject, unsure = np.bincount(codes[codes >= 0], minlength=len(VERDICTS)).tolist()
    minutes = each = None
    if (seconds := opinion["seconds"].dropna()).size:
        minutes, each = float(seconds.sum()) / 60, float(seconds.median())
    return Reviewer(name, slump + reject + unsure, slump, reject, unsure, minutes, each, repeats)


def _pair(
    first: str,
    second: str,
    first_codes: Codes,
    second_codes: Codes,
    first_opinion: gpd.GeoDataFrame,
    second_opinion: gpd.GeoDataFrame,
) -> Pair:
    table = table_of(first_codes, second_codes, len(VERDICTS))
    accepted = [opinion.index[(verdicts_of(opinion) == "slump")] for opinion in (first_opinion, second_opinion)]
    both = accepted[0].intersection(accepted[1]).sort_values()
    one, other = first_opinion.loc[both], second_opinion.loc[both]
    groups = sorted(set(one["initiation"].dropna()) | set(other["initiation"].dropna()))
    left, right = one.geometry.to_numpy(), other.geometry.to_numpy()
    return Pair(
        first,
        second,
        table.tolist(),
        cohen_kappa(table),
        cohen_kappa(table[:2, :2]),
        Quartiles.of(outline_iou(left, right)),
        Quartiles.of(boundary_distance(left, right)),
        _kappa_of(one["probability"], other["probability"], PROBABILITIES),
        _kappa_of(one["initiation"], other["initiation"], groups),
    )


def _kappa_of(first: pd.Series, second: pd.Series, categories: Sequence[str]) -> Kappa:
    return cohen_kappa(table_of(_codes(first, categories), _codes(second, categories), len(categories)))


def outline_iou(left: NDArray[np.object_], right: NDArray[np.object_]) -> NDArray[np.float64]:
    """Intersection over union of outlines, pair by pair, (pairs,); 0..1."""
    common = shapely.area(shapely.intersection(left, right))
    together = shapely.area(left) + shapely.area(right) - common
    return np.asarray(common / together, dtype=np.float64)


def boundary_distance(left: NDArray[np.object_], right: NDArray[np.object_]) -> NDArray[np.float64]:
    """How far apart two boundaries run, pair by pair.

    The mean of the distances from evenly spaced points of either boundary to the other boundary, the two ways
    averaged (the average symmetric surface distance of image analysis). Rims of holes are boundary too.

    Args:
        left: (pairs,) polygons.
        right: (pairs,) polygons.

    Returns:
        (pairs,) float64, CRS units.
    """
    lines = shapely.boundary(left), shapely.boundary(right)
    places = (np.arange(_BOUNDARY_POINTS) + 0.5) / _BOUNDARY_POINTS
    there, back = (
        shapely.distance(shapely.line_interpolate_point(start[:, None], places, normalized=True), end[:, None])
        for start, end in (lines, lines[::-1])
    )
    return np.asarray((there.mean(axis=1) + back.mean(axis=1)) / 2 if len(left) else np.empty(0), dtype=np.float64)


def write_agreement(agreement: Agreement, out: Path) -> None:
    """Writes `agreement.json` (all) and `agreement.csv` (a row a pair of reviewers) into the folder `out`."""
    write_json(out / "agreement.json", asdict(agreement))
    rows = [_flat(asdict(pair)) for pair in agreement.pairs]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out / "agreement.csv", text.getvalue())


def _flat(pair: dict[str, Any]) -> dict[str, Any]:
    """A pair as one row: the confusion table and the coefficients spread over columns."""
    row = {"first": pair["first"], "second": pair["second"]}
    for first, counts in zip(VERDICTS, pair["table"], strict=True):
        row |= {f"{first}_{second}": count for second, count in zip(VERDICTS, counts, strict=True)}
    for name in ("verdict", "sure", "iou", "boundary_m", "probability", "initiation"):
        row |= {f"{name}_{key}": value for key, value in pair[name].items()}
    return {key: round(value, 6) if isinstance(value, float) else value for key, value in row.items()}


def agreement_text(agreement: Agreement) -> str:
    """Agreement in words, for people."""
    lines = [f"{agreement.candidates} candidates to inspect"]
    for reviewer in agreement.reviewers:
        lines.append(
            f"{reviewer.name}: {reviewer.decided} decided: {reviewer.slump} slump, {reviewer.reject} reject,"
            f" {reviewer.unsure} unsure{_time(reviewer)}"
        )
        if reviewer.repeats is not None:
            lines.append(f"  shown twice without knowing: {_kappa_text(reviewer.repeats)}")
    for pair in agreement.pairs:
        lines += ["", *_pair_lines(pair)]
    if len(agreement.reviewers) > 2 and agreement.alpha is not None:
        lines.append("")
    if agreement.alpha is not None:
        lines.append(f"Krippendorff's alpha of {len(agreement.reviewers)} reviewers: {agreement.alpha:.3f}")
    return "\n".join(lines)


def _time(reviewer: Reviewer) -> str:
    if reviewer.minutes is None:
        return ""
    return f"; {reviewer.minutes:.1f} minutes, {reviewer.seconds_each:.0f} s a candidate (median)"


def _pair_lines(pair: Pair) -> list[str]:
    width = max(map(len, (*VERDICTS, pair.first)))
    head = " " * width + "".join(f"{verdict:>8}" for verdict in VERDICTS)
    lines = [f"{pair.first} (rows) and {pair.second} (columns)", f"  {head}"]
    for verdict, counts in zip(VERDICTS, pair.table, strict=True):
        lines.append(f"  {verdict:<{width}}" + "".join(f"{count:>8}" for count in counts))
    lines.append(f"  verdict: {_kappa_text(pair.verdict)}")
    if pair.sure.count < pair.verdict.count:
        lines.append(f"  verdict where both were sure: {_kappa_text(pair.sure)}")
    lines.append(f"  IoU of the boundaries where both accepted: {_quartiles_text(pair.iou, '{:.2f}')}")
    lines.append(f"  distance of those boundaries, m: {_quartiles_text(pair.boundary_m, '{:.1f}')}")
    lines.append(f"  probability: {_kappa_text(pair.probability)}")
    lines.append(f"  initiation: {_kappa_text(pair.initiation)}")
    return lines


def _kappa_text(kappa: Kappa) -> str:
    if kappa.raw is None:
        return "nothing that both judged"
    text = f"{kappa.raw:.1%} alike of {kappa.count}"
    if kappa.kappa is None:
        return f"{text}; kappa is not defined where both give all the same"
    if kappa.low is None:
        return f"{text}; Cohen's kappa {kappa.kappa:.3f} (no interval: they agree on all)"
    return f"{text}; Cohen's kappa {kappa.kappa:.3f} (95 %: {kappa.low:.3f} to {kappa.high:.3f})"


def _quartiles_text(values: Quartiles, form: str) -> str:
    if values.median is None:
        return "none"
    lower, median, upper = (form.format(value) for value in (values.lower, values.median, values.upper))
    return f"median {median}, quartiles {lower} and {upper}, of {values.count}"
