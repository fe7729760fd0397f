"""The whole DAG on the tiny corridor: loop, second call, changed options, kill and resume, other tilings."""

import json
import time
from pathlib import Path

import pandas as pd
import pytest
from geopandas.testing import assert_geodataframe_equal

from slumpmap.sidecar.form import sidecar_of
from slumpmap.vector import read_layer

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory, tiny_corridor):
    """A campaign of two iterations, run from the start to its end without a break."""
    from tests.workflow.conftest import Workflow

    workflow = Workflow(tmp_path_factory.mktemp("unbroken"))
    workflow.bring(tiny_corridor)
    workflow.configure()
    status, output = workflow.run()
    assert status == 0, output
    return workflow, output


def inventory(workflow):
    return read_layer(workflow.folder / "results" / "tiny" / "inventory" / "inventory.gpkg", "inventory")


def summary(workflow):
    return json.loads((workflow.folder / "results" / "tiny" / "summary.json").read_text())


def test_campaign_ends_with_an_inventory_tables_and_figures(unbroken):
    workflow, output = unbroken
    results = workflow.folder / "results" / "tiny"
    figures = summary(workflow)
    assert figures["iterations"][0]["new"] >= 1
    assert len(figures["iterations"]) == 2
    assert figures["slumps"] == len(inventory(workflow)) == figures["iterations"][-1]["total"]
    assert figures["recall"] > figures["iterations"][0]["positives"] / 20
    for name in ("table2.md", "iterations.png", "missing.png", "contact_sheet.png"):
        assert (results / "report" / name).stat().st_size > 0
    assert (results / "report" / "index.html").exists()
    sheets = json.loads((results / "report" / "sheets" / "sheets.json").read_text())["sheets"]
    assert [sheet["id"] for sheet in sheets] == list(inventory(workflow)["id"])
    # The site is told all that was made; results in words have a rule of their own.
    told = json.loads((results / "report/site/data.js").read_text().removeprefix("window.slumpmap = ").strip(";\n"))
    assert [what for what in told["absent"] if "results.md" not in what] == []
    assert {table["title"] for table in told["analysis"][0]["tables"]} >= {"Selection ratios", "Clusters: Ripley's K"}
    assert "iteration 02: decided" in output
    slumps = inventory(workflow)
    everywhere = ["elevation_headwall", "pisr_mean", "near_stream", "vegetation", "scene_dates"]
    assert slumps[everywhere].notna().all(axis=None)
    found = slumps["iteration_found"] > 0
    assert slumps.loc[found, ["model", "reviewers"]].notna().all(axis=None)
    assert slumps.loc[~found, ["model", "reviewers"]].isna().all(axis=None)
    exported = read_layer(results / "inventory" / "arts.geojson", "ARTS")
    assert exported["UID"].is_unique and len(exported) == len(slumps)
    assert (results / "inventory" / "omissions.csv").read_text() == "id,attribute,reason,covered\n"


def test_campaign_ends_with_its_slumps_held_against_the_landscape(unbroken):
    study = unbroken[0].folder / "results" / "tiny" / "analysis" / "own"
    selection = pd.read_csv(study / "selection.csv").set_index("factor")
    for factor in ("elevation", "slope", "aspect", "tpi", "pisr", "vegetation", "soil"):
        assert selection.loc[factor, "slumps"].sum() == summary(unbroken[0])["slumps"]
        assert selection.loc[factor, "landscape_share"].sum() == pytest.approx(1, abs=1e-4)
    figures = [f"figures/{name}.pdf" for name in ("fig01_study-area", "fig03_example", "fig06_frequencies", "clusters")]
    for name in ("tests.csv", "joint.json", "clustering.json", "sensitivity.csv", "table1.md", *figures):
        assert (study / name).stat().st_size > 0


# What rules name among their inputs and the commands do not read: by the end of the name, with the reason.
NOT_READ = {
    "inputs/layers.json": "light checks come before long work",
    "iterations/01/labels/positives.gpkg": "the same, for the catalogue",
    "review/to_inspect.gpkg": "people get it before their decisions are counted",
    "analysis/landscape/landscape.json": "comes with the random points, which are read",
    "report/table2.md": "the site shows the CSV beside it",
    "mosaic.vrt": "stands for the tiles of its year, which are read",
}


def test_every_product_says_what_it_was_made_from(unbroken):
    """As Snakemake has it: outputs and inputs of all jobs, but for what a command has no need of."""
    workflow, _ = unbroken
    status, output = workflow.run("--detailed-summary", "--quiet")
    assert status == 0, output
    rows = [line.split("\t") for line in output.splitlines() if line.startswith("results/")]
    assert len(rows) > 150
    lacking = {}
    for product, _, rule, _, inputs, *_ in rows:
        sidecar = sidecar_of(workflow.folder / product)
        assert sidecar is not None and sidecar.content.bytes > 0, product
        read = set(sidecar.run.inputs) | {str(Path(path).parent) for path in sidecar.run.inputs}
        for name in set(inputs.split(",")) - read - {"-", ""}:
            lacking.setdefault(name, set()).add(rule)
    for name, rules in lacking.items():
        # A tile in which no window and no slump lies is not opened.
        tile = name.startswith("results/tiny/imagery/") and name.endswith(".tif")
        assert tile or any(name.endswith(known) for known in NOT_READ), (name, rules)
        assert name != "results/tiny/iterations/01/labels/positives.gpkg" or rules == {"catalogue"}
    # Scenes are named by a catalogue, not by a rule.
    inputs = sidecar_of(workflow.folder / "results/tiny/imagery/2019/x000_y000.tif").run.inputs
    assert any(name.startswith("data/tiny/scenes/2019") for name in inputs)


def test_verify_finds_nothing_in_a_finished_campaign_and_a_figure_is_made_again(unbroken):
    workflow, _ = unbroken
    status, output = workflow.slumpmap("verify", "campaign.yaml")
    assert status == 0 and "All as it was made." in output, output
    status, output = workflow.slumpmap("reproduce", "fig05_inventory", "--last", "1")
    assert status == 0 and "fig05_inventory.png: identical" in output, output


def test_files_that_only_jobs_read_pass_away_and_maps_stay(unbroken):
    iterations = unbroken[0].folder / "results" / "tiny" / "iterations"
    assert not [*iterations.glob("*/training_set/windows.npy"), *iterations.glob("*/parts/*.parquet")]
    assert len({path.parts[-3] for path in iterations.glob("*/probability/*.tif")}) == 2


def test_second_call_does_nothing(unbroken):
    workflow, _ = unbroken
    status, output = workflow.run()
    assert status == 0 and "Nothing to be done" in output


def test_changed_threshold_runs_candidates_again_but_not_training(unbroken):
    workflow, _ = unbroken
    status, output = workflow.run("-n", "--config", "candidates={threshold: 0.4}")
    assert status == 0
    assert "rule parts_000" in output or "parts_000" in output
    assert not [line for line in output.splitlines() if line.split()[:1] in (["train"], ["windows"], ["infer_000"])]


def test_report_opens_offline(unbroken):
    workflow, _ = unbroken
    status, output = workflow.run("--report", "report.html")
    assert status == 0, output
    page = (workflow.folder / "report.html").read_text()
    assert "fig05_inventory.png" in page and '<script src="http' not in page


def test_killed_run_resumes_to_the_same_inventory(unbroken, workflow, tiny_corridor):
    workflow.bring(tiny_corridor)
    workflow.configure()
    process = workflow.start()
    log = workflow.folder / "results" / "tiny" / "logs" / "02" / "train_model.log"
    deadline = time.monotonic() + 900
    while not log.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.5)
    time.sleep(4)
    assert process.poll() is None, "the run ended before it could be killed"
    workflow.kill(process)
    status, output = workflow.run()
    assert status == 0, output
    # What was done before the kill is not done again; 2018 may have been left for later.
    assert "of 2019, batch" not in output
    assert "Iteration 01: training" not in output
    assert_geodataframe_equal(inventory(workflow), inventory(unbroken[0]))
    # Not the inventory alone: all products, to the byte.
    ours, theirs = workflow.hashes(), unbroken[0].hashes()
    assert len(ours) > 150
    assert {name for name in ours | theirs if ours.get(name) != theirs.get(name)} == set()


def test_inventory_does_not_depend_on_the_tile_size(unbroken, workflow, tiny_corridor):
    workflow.bring(tiny_corridor)
    workflow.configure(iterations={"maximum": 1}, grid={"tile_px": 320})
    status, output = workflow.run()
    assert status == 0, output
    polygons = "results/tiny/iterations/01/candidates/candidates.gpkg"
    assert_geodataframe_equal(
        read_layer(workflow.folder / polygons, "candidates"), read_layer(unbroken[0].folder / polygons, "candidates")
    )
