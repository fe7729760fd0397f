"""Temperature and reliability against cases that are known."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from slumpmap.learning.calibration import Reliability, fit_temperature


def drawn(temperature: float, pixels: int = 200_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a network, and labels drawn with the probabilities sigmoid(logit / temperature)."""
    rng = np.random.default_rng(3)
    logits = rng.normal(-1, 4, pixels).astype(np.float32)
    return logits, (rng.random(pixels) < 1 / (1 + np.exp(-logits / temperature))).astype(np.uint8)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5, 6.0])
def test_the_temperature_of_the_labels_is_found(temperature: float) -> None:
    assert fit_temperature(*drawn(temperature)) == pytest.approx(temperature, rel=0.03)


def test_labels_that_are_all_equal_leave_it_alone() -> None:
    assert fit_temperature(np.array([3.0, -1.0], dtype=np.float32), np.zeros(2, dtype=np.uint8)) == 1.0
    assert fit_temperature(np.empty(0, dtype=np.float32), np.empty(0, dtype=np.uint8)) == 1.0


def test_the_temperature_makes_an_overconfident_network_reliable() -> None:
    logits, labels = drawn(3.0)

    def error(temperature: float) -> float:
        return Reliability.of(1 / (1 + np.exp(-logits / temperature)), labels).expected_calibration_error or 0.0

    assert error(1.0) > 0.1
    assert error(fit_temperature(logits, labels)) < 0.005


pixels = st.lists(st.tuples(st.integers(0, 100), st.booleans()), min_size=1, max_size=60)


@given(pixels)
def test_reliability_is_that_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    # Values off the limits of bins, where scikit-learn closes bins at the other end.
    values, labels = np.array([(r[0] + 0.55) / 101 for r in rows]), np.array([int(r[1]) for r in rows])
    table = Reliability.of(values, labels)
    full = table.count > 0
    share, mean = calibration_curve(labels, values, n_bins=10)
    assert table.observed_share[full] == pytest.approx(share)
    assert table.mean_predicted[full] == pytest.approx(mean)
    assert table.brier_score == pytest.approx(brier_score_loss(labels, values, labels=[0, 1]))


def test_reliability_by_hand() -> None:
    table = Reliability.of(np.array([0.0, 0.05, 0.1, 0.3, 1.0]), np.array([0, 1, 0, 1, 1]))
    assert table.count.tolist() == [2, 1, 0, 1, 0, 0, 0, 0, 0, 1]
    assert table.expected_calibration_error == pytest.approx((0.95 + 0.1 + 0.7) / 5)
    assert table.brier_score == pytest.approx((0.95**2 + 0.1**2 + 0.7**2) / 5)
    assert np.isnan(table.observed_share[2])


def test_tables_add_up_and_survive_a_file() -> None:
    rng = np.random.default_rng(1)
    values, labels = rng.random(500), rng.integers(0, 2, 500)
    whole = Reliability.of(values, labels, 7)
    summed = Reliability.of(values[:100], labels[:100], 7) + Reliability.of(values[100:], labels[100:], 7)
    read = Reliability.of_table(pd.read_csv(io.StringIO(whole.to_csv())))
    for other in (summed, read):
        assert other.count.tolist() == whole.count.tolist()
        assert other.mean_predicted == pytest.approx(whole.mean_predicted)
        assert other.brier_score == pytest.approx(whole.brier_score)


def test_without_pixels_there_is_no_error() -> None:
    table = Reliability.of(np.empty(0), np.empty(0))
    assert table.expected_calibration_error is None
    assert table.brier_score is None
