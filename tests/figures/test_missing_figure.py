"""What is still missing, as figure, figures and words."""

from __future__ import annotations

import json

import matplotlib.image
import pytest
from click.testing import CliRunner
from toy_campaign import OUTCOMES, write_outcomes

from slumpmap.cli import app
from slumpmap.errors import InputError
from slumpmap.figures import missing
from slumpmap.figures.style import TWO_COLUMNS
from slumpmap.review.missing import Unseen

COUNTS = {
    "known_found_again": 12,
    "reviews": {"anna": {}, "ben": {}},
    "captures": [{"by": ["anna", "ben"], "count": 12}, {"by": ["anna"], "count": 2}, {"by": ["ben"], "count": 1}],
}


@pytest.fixture
def outcomes(tmp_path):
    """The toy campaign's three iterations, with what this slumpmap counts beside Table 2."""
    paths = write_outcomes(tmp_path / "iterations", OUTCOMES)
    for path in paths:
        path.write_text(json.dumps(json.loads(path.read_text()) | COUNTS))
    return paths


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved."""
    figures, save = [], missing.save
    monkeypatch.setattr(missing, "save", lambda figure, *files: (figures.append(figure), save(figure, *files)))
    return figures


def test_figure_shows_the_yield_and_the_estimates(outcomes, toy, tmp_path, drawn):
    missing.write_missing(outcomes, Unseen(10, 14, 1), toy.evaluation, tmp_path / "missing.png", "synthetic")
    left, right = drawn[0].axes
    assert [bar.get_height() for bar in left.patches[:3]] == [15, 9, 2]
    assert [text.get_text() for text in left.texts[:3]] == ["15 (76)", "9 (32)", "2 (11)"]
    written = json.loads((tmp_path / "missing.json").read_text())
    assert left.patches[3].get_height() == pytest.approx(written["next"]["expected"])
    assert right.lines[0].get_xdata().tolist() == [0, 76, 108, 119]
    assert right.lines[0].get_ydata().tolist() == [14, 29, 38, 40]
    labels = [text.get_text() for text in right.get_legend().get_texts()]
    assert labels == [
        "known",
        "truth",
        "known + overlooked by anna and ben",
        "known + not proposed (lower bound)",
        "known + not proposed (cross-validated)",
    ]
    points = [container.lines[0].get_ydata()[0] for container in right.containers]
    assert points[0] == pytest.approx(40 + written["reviewers"][0]["missed"])
    assert points[1] == pytest.approx(40 + written["model"]["missed"])
    # 5.45 seemed missing after the first iteration; 11 were found since.
    assert points[2] == 40
    image = matplotlib.image.imread(tmp_path / "missing.png")
    assert image.shape[1] == pytest.approx(TWO_COLUMNS * 300, abs=2)


def test_figures_and_words_say_the_same(outcomes, tmp_path):
    missing.write_missing(outcomes, None, None, tmp_path / "missing.png")
    written = json.loads((tmp_path / "missing.json").read_text())
    assert [row["found_so_far"] for row in written["iterations"]] == [15, 24, 26]
    assert written["iterations"][0]["new_per_inspected"] == pytest.approx(15 / 76)
    pair = written["reviewers"][0]
    assert (pair["first_name"], pair["first"], pair["second"], pair["both"]) == ("anna", 42, 39, 36)
    assert pair["lincoln_petersen"] == pytest.approx(42 * 39 / 36)
    assert written["model"]["first"] == 38 and written["crossval"] is None and written["stop"] is False
    words = (tmp_path / "missing.md").read_text()
    assert "| 3 | 11 | 2 | 26 | 18.2 | 12 of 38 |" in words and written["advice"] in words


def test_files_repeat_to_the_byte(outcomes, toy, tmp_path):
    for run in ("first", "second"):
        missing.write_missing(outcomes, Unseen(10, 14, 1), toy.evaluation, tmp_path / run / "missing.png", "synthetic")
    for end in ("png", "pdf", "json", "md"):
        first, second = ((tmp_path / run / f"missing.{end}").read_bytes() for run in ("first", "second"))
        assert first == second


def test_older_outcomes_and_campaigns_that_wait(tmp_path, drawn):
    older = write_outcomes(tmp_path / "older", OUTCOMES)
    missing.write_missing(older, None, None, tmp_path / "older.png")
    assert drawn[0].axes[1].containers == []
    assert "| 1 | 76 | 15 | 15 | 19.7 | - |" in (tmp_path / "older.md").read_text()
    waiting = write_outcomes(tmp_path / "waiting", OUTCOMES[:1], state="waiting")
    missing.write_missing(waiting, None, None, tmp_path / "waiting.png")
    assert (tmp_path / "waiting.md").read_text() == "No iteration is decided yet.\n"
    assert json.loads((tmp_path / "waiting.json").read_text())["iterations"] == []
    assert [text.get_text() for axes in drawn[1].axes for text in axes.texts] == ["no iteration is decided yet"] * 2


def test_nothing_inspected_and_nothing_found(tmp_path, drawn):
    missing.write_missing(write_outcomes(tmp_path, [(1, 5, 0, 3, 0, 0, 5)]), None, None, tmp_path / "none.png")
    assert len(drawn[0].axes[0].patches) == 1
    assert "| 1 | 0 | 0 | 0 | - | - |" in (tmp_path / "none.md").read_text()


def test_bad_outcomes_are_refused(tmp_path):
    path = tmp_path / "outcome.json"
    path.write_text('{"iteration": 1, "state": "decided"}')
    with pytest.raises(InputError, match=r"outcome lacks waiting_for, positives, .*, total"):
        missing.write_missing([path], None, None, tmp_path / "a.png")


def test_command(outcomes, tmp_path):
    options = [f"--outcome={path}" for path in outcomes]
    done = CliRunner().invoke(app, ["missing", *options, "--unseen", "10", "14", "1", "--out", str(tmp_path / "m.png")])
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "m.json").read_text())["crossval"]["found_since"] == 11
