"""Cleaning: what can be made again goes; decisions and whatever a person made or changed stays, however it lies."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import geopandas as gpd
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from shapely.geometry import box

from slumpmap.clean import AGAIN, look, remove
from slumpmap.cli import app
from slumpmap.config import check_config
from slumpmap.errors import InputError
from slumpmap.sidecar.digest import content_of
from slumpmap.sidecar.form import Run, Sidecar, sidecar_path, write_sidecar
from slumpmap.vector import write_layer
from tests.test_runlock import hold

TILES = ("x000_y000", "x001_y000")


def config(decisions="decisions", maximum=2, keep="needed"):
    return check_config(
        {
            "campaign": "toy",
            "inputs": {"catalogue": "scenes.gpkg", "positives": "known.gpkg"},
            "grid": {"crs": "EPSG:32646", "bounds": [0, 0, 9000, 9000]},
            "review": {"mode": "people", "decisions": str(decisions)},
            "iterations": {"maximum": maximum},
            "run": {"keep": keep},
        }
    )


def product(path, text="made", when=1000):
    """A file that a command made at some time, with its sidecar."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (when, when))
    run = Run("r", os.path.relpath(Path.cwd(), path.parent), ["infer"], {}, {}, [], {}, "2026-11-23T00:00:00", 1.0)
    write_sidecar(Sidecar(path.absolute(), False, content_of(path), run))
    return path


def outcome(number, new, when=3000, state="decided"):
    counts = {"positives": 1, "negatives": 0, "inferred": 2, "known": 1, "rejected_before": 0, "inspected": 1}
    row = {"iteration": number, "state": state, "waiting_for": {}, **counts, "new": new, "total": 1}
    return product(Path(f"results/toy/iterations/{number:02d}/outcome/outcome.json"), json.dumps(row), when)


def iteration(number, new=1):
    """A decided iteration."""
    here = Path(f"results/toy/iterations/{number:02d}")
    for tile in TILES:
        product(here / "probability" / f"{tile}.tif", "p" * 5000)
        product(here / "parts" / f"{tile}.parquet")
        product(here / "review/chips" / f"{tile}.zip")
        product(here / "review/yearly" / f"{tile}.zip")
    product(here / "training_set/windows.npy")
    product(here / "training_set/windows.gpkg")
    for name in ("model/weights.safetensors", "candidates/polygons.gpkg", "candidates/candidates.gpkg"):
        product(here / name, when=2000)
    (here / "review/timelapse").mkdir()
    (here / "review/timelapse/sheet.jpg").write_text("picture")
    outcome(number, new)


@pytest.fixture
def campaign(tmp_path, monkeypatch):
    """Two decided iterations, the last of which found nothing, with imagery and decisions of people."""
    monkeypatch.chdir(tmp_path)
    iteration(1)
    iteration(2, new=0)
    for year in (2019,):
        for tile in TILES:
            product(Path(f"results/toy/imagery/{year}/{tile}.tif"))
        product(Path(f"results/toy/imagery/{year}/mosaic.vrt"))
    for number in (1, 2):
        person = Path(f"decisions/{number:02d}/first.gpkg")
        person.parent.mkdir(parents=True)
        person.write_text("what the first saw")
    return tmp_path


def there():
    """All files but sidecars."""
    return {path.as_posix() for path in Path().rglob("*") if path.is_file() and not path.name.startswith(".")}


@pytest.mark.usefixtures("campaign")
def test_intermediate_files_go_and_nothing_else():
    before = there()
    cleaning = look(config())
    assert there() == before
    size = remove(cleaning)
    gone = before - there()
    here = "results/toy/iterations"
    expected = {f"{here}/{n}/training_set/windows.npy" for n in ("01", "02")}
    expected |= {f"{here}/{n}/parts/{tile}.parquet" for n in ("01", "02") for tile in TILES}
    # The page of the last iteration stays whole, and its map.
    expected |= {f"{here}/01/probability/{tile}.tif" for tile in TILES}
    expected |= {f"{here}/01/review/yearly/{tile}.zip" for tile in TILES}
    assert gone == expected
    assert size == sum(file.size for file in cleaning.files) >= 4 * 5000
    assert all(sidecar_path(Path(name)).exists() for name in gone)
    assert set(cleaning.sizes()) <= set(AGAIN)
    assert look(config()).files == []


@pytest.mark.usefixtures("campaign")
def test_the_last_map_goes_where_the_configuration_keeps_none():
    maps = {str(file.path) for file in look(config(keep="final")).files if file.kind == "probability"}
    assert maps == {f"iterations/{n}/probability/{tile}.tif" for n in ("01", "02") for tile in TILES}


@pytest.mark.usefixtures("campaign")
def test_pictures_go_only_when_asked_for_and_not_those_of_the_last_iteration():
    kinds = {str(file.path) for file in look(config(), pictures=True).files if file.kind == "pictures"}
    assert kinds == {f"iterations/01/review/chips/{tile}.zip" for tile in TILES}


@pytest.mark.usefixtures("campaign")
def test_what_the_next_job_still_reads_stays():
    # Polygons are older than one of their tiles, those of the second iteration are not there at all.
    product(Path("results/toy/iterations/01/probability/x000_y000.tif"), when=2500)
    Path("results/toy/iterations/02/candidates/polygons.gpkg").unlink()
    cleaning = look(config())
    probability = {str(file.path) for file in cleaning.files if file.kind == "probability"}
    assert probability == {"iterations/01/probability/x001_y000.tif"}
    assert any("younger" in reason for _, reason in cleaning.kept)


@pytest.mark.usefixtures("campaign")
def test_what_a_person_changed_or_put_there_stays():
    folder = Path("results/toy/iterations/01/probability")
    (folder / "x000_y000.tif").write_text("edited by hand")
    # Before the polygons were traced, so that they stand for it.
    os.utime(folder / "x000_y000.tif", (1500, 1500))
    (folder / "x007_y007.tif").write_text("of somebody else")
    (folder / "notes.txt").write_text("mine")
    remove(look(config()))
    assert {path.name for path in folder.iterdir() if path.name[0] != "."} == {
        "x000_y000.tif", "x007_y007.tif", "notes.txt"
    }  # fmt: skip


def test_links_are_not_followed(campaign):
    elsewhere = campaign / "elsewhere"
    shutil.move("results/toy/iterations/01/probability", elsewhere)
    Path("results/toy/iterations/01/probability").symlink_to(elsewhere)
    tile = Path("results/toy/iterations/02/probability/x000_y000.tif")
    shutil.move(tile, campaign / "tile.tif")
    tile.symlink_to(campaign / "tile.tif")
    cleaning = look(config())
    assert [reason for _, reason in cleaning.kept].count("a link, or behind one") == 3
    remove(cleaning)
    assert all((elsewhere / f"{tile}.tif").exists() for tile in TILES)
    assert (campaign / "tile.tif").exists() and tile.is_symlink()


def test_link_that_is_put_there_after_the_look_is_not_followed(campaign):
    cleaning = look(config())
    shutil.move("results/toy/iterations/01/probability", campaign / "elsewhere")
    Path("results/toy/iterations/01/probability").symlink_to(campaign / "elsewhere")
    remove(cleaning)
    assert all((campaign / "elsewhere" / f"{tile}.tif").exists() for tile in TILES)


@pytest.mark.usefixtures("campaign")
def test_results_on_another_disk_are_cleaned(tmp_path_factory):
    disk = tmp_path_factory.mktemp("disk") / "results"
    shutil.move("results", disk)
    Path("results").symlink_to(disk)
    assert remove(look(config())) > 0
    assert not (disk / "toy/iterations/01/training_set/windows.npy").exists()


def test_nothing_goes_while_a_run_is_at_work_here_or_where_the_files_were_made(campaign, monkeypatch):
    other = campaign / "other"
    other.mkdir()
    for name in ("results", "decisions"):
        (other / name).symlink_to(campaign / name)
    for place in (campaign, other):
        run = hold(campaign)
        try:
            monkeypatch.chdir(place)
            before = there()
            with pytest.raises(InputError, match="a run is at work"):
                remove(look(config()))
            assert there() == before
        finally:
            run.kill()
            run.wait()
    monkeypatch.chdir(campaign)
    assert remove(look(config())) > 0


@pytest.mark.usefixtures("campaign")
def test_leftovers_of_killed_jobs_go_but_not_where_people_write():
    left = Path("results/toy/imagery/2019/.x000_y000.0123abcd.part.tif")
    of_people = Path("results/toy/room/.first.0123abcd.part.gpkg")
    for path in (left, of_people):
        path.parent.mkdir(exist_ok=True)
        path.write_text("half")
    remove(look(config("results/toy/room")))
    assert not left.exists() and of_people.exists()


def scenes(there=True):
    """The checked catalogue with one scene, and the last products of the campaign."""
    layer = gpd.GeoDataFrame(
        {"path": ["../scene.tif"], "selected": [True]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:32646"
    )
    write_layer(layer, Path("results/toy/inputs/scenes.gpkg"))
    if there:
        Path("results/toy/scene.tif").write_text("pixels")
    for name in ("summary.json", "report/index.html"):
        product(Path("results/toy") / name, when=4000)


@pytest.mark.usefixtures("campaign")
def test_imagery_goes_with_its_mosaics_when_the_campaign_has_ended():
    scenes()
    files = [str(file.path) for file in look(config(), imagery=True).files if file.kind == "imagery"]
    # The mosaic first: one that stands would be taken for a whole year.
    assert files == ["imagery/2019/mosaic.vrt", *(f"imagery/2019/{tile}.tif" for tile in TILES)]
    assert not any(file.kind == "imagery" for file in look(config()).files)


@pytest.mark.parametrize(("new", "state", "maximum"), [(5, "decided", 3), (0, "waiting", 2)])
@pytest.mark.usefixtures("campaign")
def test_imagery_stays_while_the_campaign_goes_on(new, state, maximum):
    scenes()
    outcome(2, new, state=state)
    with pytest.raises(InputError, match="the campaign goes on"):
        look(config(maximum=maximum), imagery=True)


@pytest.mark.usefixtures("campaign")
def test_imagery_stays_where_its_scenes_are_gone():
    scenes(there=False)
    with pytest.raises(InputError, match="1 scenes are gone"):
        look(config(), imagery=True)


@pytest.mark.usefixtures("campaign")
def test_command_prints_bytes_and_a_dry_run_removes_nothing():
    settings = config().model_dump(mode="json", exclude_defaults=True)
    Path("toy.yaml").write_text(json.dumps(settings))
    before = there()
    said = CliRunner().invoke(app, ["clean", "--config", "toy.yaml", "--dry-run"], catch_exceptions=False)
    assert "would go" in said.output and "probability: 2 files" in said.output and there() == before
    said = CliRunner().invoke(app, ["clean", "--config", "toy.yaml"], catch_exceptions=False)
    assert "bytes removed" in said.output and before - there() and not there() - before - {".snakemake/slumpmap.lock"}


PLACES = (
    "decisions", "results", "results/toy", "results/toy/decisions", "results/toy/iterations",
    "results/toy/iterations/01/probability", "results/toy/iterations/01/parts",
    "results/toy/iterations/01/training_set",
    "results/toy/iterations/01/review/yearly", "results/toy/crossval/fold_01/probability",
)  # fmt: skip
NAMES = (
    "01/first.gpkg", "01/x000_y000.tif", "x000_y000.tif", "x000_y000.parquet", "windows.npy", "x001_y000.zip",
    ".first.0123abcd.part.gpkg", "probability/x000_y000.tif",
)  # fmt: skip


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    place=st.sampled_from(PLACES),
    through=st.sampled_from(["plain", "link to", "link from"]),
    names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True),
    with_sidecar=st.booleans(),
)
@example("results/toy/iterations/01/probability", "plain", ["x000_y000.tif"], True)
@example("results/toy/iterations/01/parts", "link from", ["x000_y000.parquet"], True)
@example("results/toy/iterations/01/training_set", "link from", ["windows.npy"], True)
@example("results/toy", "plain", [".first.0123abcd.part.gpkg"], False)
def test_decisions_survive_wherever_they_lie(monkeypatch, place, through, names, with_sidecar):
    """Also under the names of products, with sidecars, in the folders of products, and behind links."""
    with tempfile.TemporaryDirectory() as folder:
        monkeypatch.chdir(folder)
        real = Path(place)
        if through == "link from":
            # The configuration names a link; the files lie among the results.
            Path("link").symlink_to(Path(folder) / place)
        elif through == "link to" and place not in ("results", "results/toy"):
            # The folder among the results is a link to where the decisions are.
            real.parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / "far").mkdir()
            real.symlink_to(Path(folder) / "far")
        iteration(1)
        iteration(2, new=0)
        written = {}
        for name in names:
            path = real / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if with_sidecar:
                product(path, f"decided {name}")
            else:
                path.write_text(f"decided {name}")
            written[path] = path.read_bytes()
        decided = config("link" if through == "link from" else place)
        remove(look(decided, pictures=True))
        assert {path: path.read_bytes() for path in written} == written
        monkeypatch.chdir("/")


SNAKEFILE = """
rule all:
    input: "results/toy/iterations/01/candidates/polygons.gpkg"

rule infer:
    input: "scene"
    output: "results/toy/iterations/01/probability/x000_y000.tif"
    params: stride=config.get("stride", 1)
    shell: "cp {input} {output}"

rule polygons:
    input: "results/toy/iterations/01/probability/x000_y000.tif"
    output: "results/toy/iterations/01/candidates/polygons.gpkg"
    params: threshold=config.get("threshold", 1)
    shell: "sleep 0.1; cp {input} {output}"
"""


def snakemake(*arguments):
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.workflow
def test_snakemake_makes_nothing_again_after_cleaning_but_sees_changed_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("Snakefile").write_text(SNAKEFILE)
    Path("scene").write_text("ground")
    snakemake()
    tile = Path("results/toy/iterations/01/probability/x000_y000.tif")
    product(tile, "ground", tile.stat().st_mtime)
    assert remove(look(config(keep="final"))) > 0 and not tile.exists()
    assert "Nothing to be done" in snakemake("-n")
    # A setting of the removed file itself still counts, and what needs it gets it.
    assert "infer" in snakemake("-n", "--config", "stride=2")
