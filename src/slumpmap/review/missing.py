"""How many slumps are still missing, what the next iteration should find, and when to stop.

Three questions, three answers, each with what it assumes:

1. *Overlooked*: slumps among the inspected candidates that both reviewers turned down. Two reviewers who judge on their
   own are two captures of the same slumps (`Recapture`).
2. *Not proposed*: slumps that no candidate showed. The slumps known before an iteration are the first capture, those
   that its model mapped the second. The model was trained on the first, so it finds them more readily than unknown
   ones: the estimate is a lower bound. Nor are the models of two iterations independent, since the later one learned
   what the earlier one found. Where there is a cross-validation, its networks did not see the slumps that they were
   tested on, and its recall takes the place of that of the model.
3. *The next iteration*: the numbers found so far, continued (`forecast`).

Capture-recapture assumes that the two captures are independent, that every slump is as likely to be caught as any
other, that nothing is caught that is no slump, and that captures are matched without error. The first two never hold in
full: what is large and fresh is easy for everybody. Both faults make the estimates too low.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, gammaln

from slumpmap.errors import InputError
from slumpmap.records import Part, read_record
from slumpmap.settings.learning import CrossvalSettings

# The interval of the next iteration's finds holds with this probability.
_FORECAST_LEVEL = 0.8
# No more slumps than this are looked for beyond those seen; an upper end past it is no knowledge.
_MOST_MISSED = 1 << 20
# An iteration that adds less than this share of the known slumps changes the inventory less than the doubt about the
# slumps in it: 7 % of those of Xia et al. (2022, section 4.3) had a medium or low probability.
_NEGLIGIBLE = 0.02
# As long as an estimate says that this share of the known slumps is missing, few finds are no reason to stop.
_TOLERATED = 0.05

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Recapture:
    """The same slumps caught twice, by two reviewers or two maps.

    Attributes:
        first: slumps that the first caught.
        second: slumps that the second caught.
        both: slumps that both caught.
    """

    first: int
    second: int
    both: int

    def __post_init__(self) -> None:
        if not 0 <= self.both <= min(self.first, self.second):
            fault = f"{self.both} in both of {self.first} and {self.second}"
            raise InputError("recapture", fault, "give counts of slumps, and in both no more than in either")

    @property
    def seen(self) -> int:
        """Slumps that at least one caught."""
        return self.first + self.second - self.both

    @property
    def lincoln_petersen(self) -> float | None:
        """Estimate of all slumps by Lincoln (1930) and Petersen (1896); None where none was caught twice."""
        return self.first * self.second / self.both if self.both else None

    @property
    def chapman(self) -> float:
        """Estimate of all slumps by Chapman (1951), which is nearly unbiased also where few were caught twice."""
        return (self.first + 1) * (self.second + 1) / (self.both + 1) - 1

    @property
    def missed(self) -> float:
        """Chapman's estimate of the slumps that neither caught."""
        return self.chapman - self.seen

    def missed_interval(self, level: float = 0.95) -> tuple[int, int | None]:
        """Interval of the number of slumps that neither caught.

        Quantiles of its distribution after the data, where all total numbers of slumps are as likely before and both
        chances of being caught have the prior of Jeffreys: the generalized Waring distribution with parameters
        a = caught by the second alone + 1/2, b = by the first alone + 1/2, c = by both (Rivest & Yauck 2023,
        arXiv:2307.11705, for intervals of this family). Unlike the logit interval of Sadinle (2009, doi
        10.1080/03610910903168595) it stays short where nearly all slumps are caught twice, and unlike the lognormal
        interval of Chao (1987) it covers what it says also there; the tests simulate it.

        Args:
            level: probability, 0 to 1.

        Returns:
            Lower and upper end; the upper is None where none was caught twice, or where it is beyond all reason.
        """
        a, b, c = self.second - self.both + 0.5, self.first - self.both + 0.5, float(self.both)
        if not self.both:
            return 0, None
        size = 1024
        tail = (1 - level) / 2
        while size <= _MOST_MISSED:
            cumulated = np.cumsum(np.exp(_log_waring(np.arange(size), a, b, c)))
            if cumulated[-1] >= 1 - tail:
                low, high = np.searchsorted(cumulated, (tail, 1 - tail)).tolist()
                return low, high
            size *= 4
        return int(np.searchsorted(cumulated, tail)), None

    def in_words(self) -> str:
        """The estimate of those that neither caught, with its interval."""
        if not self.both:
            return "unknown, since nothing was caught twice"
        low, high = self.missed_interval()
        return f"{self.missed:.0f} ({f'{low} to {high}' if high is not None else f'{low} or more'})"


def _log_waring(number: NDArray[np.int64], a: float, b: float, c: float) -> Floats:
    """Logarithms of the probabilities of the generalized Waring distribution (Irwin 1968)."""
    constant = gammaln(a + c) + gammaln(b + c) - gammaln(a) - gammaln(b) - gammaln(c)
    return np.asarray(
        constant + gammaln(number + a) + gammaln(number + b) - gammaln(number + a + b + c) - gammaln(number + 1.0)
    )


class Forecast(NamedTuple):
    """What the next iteration should find.

    Attributes:
        expected: mean number of new slumps.
        low: lower end of the interval of 80 %.
        high: its upper end.
    """

    expected: float
    low: int
    high: int


def forecast(found: Sequence[int]) -> Forecast:
    """Continues the numbers of new slumps of the iterations so far.

    Each iteration takes a share of the slumps that are left (the removal method of Zippin 1956, doi 10.2307/3001603),
    so the expected number falls by a factor 0 < q < 1 from one to the next; single numbers scatter about it with a
    variance of mean + f mean^2 (negative binomial), since models differ. Nothing more is assumed of the start a, of q
    and of f: log a, q and log f (0.01 to 1) are uniform before the data, and the next number is averaged over what they
    can be after the data, on a fixed grid.

    Args:
        found: new slumps of each iteration, in order, at least one.
    """
    numbers = np.asarray(found, dtype=np.float64)
    start = np.linspace(np.log(0.1), np.log(10 * numbers.max() + 10), 60)[:, None, None]
    fall = np.log((np.arange(30) + 0.5) / 30)[:, None]
    scatter = np.geomspace(0.01, 1.0, 7)
    likelihood = np.zeros((len(start), len(fall), len(scatter)))
    for step, number in enumerate(numbers.tolist()):
        likelihood += _log_scattered(number, np.exp(start + step * fall), 1 / scatter)
    weight = np.exp(likelihood - np.max(likelihood))
    mean = np.broadcast_to(np.exp(start + len(numbers) * fall), weight.shape)
    size = np.broadcast_to(1 / scatter, weight.shape)
    # What hardly weighs is left out, for speed.
    kept = weight > 1e-6
    weight, mean, size = weight[kept] / weight[kept].sum(), mean[kept], size[kept]

    def share_up_to(number: int) -> float:
        return float(weight @ betainc(size, number + 1.0, size / (size + mean)))

    tail = (1 - _FORECAST_LEVEL) / 2
    low, high = (_first(share_up_to, probability) for probability in (tail, 1 - tail))
    return Forecast(float(weight @ mean), low, high)


def _log_scattered(number: float, mean: Floats, size: Floats) -> Floats:
    """Logarithm of the negative binomial probability, without the factor 1 / number!."""
    gone = np.log1p(mean / size)
    return np.asarray(gammaln(number + size) - gammaln(size) - size * gone + number * (np.log(mean / size) - gone))


def _first(share_up_to: Callable[[int], float], probability: float) -> int:
    """The smallest number up to which the distribution holds the probability."""
    below, above = -1, 1
    while share_up_to(above) < probability:
        below, above = above, 2 * above
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if share_up_to(middle) >= probability else (middle, above)
    return above


class Unseen(NamedTuple):
    """What cross-validated networks found of slumps that they were not trained on.

    Attributes:
        found: slumps that they found.
        of: slumps that they were tested on.
        iteration: the iteration whose labels were divided.
    """

    found: int
    of: int
    iteration: int


def unseen_recall(folder: Path, settings: CrossvalSettings) -> Unseen | None:
    """Sums over the parts of a cross-validation how many slumps were found, by any overlap.

    Args:
        folder: `crossval/` of the campaign, with `fold_01/scores.json` and so on.
        settings: number of parts, and the iteration whose labels were divided.

    Returns:
        None where not all parts are done.

    Raises:
        InputError: a file cannot be read.
    """
    files = [folder / f"fold_{number:02d}" / "scores.json" for number in range(1, settings.folds + 1)]
    if not all(file.exists() for file in files):
        return None
    parts = [read_record(file, Part, "scores of a part") for file in files]
    missed = sum(at["false_negatives"] for part in parts for at in part["polygons"] if at["threshold"] == 0)
    of = sum(part["truth"] for part in parts)
    return Unseen(of - missed, of, settings.iteration)


@dataclass(frozen=True)
class Missing:
    """What a campaign's decided iterations say of the slumps still missing.

    Attributes:
        rows: `outcome.json` of each decided iteration, in order, at least one.
        reviewers: for each two reviewers their names and captures, summed over the iterations; empty where the
            outcomes were counted by a slumpmap that did not write captures.
        trained: the slumps known before the last iteration and those that its model mapped; None likewise.
        unseen: the slumps that the cross-validation was tested on, and those that were mapped of them and newly in its
            iteration; None where there is no cross-validation or its iteration is not decided.
        found_since: slumps found after the cross-validated iteration.
        next: what the next iteration should find; None where the last one found nothing.
        inspected: about how many candidates that will take, the median of the last three iterations.
    """

    rows: list[dict[str, Any]]
    reviewers: dict[tuple[str, str], Recapture]
    trained: Recapture | None
    unseen: Recapture | None
    found_since: int
    next: Forecast | None
    inspected: int

    @property
    def unseen_missed(self) -> float | None:
        """Slumps still missing by the cross-validation; None where there is none."""
        return None if self.unseen is None else max(self.unseen.missed - self.found_since, 0.0)

    @property
    def stop(self) -> bool:
        """Whether another iteration is not worth its inspection; the rule is that of `advice`."""
        if self.next is None:
            return True
        known: int = self.rows[-1]["total"]
        return self.next.high <= max(1, _NEGLIGIBLE * known) and self._not_proposed() <= _TOLERATED * known

    def _not_proposed(self) -> float:
        """The larger estimate of slumps that no candidate showed."""
        return max(self.trained.missed if self.trained else 0.0, self.unseen_missed or 0.0)

    def advice(self) -> str:
        """Whether to go on, and why.

        Stop where the last iteration found nothing, since the next one would learn from the same slumps. Stop where the
        next iteration will, 9 times in 10, add no more than 2 % to the known slumps (or one slump) and no estimate says
        that more than 5 % are missing: 2 % is less than the share of slumps in an inventory that are doubtful
        themselves. Else go on. What reviewers overlook does not enter: a place is shown once, so that another iteration
        would not bring it back.
        """
        last, known = self.rows[-1], self.rows[-1]["total"]
        if self.next is None:
            number = f"{last['iteration']:02d}"
            return f"Stop: iteration {number} found no new slump; the next would learn from the same slumps."
        finds = (
            f"the next iteration should find {self.next.low} to {self.next.high} new slumps (8 times in 10)"
            f" of about {self.inspected} inspected"
        )
        if self.stop:
            return f"Stop: {finds}, hardly anything beside the {known} known."
        if self.next.high <= max(1, _NEGLIGIBLE * known):
            return (
                f"Go on, but not as before: {finds}, and yet some {self._not_proposed():.0f} seem to be missing;"
                " a lower threshold or more varied labels may bring them."
            )
        return f"Go on: {finds}."

    def sentences(self) -> list[str]:
        """The estimates in words, and the advice last."""
        lines = []
        for (first, second), pair in self.reviewers.items():
            lines.append(
                f"Slumps that both {first} and {second} turned down: {pair.in_words()}."
                f" They accepted {pair.both} together, {pair.first - pair.both} and {pair.second - pair.both} alone."
            )
        if self.trained is not None:
            number = f"{self.rows[-1]['iteration']:02d}"
            lines.append(
                f"Slumps not proposed by the model of iteration {number}, a lower bound: {self.trained.in_words()}."
                f" It mapped {self.trained.both} of {self.trained.first} known slumps, but was trained on them."
            )
        if self.unseen is not None:
            refuted = self.found_since > self.unseen.missed
            lines.append(
                f"Slumps not proposed, by the cross-validation: {self.unseen.in_words()} after its iteration,"
                f" {self.found_since} found since, so "
                + ("that it was too low." if refuted else f"{self.unseen_missed:.0f} now.")
                + f" Its networks mapped {self.unseen.both} of {self.unseen.first} slumps that they had not learned."
            )
        if lines:
            lines.append("These err on the low side: what is easy to see for one is easy for all.")
        return [*lines, self.advice()]


def estimate_missing(outcomes: Sequence[Mapping[str, Any]], unseen: Unseen | None = None) -> Missing | None:
    """Estimates what is missing from the outcomes of a campaign.

    Args:
        outcomes: contents of `outcome.json` of each iteration; those still waiting for people are left out.
        unseen: what a cross-validation found, or None.

    Returns:
        None where no iteration is decided.
    """
    rows = sorted((dict(row) for row in outcomes if row["state"] == "decided"), key=lambda row: row["iteration"])
    if not rows:
        return None
    last = rows[-1]
    divided = next((row for row in rows if unseen is not None and row["iteration"] == unseen.iteration), None)
    return Missing(
        rows,
        captures_by_pair(rows),
        _capture(last["positives"], last["known_found_again"], last["new"]) if "known_found_again" in last else None,
        _capture(unseen.of, unseen.found, divided["new"]) if unseen is not None and divided is not None else None,
        last["total"] - divided["total"] if divided is not None else 0,
        forecast([row["new"] for row in rows]) if last["new"] else None,
        int(np.median([row["inspected"] for row in rows[-3:]])),
    )


def _capture(known: int, again: int, new: int) -> Recapture:
    """Slumps known before (first) and slumps that a model mapped, known or new (second)."""
    return Recapture(known, again + new, again)


def captures_by_pair(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Recapture]:
    """For each two reviewers the confirmed candidates that they accepted, summed over iterations.

    Args:
        rows: outcomes with `captures` (who accepted how many of the confirmed candidates) and `reviews`.

    Returns:
        In the order of the reviewers; only those who reviewed in all of the iterations.
    """
    if not rows or not all("captures" in row and "reviews" in row for row in rows):
        return {}
    names = [name for name in rows[0]["reviews"] if all(name in row["reviews"] for row in rows)]
    counts: Counter[frozenset[str]] = Counter()
    for row in rows:
        for capture in row["captures"]:
            counts[frozenset(capture["by"])] += capture["count"]

    def caught_by(*people: str) -> int:
        return sum(count for by, count in counts.items() if by.issuperset(people))

    return {
        (first, second): Recapture(caught_by(first), caught_by(second), caught_by(first, second))
        for first, second in combinations(names, 2)
    }
