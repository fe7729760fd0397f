"""Which factor holds after the others: one model of slumps against random points of the landscape.

Slope, aspect, radiation, elevation, vegetation and soil go together: that slumps prefer one says little while the
others differ too. A model of all of them at once, judged on parts of the area that it has not seen, tells what each
adds to the rest. Slumps against points of the landscape is a use-availability design: coefficients are logarithms of
relative selection strength, the intercept means nothing (Manly et al. 2002, Resource Selection by Animals, chapter 5;
Johnson et al. 2006, Journal of Wildlife Management 70, 347-357). Give many more points than slumps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from slumpmap.inventory.selection import spatial_blocks

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Kind = Literal["number", "hump", "direction", "class"]
Model = Literal["logistic", "trees"]

_ITERATIONS, _TOLERANCE = 100, 1e-8
_GRID = 25
_DIRECTIONS = np.arange(0.0, 360.0, 15.0)
# Rows of the landscape over which a partial dependence is averaged.
_AVERAGED = 2000
# Small trees that learn slowly: a few hundred slumps must not be learned by heart.
_TREES = {"max_iter": 100, "learning_rate": 0.05, "max_leaf_nodes": 8, "min_samples_leaf": 20, "l2_regularization": 1.0}


@dataclass(frozen=True)
class Factor:
    """A column that may matter.

    Attributes:
        name: of the column.
        kind: `number`, standardized; `hump`, a number with its square, which can have an optimum in the middle;
            `direction`, degrees clockwise from north, as its cosine (towards north) and sine (towards east); `class`.
    """

    name: str
    kind: Kind = "number"

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"factor {self.name}: kind {self.kind!r} is none of {', '.join(get_args(Kind))}")


@dataclass(frozen=True)
class Joint:
    """A joint model and what each factor is worth in it.

    Attributes:
        coefficients: one row a term: `factor`, `term`, `coefficient` (logarithm of relative selection, for a standard
            deviation of the landscape, or against the reference class), `lower`, `upper` (block bootstrap). Empty for
            trees.
        factors: one row a factor: `factor`; `alone`, the cross-validated gain of a model with this factor only;
            `after_others`, what it adds to the model of all others; `lower` and `upper` of that (blocks); `holds`,
            whether the interval lies above 0. Gains are log-likelihood per slump, against no model or the model
            without the factor; negative where a factor only disturbs.
        dependence: `factor`, `value`, `relative`: selection of the value, averaged over the landscape as it is in all
            else, by that of the landscape (1 is as available).
        auc: cross-validated area under the ROC curve; 0.5 is chance.
        gain: cross-validated gain of all factors together, log-likelihood per slump.
        slumps: number of slumps with all values.
        landscape: number of points with all values.
        dropped: rows left out for an unknown value.
        blocks: number of spatial blocks.
    """

    coefficients: pd.DataFrame
    factors: pd.DataFrame
    dependence: pd.DataFrame
    auc: float
    gain: float
    slumps: int
    landscape: int
    dropped: int
    blocks: int


@dataclass(frozen=True)
class _Design:
    """How columns become terms: means and spreads of the landscape, classes with the reference first."""

    factors: tuple[Factor, ...]
    centre: dict[str, float]
    spread: dict[str, float]
    classes: dict[str, list[Any]]

    @classmethod
    def of(cls, landscape: pd.DataFrame, factors: Sequence[Factor], both: pd.DataFrame) -> _Design:
        numbers = [factor.name for factor in factors if factor.kind in ("number", "hump")]
        spread = {name: float(landscape[name].std(ddof=0)) or 1.0 for name in numbers}
        centre = {name: float(landscape[name].mean()) for name in numbers}
        classes = {
            factor.name: list(
                dict.fromkeys([*landscape[factor.name].value_counts().index, *sorted(both[factor.name].unique())])
            )
            for factor in factors
            if factor.kind == "class"
        }
        return cls(tuple(factors), centre, spread, classes)

    def terms(self) -> list[tuple[str, str]]:
        """(factor, term) of each column."""
        named: list[tuple[str, str]] = []
        for factor in self.factors:
            name = factor.name
            suffixes = {
                "number": [name],
                "hump": [name, f"{name} squared"],
                "direction": [f"{name}: north", f"{name}: east"],
                "class": [f"{name}: {value}" for value in self.classes.get(name, [])[1:]],
            }[factor.kind]
            named += [(name, term) for term in suffixes]
        return named

    def matrix(self, table: pd.DataFrame) -> Floats:
        """(rows, terms)."""
        columns: list[Floats] = []
        for factor in self.factors:
            values = table[factor.name].to_numpy()
            if factor.kind == "class":
                columns += [(values == value).astype(float) for value in self.classes[factor.name][1:]]
            elif factor.kind == "direction":
                angle = np.radians(values.astype(float))
                columns += [np.cos(angle), np.sin(angle)]
            else:
                z = (values.astype(float) - self.centre[factor.name]) / self.spread[factor.name]
                columns += [z] if factor.kind == "number" else [z, z**2]
        return np.column_stack(columns) if columns else np.empty((len(table), 0))


def joint_model(
    slumps: pd.DataFrame,
    slump_xy: Floats,
    landscape: pd.DataFrame,
    landscape_xy: Floats,
    factors: Sequence[Factor],
    block_m: float,
    seed: int,
    model: Model = "logistic",
    folds: int = 5,
    repeats: int = 200,
    level: float = 0.9,
    ridge: float = 1.0,
) -> Joint:
    """Fits slumps against the landscape by all factors at once, and by all but each.

    Blocks of the area are divided into folds; each fold is predicted by a model that has not seen it. A factor's worth
    is what is lost of the log-likelihood there when it is left out. Its interval draws whole blocks.

    Args:
        slumps: the factors' values at the slumps.
        slump_xy: (slumps, 2) metres.
        landscape: the same at random points of the landscape.
        landscape_xy: (points, 2) metres.
        factors: columns of both tables.
        block_m: side of the blocks, metres; longer than the patches in which slumps are alike.
        seed: of folds and draws.
        model: `logistic` regression, or boosted `trees`, which find thresholds and interactions by themselves.
        folds: parts, each of which is predicted once.
        repeats: draws of blocks for the intervals.
        level: share of the draws that an interval holds.
        ridge: weight of the squared coefficients beside the log-likelihood; keeps a class without slumps finite.

    Raises:
        ValueError: fewer blocks with slumps than folds, no factor, or a column is missing.
    """
    names = [factor.name for factor in factors]
    missing = [name for name in names if name not in slumps or name not in landscape]
    if missing or not names:
        raise ValueError(f"lacks the column {missing[0]}" if missing else "a model needs a factor")
    both = pd.concat([slumps[names], landscape[names]], ignore_index=True)
    known = both.notna().all(axis=1).to_numpy()
    is_slump = (np.arange(len(both)) < len(slumps))[known]
    xy = np.concatenate([slump_xy, landscape_xy])[known]
    table = both[known].reset_index(drop=True)
    block = spatial_blocks(block_m, xy)[0]
    if len(np.unique(block[is_slump])) < folds:
        raise ValueError(f"slumps lie in {len(np.unique(block[is_slump]))} blocks: too few for {folds} folds")
    design = _Design.of(table[~is_slump], factors, table)
    cases = _Cases(design.matrix(table), is_slump, block, model, ridge)
    # The models are small: more threads would wait for each other, and could round in another order.
    with threadpool_limits(limits=1):
        return _judged(cases, design, table, folds, repeats, level, seed, int((~known).sum()))


@dataclass(frozen=True)
class _Cases:
    """What a model learns from: (rows, terms) values, which rows are slumps, their blocks; and how it learns."""

    matrix: Floats
    is_slump: NDArray[np.bool_]
    block: Rows
    model: Model
    ridge: float


def _judged(
    cases: _Cases,
    design: _Design,
    table: pd.DataFrame,
    folds: int,
    repeats: int,
    level: float,
    seed: int,
    dropped: int,
) -> Joint:
    """The model of all factors, and each factor judged on blocks that were not seen."""
    is_slump, terms = cases.is_slump, design.terms()
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed % 2**32)
    parts = list(splitter.split(cases.matrix, is_slump, groups=cases.block))
    rng = np.random.default_rng(seed)
    times = _draws(cases.block, repeats, rng)
    whole = _predicted(cases, parts, np.ones(len(terms), dtype=bool))
    loss = _loss(whole, is_slump)
    nothing = _loss(_predicted(cases, parts, np.zeros(len(terms), dtype=bool)), is_slump)
    rows = []
    for name in dict.fromkeys(factor.name for factor in design.factors):
        of_factor = np.array([factor == name for factor, _ in terms])
        added = _loss(_predicted(cases, parts, ~of_factor), is_slump) - loss
        alone = nothing - _loss(_predicted(cases, parts, of_factor), is_slump)
        lower, upper = _gain_interval(added, is_slump, cases.block, times, level)
        gains = {"alone": alone.sum() / is_slump.sum(), "after_others": added.sum() / is_slump.sum()}
        rows.append({"factor": name, **gains, "lower": lower, "upper": upper, "holds": lower > 0})
    fitted = _fit(cases.matrix, is_slump, cases.model, cases.ridge)
    return Joint(
        _coefficients(fitted, cases, terms, times, level),
        pd.DataFrame(rows),
        _dependence(fitted, design, table[~is_slump], rng),
        float(np.mean([roc_auc_score(is_slump[test], whole[test]) for _, test in parts])),
        float((nothing - loss).sum() / is_slump.sum()),
        int(is_slump.sum()),
        int((~is_slump).sum()),
        dropped,
        len(np.unique(cases.block)),
    )


def _fit(matrix: Floats, is_slump: NDArray[np.bool_], model: Model, ridge: float, weight: Floats | None = None) -> Any:
    if model == "trees":
        return HistGradientBoostingClassifier(random_state=0, early_stopping=False, **_TREES).fit(matrix, is_slump)
    # Newton's method is exact where there are many more rows than terms; the default stops at three decimals.
    logistic = LogisticRegression(C=1 / ridge, solver="newton-cholesky", max_iter=_ITERATIONS, tol=_TOLERANCE)
    return logistic.fit(matrix, is_slump, sample_weight=weight)


def _predicted(cases: _Cases, parts: Sequence[tuple[Rows, Rows]], terms: NDArray[np.bool_]) -> Floats:
    """(rows,) probability of a slump by the chosen terms, each row by the model that has not seen its block."""
    result = np.empty(len(cases.matrix))
    chosen = cases.matrix[:, terms]
    for train, test in parts:
        if terms.any():
            fitted = _fit(chosen[train], cases.is_slump[train], cases.model, cases.ridge)
            result[test] = fitted.predict_proba(chosen[test])[:, 1]
        else:
            result[test] = cases.is_slump[train].mean()
    return result


def _loss(probability: Floats, is_slump: NDArray[np.bool_]) -> Floats:
    """(rows,) minus the log-likelihood."""
    tiny = np.finfo(float).tiny
    return -np.log(np.maximum(np.where(is_slump, probability, 1 - probability), tiny))


def _draws(block: Rows, repeats: int, rng: np.random.Generator) -> Rows:
    """(repeats, blocks) how often each block is drawn."""
    number = int(block.max()) + 1
    return rng.multinomial(number, np.full(number, 1 / number), size=repeats)


def _gain_interval(
    gain: Floats, is_slump: NDArray[np.bool_], block: Rows, times: Rows, level: float
) -> tuple[float, float]:
    """Interval of the sum of gains by the number of slumps, over draws of blocks."""
    number = times.shape[1]
    gains = times @ np.bincount(block, weights=gain, minlength=number)
    slumps = times @ np.bincount(block, weights=is_slump, minlength=number)
    lower, upper = np.quantile(gains[slumps > 0] / slumps[slumps > 0], [(1 - level) / 2, (1 + level) / 2])
    return float(lower), float(upper)


def _coefficients(
    fitted: Any, cases: _Cases, terms: Sequence[tuple[str, str]], times: Rows, level: float
) -> pd.DataFrame:
    """Coefficients with intervals from models of drawn blocks; no rows for trees, which have none."""
    if cases.model == "trees":
        return pd.DataFrame(columns=["factor", "term", "coefficient", "lower", "upper"])
    drawn = [
        _fit(cases.matrix, cases.is_slump, "logistic", cases.ridge, weight).coef_[0]
        for weight in (draw[cases.block].astype(float) for draw in times)
        if weight[cases.is_slump].any() and weight[~cases.is_slump].any()
    ]
    lower, upper = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2], axis=0)
    named = pd.DataFrame(list(terms), columns=["factor", "term"])
    return named.assign(coefficient=fitted.coef_[0], lower=lower, upper=upper)


def _dependence(fitted: Any, design: _Design, landscape: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Partial dependence of each factor as relative selection."""
    chosen = rng.permutation(len(landscape))[:_AVERAGED]
    sample = landscape.iloc[np.sort(chosen)].reset_index(drop=True)
    typical = _log_odds(fitted, design, sample)
    rows = []
    for factor in design.factors:
        values: Sequence[Any] | Floats
        if factor.kind == "class":
            values = design.classes[factor.name]
        elif factor.kind == "direction":
            values = _DIRECTIONS
        else:
            values = np.quantile(landscape[factor.name].to_numpy(dtype=float), np.linspace(0.01, 0.99, _GRID))
        for value in values:
            relative = np.exp(_log_odds(fitted, design, sample.assign(**{factor.name: value})) - typical)
            rows.append({"factor": factor.name, "value": value, "relative": relative})
    return pd.DataFrame(rows, columns=["factor", "value", "relative"])


def _log_odds(fitted: Any, design: _Design, table: pd.DataFrame) -> float:
    """Mean log-odds over the rows."""
    return float(np.mean(fitted.decision_function(design.matrix(table))))
