"""Cross-validation as a user starts it, with layers beside the colours and an ensemble in the campaign."""

import csv
import json
import subprocess
import sys

import pytest
import shapely

from slumpmap.vector import read_layer

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def validated(tmp_path_factory, tiny_corridor):
    """A tiny campaign whose two parts were trained and tested for a few steps each."""
    from tests.workflow.conftest import Workflow

    workflow = Workflow(tmp_path_factory.mktemp("crossval"))
    workflow.bring(tiny_corridor)
    workflow.configure(
        model={"iterations": 25, "iterations_next": 15, "members": 2},
        imagery={"layers": ["nir", "slope"], "nir_band": 4},
        candidates={"threshold": 0.2},
        iterations={"maximum": 1},
    )
    command = [
        sys.executable,
        "-m",
        "slumpmap",
        "crossval",
        "--config",
        "campaign.yaml",
        "--folds",
        "2",
        "--cores",
        "2",
    ]
    done = subprocess.run(command, cwd=workflow.folder, capture_output=True, text=True, timeout=1500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return workflow


def test_table_has_a_row_for_each_part_and_their_mean(validated):
    folder = validated.folder / "results" / "tiny" / "crossval"
    with (folder / "table.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["part"] for row in rows] == ["1", "2", "mean", "standard deviation"]
    truth = read_layer(
        validated.folder / "results" / "tiny" / "iterations" / "01" / "labels" / "positives.gpkg", "positives"
    )
    assert int(rows[0]["truth"]) + int(rows[1]["truth"]) >= len(truth), "an outline on a border counts on both sides"
    assert (folder / "curves.png").stat().st_size > 0


def test_no_part_has_seen_what_it_is_tested_on(validated):
    folders = [validated.folder / "results" / "tiny" / "crossval" / f"fold_{part}" for part in ("01", "02")]
    areas = [read_layer(folder / "test_area.gpkg", "test area").union_all() for folder in folders]
    # Parts are whole windows, so that they overlap where squares meet; in between, each is tested in one.
    assert shapely.intersection(*areas).area < 0.1 * shapely.union(*areas).area
    for folder, area in zip(folders, areas, strict=True):
        windows = read_layer(folder / "windows.gpkg", "windows")
        taught = windows.geometry[windows["split"] != "test"].to_numpy()
        assert 0 < len(taught) < len(windows)
        assert shapely.area(shapely.intersection(taught, area)).max() == 0
        assert (
            shapely.covered_by(read_layer(folder / "polygons.gpkg", "polygons").geometry.to_numpy(), area.buffer(1e-3))
        ).all()
        card = json.loads((folder / "model" / "model.json").read_text())
        assert card["bands"] == ["red", "green", "blue", "nir", "slope"]


def test_campaign_with_an_ensemble_and_layers_ends(validated):
    status, output = validated.run()
    assert status == 0, output
    iteration = validated.folder / "results" / "tiny" / "iterations" / "01"
    weights = [(iteration / name / "weights.safetensors").read_bytes() for name in ("model", "model_2")]
    assert weights[0] != weights[1]
    assert (validated.folder / "results" / "tiny" / "summary.json").exists()
