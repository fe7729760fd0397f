"""`slumpmap reproduce` repeats what made a product, elsewhere, and says whether the result is the same."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner
from shapely.geometry import box

from slumpmap.cli import app
from slumpmap.errors import InputError
from slumpmap.sidecar.form import sidecar_path
from slumpmap.sidecar.reproduce import chain_of, find_product, run_chain
from tests.sidecar.toy import Toy

SLUMPS = Path("results/slumps.gpkg")


@pytest.fixture
def toy(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.chdir(tmp_path / "work")
    return Toy(tmp_path / "work")


def snapshot(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def commands(chain):
    return [step.run.command[0] for step in chain.steps]


def test_chain_holds_what_the_product_needs_in_order(toy):
    toy.all().slumps()
    chain = chain_of(SLUMPS)
    assert commands(chain) == ["grid", "intake", "slumps"]
    assert chain.brought == [toy.folder / "data" / "positives.gpkg"]
    assert chain.doubts == []
    assert commands(chain_of(SLUMPS, last=1)) == ["slumps"]
    assert chain_of(SLUMPS, last=1).brought == [toy.folder / "results" / "labels" / "positives.gpkg"]


def test_run_makes_the_same_and_touches_nothing(toy, tmp_path):
    toy.all().slumps()
    before = snapshot(toy.folder)
    results = list(run_chain(chain_of(SLUMPS), tmp_path / "again"))
    assert [one.same for _, compared in results for one in compared] == [True, True, True]
    assert snapshot(toy.folder) == before
    folder = list(run_chain(chain_of(Path("results/report/ground"), last=1), tmp_path / "ground"))
    assert folder[-1][1][0].same


def test_command_prints_runs_and_compares(toy):
    toy.all().slumps()
    done = CliRunner().invoke(app, ["reproduce", str(SLUMPS)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "3/3 slumps: 1 of 1 files identical" in done.output
    assert done.output.endswith("results/slumps.gpkg: identical\n")
    printed = CliRunner().invoke(app, ["reproduce", str(SLUMPS), "--dry-run"]).output
    lines = [line for line in printed.splitlines() if line.startswith("python -m slumpmap ")]
    assert len(lines) == 3 and "identical" not in printed
    assert shlex.split(lines[0])[3:] == list(chain_of(SLUMPS).steps[0].run.command)


def test_product_that_somebody_changed_differs(toy, tmp_path):
    toy.grid()
    # Not the file: what the sidecar says of it, as if other code had made it.
    path = sidecar_path(Path("results/grid.json"))
    path.write_text(path.read_text().replace('"sha256": "', '"sha256": "0', 1))
    with pytest.raises(InputError, match="made again it differs"):
        CliRunner().invoke(app, ["reproduce", "grid", "--into", str(tmp_path / "new")], catch_exceptions=False)
    assert (tmp_path / "new" / Path("results/grid.json").absolute().relative_to("/")).exists()


def test_changed_inputs_are_doubtful(toy):
    toy.all().slumps()
    toy.outlines([box(500300, 3839000, 500400, 3839100)])
    (doubt,) = chain_of(SLUMPS).doubts
    assert "data/positives.gpkg changed since" in doubt
    toy.intake()
    (doubt,) = chain_of(SLUMPS).doubts
    assert "was made from an older" in doubt and "results/labels/positives.gpkg" in doubt


def test_lost_input_is_named(toy, tmp_path):
    toy.all()
    Path("data/positives.gpkg").unlink()
    with pytest.raises(InputError, match="is gone"):
        list(run_chain(chain_of(Path("results/labels/positives.gpkg")), tmp_path / "again"))


def test_removed_intermediate_is_made_again(toy, tmp_path):
    toy.all().slumps()
    Path("results/labels/positives.gpkg").unlink()
    assert list(run_chain(chain_of(SLUMPS, last=2), tmp_path / "again"))[-1][1][0].same


def test_failing_command_says_why(toy, tmp_path):
    toy.grid()
    path = sidecar_path(Path("results/grid.json"))
    path.write_text(path.read_text().replace("--crs=EPSG:32646", "--crs=nonsense"))
    with pytest.raises(InputError, match="the command failed"):
        list(run_chain(chain_of(Path("results/grid.json")), tmp_path / "again"))


def test_absolute_paths_and_hostile_names(tmp_path, monkeypatch):
    """The results may be given from the root; names may hold what a shell would take for its own."""
    place = tmp_path / "a $(touch pwned) 'b' \"c\" d"
    place.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.chdir(place)
    toy = Toy(place, str(place / "re sults' & `d`"))
    toy.all()
    product = toy.results / "labels" / "positives.gpkg"
    before = snapshot(place)
    (*_, (_, compared)) = run_chain(chain_of(product), tmp_path / "again")
    assert compared[0].same and snapshot(place) == before
    done = CliRunner().invoke(app, ["reproduce", str(product), "--dry-run"], catch_exceptions=False)
    script = done.output[done.output.index("cd ") :].replace("python -m slumpmap", "printf '%s\\0'")
    told = subprocess.run(["sh"], input=script, capture_output=True, text=True, check=True).stdout
    arguments = [part for step in chain_of(product).steps for part in step.run.command]
    assert told.split("\0")[:-1] == arguments
    assert not list(tmp_path.rglob("pwned"))


def test_outside_folder_is_repeated_below_too(toy, tmp_path, monkeypatch):
    toy.grid()
    (tmp_path / "work" / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "work" / "elsewhere")
    done = CliRunner().invoke(app, ["terrain", "slope", "--dem", "../data/dem.tif", "--out", "../results/slope.tif"])
    assert done.exit_code == 0, done.output
    before = snapshot(tmp_path / "work")
    ((_, (one,)),) = run_chain(chain_of(Path("../results/slope.tif")), tmp_path / "again")
    assert one.same and snapshot(tmp_path / "work") == before


def test_credentials_cannot_be_repeated(toy, tmp_path):
    toy.grid()
    path = sidecar_path(Path("results/grid.json"))
    path.write_text(path.read_text().replace("--crs=EPSG:32646", "--crs=***"))
    with pytest.raises(InputError, match="credential"):
        list(run_chain(chain_of(Path("results/grid.json")), tmp_path / "again"))


def test_products_are_found_by_name(toy):
    toy.all()
    for name in ("slope", "slope.tif", "results/terrain/slope.tif"):
        assert find_product(name, Path("results")).resolve() == Path("results/terrain/slope.tif").resolve()
    with pytest.raises(InputError, match="no product"):
        find_product("fig99", Path("results"))
    Path("results/other").mkdir()
    done = CliRunner().invoke(app, ["terrain", "slope", "--dem", "data/dem.tif", "--out", "results/other/slope.tif"])
    assert done.exit_code == 0
    with pytest.raises(InputError, match="there are several"):
        find_product("slope", Path("results"))


@pytest.mark.usefixtures("toy")
def test_names_that_are_no_text_are_printed_as_they_are():
    name = os.fsdecode(b"a\xff'.json")
    done = CliRunner().invoke(app, ["grid", "--crs=EPSG:32646", "--bounds=0,0,900,900", "--out", name])
    assert done.exit_code == 0, done.output
    printed = CliRunner().invoke(app, ["reproduce", name, "--dry-run"], catch_exceptions=False).stdout_bytes
    assert b"--out 'a\xff'\"'\"'.json'\n" in printed


@pytest.mark.usefixtures("toy")
def test_file_without_sidecar_is_refused():
    with pytest.raises(InputError, match="nothing says how it was made"):
        chain_of(Path("data/dem.tif"))
