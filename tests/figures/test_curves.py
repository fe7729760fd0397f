"""Figures of training and judgement: what is drawn is what the tables say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from slumpmap.errors import InputError
from slumpmap.figures import curves
from slumpmap.figures.style import ONE_COLUMN
from slumpmap.learning.calibration import Reliability


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """100 steps, evaluated at each 25th."""
    steps = np.arange(1, 101)
    table = pd.DataFrame({"step": steps, "loss": 1 / steps, "learning_rate": 0.003 * (1 - steps / 100)})
    judged = steps % 25 == 0
    table["validation_loss"] = np.where(judged, 0.2, np.nan)
    table["validation_ap"] = np.where(judged, steps / 200, np.nan)
    table.to_csv(tmp_path / "log.csv", index=False)
    return tmp_path / "log.csv"


@pytest.fixture
def reliability(tmp_path: Path) -> Path:
    """A table of 1000 pixels with empty bins."""
    rng = np.random.default_rng(1)
    values = rng.random(1000) * 0.6
    (tmp_path / "reliability.csv").write_text(Reliability.of(values, rng.random(1000) < values).to_csv())
    return tmp_path / "reliability.csv"


@pytest.fixture
def curve(tmp_path: Path) -> Path:
    """A curve with an area of 0.5 x 1 + 0.25 x 0.75."""
    rows = {"score": [0.9, 0.6, 0.5], "precision": [1.0, 2 / 3, 0.75], "recall": [0.5, 0.5, 0.75]}
    pd.DataFrame(rows).to_csv(tmp_path / "curve.csv", index=False)
    return tmp_path / "curve.csv"


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved."""
    figures: list[Figure] = []
    save = curves.save

    def keep(figure: Figure, *files: Path) -> None:
        figures.append(figure)
        save(figure, *files)

    monkeypatch.setattr(curves, "save", keep)
    return figures


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes if (found := axes.get_legend()) for text in found.get_texts()]


def test_figures_are_written_and_repeat_to_the_byte(log: Path, reliability: Path, curve: Path, tmp_path: Path) -> None:
    draw: dict[str, Callable[[Path], None]] = {
        "training": lambda out: curves.training_curves(log, out, "synthetic"),
        "reliability": lambda out: curves.reliability_plot({"one": reliability}, out),
        "curves": lambda out: curves.precision_recall_plot({"one": curve}, out, "Curves"),
    }
    for name, function in draw.items():
        for run in ("first", "second"):
            function(tmp_path / run / f"{name}.png")
        for end in ("png", "pdf"):
            first, second = ((tmp_path / run / f"{name}.{end}").read_bytes() for run in ("first", "second"))
            assert first == second
        image = matplotlib.image.imread(tmp_path / "first" / f"{name}.png")
        assert image.shape[1] == pytest.approx(ONE_COLUMN * 300, abs=2)


def test_training_curves_show_the_log(log: Path, tmp_path: Path, drawn: list[Figure]) -> None:
    curves.training_curves(log, tmp_path / "a.png")
    loss, judged, rate = drawn[0].axes
    assert loss.lines[0].get_ydata()[-1] == pytest.approx(0.01)
    assert judged.lines[0].get_xdata().tolist() == [25, 50, 75, 100]
    assert judged.lines[0].get_ydata() == pytest.approx([0.125, 0.25, 0.375, 0.5])
    assert rate.lines[0].get_ydata()[0] == pytest.approx(0.003 * 0.99)


def test_without_evaluation_there_is_no_panel_of_it(log: Path, tmp_path: Path, drawn: list[Figure]) -> None:
    pd.read_csv(log).assign(validation_loss=np.nan, validation_ap=np.nan).to_csv(log, index=False)
    curves.training_curves(log, tmp_path / "a.png")
    assert len(drawn[0].axes) == 2


def test_reliability_leaves_empty_bins_out(reliability: Path, tmp_path: Path, drawn: list[Figure]) -> None:
    curves.reliability_plot({"one": reliability}, tmp_path / "a.png")
    table = Reliability.of_table(pd.read_csv(reliability))
    assert drawn[0].axes[0].lines[1].get_xdata() == pytest.approx(table.mean_predicted[:6])
    assert texts(drawn[0])[1] == f"one (ECE {table.expected_calibration_error:.3f})"


def test_the_drawn_area_is_that_of_the_legend(curve: Path, tmp_path: Path, drawn: list[Figure]) -> None:
    curves.precision_recall_plot({"one": curve}, tmp_path / "a.png", "Curves")
    assert texts(drawn[0]) == ["one (AP 0.69)"]
    step = next(line for line in drawn[0].axes[0].lines if line.get_drawstyle() == "steps-pre")
    recall, precision = np.asarray(step.get_xdata()), np.asarray(step.get_ydata())
    assert np.sum(np.diff(recall) * precision[1:]) == pytest.approx(0.6875)


def test_part_without_candidates_has_an_empty_curve(curve: Path, tmp_path: Path, drawn: list[Figure]) -> None:
    curve.write_text("score,precision,recall\n")
    curves.precision_recall_plot({"one": curve}, tmp_path / "a.png", "Curves")
    assert texts(drawn[0]) == ["one (AP 0.00)"]


def test_bad_tables_are_named(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("step,loss\n1,2\n")
    with pytest.raises(InputError, match=r"log\.csv: training log lacks the column learning_rate"):
        curves.training_curves(tmp_path / "log.csv", tmp_path / "a.png")
    with pytest.raises(InputError, match=r"missing\.csv: curve is not readable"):
        curves.precision_recall_plot({"a": tmp_path / "missing.csv"}, tmp_path / "a.png", "Curves")
