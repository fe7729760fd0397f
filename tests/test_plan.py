"""The plan: jobs as Snakemake counts them, hours from the rates, what is not known said so."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from slumpmap import rates
from slumpmap.cli import app
from slumpmap.config import check_config, grid_of, read_config
from slumpmap.demo.survey import make_survey, survey_bounds
from slumpmap.plan import LOOP, Machine, describe, make_plan

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """A corridor of 3,000 km2 without pixels, in the place that config/qtec.yaml names."""
    folder = tmp_path_factory.mktemp("survey")
    make_survey(folder / "data" / "qtec", 3000, years=(2019,))
    for name in ("Snakefile", "workflow", "profiles", "config", "envs", "src"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture
def here(survey, monkeypatch):
    monkeypatch.chdir(survey)
    return survey


def values(**sections):
    found = yaml.safe_load((ROOT / "config/qtec.yaml").read_text())
    for name, keys in sections.items():
        found[name] = found.get(name, {}) | keys if isinstance(keys, dict) else keys
    return found


def planned(machine=None, **sections):
    plan = make_plan(check_config(values(**sections)), machine or Machine(4, 16))
    return {stage.name: stage for stage in plan.stages}, plan


def test_survey_has_scenes_labels_and_an_elevation_model_but_no_pixel(survey):
    folder = survey / "data" / "qtec"
    west, south, east, north = survey_bounds(3000)
    assert (east - west) * (north - south) == pytest.approx(3e9, rel=0.01)
    assert not (folder / "scenes").exists()
    assert sum(path.stat().st_size for path in folder.iterdir()) < 3e6
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == {
        "scenes.gpkg", "study_area.gpkg", "positives.gpkg", "negatives.gpkg", "roads.gpkg", "dem.tif"
    }  # fmt: skip


def test_corridor_of_the_paper_has_some_400_tiles_a_year():
    settings = values(grid={"bounds": list(survey_bounds(54_000)), "area": None})
    assert 350 < len(grid_of(check_config(settings).grid).tiles) < 420


@pytest.mark.workflow
def test_jobs_before_the_first_checkpoint_are_those_of_snakemake(here):
    """Of all iterations and years in the plan; the dry run sees the first iteration and the mapping year only."""
    config = here / "one.yaml"
    config.write_text(
        yaml.safe_dump(values(iterations={"maximum": 1}, imagery={"years": [2019], "mapping_year": 2019}))
    )
    said = subprocess.run(
        [sys.executable, "-m", "snakemake", "-n", "--cores", "1", "--configfile", config],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=True, timeout=120,
    ).stdout  # fmt: skip
    counts = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE)}
    stages, _ = planned(iterations={"maximum": 1}, imagery={"years": [2019], "mapping_year": 2019})
    rules = {
        "prepare": ("grid", "layers", "intake", "catalogue", "scaling"),
        "imagery": ("tiles_",),
        "training": ("windows", "train"),
        "inference": ("infer_",),
        "candidates": ("parts_", "polygons", "ledger", "review_template", "outcome"),
    }
    # Later come: the mosaic, the figure of the training.
    later = {"imagery": 1, "training": 1}
    for stage, names in rules.items():
        wanted = sum(count for rule, count in counts.items() if rule.startswith(names) and rule != "total")
        assert stages[stage].jobs - later.get(stage, 0) == wanted, stage
    assert counts["total"] == sum(stages[name].jobs for name in rules) - sum(later.values()) + 1


@pytest.mark.usefixtures("here")
def test_hours_follow_from_rates_area_and_cores():
    stages, plan = planned()
    hours = rates.IMAGERY.core_s * plan.mpx * 5 / 4 / 3600
    assert hours < stages["imagery"].hours < 1.2 * hours
    twice, _ = planned(Machine(8, 16))
    assert twice["imagery"].hours == pytest.approx(stages["imagery"].hours / 2, rel=0.01)
    # 41 s a step on two threads, 30,000 steps, 8 iterations; more cores do not make one training faster.
    assert stages["training"].hours == twice["training"].hours == pytest.approx(41 * 30_000 * 8 / 3600, rel=0.01)
    assert stages["imagery"].coming_mb == pytest.approx(plan.mpx * 5 * rates.IMAGERY.mb, rel=0.01)


@pytest.mark.usefixtures("here")
def test_what_is_not_known_is_said_and_not_summed():
    stages, plan = planned()
    assert stages["inference"].hours is None and "not measured" in stages["inference"].note
    assert stages["review pages"].hours is None
    assert "Not known: hours of inference, review pages. They are not in the sum." in describe(plan)
    gpu, plan = planned(Machine(4, 16, gpus=1))
    assert gpu["training"].hours is None and "GPU" in gpu["training"].note
    given, _ = planned(Machine(4, 16, gpus=1, step_s=0.2, map_mpx_s=20))
    assert given["training"].hours == pytest.approx(0.2 * 30_000 * 8 / 3600)
    assert given["inference"].hours == pytest.approx(8 * plan.mpx / 20 / 3600)
    cpu, _ = planned(Machine(4, 16, gpus=1), run={"device": "cpu"})
    assert cpu["training"].hours is not None


@pytest.mark.usefixtures("here")
def test_full_disk_and_small_memory_are_warned_of(monkeypatch):
    _, plan = planned()
    assert plan.free_mb > 0 and plan.coming_mb > 1000
    monkeypatch.setattr("slumpmap.plan.shutil.disk_usage", lambda _: type("Usage", (), {"free": 5e8})())
    _, plan = planned(Machine(4, 0.3))
    warnings = plan.warnings()
    assert any("0.5 GB free" in warning for warning in warnings)
    assert any("imagery needs 0.4 GB of memory" in warning for warning in warnings)
    assert "Warning: the disk has" in describe(plan)


@pytest.mark.usefixtures("here")
def test_final_keeps_less_on_the_disk():
    needed, plan = planned()
    final, _ = planned(run={"keep": "final"})
    assert needed["inference"].coming_mb == pytest.approx(8 * plan.mpx * rates.PROBABILITY_MB)
    assert final["inference"].coming_mb == pytest.approx(plan.mpx * rates.PROBABILITY_MB)


def touch(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def outcome(new):
    """The row of a decided first iteration."""
    counts = {"positives": 1, "negatives": 0, "inferred": 10, "known": 1, "rejected_before": 0, "inspected": 9}
    return json.dumps({"iteration": 1, "state": "decided", "waiting_for": {}, **counts, "new": new, "total": 5})


@pytest.mark.usefixtures("here")
def test_done_iterations_and_own_rates_count(tmp_path):
    config = read_config(Path("config/qtec.yaml")).model_copy(update={"results": tmp_path})
    folder = config.folder
    row = outcome(new=4)
    touch(folder / "iterations/01/outcome/outcome.json", row)
    # Probability tiles and parts are gone: what was made of them stands.
    for name in (
        "candidates/polygons.gpkg",
        "training_set/windows.gpkg",
        "model/weights.safetensors",
        "model/training.png",
    ):
        touch(folder / "iterations/01" / name)
    for number in range(2):
        touch(folder / f"benchmarks/01/infer_{number:03d}.tsv")
        with (folder / f"benchmarks/01/infer_{number:03d}.tsv").open("w") as lines:
            rows = [("s", "max_rss", "cpu_time"), (600.0 + 600 * number, 5000.0, 900.0)]
            csv.writer(lines, delimiter="\t").writerows(rows)
    plan = make_plan(config, Machine(2, 16))
    stages = {stage.name: stage for stage in plan.stages}
    assert (plan.ended, plan.to_come) == (1, 7)
    each = stages["inference"].jobs // 8
    assert stages["inference"].done == each
    assert stages["candidates"].done == stages["candidates"].jobs // 8
    assert stages["training"].done == 3
    # The mean of the two jobs, one at a time on two threads.
    assert stages["inference"].hours == pytest.approx(7 * each * 900 / 3600)
    assert stages["inference"].peak_mb == 5000 and stages["inference"].note == "2 jobs of this campaign"


@pytest.mark.usefixtures("here")
def test_ended_campaign_has_nothing_to_come(tmp_path):
    config = read_config(Path("config/qtec.yaml")).model_copy(update={"results": tmp_path})
    row = outcome(new=0)
    touch(config.folder / "iterations/01/outcome/outcome.json", row)
    touch(config.folder / "iterations/01/candidates/polygons.gpkg")
    plan = make_plan(config, Machine(2, 16))
    assert (plan.ended, plan.to_come) == (1, 0)
    stages = {stage.name: stage for stage in plan.stages}
    assert all(stages[name].jobs == stages[name].done for name in ("inference", "candidates"))
    assert stages["imagery"].done == 0
    # What `slumpmap clean --imagery` leaves.
    for name in ("summary.json", "report/index.html", "imagery/2019/.x000_y000.tif.prov.json"):
        touch(config.folder / name)
    imagery = make_plan(config, Machine(2, 16)).stages[1]
    assert imagery.done == imagery.jobs and imagery.hours == 0
    assert set(LOOP) < set(stages)


def test_command_prints_the_table_without_making_a_file(here):
    before = set(here.rglob("*"))
    done = CliRunner().invoke(app, ["plan", "--config", "config/qtec.yaml", "--cores", "4"], catch_exceptions=False)
    assert done.exit_code == 0
    for name in ("prepare", "imagery", "training", "inference", "review pages", "terrain", "Free disk"):
        assert name in done.output
    assert set(here.rglob("*")) - before == set()


@pytest.mark.usefixtures("here")
def test_campaign_that_maps_nothing_is_refused():
    settings = {"campaign": "x", "inputs": {}, "grid": {"crs": "EPSG:32646", "bounds": [0, 0, 9000, 9000]}}
    settings["analysis"] = {"inventory": "given.gpkg"}
    Path("nothing.yaml").write_text(yaml.safe_dump(settings))
    done = CliRunner().invoke(app, ["plan", "--config", "nothing.yaml"])
    assert done.exit_code == 1 and "maps nothing" in str(done.exception)
