"""Every command that makes files leaves a sidecar beside each of them."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from slumpmap.cli import app
from slumpmap.errors import InputError
from slumpmap.files import write_text
from slumpmap.sidecar import digest
from slumpmap.sidecar.command import LEFT_OUT, RecordedGroup, _commands, record, without_credentials
from slumpmap.sidecar.form import read_sidecar, sidecar_of, sidecar_path
from slumpmap.sidecar.verify import verify
from tests.sidecar.toy import Toy, run


@pytest.fixture
def toy(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Toy(tmp_path)


def test_sidecar_says_what_made_a_product(toy):
    toy.slope()
    slope, dem = Path("results/terrain/slope.tif"), Path("data/dem.tif")
    sidecar = sidecar_of(slope)
    assert sidecar.content.sha256 == hashlib.sha256(slope.read_bytes()).hexdigest()
    assert sidecar.content.bytes == slope.stat().st_size
    made = sidecar.run
    assert list(made.inputs) == ["data/dem.tif"]
    assert made.inputs["data/dem.tif"].sha256 == hashlib.sha256(dem.read_bytes()).hexdigest()
    assert made.command[:4] == ["terrain", "slope", "--dem", "data/dem.tif"]
    # In force though not given: the defaults of today may be others tomorrow.
    assert made.settings["slope_method"] == "horn"
    assert sorted(made.products) == ["results/terrain/aspect.tif", "results/terrain/slope.tif"]
    assert made.software["libraries"]["rasterio"] and made.software["python"].startswith("3.")
    assert made.started.endswith("+00:00") and made.seconds >= 0
    assert sidecar.base == toy.folder
    assert sidecar_of(Path("results/terrain/aspect.tif")).run.id == made.id


def test_products_of_other_products_name_them(toy):
    toy.grid()
    toy.intake()
    sidecar = sidecar_of(Path("results/labels/negatives.gpkg"))
    assert set(sidecar.run.inputs) == {"results/grid.json", "data/positives.gpkg"}
    assert sidecar.run.inputs["results/grid.json"] == sidecar_of(Path("results/grid.json")).content


@pytest.mark.usefixtures("toy")
def test_named_files_are_inputs_also_where_nothing_of_them_is_needed():
    @click.command()
    @click.option("--layer", "layers", type=click.Path(path_type=Path), multiple=True)
    @click.option("--out", type=click.Path(path_type=Path))
    def count(layers, out):
        write_text(out, str(len(layers)))

    group = RecordedGroup(commands={"count": count})
    record(group)
    CliRunner().invoke(group, ["count", "--layer", "data/dem.tif", "--out", "count.txt"], catch_exceptions=False)
    assert list(sidecar_of(Path("count.txt")).run.inputs) == ["data/dem.tif"]


def test_folder_product_has_one_sidecar_beside_it(toy):
    toy.grid()
    toy.ground()
    assert sorted(path.name for path in Path("results/report").iterdir()) == [".ground.prov.json", "ground"]
    assert not [path for path in Path("results/report/ground").iterdir() if path.name.startswith(".")]
    inside = sidecar_of(Path("results/report/ground/ground.json"))
    assert inside.is_folder and inside.product == Path("results/report/ground").absolute()


def test_failed_command_leaves_no_sidecar(toy):
    with pytest.raises(InputError):
        CliRunner().invoke(
            app, ["terrain", "slope", "--dem", "data/none.tif", "--out", "slope.tif"], catch_exceptions=False
        )
    assert not list(toy.folder.glob(".*"))


@pytest.mark.parametrize(
    "name", ["a 'quoted' $(name); rm -rf \n.json", "北麓河.json", "x" * 230 + ".json", os.fsdecode(b"a\xff.json")]
)
@pytest.mark.usefixtures("toy")
def test_any_name_is_kept(name):
    run("grid", "--crs=EPSG:32646", "--bounds=0,0,900,900", "--out", name)
    sidecar = read_sidecar(sidecar_path(Path(name)))
    assert sidecar.product.name == name and sidecar.run.products == [name]
    assert sidecar.run.command[-1] == name


def test_command_of_a_person_is_recorded_from_another_folder(toy, monkeypatch):
    (toy.folder / "elsewhere").mkdir()
    monkeypatch.chdir(toy.folder / "elsewhere")
    out = toy.folder / "results" / "slope.tif"
    run("terrain", "slope", "--dem", "../data/dem.tif", "--out", out)
    sidecar = sidecar_of(out)
    assert sidecar.base == toy.folder / "elsewhere"
    assert list(sidecar.inputs()) == [toy.folder / "data" / "dem.tif"]


def test_credentials_are_not_written():
    given = ["fetch", "--api-key", "abc", "--token=def", "--out", "x", "https://me:pw@host/a?sig=1&key=2&year=2019"]
    shown = without_credentials(given)
    assert shown == ["fetch", "--api-key", "***", "--token=***", "--out", "x",
                     "https://***@host/a?sig=***&key=***&year=2019"]  # fmt: skip


def test_settings_with_credentials_are_not_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    @click.command()
    @click.option("--api-key")
    @click.option("--out", type=click.Path(path_type=Path))
    def fetch(api_key, out):
        assert api_key == "abc123"
        write_text(out, "scene")

    group = RecordedGroup(commands={"fetch": fetch})
    record(group)
    done = CliRunner().invoke(group, ["fetch", "--api-key", "abc123", "--out", "scene.txt"], catch_exceptions=False)
    assert done.exit_code == 0
    text = sidecar_path(Path("scene.txt")).read_text()
    assert "abc123" not in text and json.loads(text)["run"]["settings"]["api_key"] == "***"


def test_every_command_with_out_is_recorded():
    makers = {
        name for name, command in _commands(app) if any(o.startswith("--out") for p in command.params for o in p.opts)
    }
    recorded = {name for name, command in _commands(app) if hasattr(command.callback, "__wrapped__")}
    assert recorded >= makers - set(LEFT_OUT)
    assert makers >= set(LEFT_OUT)


def test_light_commands_stay_light():
    code = "import sys; import slumpmap.cli; print(sorted({'torch', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_sidecars_are_no_products(toy, monkeypatch):
    """The command that reads a touched product notes its new time; that makes no sidecar of a sidecar."""
    monkeypatch.setattr(digest, "_WORTH_KEEPING", 1)
    toy.grid()
    os.utime("results/grid.json", ns=(10**18, 10**18))
    run("terrain", "tpi", "--dem", "data/dem.tif", "--out", "results/x000_y000.tif")
    os.utime("results/x000_y000.tif", ns=(10**18, 10**18))
    run("mosaic", "--grid", "results/grid.json", "--folder", "results", "--bands", "red", "--out", "results/mosaic.vrt")
    names = sorted(path.name for path in Path("results").iterdir() if path.name.startswith("."))
    assert names == [".grid.json.prov.json", ".mosaic.vrt.prov.json", ".x000_y000.tif.prov.json"]
    assert set(sidecar_of(Path("results/mosaic.vrt")).run.inputs) == {"results/grid.json", "results/x000_y000.tif"}


def test_file_that_people_save_meanwhile_is_newer_than_what_was_read(toy):
    """A decision file may change while the decisions are counted; its old time would hide that for ever."""
    toy.grid()

    @click.command()
    @click.option("--out", type=click.Path(path_type=Path))
    def count(out):
        text = Path("data/decisions.csv").read_text()
        # The clock of file systems ticks every few milliseconds.
        time.sleep(0.05)
        Path("data/decisions.csv").write_text("yes\nno\n")
        write_text(out, text)

    Path("data/decisions.csv").write_text("yes\n")
    group = RecordedGroup(commands={"count": count})
    record(group)
    CliRunner().invoke(group, ["count", "--out", "results/count.txt"], catch_exceptions=False)
    for quick in (False, True):
        (finding,) = verify(toy.results, quick).findings
        assert (finding.kind, finding.path.name) == ("input newer", "decisions.csv")
