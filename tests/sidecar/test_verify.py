"""`slumpmap verify` finds what changed, and nothing where nothing did."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner
from shapely.geometry import box

from slumpmap.cli import app
from slumpmap.errors import InputError
from slumpmap.sidecar.form import read_sidecar, sidecar_path
from slumpmap.sidecar.verify import verify
from tests.sidecar.toy import Toy, run


@pytest.fixture
def toy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Toy(tmp_path).all()


def found(toy, quick=False):
    report = verify(toy.results, quick)
    return [(finding.kind, os.path.relpath(finding.path)) for finding in report.findings]


def test_nothing_changed(toy):
    report = verify(toy.results)
    assert report.findings == [] and report.gone == []
    # grid, slope, aspect, positives, negatives, ground; from the elevation model and the outlines.
    assert (report.products, report.inputs) == (6, 2)
    assert sum(report.versions.values()) == 6


@pytest.mark.parametrize("quick", [False, True])
def test_product_changed_by_hand(toy, quick):
    Path("results/grid.json").write_text(Path("results/grid.json").read_text() + " ")
    assert found(toy, quick) == [("changed", "results/grid.json")]
    (finding,) = verify(toy.results, quick).findings
    names = [path.name for path in finding.products]
    assert names == ["negatives.gpkg", "positives.gpkg", "ground"]


def test_change_of_equal_size_and_time_needs_the_full_check(toy):
    path = Path("results/grid.json")
    facts = path.stat()
    path.write_text(path.read_text().replace("838200", "838201"))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert found(toy, quick=True) == []
    assert found(toy) == [("changed", "results/grid.json")]


@pytest.mark.parametrize("quick", [False, True])
def test_touched_files_have_not_changed(toy, quick):
    for path in ("results/grid.json", "results/report/ground/ground.json", "data/dem.tif"):
        os.utime(path, ns=(10**18, 10**18))
    assert found(toy, quick) == []


def test_people_go_on_working_and_their_file_is_newer(toy):
    toy.outlines([box(500300, 3839000, 500400, 3839100)])
    assert found(toy) == [("input newer", "data/positives.gpkg")]
    (finding,) = verify(toy.results).findings
    assert [path.name for path in finding.products] == ["negatives.gpkg", "positives.gpkg"]
    assert "run snakemake" in finding.remedy
    toy.intake()
    assert found(toy) == []


def test_product_made_again_leaves_others_old(toy):
    toy.slumps()
    toy.outlines([box(500300, 3839000, 500400, 3839100)])
    toy.intake()
    assert found(toy) == [("older input", "results/labels/positives.gpkg")]


def test_missing_inputs_and_products(toy):
    Path("data/dem.tif").unlink()
    Path("results/labels/positives.gpkg").unlink()
    report = verify(toy.results)
    assert [(finding.kind, finding.path.name) for finding in report.findings] == [("input missing", "dem.tif")]
    assert [path.name for path in report.gone] == ["positives.gpkg"]


def test_files_that_come_from_nowhere(toy):
    Path("results/labels/extra.gpkg").write_text("?")
    for place in ("logs/a.log", "benchmarks/a.tsv", "report.html", "labels/.anna.lock", "model_tensorboard/events",
                  "analysis/given/config.yaml"):  # fmt: skip
        path = toy.results / place
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("?")
    Path("results/terrain/slope.tif").with_name(".slope.tif.prov.json").unlink()
    assert found(toy) == [("no sidecar", "results/labels/extra.gpkg"), ("no sidecar", "results/terrain/slope.tif")]


def test_products_outside_the_results_are_looked_at_too(toy):
    """Synthetic data lie beside a user's own; changed by hand they are no newer input."""
    run("terrain", "tpi", "--dem", "data/dem.tif", "--out", "data/tpi.tif")
    run("terrain", "slope", "--dem", "data/tpi.tif", "--out", "results/tpi_slope.tif")
    assert found(toy) == []
    with Path("data/tpi.tif").open("ab") as handle:
        handle.write(b" ")
    assert found(toy) == [("changed", "data/tpi.tif")]


def test_what_people_write_is_no_product(toy):
    Path("results/decisions/01").mkdir(parents=True)
    Path("results/decisions/01/anna.gpkg").write_text("?")
    assert found(toy) == [("no sidecar", "results/decisions/01/anna.gpkg")]
    assert verify(toy.results, people=Path("results/decisions")).findings == []


def test_file_put_into_a_folder_product(toy):
    Path("results/report/ground/more.txt").write_text("?")
    assert found(toy) == [("changed", "results/report/ground")]


def test_measurements_of_the_run_are_no_inputs(toy):
    path = Path("results/benchmarks/grid.tsv")
    path.parent.mkdir()
    path.write_text("s\n1\n")
    sidecar = sidecar_path(Path("results/grid.json"))
    text = sidecar.read_text().replace('"inputs": {}', '"inputs": {"results/benchmarks/grid.tsv": {"sha256": "0",'
                                       ' "bytes": 1, "mtime_ns": 1}}')  # fmt: skip
    sidecar.write_text(text)
    assert list(read_sidecar(sidecar).inputs()) == [path.absolute()]
    assert found(toy) == []


@pytest.mark.parametrize("text", ["", "{}", '{"form": 99}', "[]", '{"form": 1, "run": 3}'])
def test_broken_sidecar(toy, text):
    sidecar_path(Path("results/terrain/slope.tif")).write_text(text)
    assert found(toy) == [("unreadable", "results/terrain/.slope.tif.prov.json")]


def test_campaign_can_be_moved(toy, monkeypatch):
    (toy.folder / "moved").mkdir()
    for name in ("data", "results"):
        (toy.folder / name).rename(toy.folder / "moved" / name)
    monkeypatch.chdir(toy.folder / "moved")
    assert found(toy) == []


@pytest.mark.usefixtures("toy")
def test_products_of_several_versions_are_named():
    path = sidecar_path(Path("results/grid.json"))
    path.write_text(path.read_text().replace('"slumpmap": "', '"slumpmap": "0.0.'))
    done = CliRunner().invoke(app, ["verify", "results"])
    assert done.exit_code == 0, done.output
    assert "several versions" in done.output and "     1 made by slumpmap 0.0." in done.output


@pytest.mark.usefixtures("toy")
def test_command_names_what_changed_and_ends_with_status_1():
    hostile = Path("results/labels/a\x1b[31m\n.gpkg")
    hostile.write_text("?")
    Path("data/dem.tif").write_bytes(b"other")
    done = CliRunner().invoke(app, ["verify", "results"])
    assert done.exit_code == 1
    assert "input newer   data/dem.tif  <- " in done.output
    assert "2 findings." in done.output and "\x1b" not in done.output
    assert CliRunner().invoke(app, ["verify", "--quick", "results"]).exit_code == 1


def test_folder_without_sidecars_is_refused(tmp_path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(InputError):
            verify(folder)
