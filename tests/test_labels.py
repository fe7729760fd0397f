"""Labels: the user's outlines at the door, and what an iteration adds to them."""

import geopandas as gpd
import pytest
import shapely

from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.labels import first_labels, next_labels, select_negatives
from slumpmap.settings.review import IterationSettings
from slumpmap.vector import read_layer, write_layer

CRS = "EPSG:32646"
AREA = shapely.box(500000, 3840000, 503000, 3843000)
GRID = Grid.over(AREA, CRS, 3.0, 256)


def layer(places, size=60, **columns):
    shapes = [shapely.box(500000 + x, 3840000 + y, 500000 + x + size, 3840000 + y + size) for x, y in places]
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=CRS)


def test_outlines_in_another_crs_get_ids_and_the_grid_crs(tmp_path):
    write_layer(layer([(100, 100), (900, 900)]).to_crs("EPSG:4326"), tmp_path / "slumps.gpkg")
    first_labels(tmp_path / "slumps.gpkg", None, GRID, tmp_path)
    positives = read_layer(tmp_path / "positives.gpkg", "positives")
    assert positives["id"].tolist() == ["p00001", "p00002"]
    assert positives.crs == CRS and positives.area.tolist() == pytest.approx([3600, 3600], rel=1e-3)
    assert read_layer(tmp_path / "negatives.gpkg", "negatives").empty


def test_parts_of_an_outline_become_slumps_of_their_own(tmp_path):
    both = shapely.multipolygons(layer([(100, 100), (300, 300)]).geometry.to_numpy())
    write_layer(gpd.GeoDataFrame({"id": ["s"]}, geometry=[both], crs=CRS), tmp_path / "slumps.gpkg")
    first_labels(tmp_path / "slumps.gpkg", None, GRID, tmp_path)
    assert read_layer(tmp_path / "positives.gpkg", "positives")["id"].tolist() == ["s.1", "s.2"]


def write_bad(kind, path):
    good = layer([(100, 100), (900, 900)], id=["a", "b"])
    if kind == "no crs":
        good.set_crs(None, allow_override=True).to_file(path)
        return
    if kind == "invalid":
        good.geometry = [
            good.geometry[0],
            shapely.Polygon([(500000, 3840000), (500050, 3840050), (500050, 3840000), (500000, 3840050)]),
        ]
    if kind == "empty geometry":
        good.geometry = [good.geometry[0], None]
    if kind == "outside":
        good = layer([(100, 100), (90000, 900)], id=["a", "b"])
    if kind == "no rows":
        good = good.iloc[:0]
    if kind == "twice":
        good["id"] = "a"
    if kind == "points":
        good.geometry = good.geometry.centroid
    write_layer(good, path)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("no crs", "has no CRS"),
        ("invalid", "an invalid geometry in row 2"),
        ("empty geometry", "an empty geometry in row 2"),
        ("outside", "1 of 2 positives lie outside the study area, the first is 'b'"),
        ("no rows", "there is no positive outline"),
        ("twice", "several rows with id 'a'"),
        ("points", "a geometry that is no Polygon in row 1"),
    ],
)
@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_bad_outlines_are_refused(kind, fault, tmp_path):
    write_bad(kind, tmp_path / "slumps.gpkg")
    with pytest.raises(InputError, match=fault) as caught:
        first_labels(tmp_path / "slumps.gpkg", None, GRID, tmp_path / "out")
    assert str(tmp_path / "slumps.gpkg") in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="file is missing"):
        first_labels(tmp_path / "none.gpkg", None, GRID, tmp_path)


def test_next_labels_join_finds_and_hard_negatives(tmp_path):
    first = layer(
        [(100, 100)], id=["a"], iteration_found=[0], probability=[None], initiation=[None], source=["initial"]
    )
    found = layer(
        [(900, 900)], id=["b"], iteration_found=[1], probability=["high"], initiation=[None], source=["inspection"]
    )
    rejected = layer(
        [(1500, 100), (1550, 100), (2500, 100), (2700, 2700)],
        id=["c", "d", "e", "f"],
        iteration=[1] * 4,
        score=[0.9, 0.95, 0.6, 0.99],
        use_as_negative=[True, True, True, False],
    )
    for name, rows in (("positives", first), ("accepted", found), ("rejected", rejected)):
        write_layer(rows, tmp_path / f"{name}.gpkg")
    write_layer(layer([], id=[], iteration_found=[], score=[]), tmp_path / "negatives.gpkg")
    paths = [tmp_path / f"{name}.gpkg" for name in ("positives", "negatives", "accepted", "rejected")]
    next_labels(*paths, IterationSettings(new_negatives=5, negative_spacing_m=300), tmp_path / "next")
    assert read_layer(tmp_path / "next" / "positives.gpkg", "positives")["id"].tolist() == ["a", "b"]
    # `d` is harder than its neighbour `c`; `f` was not given free.
    assert read_layer(tmp_path / "next" / "negatives.gpkg", "negatives")["id"].tolist() == ["d", "e"]


def test_negatives_keep_limit_spacing_and_distance_to_present_ones():
    offered = layer([(x, 0) for x in range(0, 3000, 100)], id=[f"{i:02d}" for i in range(30)], score=[0.5] * 30)
    chosen = select_negatives(offered, layer([(0, 0)], id=["x"]), 4, 250)
    assert chosen["id"].tolist() == ["03", "06", "09", "12"]
    assert select_negatives(offered, layer([], id=[]), 0, 250).empty
