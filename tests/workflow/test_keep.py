"""Which files pass away and which are write-protected, as `run` says; no job runs: snakemake notes files as done."""

import json
import stat

import pytest

pytestmark = pytest.mark.workflow
OUTCOME = "results/tiny/iterations/01/outcome/outcome.json"


@pytest.fixture
def pretended(workflow, tmp_path):
    """All files up to the first outcome, empty."""
    workflow.configure()
    status, output = workflow.run("--summary", "--", OUTCOME)
    assert status == 0, output
    for line in output.splitlines():
        name, *rest = line.split("\t")
        if rest and name.startswith(("data/", "results/")):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
    row = {"iteration": 1, "state": "waiting", "positives": 1, "inspected": 1, "new": 0, "total": 1}
    counts = dict.fromkeys(("negatives", "inferred", "known", "rejected_before", "known_found_again"), 0)
    people = {"waiting_for": {}, "reviews": {}, "captures": []}
    (tmp_path / OUTCOME).write_text(json.dumps(row | counts | people))
    return workflow


def test_files_pass_away_and_models_are_protected_as_the_configuration_says(pretended):
    iteration = pretended.folder / "results/tiny/iterations/01"
    weights = iteration / "model/weights.safetensors"

    def there():
        kinds = ("training_set/windows.npy", "parts/*.parquet", "probability/*.tif", "training_set/windows.gpkg")
        return [bool(list(iteration.glob(kind))) for kind in kinds]

    def done(**run):
        pretended.configure(run=run)
        status, output = pretended.run("--touch", "--forceall", "--", OUTCOME)
        assert status == 0, output
        return there(), bool(stat.S_IMODE(weights.stat().st_mode) & stat.S_IWUSR)

    assert done(keep="all") == ([True, True, True, True], True)
    assert done() == ([False, False, True, True], True)
    assert done(keep="final", protect=True) == ([False, False, False, True], False)
    # Inputs, imagery, candidates and what people get are never temporary.
    for name in ("imagery/2019/x000_y000.tif", "iterations/01/candidates/candidates.gpkg"):
        assert (pretended.folder / "results/tiny" / name).exists()
    status, output = pretended.run("-n", "--", OUTCOME)
    assert status == 0 and "Nothing to be done" in output, output
    # Nor does what shows all rasters ask for probabilities that do not stay.
    for product in ("tiny.qgz", "stac"):
        status, output = pretended.run("-n", "--", f"results/tiny/{product}")
        assert status == 0 and "inference" not in output, output
