"""Table 2 against the paper's own numbers, and the summary."""

from __future__ import annotations

import csv
import json

import pytest
from toy_campaign import write_outcomes

from slumpmap.errors import InputError
from slumpmap.figures.summary import write_summary
from slumpmap.figures.tables import read_rows, table2, totals

# Xia et al. 2022, Table 2. The authors inspected whatever was inferred.
PAPER = (
    (1, 300, 72, 2064, 2064, 149, 449),
    (2, 449, 72, 2842, 2842, 196, 645),
    (3, 645, 78, 3153, 3153, 73, 718),
    (4, 718, 78, 10510, 10510, 86, 804),
    (5, 804, 90, 4609, 4609, 34, 838),
    (6, 838, 90, 3362, 3362, 4, 842),
    (7, 842, 90, 5033, 5033, 21, 863),
    (8, 863, 90, 3622, 3622, 12, 875),
)
YIELDS = ("7.22", "6.90", "2.32", "0.82", "0.74", "0.12", "0.42", "0.33")


def test_the_papers_table(tmp_path):
    table2(write_outcomes(tmp_path, reversed(PAPER)), tmp_path / "table2.csv", tmp_path / "table2.md")
    with (tmp_path / "table2.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    names = ("iteration", "positives", "negatives", "inferred", "inspected", "new", "total")
    assert [tuple(int(row[name]) for name in names) for row in rows] == list(PAPER)
    assert [f"{float(row['yield_percent']):.2f}" for row in rows] == list(YIELDS)
    assert {row["recall"] for row in rows} == {""}
    text = (tmp_path / "table2.md").read_text()
    assert "| 4 | 718 | 78 | 10510 | 10510 | 86 | 804 | 0.82 | - | - |" in text
    assert "| sum |  |  | 35195 | 35195 | 575 |  | 1.63 |  |  |" in text
    assert "61.2 candidates inspected per new slump" in text


def test_sums(tmp_path):
    sums = totals(read_rows(write_outcomes(tmp_path, PAPER)))
    assert (sums["inferred"], sums["new"]) == (35195, 575)
    assert sums["inspected_per_new"] == pytest.approx(61.2, abs=0.05)


def test_nothing_inspected_and_waiting(tmp_path):
    paths = write_outcomes(tmp_path, [(1, 5, 0, 3, 0, 0, 5)], state="waiting")
    table2(paths, tmp_path / "t.csv", tmp_path / "t.md")
    text = (tmp_path / "t.md").read_text()
    assert "| 1* | 5 | 0 | 3 | 0 | 0 | 5 | - | - | - |" in text and "not decided everything yet" in text
    assert totals(read_rows(paths)) == {
        "inferred": 3,
        "inspected": 0,
        "new": 0,
        "yield_percent": None,
        "inspected_per_new": None,
    }


def test_scores_after_an_iteration_without_finds(tmp_path):
    evaluation = tmp_path / "evaluation.json"
    scores = [{"iteration": 0, "recall": 0.3, "precision": 1.0}, {"iteration": 1, "recall": 0.8, "precision": None}]
    evaluation.write_text(json.dumps({"truth": 9, "iterations": scores}))
    rows = read_rows(write_outcomes(tmp_path, [(1, 5, 0, 3, 2, 1, 6), (2, 6, 0, 3, 0, 0, 6)]), evaluation)
    assert [row["recall"] for row in rows] == [0.8, 0.8]
    assert rows[0]["precision"] is None


def test_bad_outcomes_are_refused(tmp_path):
    path = write_outcomes(tmp_path, PAPER[:1])[0]
    with pytest.raises(InputError, match="second outcome of iteration 1"):
        read_rows([path, path])
    path.write_text('{"iteration": 1}')
    with pytest.raises(InputError, match="outcome lacks state, waiting_for, positives"):
        read_rows([path])


def test_summary(toy, tmp_path, capsys):
    args = (toy.benchmarks, toy.inventory, tmp_path / "summary.json", "toy", True)
    made = write_summary(toy.outcomes, toy.evaluation, *args)
    assert json.loads((tmp_path / "summary.json").read_text()) == made
    assert (made["recall"], made["precision"], made["slumps"]) == (0.93, 0.975, 40)
    assert made["inspected_per_new"] == pytest.approx(119 / 26)
    assert (made["wall_s"], made["peak_rss_mb"]) == (12.5, 800)
    first = made["iterations"][0]
    assert (first["inferred"], first["inspected"], first["new"], first["recall"]) == (90, 76, 15, 0.66)
    assert sum(first["new_by_probability"].values()) == sum(first["new_by_initiation"].values()) == 15
    printed = capsys.readouterr().out
    assert "toy (synthetic)" in printed and "recall 0.930, precision 0.975" in printed


def test_summary_without_truth_has_nulls(toy, tmp_path):
    args = (tmp_path / "none", toy.inventory, tmp_path / "summary.json", "toy", False)
    made = write_summary(toy.outcomes, None, *args)
    assert made["recall"] is None and made["iterations"][0]["precision"] is None
    assert "NaN" not in (tmp_path / "summary.json").read_text()
