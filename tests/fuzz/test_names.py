"""Hostile names of folders, files, campaigns and people, and in attributes: they work or are refused, never obeyed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import yaml
from rasterio.transform import from_origin

from slumpmap.cli import main
from slumpmap.config import check_config, read_config
from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.inventory.foreign import import_inventory
from slumpmap.labels import first_labels
from slumpmap.legend import read_legend
from slumpmap.options import as_options
from slumpmap.raster import write_raster
from slumpmap.settings.learning import TrainingSettings
from slumpmap.tables import write_csv
from slumpmap.vector import read_layer, write_layer
from tests.fuzz.mutate import SENTINEL
from tests.workflow.conftest import ROOT, Workflow

CRS = "EPSG:32646"
WEST, NORTH = 500_001.0, 3_841_002.0

# Names that a file system takes, and what shells, SQL, GDAL and HTML make of them.
FOLDER = "da ta' $(touch pwned)`touch pwned`\"& | touch pwned ><#~*[a]\\ 冻土 é=,:@%s $HOME"
LONG = "n" * 200
HOSTILE = (
    "a b",
    "a'b",
    'a"b',
    "a;touch pwned",
    "$(touch pwned)",
    "`touch pwned`",
    "a\nb; touch pwned",
    "&& touch pwned",
    "| touch pwned",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "'; DROP TABLE slumps; --",
    "../../pwned",
    "冻土 żółć",
    "\u202epwned",
    "x" * 300,
    "-rf",
    "%s%n{0}{input}",
    "\\",
)


@pytest.fixture
def campaign(tmp_path: Path) -> Workflow:
    """A people's campaign on one good scene, all of it in folders and files of hostile names."""
    workflow = Workflow(tmp_path)
    data = tmp_path / FOLDER
    pixels = np.full((4, 200, 200), 900, dtype=np.uint16)
    scene = data / f"20190801_040000 {FOLDER[:30]} {LONG[:60]}_SR.tif"
    write_raster(scene, pixels, from_origin(WEST, NORTH, 3, 3), CRS, 0)
    slump = shapely.box(WEST + 200, NORTH - 300, WEST + 260, NORTH - 220)
    slumps = gpd.GeoDataFrame({"id": ["a;touch pwned"], "source": ["$(touch pwned)"]}, geometry=[slump], crs=CRS)
    write_layer(slumps, data / f"slumps {LONG[:190]}' `touch pwned`.gpkg")
    workflow.configure(
        demo=None,
        data=".",
        results=f"out $(touch pwned) ' \" `touch pwned` {LONG[:90]}",
        inputs={
            "catalogue": FOLDER,
            "positives": f"{FOLDER}/slumps {LONG[:190]}' `touch pwned`.gpkg",
            **dict.fromkeys(("negatives", "dem", "roads", "truth")),
            **dict.fromkeys(("vegetation", "vegetation_legend", "soil", "soil_legend")),
        },
        grid={"bounds": [WEST, NORTH - 600, WEST + 600, NORTH], "tile_px": 256},
        imagery={"years": [2019]},
        review={"mode": "people", "decisions": "decisions ' $(touch pwned)"},
    )
    return workflow


def sentinels(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(SENTINEL) if not path.is_symlink()]


@pytest.mark.workflow
def test_a_run_with_hostile_names_works_and_obeys_none(campaign: Workflow) -> None:
    status, output = campaign.run("--until", "catalogue")
    assert status == 0, output
    config = yaml.safe_load((campaign.folder / "campaign.yaml").read_text())
    results = campaign.folder / config["results"] / config["campaign"]
    assert len(read_layer(results / "inputs" / "scenes.gpkg", "catalogue")) == 1
    labels = read_layer(results / "iterations" / "01" / "labels" / "positives.gpkg", "positives")
    assert list(labels["id"]) == ["a;touch pwned"]
    assert not sentinels(campaign.folder)


@pytest.mark.workflow
def test_every_command_of_a_run_keeps_hostile_names_in_one_word(campaign: Workflow) -> None:
    status, output = campaign.run("--dry-run", "--printshellcmds", "--quiet", "progress", "host", "reason")
    assert status == 0, output
    commands = [line.strip() for line in output.splitlines() if "python -m slumpmap " in line]
    assert len(commands) > 5, output
    for command in commands:
        words = shlex.split(command)
        # Outside quotes nothing is left that a shell acts on, but the log.
        assert words.count("2>") == 1
        assert not [word for word in words if word in (";", "&&", "|", "touch", "&")], command
        done = subprocess.run(
            ["bash", "-c", f"set -- {command.split(' 2> ')[0]}; printf '%s\\n' \"$#\""],
            cwd=campaign.folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert int(done.stdout) == words.index("2>")
    assert any(FOLDER in word for command in commands for word in shlex.split(command))
    assert not sentinels(campaign.folder)


def tiny(**changes: object) -> dict[str, object]:
    return yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text()) | changes


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("a\nb", "line break"),
        ("a\x1b[31m", "cannot be seen"),
        ("a\u202eb", "cannot be seen"),
        ("a{b}", "brace"),
        ("a{", "brace"),
        ("a;touch pwned", "one of ! ; \\?"),
        ("a.zip!b", "one of ! ; \\?"),
        ("a?b", "one of ! ; \\?"),
        (f"sub/{'x' * 241}/b", "more than 240 bytes"),
        ("冻" * 100, "more than 240 bytes"),
    ],
)
def test_paths_that_the_workflow_cannot_carry_are_refused(path: str, fault: str) -> None:
    with pytest.raises(InputError, match=fault) as caught:
        check_config(tiny(data=path), "campaign.yaml")
    assert str(caught.value).startswith("campaign.yaml: ") and str(caught.value).isprintable()
    inputs = tiny()["inputs"]
    assert isinstance(inputs, dict)
    with pytest.raises(InputError, match=fault):
        check_config(tiny(inputs=inputs | {"dem": path}))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_of_campaigns_are_refused_in_one_plain_line(name: str) -> None:
    with pytest.raises(InputError, match="campaign") as caught:
        check_config(tiny(campaign=name))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", [text for text in HOSTILE if text not in ("a b", "冻土 żółć")])
def test_hostile_names_of_people_are_refused_in_one_plain_line(name: str) -> None:
    review = tiny()["review"]
    assert isinstance(review, dict)
    with pytest.raises(InputError) as caught:
        check_config(tiny(review=review | {"reviewers": [name, "ben"]}))
    assert str(caught.value).isprintable() and len(str(caught.value)) < 1000


@pytest.mark.parametrize("text", HOSTILE)
def test_settings_come_through_a_shell_as_they_are(text: str, tmp_path: Path) -> None:
    settings = TrainingSettings(encoder=text, encoder_weights=text)
    show = [sys.executable, "-c", "import sys; sys.stdout.write('\\0'.join(sys.argv[1:]))"]
    done = subprocess.run(
        ["bash", "-c", f"{shlex.join(show)} {as_options(settings, ['encoder', 'encoder_weights'])}"],
        cwd=tmp_path, capture_output=True, check=True,
    )  # fmt: skip
    assert done.stdout.decode().split("\0") == [f"--encoder={text}", f"--encoder-weights={text}"]
    assert not sentinels(tmp_path)


def test_hostile_attributes_are_only_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    count = len(HOSTILE)
    shapes = [shapely.box(WEST + 40 * n, NORTH - 30, WEST + 40 * n + 20, NORTH - 10) for n in range(count)]
    layer = gpd.GeoDataFrame({"id": HOSTILE, "initiation": HOSTILE}, geometry=shapes, crs=CRS)
    write_layer(layer, tmp_path / "a.gpkg")
    grid = Grid.over(shapely.box(WEST - 600, NORTH - 600, WEST + 3000, NORTH + 600), CRS, 3.0, 256)
    first_labels(tmp_path / "a.gpkg", None, grid, tmp_path / "labels")
    assert list(read_layer(tmp_path / "labels" / "positives.gpkg", "positives")["id"]) == list(HOSTILE)
    import_inventory(tmp_path / "a.gpkg", tmp_path / "b.gpkg", tmp_path / "repairs.csv")
    assert list(read_layer(tmp_path / "b.gpkg", "slumps")["id"]) == [text.strip() for text in HOSTILE]
    names = [text for text in HOSTILE if "\n" not in text]
    pd.DataFrame({"code": range(len(names)), "name": names}).to_csv(tmp_path / "legend.csv", index=False)
    assert list(read_legend(tmp_path / "legend.csv", "soil").values()) == names
    assert not sentinels(tmp_path)


def test_a_condition_on_rows_cannot_change_the_file(tmp_path: Path) -> None:
    layer = gpd.GeoDataFrame({"id": ["a", "b"]}, geometry=[shapely.box(0, 0, 9, 9), shapely.box(20, 0, 29, 9)], crs=CRS)
    write_layer(layer, tmp_path / "a.gpkg")
    before = (tmp_path / "a.gpkg").read_bytes()
    for condition in ("1=1; DROP TABLE a", "1=1) UNION SELECT * FROM sqlite_master --", "load_extension('x')", "'"):
        with pytest.raises(InputError, match=r"a\.gpkg"):
            import_inventory(tmp_path / "a.gpkg", tmp_path / "b.gpkg", tmp_path / "c.csv", where=condition)
    assert (tmp_path / "a.gpkg").read_bytes() == before


def test_no_text_in_a_table_for_people_is_a_formula(tmp_path: Path) -> None:
    texts = ["=cmd|' /C calc'!A0", "+1+cmd", "-1-cmd", "@SUM(A1)", "\tx", "\rx", "plain", "-", "-1.5", "+2", None]
    table = pd.DataFrame({"=id": texts, "number": np.linspace(-5, 5, len(texts))})
    write_csv(table, tmp_path / "a.csv")
    read = pd.read_csv(tmp_path / "a.csv", dtype={"'=id": str}, keep_default_na=False)
    assert list(read.columns) == ["'=id", "number"]
    assert list(read["'=id"]) == [*(f"'{text}" for text in texts[:5]), "'\nx", "plain", "'-", "-1.5", "+2", ""]
    assert list(read["number"]) == list(table["number"])
    assert list(table["=id"])[:-1] == texts[:-1]


# --- damaged files at the command line -------------------------------------------------------------------------------

DAMAGED = {
    "campaign.yaml": ["status", "--config"],
    "area.gpkg": ["grid", "--crs", CRS, "--out", "grid.json", "--area"],
    "given.zip": ["import-inventory", "--out", "a.gpkg", "--out-repairs", "a.csv"],
    "given.geojson": ["import-inventory", "--out", "a.gpkg", "--out-repairs", "a.csv"],
    "given.parquet": ["import-inventory", "--out", "a.gpkg", "--out-repairs", "a.csv"],
    "dem.tif": ["terrain", "slope", "--out", "a.tif", "--out-aspect", "b.tif", "--dem"],
    "candidates.gpkg": ["review-template", "--out", "a.gpkg", "--candidates"],
    "outcome.json": ["table2", "--out", "a.csv", "--outcome"],
    "log.csv": ["training-figure", "--out", "a.png", "--history"],
    "votes.tif": [
        "consensus",
        "--crs",
        CRS,
        "--training",
        "0,0,1,1",
        "--evaluation",
        "1,0,2,1",
        "--out",
        "a",
        "--votes",
    ],
}
JUNK = {
    "empty": b"",
    "noise": np.random.default_rng(3).bytes(5000),
    "head": b"II*\x00\xff\xff\xff\xff",
    "deep": b"[" * 99999,
}


@pytest.mark.parametrize("junk", sorted(JUNK))
@pytest.mark.parametrize("name", sorted(DAMAGED))
def test_a_damaged_file_gives_one_line_and_no_traceback(
    name: str, junk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(JUNK[junk])
    monkeypatch.setattr(sys, "argv", ["slumpmap", *DAMAGED[name], name])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert ended.value.code == 1, told
    assert re.fullmatch(r"error: [^\n]*" + re.escape(name) + r"[^\n]*\n", told), told
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [name]


def test_a_damaged_file_at_a_real_prompt(tmp_path: Path) -> None:
    (tmp_path / "dem.tif").write_bytes(JUNK["noise"])
    done = subprocess.run(
        [sys.executable, "-m", "slumpmap", *DAMAGED["dem.tif"], "dem.tif"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: dem.tif: DEM cannot be read")


def test_a_campaign_that_is_a_bomb_is_refused_at_once(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 90))
    shutil.copy(ROOT / "config" / "tiny.yaml", tmp_path / "a.yaml")
    with (tmp_path / "a.yaml").open("a") as handle:
        handle.write(bomb)
    with pytest.raises(InputError, match=r"a\.yaml: configuration cannot be read \(its references stand for more"):
        read_config(tmp_path / "a.yaml")
