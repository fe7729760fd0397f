"""The benchmark on real images, on made-up ones: what it reads, how it divides them, what it refuses."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import Affine
from scipy.spatial import cKDTree

from slumpmap.errors import InputError

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "real_images.py"
FAST = [
    *("--steps", "3", "--encoder", "tu-mobilenetv3_small_050", "--window-px", "64", "--overlap-px", "16"),
    *("--batch", "2", "--threads", "1", "--device", "cpu"),
]
NORTH = Affine(10.0, 0.0, 500000.0, 0.0, -10.0, 7600000.0)

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("real_images", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["real_images"] = module
    spec.loader.exec_module(module)
    return module


def write(path, values, **profile):
    path.parent.mkdir(parents=True, exist_ok=True)
    bands, rows, columns = values.shape
    with rasterio.open(path, "w", count=bands, height=rows, width=columns, dtype=values.dtype, **profile) as image:
        image.write(values)


def disc(rows, columns, row, column, radius):
    y, x = np.mgrid[:rows, :columns]
    return (y - row) ** 2 + (x - column) ** 2 < radius**2


def make_pairs(folder, count, bands, dtype, slump=1, sizes=((70, 90), (64, 64), (50, 40))):
    """Noise with a bright disc in each image, and masks as PNG."""
    rng = np.random.default_rng(3)
    for number in range(count):
        rows, columns = sizes[number % len(sizes)]
        mask = disc(rows, columns, rows // 2, columns // 2, 12)
        values = rng.integers(20, 90, (bands, rows, columns)) + 100 * mask
        write(folder / "images" / f"p{number}.tif", values.astype(dtype), driver="GTiff", photometric="minisblack")
        write(folder / "masks" / f"p{number}.png", (mask[None] * slump).astype(np.uint8), driver="PNG")
    return ["--images", str(folder / "images"), "--masks", str(folder / "masks")]


def make_scene(folder, crs="EPSG:4326"):
    """A scene of 3 uint16 bands with four bright discs, whose outlines are in another CRS."""
    places = [(20, 20), (60, 30), (20, 120), (60, 130)]
    mask = np.any([disc(96, 160, *place, 9) for place in places], axis=0)
    values = np.random.default_rng(4).integers(300, 500, (3, 96, 160)) + 900 * mask
    write(folder / "scene.tif", values.astype(np.uint16), driver="GTiff", crs="EPSG:32608", transform=NORTH, nodata=0)
    shapes = [shapely.Point(NORTH @ (column + 0.5, row + 0.5)).buffer(90) for row, column in places]
    outlines = gpd.GeoDataFrame(geometry=shapes, crs="EPSG:32608").to_crs(crs)
    outlines.to_file(folder / "truth.gpkg")
    return outlines, mask


def scene_options(folder):
    return ["--scene", str(folder / "scene.tif"), "--truth", str(folder / "truth.gpkg")]


def refused(script, capsys, *given, wrong=()):
    with pytest.raises(SystemExit) as stop:
        script.main([*given, *FAST, *wrong])
    assert stop.value.code == 1
    message = capsys.readouterr().err
    assert message.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in message
    return message


@pytest.mark.parametrize(("bands", "dtype"), [(2, "uint16"), (4, "uint8")])
def test_pairs_of_any_bands_are_trained_on_and_scored(script, tmp_path, bands, dtype):
    pairs = make_pairs(tmp_path, 6, bands, dtype, slump=255)
    script.main([*pairs, *FAST, "--seeds", "1", "2", "--json", str(tmp_path / "o.json"), "--work", str(tmp_path / "w")])
    found = json.loads((tmp_path / "o.json").read_text())
    assert [run["seed"] for run in found["seeds"]] == [1, 2]
    assert sorted(part for parts in found["split"].values() for part in parts) == ["evaluation"] * 2 + ["train"] * 3 + [
        "validation"
    ]
    for name, row in found["summary"].items():
        assert row["mean"] is None or 0 <= row["min"] <= row["mean"] + 1e-9 <= row["max"] + 2e-9, name
    pixels = np.load(tmp_path / "w" / "windows.npy")
    assert pixels.shape[1:] == (bands + 1, 64, 64)
    # No window shows two images: what is labelled is one disc at most.
    assert (pixels[:, -1] == 1).sum(axis=(1, 2)).max() <= disc(64, 64, 32, 32, 12).sum()
    assert (pixels[:, :-1].any(axis=1) == (pixels[:, -1] != 255)).all()


def test_the_table_names_the_scores(script, tmp_path, capsys):
    script.main([*make_pairs(tmp_path, 3, 3, "uint8"), *FAST, "--seeds", "5"])
    shown = capsys.readouterr().out
    for name in ("pixel IoU", "pixel F1", "boundary IoU", "F1 at IoU 0.4", "AP over IoU"):
        assert f"| {name} |" in shown


def test_parts_do_not_depend_on_the_seeds_of_training(script):
    assert (script.shares(10, 0.3, 0.2, 1) == script.shares(10, 0.3, 0.2, 1)).all()
    assert (script.shares(10, 0.3, 0.2, 1) != script.shares(10, 0.3, 0.2, 2)).any()
    assert np.bincount(script.shares(10, 0.3, 0.2, 1), minlength=4).tolist() == [0, 6, 1, 3]


def test_scaling_sees_training_pixels_only(script, tmp_path):
    make_scene(tmp_path)
    with rasterio.open(tmp_path / "scene.tif", "r+") as scene:
        values = scene.read()
        values[:, :, 85:] = 60000
        scene.write(values)
    script.main([*scene_options(tmp_path), *FAST, "--gap", "10", "--seeds", "1", "--work", str(tmp_path / "w")])
    assert max(json.loads((tmp_path / "w" / "scaling.json").read_text())["high"]) < 1500


def test_scene_with_outlines_in_another_crs_and_experts(script, tmp_path):
    outlines, mask = make_scene(tmp_path)
    for expert in range(4):
        (tmp_path / "experts" / f"{expert:02d}").mkdir(parents=True)
        drawn = outlines if expert else outlines.iloc[:3]
        drawn.to_file(tmp_path / "experts" / f"{expert:02d}" / "outlines.shp")
    script.main(
        [
            *(*scene_options(tmp_path), "--experts", str(tmp_path / "experts"), "--at-least", "2"),
            *(*FAST, "--seeds", "1", "--json", str(tmp_path / "o.json")),
        ]
    )
    found = json.loads((tmp_path / "o.json").read_text())
    assert found["parts"]["evaluation"]["pixels"] == 96 * 65
    assert found["parts"]["evaluation"]["slump_pixels"] == pytest.approx(mask[:, 95:].sum(), abs=5)
    # The first expert left one of the two slumps in the east out; the others agree.
    assert [found["experts"][name]["pixel IoU"] for name in ("01", "02", "03")] == [1.0] * 3
    assert found["experts"]["00"]["recall at IoU 0"] == 0.5
    assert found["experts"]["00"]["precision at IoU 0"] == 1.0
    assert found["experts_summary"]["AP over probability at IoU 0"]["mean"] is None


def test_votes_and_outlines_give_the_same_labels(script, tmp_path):
    _, mask = make_scene(tmp_path)
    votes = tmp_path / "votes.tif"
    write(votes, (mask[None] * 5).astype(np.uint8), driver="GTiff", crs="EPSG:32608", transform=NORTH)
    by_votes = script.read_scene(tmp_path / "scene.tif", votes, 5, [1, 2, 3]).label
    by_outlines = script.read_scene(tmp_path / "scene.tif", tmp_path / "truth.gpkg", 1, [1, 2, 3]).label
    assert (by_votes == mask).all()
    assert np.count_nonzero(by_votes != by_outlines) < 10
    assert not script.read_scene(tmp_path / "scene.tif", votes, 6, [1, 2, 3]).label.any()


def test_votes_of_nodata_are_not_known_but_no_votes_are_none(script, tmp_path):
    make_scene(tmp_path)
    for nodata, expected in ((9, {0, 1, 255}), (0, {0, 1})):
        values = np.zeros((1, 96, 160), np.uint8)
        values[:, :10], values[:, 10:20] = 9, 7
        write(tmp_path / "votes.tif", values, driver="GTiff", crs="EPSG:32608", transform=NORTH, nodata=nodata)
        label = script.read_scene(tmp_path / "scene.tif", tmp_path / "votes.tif", 6, [1, 2, 3]).label
        assert set(np.unique(label)) == expected


def test_blocks_keep_the_gap(script, tmp_path):
    make_scene(tmp_path)
    picture = script.read_scene(tmp_path / "scene.tif", tmp_path / "truth.gpkg", 1, [1, 2, 3])
    options = script.arguments(
        ["--scene", "a", "--truth", "b", "--split", "blocks", "--block-px", "32", "--gap", "5", "--evaluation", "0.2"]
    )
    (split,) = script.split_pictures([picture], options)
    tested = np.argwhere(split.part == script.PARTS["evaluation"])
    taught = np.argwhere(np.isin(split.part, [script.PARTS["train"], script.PARTS["validation"]]))
    apart = cKDTree(tested).query(taught, p=np.inf)[0].min()
    assert len(tested) == 3 * 32 * 32
    assert apart == 6


def test_ignored_pixels_count_nowhere(script, tmp_path):
    make_pairs(tmp_path, 3, 2, "uint8")
    for path in sorted((tmp_path / "masks").iterdir()):
        with rasterio.open(path) as mask:
            values = mask.read()
        values[:, :5] = 255
        write(path, values, driver="PNG")
    folders = tmp_path / "images", tmp_path / "masks"
    with pytest.raises(InputError, match="--ignore 255"):
        script.read_pairs(*folders, [1, 2], None)
    for picture in script.read_pairs(*folders, [1, 2], 255):
        assert (picture.label[:5] == 255).all()
        assert set(np.unique(picture.label[5:])) == {0, 1}


def test_bad_input_gives_one_message(script, tmp_path, capsys):
    pairs = make_pairs(tmp_path, 3, 2, "uint16")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no mask has the stem of an image" in refused(script, capsys, *pairs[:2], "--masks", str(empty))
    assert "no such folder" in refused(script, capsys, *pairs[:2], "--masks", str(tmp_path / "nowhere"))
    assert "has 2 bands, not all of 3" in refused(script, capsys, *pairs, "--bands", "3")
    write(tmp_path / "masks" / "p1.png", np.ones((1, 64, 60), np.uint8), driver="PNG")
    assert "p1.png: has 64 x 60 pixels, its image 64 x 64" in refused(script, capsys, *pairs)
    (tmp_path / "masks" / "p1.png").write_text("no image")
    assert "p1.png: image cannot be read" in refused(script, capsys, *pairs)


def test_bad_options_give_one_message(script, tmp_path, capsys):
    pairs = make_pairs(tmp_path, 3, 3, "uint8")
    assert "multiple of 16" in refused(script, capsys, *pairs, wrong=["--window-px", "72"])
    assert "overlap_px must be smaller" in refused(script, capsys, *pairs, wrong=["--overlap-px", "64"])
    for wrong in (["--steps", "0"], ["--evaluation", "1.5"], ["--gap", "-1"], ["--experts", "x"]):
        with pytest.raises(SystemExit) as stop:
            script.main([*pairs, *wrong])
        assert stop.value.code == 2


def test_no_slump_or_no_image_to_train_on_is_refused(script, tmp_path, capsys):
    assert "holds no slump" in refused(script, capsys, *make_pairs(tmp_path / "none", 4, 2, "uint8", slump=0))
    assert "training part holds no" in refused(script, capsys, *make_pairs(tmp_path / "one", 1, 2, "uint8"))


def test_scene_without_crs_or_truth_is_refused(script, tmp_path, capsys):
    make_scene(tmp_path)
    write(tmp_path / "bare.tif", np.ones((1, 96, 160), np.uint8), driver="GTiff")
    truth = ["--truth", str(tmp_path / "truth.gpkg")]
    assert "bare.tif: scene has no CRS" in refused(script, capsys, "--scene", str(tmp_path / "bare.tif"), *truth)
    scene = ["--scene", str(tmp_path / "scene.tif")]
    assert "truth is missing" in refused(script, capsys, *scene, "--truth", str(tmp_path / "no.gpkg"))
    assert "is not on the grid" in refused(script, capsys, *scene, "--truth", str(tmp_path / "bare.tif"))
    with pytest.raises(SystemExit) as stop:
        script.main(scene)
    assert stop.value.code == 2
