from __future__ import annotations

import filecmp
import select
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from rasterio.features import geometry_mask

from slumpmap.demo import corridor_size, make_corridor
from slumpmap.demo.acquisitions import plan
from slumpmap.demo.corridor import Layout
from slumpmap.demo.scenes import World, render
from slumpmap.demo.sensing import BLACKFILL, CLEAR, CLOUD, UNUSABLE
from slumpmap.errors import InputError
from slumpmap.vector import LINES, read_layer


def test_same_seed_same_bytes(corridor: Path, tmp_path: Path) -> None:
    make_corridor(tmp_path, "tiny", 1, years=[2018], processes=2)
    names = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file())
    same = [name for name in names if name.name not in {"scenes.gpkg", "README.txt", "truth_years.gpkg"}]
    assert len(same) > 20
    assert filecmp.cmpfiles(tmp_path, corridor, [str(name) for name in same], shallow=False)[0] == list(map(str, same))


def test_other_seed_differs(corridor: Path, tiny: Layout) -> None:
    one, other = (plan(tiny.size.bounds, [2019], seed) for seed in (1, 2))
    assert [scene.name for scene in one] != [scene.name for scene in other]
    written = {path.name.split("_3B")[0] for path in (corridor / "scenes").glob("2019*")}
    assert written == {scene.name for scene in one}


def test_labels_are_a_third_and_all_from_landscape_a(corridor: Path) -> None:
    truth = read_layer(corridor / "truth.gpkg", "truth", unique="id")
    positives = read_layer(corridor / "positives.gpkg", "positives", columns=["id", "initiation"], unique="id")
    assert len(positives) == round(0.34 * len(truth))
    assert set(truth.set_index("id").landscape[positives.id]) == {"A"}
    outlines = truth.set_index("id").geometry[positives.id].reset_index(drop=True)
    overlap = positives.geometry.intersection(outlines).area / positives.geometry.union(outlines).area
    assert overlap.min() > 0.4
    assert not positives.geometry.geom_equals(outlines).any()
    negatives = read_layer(corridor / "negatives.gpkg", "negatives", columns=["id", "kind"], unique="id")
    assert 0 < len(negatives) <= len(positives) / 2
    assert not shapely.intersects(negatives.union_all(), truth.union_all())


def test_truth_names_what_the_contract_names(corridor: Path) -> None:
    columns = ["id", "area_ha", "initiation", "stable", "landscape", "headwall_azimuth"]
    truth = read_layer(corridor / "truth.gpkg", "truth", columns=columns)
    np.testing.assert_allclose(truth.area_ha, truth.area / 1e4, atol=1e-3)
    assert truth.area_ha.min() >= 0.05
    yearly = read_layer(corridor / "truth_years.gpkg", "truth", columns=["id", "year"])
    assert len(yearly[yearly.year == 2019]) == len(truth)
    assert "SYNTHETIC" in (corridor / "README.txt").read_text().splitlines()[0]
    read_layer(corridor / "lookalikes.gpkg", "look-alikes", columns=["kind"], empty_ok=False)
    read_layer(corridor / "roads.gpkg", "roads", columns=["kind", "name"], kinds=LINES, empty_ok=False)
    read_layer(corridor / "rivers.gpkg", "rivers", kinds=LINES, empty_ok=False)
    read_layer(corridor / "water.gpkg", "water", columns=["kind"])


def test_dem_reaches_beyond_the_imaged_area(corridor: Path) -> None:
    west, south, east, north = corridor_size("tiny").bounds
    with rasterio.open(corridor / "dem.tif") as dem:
        values = dem.read(1)
        assert dem.bounds.left <= west - 15000 and dem.bounds.right >= east + 15000
        assert dem.bounds.bottom <= south - 15000 and dem.bounds.top >= north + 15000
    assert values.min() >= 4500.0 and values.max() <= 5200.0
    for name in ("vegetation", "soil"):
        with rasterio.open(corridor / f"{name}.tif") as classes:
            codes = set(np.unique(classes.read(1)))
        legend = (corridor / f"{name}_legend.csv").read_text().splitlines()[1:]
        assert codes <= {int(line.split(",")[0]) for line in legend}
        assert len(codes) >= 3


def test_catalogue_covers_the_area_and_has_scenes_to_leave_out(corridor: Path) -> None:
    catalogue = read_layer(corridor / "scenes.gpkg", "catalogue", columns=["path", "udm", "acquired", "cloud_fraction"])
    study = shapely.box(*corridor_size("tiny").bounds)
    for year in ("2018", "2019"):
        scenes = catalogue[catalogue.acquired.str.startswith(year)]
        summer = scenes[scenes.acquired.str[5:7].isin(["07", "08"]) & (scenes.cloud_fraction < 0.3)]
        assert summer.union_all().covers(study)
        seen = summer.intersection(study).area.sum() / study.area
        assert 1.4 <= seen <= 2.3
        assert not scenes.acquired.str[5:7].isin(["07", "08"]).all()
        assert scenes.cloud_fraction.max() > 0.45


def test_nodata_only_outside_the_footprint(corridor: Path) -> None:
    catalogue = read_layer(corridor / "scenes.gpkg", "catalogue")
    for row in catalogue.itertuples():
        with rasterio.open(corridor / row.path) as image, rasterio.open(corridor / row.udm) as mask:
            values, udm = image.read(), mask.read()
            assert (image.count, image.dtypes[0], image.nodata, mask.count) == (4, "uint16", 0, 8)
            assert image.crs.to_epsg() == 32646
            outside = geometry_mask([row.geometry], values.shape[1:], image.transform)
        assert ((values == 0) == outside).all()
        assert (udm[UNUSABLE] == np.where(outside, BLACKFILL, 0)).all()
        assert not udm[:7, outside].any()
        # Each valid pixel belongs to one class of the first six bands.
        assert (udm[:6].sum(axis=0)[~outside] == 1).all()


def test_mask_finds_clouds_but_not_their_thin_edges(corridor: Path) -> None:
    catalogue = read_layer(corridor / "scenes.gpkg", "catalogue")
    row = catalogue.loc[catalogue.cloud_fraction.idxmax()]
    with rasterio.open(corridor / row.path) as image, rasterio.open(corridor / row.udm) as mask:
        blue, udm = image.read(1), mask.read()
    assert np.median(blue[udm[CLOUD] == 1]) > 4000
    bright = blue > 4000
    assert udm[CLEAR, bright].mean() < 0.02
    assert udm[CLOUD].any()


def test_blocks_change_nothing(corridor: Path, tiny: Layout) -> None:
    world = World(corridor / "dem.tif", tiny.landscape, tiny.slumps, tiny.lookalikes)
    scene = min(plan(tiny.size.bounds, [2019], 1), key=lambda scene: scene.footprint.area)
    whole, whole_udm = render(world, scene, rows_at_once=100_000)
    parts, parts_udm = render(world, scene, rows_at_once=97)
    assert (whole == parts).all()
    assert (whole_udm == parts_udm).all()


def test_bad_seed_and_years_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        make_corridor(tmp_path, "tiny", seed=-1)
    with pytest.raises(InputError):
        make_corridor(tmp_path, "tiny", years=[])


def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\nfrom slumpmap.demo import make_corridor\n"
        "if __name__ == '__main__':\n    make_corridor(pathlib.Path(sys.argv[1]), 'tiny', years=(2018, 2019))\n"
    )
    (tmp_path / "make.py").write_text(code)
    # The pipe is inherited by the workers, so it reaches its end only when all of them have ended.
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "make.py"), str(tmp_path / "out")], stdout=subprocess.PIPE
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "out" / "scenes").glob("*")) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.kill()
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 60)
    assert ready, "workers outlive their parent"
    process.communicate()
