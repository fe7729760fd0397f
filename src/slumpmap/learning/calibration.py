"""Probabilities that can be believed: a temperature for logits, and tables of how reliable they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Floats = NDArray[np.float64]

_COLDEST, _HOTTEST = 0.05, 20.0
_COLUMNS = ("lower", "upper", "count", "mean_predicted", "observed_share", "brier_score")


def fit_temperature(logits: NDArray[Any], labels: NDArray[Any]) -> float:
    """Temperature T with which the probabilities sigmoid(logit / T) fit the labels best.

    The best T has the smallest mean negative log likelihood (Guo et al. 2017, arXiv 1706.04599). A T above 1
    means that the network was too sure.

    Args:
        logits: (pixels,) float32, valid pixels only.
        labels: (pixels,) uint8, 0 or 1.

    Returns:
        T, 0.05 to 20; 1 where the labels are all equal, since then the most extreme T would fit best.
    """
    if len(np.unique(labels)) < 2:
        return 1.0
    values, positive = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.float64)

    def mean_loss(log_temperature: float) -> float:
        scaled = values / np.exp(log_temperature)
        return float(np.mean(np.logaddexp(0.0, scaled) - positive * scaled))

    # The loss is convex in 1/T: in log T it has one minimum.
    best = minimize_scalar(mean_loss, bounds=np.log([_COLDEST, _HOTTEST]), method="bounded")
    return float(np.exp(best.x))


@dataclass(frozen=True)
class Reliability:
    """Predicted probabilities beside what was observed, in bins of equal width; tables of parts add up.

    Attributes:
        count: (bins,) int64, pixels.
        predicted: (bins,) float64, sum of their probabilities.
        positive: (bins,) float64, how many of them are slump.
        squared: (bins,) float64, sum of the squared differences between probability and label.
    """

    count: NDArray[np.int64]
    predicted: Floats
    positive: Floats
    squared: Floats

    @classmethod
    def of(cls, probabilities: NDArray[Any], labels: NDArray[Any], bins: int = 10) -> Reliability:
        """Sorts pixels into bins; a bin begins at its lower limit, the last one holds 1 as well.

        Args:
            probabilities: (pixels,) 0 to 1, valid pixels only.
            labels: (pixels,) 0 or 1.
            bins: number of bins.
        """
        values, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.float64)
        # Limits as whole numbers divided: multiplying the values would put some limits into the bin below.
        place = np.searchsorted(np.arange(1, bins) / bins, values, side="right")

        def total(weights: Floats | None = None) -> NDArray[Any]:
            return np.bincount(place, weights, minlength=bins)

        return cls(total(), total(values), total(truth), total((values - truth) ** 2))

    def __add__(self, other: Reliability) -> Reliability:
        return Reliability(
            self.count + other.count,
            self.predicted + other.predicted,
            self.positive + other.positive,
            self.squared + other.squared,
        )

    @property
    def mean_predicted(self) -> Floats:
        """(bins,) mean probability; NaN in an empty bin."""
        return self._mean(self.predicted)

    @property
    def observed_share(self) -> Floats:
        """(bins,) share of slump pixels; NaN in an empty bin."""
        return self._mean(self.positive)

    @property
    def expected_calibration_error(self) -> float | None:
        """Mean distance between probability and observed share, bins weighted by pixels; None without pixels.

        Naeini et al. (2015), AAAI, Obtaining well calibrated probabilities using Bayesian binning.
        """
        total = self.count.sum()
        return float(np.abs(self.predicted - self.positive).sum() / total) if total else None

    @property
    def brier_score(self) -> float | None:
        """Mean squared difference between probability and label, 0 to 1; None without pixels."""
        total = self.count.sum()
        return float(self.squared.sum() / total) if total else None

    def to_csv(self) -> str:
        """Table as CSV text, a bin a line: limits, count, mean probability, observed share, Brier score.

        The means of empty bins are blank.
        """
        limits = np.arange(len(self.count) + 1) / len(self.count)
        values = (
            limits[:-1],
            limits[1:],
            self.count,
            self.mean_predicted,
            self.observed_share,
            self._mean(self.squared),
        )
        table = pd.DataFrame(dict(zip(_COLUMNS, values, strict=True)))
        return str(table.to_csv(index=False, lineterminator="\n"))

    @classmethod
    def of_table(cls, table: pd.DataFrame) -> Reliability:
        """The table that `to_csv` wrote, as pandas reads it."""
        count = table["count"].fillna(0).to_numpy(dtype=np.int64)
        means = (table[name].fillna(0.0).to_numpy(dtype=np.float64) for name in _COLUMNS[3:])
        return cls(count, *(count * mean for mean in means))

    def _mean(self, sums: Floats) -> Floats:
        means: Floats = np.divide(sums, self.count, out=np.full(len(sums), np.nan), where=self.count > 0)
        return means
