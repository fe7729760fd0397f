"""The order in which candidates are opened: those first that are likely to show a new slump.

Guarantees:

- Nothing is hidden. The queue holds each new candidate once, whatever its value; ranks are 1..n.
- The same evidence gives the same queue: there is no random number but the seeded draw of `explore_share`, rows are
  taken in the order of their ids, and equal values are ordered by id.
- A ranking of iteration n learns from verdicts of iterations before n, never from n's own or from the truth.

The learner is logistic regression: its log-odds are a sum with one term for each trait, so that it can say why a
candidate ranks high; it has one optimum, found in milliseconds, the same on every machine up to rounding; and its
prior can carry knowledge. That matters more than flexibility, because there are a few dozen verdicts, not thousands.

- **Prior** (Bayesian, maximum a posteriori): the weights start where the four criteria of Xia et al. (2022) put them
  (`CRITERIA`), all other weights start at 0, and verdicts move them as far as they are worth it.
- **First iteration**, without verdicts: positive and unlabelled learning with the convex unbiased risk of du Plessis
  et al. (2015, ICML): candidates on known slumps are the positives, all new candidates the unlabelled. Only the
  weights of criteria move. The slumps known at the start are no random sample (often one region's), and what else
  distinguishes them, such as the colour of the soil there, would mislead. The look-alikes known at the start count
  through a weight of their own: to lie on one speaks against a candidate.
- **Later**: verdicts of the iterations before, each candidate with the evidence of its own iteration, and the slumps
  known at the start with less weight. The base rate is that of the verdicts alone.
- What the campaign knows of candidates on known slumps because they are known (score of a model trained on them,
  distance 0 to a known slump, ...) is withheld (`BIASED`).

`expected` is the probability that a candidate shows a new slump which no candidate before it in the queue shows:
fragments of one slump lie side by side, and the first one finds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from scipy.stats import nbinom

from slumpmap.errors import InputError
from slumpmap.learning.calibration import Reliability
from slumpmap.review.evidence import STATED
from slumpmap.review.traits import MEASURED
from slumpmap.settings.review import RankingSettings
from slumpmap.tables import read_parquet
from slumpmap.vector import read_layer, write_layer

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TRAITS = (*STATED, *MEASURED)

# Prior log-odds for one robust standard deviation of a trait. The paper's criteria: retreat over time, arcuate shaded
# headwall on the upper side, headwall highest (so there is a slope), colour that differs (the model's own score); and
# that a look-alike which people drew is none.
_UNIT = 0.5
CRITERIA = {
    "newly_bare": 1.0 * _UNIT,
    "bared": 1.0 * _UNIT,
    "wall_arc": 1.0 * _UNIT,
    "darker_uphill": 0.5 * _UNIT,
    "wall_toward_uphill": 0.5 * _UNIT,
    "slope_deg": 1.0 * _UNIT,
    "score": 0.5 * _UNIT,
    "on_negative": -1.0 * _UNIT,
}
# What is unlike for candidates on known slumps just because they are known.
BIASED = (
    "score", "score_max", "covered_by_slumps", "covered_by_rejected", "near_slump", "near_rejected", "neighbours",
)  # fmt: skip

# Prior standard deviations of the weights: later, and of the criteria in the first iteration.
_SPREAD, _FIRST_SPREAD = 0.15, 0.1
# Prior of the base rate's log-odds: about one candidate in eight, anything from a hundredth to two thirds.
_BASE, _BASE_SPREAD = -2.0, 1.5
# What a slump known at the start counts beside a verdict.
_START_WEIGHT = 0.3
# Standardised traits are cut here: no single trait decides alone.
_LARGEST = 2.5
# Two candidates so far apart show the same slump with probability exp(-gap/40 m), if one of them shows one at all.
SAME_M, FARTHEST_M = 40.0, 150.0
# Weight of the prior on the factor between what was expected and what turns up, in slumps.
_FACTOR_WEIGHT = 2.0
# Terms of this size in the log-odds are worth a word in `why`.
_WORTH = 0.25

_WORDS = {
    "score": "the model's score",
    "score_max": "the model's highest score",
    "size": "size",
    "solidity": "outline",
    "nodata_share": "border of the coverage",
    "covered_by_slumps": "overlap with known slumps",
    "covered_by_rejected": "overlap with rejected places",
    "on_negative": "on a known look-alike",
    "near_slump": "distance to known slumps",
    "near_rejected": "distance to rejected places",
    "neighbours": "candidates around",
    "elongation": "elongation",
    "along_slope": "long axis against the slope",
    "wide_head": "width of the head",
    "slope_deg": "slope",
    "faces_north": "aspect (north or south)",
    "faces_east": "aspect (east or west)",
    "height_m": "position on the slope",
    "valid_years": "years with images",
    "brightness": "brightness",
    "redness": "redness",
    "blueness": "blueness",
    "contrast": "contrast to the ground around",
    "patchiness": "patchiness",
    "wall_dark": "dark edge",
    "wall_arc": "shaded arc uphill",
    "wall_dark_uphill": "shade uphill",
    "wall_toward_uphill": "direction of the shade",
    "rim_bright_uphill": "bright rim uphill",
    "darker_uphill": "darker uphill",
    "least_bare": "bare in all years",
    "bared": "became bare",
    "bared_sd": "change of colour",
    "newly_bare": "newly bare share",
    "bared_upper": "change in the upper part",
    "bared_ahead": "retreat upslope",
    "bared_around": "change of the ground around",
}


@dataclass(frozen=True)
class Scale:
    """Brings traits to one unit: robust standard deviations from the middle of the campaign's candidates.

    Args:
        middle: (traits,) median.
        spread: (traits,) half the distance between the 16th and the 84th percentile; infinite where all are alike.
    """

    middle: Floats
    spread: Floats

    @classmethod
    def of(cls, table: pd.DataFrame) -> Scale:
        """The scale of these candidates; it knows no verdicts."""
        middle, spread = np.zeros(len(TRAITS)), np.full(len(TRAITS), np.inf)
        for place, name in enumerate(TRAITS):
            values = table[name].to_numpy(dtype=float)
            values = values[np.isfinite(values)]
            if len(values) and values.min() < values.max():
                low, middle[place], high = np.percentile(values, [16, 50, 84])
                spread[place] = (high - low) / 2 if high > low else values.std()
        return cls(middle, spread)

    def apply(self, table: pd.DataFrame) -> Floats:
        """(candidates, traits), cut at 2.5; 0, which speaks neither for nor against, where a trait is not known."""
        values = table[list(TRAITS)].to_numpy(dtype=float)
        scaled: Floats = np.nan_to_num(np.clip((values - self.middle) / self.spread, -_LARGEST, _LARGEST), nan=0.0)
        return scaled


@dataclass(frozen=True)
class Ranker:
    """What the campaign has learned so far.

    Args:
        scale: of the traits.
        base: log-odds of a candidate in the middle of all traits.
        weights: (traits,) log-odds for one standard deviation.
    """

    scale: Scale
    base: float
    weights: Floats

    @classmethod
    def learn(cls, start: pd.DataFrame, past: pd.DataFrame, now: pd.DataFrame) -> Ranker:
        """Learns from the slumps known at the start and from the verdicts so far, see the module's text.

        Args:
            start: candidates on slumps known at the start, columns `TRAITS`; may be empty.
            past: decided candidates of the iterations before, also with `is_slump`; may be empty.
            now: the candidates to rank.
        """
        scale = Scale.of(pd.concat([start, past, now]))
        shown = scale.apply(start)
        shown[:, [TRAITS.index(name) for name in BIASED]] = 0.0
        prior = np.array([CRITERIA.get(name, 0.0) for name in TRAITS])
        if past.empty:
            return cls(scale, *_learn_first(shown, scale.apply(now), prior))
        verdicts = past["is_slump"].to_numpy(dtype=float)
        return cls(scale, *_learn_later(shown, scale.apply(past), verdicts, prior))

    def terms(self, table: pd.DataFrame) -> Floats:
        """(candidates, traits) what each trait adds to the log-odds."""
        return self.scale.apply(table) * self.weights

    def probability(self, table: pd.DataFrame) -> Floats:
        """(candidates,) probability that each shows a new slump, 0..1."""
        values: Floats = expit(self.base + self.terms(table).sum(axis=1))
        return values


def _learn_first(shown: Floats, unlabelled: Floats, prior: Floats) -> tuple[float, Floats]:
    """Base and weights before any verdict: positives against unlabelled ones, weights of criteria only.

    The risk is sum softplus(f(u)) over the unlabelled less share * count * mean f over the positives, which needs the
    share of slumps among the unlabelled; it is the one that the criteria alone expect.
    """
    base = _BASE
    if not len(shown) or not len(unlabelled):
        return base, prior
    expected = expit(base + unlabelled @ prior).sum()
    pull = shown.mean(axis=0)
    free = prior != 0

    def risk(change: Floats) -> tuple[float, Floats]:
        weights = prior.copy()
        weights[free] += change[1:]
        odds = base + change[0] + unlabelled @ weights
        chance = expit(odds)
        slopes = unlabelled[:, free].T @ chance - expected * pull[free]
        gain = expected * (base + change[0] + pull @ weights)
        spread = np.concatenate([[_BASE_SPREAD], np.full(int(free.sum()), _FIRST_SPREAD)])
        value = np.logaddexp(0.0, odds).sum() - gain + 0.5 * np.sum((change / spread) ** 2)
        slope = np.concatenate([[chance.sum() - expected], slopes]) + change / spread**2
        return float(value), slope

    best = _smallest(risk, np.zeros(1 + int(free.sum())))
    weights = prior.copy()
    weights[free] += best[1:]
    return base + float(best[0]), weights


def _learn_later(shown: Floats, decided: Floats, verdicts: Floats, prior: Floats) -> tuple[float, Floats]:
    """Base and weights from verdicts, and from the slumps known at the start."""
    traits = np.concatenate([decided, shown])
    slump = np.concatenate([verdicts, np.ones(len(shown))])
    counts = np.concatenate([np.ones(len(decided)), np.full(len(shown), _START_WEIGHT)])

    def loss(change: Floats) -> tuple[float, Floats]:
        odds = _BASE + change[0] + traits @ (prior + change[1:])
        miss = counts * (expit(odds) - slump)
        spread = np.concatenate([[_BASE_SPREAD], np.full(len(prior), _SPREAD)])
        value = counts @ (np.logaddexp(0.0, odds) - slump * odds) + 0.5 * np.sum((change / spread) ** 2)
        return float(value), np.concatenate([[miss.sum()], traits.T @ miss]) + change / spread**2

    weights = prior + _smallest(loss, np.zeros(1 + len(prior)))[1:]

    # The slumps known at the start would raise the base rate, since no rejected place goes with them.
    def base_loss(change: Floats) -> tuple[float, Floats]:
        odds = _BASE + change[0] + decided @ weights
        value = np.sum(np.logaddexp(0.0, odds) - verdicts * odds) + 0.5 * (change[0] / _BASE_SPREAD) ** 2
        return float(value), np.array([np.sum(expit(odds) - verdicts) + change[0] / _BASE_SPREAD**2])

    return _BASE + float(_smallest(base_loss, np.zeros(1))[0]), weights


def _smallest(loss: Callable[[Floats], tuple[float, Floats]], start: Floats) -> Floats:
    """Where a convex loss with its slope is smallest."""
    best: Floats = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000, "gtol": 1e-8}).x
    return best


def first_of_its_slump(
    shapes: NDArray[np.object_], probability: Floats, ids: NDArray[np.object_]
) -> tuple[Floats, NDArray[np.object_]]:
    """Probability that each candidate shows a slump which no likelier candidate beside it shows.

    Args:
        shapes: (candidates,) outlines, metres.
        probability: (candidates,) that each shows a slump.
        ids: (candidates,) decide between equal probabilities.

    Returns:
        (candidates,) the probability; and the id of the likelier candidate of which each may be a fragment, else "".
    """
    one, other = shapely.STRtree(shapes).query(shapes, predicate="dwithin", distance=FARTHEST_M)
    likelier = np.empty(len(shapes), dtype=np.intp)
    likelier[np.lexsort((ids.astype(str), -probability))] = np.arange(len(shapes))
    ahead = likelier[other] < likelier[one]
    one, other = one[ahead], other[ahead]
    same = np.exp(-shapely.distance(shapes[one], shapes[other]) / SAME_M) * probability[other]
    share = np.exp(np.bincount(one, np.log1p(-np.minimum(same, 1 - 1e-9)), minlength=len(shapes)))
    fragment_of = np.full(len(shapes), "", dtype=object)
    order = np.lexsort((ids[other].astype(str), same)) if len(one) else np.empty(0, dtype=np.intp)
    # The last one written is the likeliest.
    fragment_of[one[order]] = np.where(same[order] >= 0.5, ids[other[order]], "")
    return probability * share, fragment_of


def queue_order(
    expected: Floats, ids: NDArray[np.object_], explore_share: float, seed: int
) -> tuple[NDArray[np.intp], Bools]:
    """The order in which candidates are opened, best first.

    Args:
        expected: (candidates,) value of each.
        ids: (candidates,) decide between equal values.
        explore_share: share of the places that go to a candidate drawn from all that would come later.
        seed: of the draw, which depends on nothing but seed and ids.

    Returns:
        (candidates,) rows in the order of the queue; and, in the same order, which of them were drawn.
    """
    order = np.lexsort((ids.astype(str), -expected))
    drawn = np.zeros(len(order), dtype=bool)
    if explore_share == 0 or not len(order):
        return order, drawn
    chance = np.array([_uniform(seed, str(name)) for name in ids])
    for place in range(len(order)):
        # Whole numbers of places are due: 0.05 draws the 20th, the 40th, ...
        if int((place + 1) * explore_share + 1e-9) > int(place * explore_share + 1e-9):
            pick = place + int(np.argmin(chance[order[place:]]))
            order[place : pick + 1] = np.roll(order[place : pick + 1], 1)
            drawn[place] = True
    return order, drawn


def _uniform(seed: int, name: str) -> float:
    """A number in [0, 1) that depends on seed and name alone."""
    digest = hashlib.blake2b(f"{seed}|explore|{name}".encode(), digest_size=7).digest()
    return int.from_bytes(digest) / 2.0**56


def rank_candidates(
    candidates: Path,
    evidence: Sequence[Path],
    rejected: Path | None,
    settings: RankingSettings,
    seed: int,
    out: Path,
) -> None:
    """Writes the queue of an iteration: its new candidates, best first.

    Columns: `rank` (1..n), `id`, `expected` (probability that it shows a new slump which none before it shows),
    `probability` (that it shows a new slump at all), `fragment_of` (id of the likelier candidate of whose slump it may
    be a part), `drawn` (whether its place was drawn, see `explore_share`), `why` (the terms that matter most), all
    traits, and the candidate's outline.

    Args:
        candidates: the iteration's ledger of candidates.
        evidence: what was measured in the iterations so far, in their order, this one's last.
        rejected: `outcome/rejected.gpkg` of the iteration before, which holds all verdicts; None in the first.
        settings: share of places that are drawn.
        seed: of the draw.
        out: GeoPackage to write.

    Raises:
        InputError: an input is missing, or the evidence is not that of these candidates.
    """
    ledger = read_layer(candidates, "candidates", columns=("id", "status"), unique="id")
    new = ledger[ledger["status"] == "new"].sort_values("id", ignore_index=True)
    tables = [read_evidence(path) for path in evidence]
    now = tables[-1].reindex(new["id"])
    if set(tables[-1].index) != set(ledger["id"]):
        raise InputError(evidence[-1], f"it was not measured on {candidates}", "remove it and run the workflow again")
    ranker = Ranker.learn(tables[0][tables[0]["status"] == "known"], _decided(tables[:-1], rejected), now)
    ids, shapes = new["id"].to_numpy(dtype=object), new.geometry.to_numpy()
    probability = ranker.probability(now)
    expected, fragment_of = first_of_its_slump(shapes, probability, ids)
    order, drawn = queue_order(expected, ids, settings.explore_share, seed)
    queue = pd.DataFrame(
        {
            "rank": np.arange(1, len(order) + 1),
            "id": ids[order],
            "expected": expected[order].round(6),
            "probability": probability[order].round(6),
            "fragment_of": fragment_of[order],
            "drawn": drawn,
            "why": _why(ranker.terms(now))[order],
        }
    )
    traits = now.iloc[order][list(TRAITS)].reset_index(drop=True).round(5)
    table = pd.concat([queue, traits], axis=1)
    write_layer(gpd.GeoDataFrame(table, geometry=shapes[order], crs=ledger.crs), out)


def read_evidence(path: Path) -> pd.DataFrame:
    """What was measured in an iteration, indexed by candidate id, in the order of the ids.

    Raises:
        InputError: the file is missing, unreadable, or lacks a trait.
    """
    table = read_parquet(path, "evidence", ("id", "status", *TRAITS))
    return table.set_index("id").sort_index()


def _decided(tables: Sequence[pd.DataFrame], rejected: Path | None) -> pd.DataFrame:
    """Candidates with verdicts, each with the evidence of the iteration in which it was decided."""
    if not tables or rejected is None:
        return pd.DataFrame(columns=[*TRAITS, "is_slump"], dtype=float)
    every = pd.concat(tables)
    places = read_layer(rejected, "rejected places", columns=("id", "is_slump"), unique="id").set_index("id")
    decided = every[(every["status"] == "new") & every.index.isin(places.index)].sort_index()
    return decided.assign(is_slump=places["is_slump"].astype(bool).reindex(decided.index))


def _why(terms: Floats) -> NDArray[np.object_]:
    """The three terms that matter most, in words: `became bare +1.2, slope -0.8`."""
    words = np.array([_WORDS[name] for name in TRAITS], dtype=object)
    strongest = np.argsort(-np.abs(terms), axis=1, kind="stable")[:, :3]
    texts = [
        ", ".join(f"{words[trait]} {row[trait]:+.1f}" for trait in places if abs(row[trait]) >= _WORTH)
        for row, places in zip(terms, strongest, strict=True)
    ]
    return np.array(texts, dtype=object)


@dataclass(frozen=True)
class Left:
    """How many new slumps the rest of a queue still holds.

    Args:
        expected: by the ranking, corrected by how many of the expected ones turned up so far.
        low: 5th percentile of the prediction.
        high: 95th percentile.
        sampled: by the drawn candidates that were opened beyond the others, without the ranking's help; None where
            there are none.
    """

    expected: float
    low: int
    high: int
    sampled: float | None


def expected_left(queue: pd.DataFrame, decided: Mapping[str, bool]) -> Left:
    """Estimates what the candidates that are still open hide.

    The number of new slumps found is Poisson with a mean of `factor` times the sum of `expected` over what was opened;
    the factor has a gamma prior of mean 1 and a weight of two slumps, which the verdicts so far update. What is left is
    then negative binomial. An accepted candidate counts by its chance of being no fragment of a likelier one.

    Args:
        queue: `rank`, `id`, `expected`, `probability`, `drawn` of the whole queue.
        decided: candidate id to verdict, slump or not; those missing are open.

    Raises:
        KeyError: a verdict on a candidate that is not in the queue.
    """
    rows = queue.sort_values("rank")
    names = rows["id"].to_list()
    strangers = decided.keys() - names
    if strangers:
        raise KeyError(min(strangers))
    opened = np.fromiter((name in decided for name in names), dtype=bool, count=len(names))
    slump = np.fromiter((decided.get(name, False) for name in names), dtype=bool, count=len(names))
    expected, probability = rows["expected"].to_numpy(dtype=float), rows["probability"].to_numpy(dtype=float)
    whole = np.divide(expected, probability, out=np.ones(len(rows)), where=probability > 0)
    found, foreseen, ahead = whole[slump].sum(), expected[opened].sum(), expected[~opened].sum()
    shape, rate = found + _FACTOR_WEIGHT, foreseen + _FACTOR_WEIGHT
    if not (~opened).any():
        return Left(0.0, 0, 0, None)
    spread = nbinom(shape, rate / (rate + ahead))
    sampled = _sampled_left(rows, opened, whole * slump)
    return Left(float(shape / rate * ahead), int(spread.ppf(0.05)), int(spread.ppf(0.95)), sampled)


def _sampled_left(rows: pd.DataFrame, opened: Bools, found: Floats) -> float | None:
    """New slumps among the open candidates, by the drawn ones; None where none of these was drawn beyond the rest.

    A drawn candidate is any of those that would have come later. Those beyond the last one that was opened for its
    value are a plain random sample of them and of what is open.
    """
    drawn = rows["drawn"].to_numpy(dtype=bool)
    value = np.empty(len(rows), dtype=np.intp)
    value[np.lexsort((rows["id"].to_numpy().astype(str), -rows["expected"].to_numpy(dtype=float)))] = np.arange(
        len(rows)
    )
    reached = value[opened & ~drawn].max(initial=-1)
    sample = opened & drawn & (value > reached)
    return float(found[sample].mean() * (~opened).sum()) if sample.any() else None


def calibration(queue: pd.DataFrame, decided: Mapping[str, bool], bins: int = 5) -> Reliability:
    """How the probabilities of a queue compare with the verdicts on it; tables of several iterations add up."""
    rows = queue[queue["id"].isin(list(decided))]
    verdicts = np.array([decided[name] for name in rows["id"]], dtype=bool)
    return Reliability.of(rows["probability"].to_numpy(dtype=float), verdicts, bins)
