"""The door for other people's inventories: every repair is listed with its row, everything else is refused by name."""

from __future__ import annotations

import os
import sqlite3
import struct
import zipfile
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import GeometryCollection, LineString, MultiPolygon, Point, Polygon, box

from slumpmap.cli import app
from slumpmap.errors import InputError
from slumpmap.inventory.foreign import import_inventory, polygons_of, read_foreign
from slumpmap.labels import SLUMP_COLUMNS
from slumpmap.vector import read_layer

UTM = "EPSG:32646"
X, Y = 500_000.0, 3_840_000.0
ARCTIC = Path(__file__).parents[3] / "shared" / "data" / "vectors" / "arctic_rts.gpkg"
BOWTIE = Polygon([(X, Y), (X + 20, Y + 20), (X + 20, Y), (X, Y + 20)])


def square(column: float, side: float = 100.0) -> Polygon:
    return box(X + 1000 * column, Y, X + 1000 * column + side, Y + side)


def save(path: Path, shapes: list, crs: str | None = UTM, **columns: object) -> Path:
    content = columns or {"id": [f"s{number}" for number in range(1, len(shapes) + 1)]}
    gpd.GeoDataFrame(content, geometry=shapes, crs=crs).to_file(path)
    return path


def listed(foreign, problem: str) -> list[tuple]:
    """Rows, actions and details of one problem."""
    rows = foreign.repairs[foreign.repairs["problem"] == problem]
    return [(row.row, row.action, row.detail) for row in rows.itertuples()]


def refused(path: Path, *parts: str, **options: object) -> None:
    with pytest.raises(InputError) as caught:
        read_foreign(path, **options)
    for part in (path.name, *parts):
        assert part in str(caught.value)


def test_a_good_file_needs_no_repair(tmp_path):
    path = save(tmp_path / "a.gpkg", [square(0), square(1)], id=["x", "y"], probability=["High", "low"],
                initiation=["2017", None], date=["2019", "2019"], note=["n", "m"])  # fmt: skip
    foreign = read_foreign(path)
    assert foreign.repairs.empty and foreign.rows == 2
    assert list(foreign.slumps.columns) == ["id", "probability", "initiation", "date", "note", "geometry"]
    assert foreign.slumps["probability"].tolist() == ["high", "low"]
    assert foreign.slumps["initiation"].tolist() == ["2017", None]


# --- geometries -----------------------------------------------------------------------------------------------------


def curved_gpkg(path: Path) -> Path:
    """A circle of 100 m radius as a CURVEPOLYGON beside a square, written into the GeoPackage's own bytes."""
    layer = gpd.GeoDataFrame({"id": ["circle", "square"]}, geometry=[square(0), square(1)], crs=UTM)
    pyogrio.write_dataframe(layer, path, driver="GPKG", geometry_type="Unknown", SPATIAL_INDEX="NO")
    ring = [(X, Y + 100), (X + 100, Y + 200), (X + 200, Y + 100), (X + 100, Y), (X, Y + 100)]
    arcs = struct.pack("<BII", 1, 8, len(ring)) + b"".join(struct.pack("<dd", *point) for point in ring)
    blob = b"GP\x00\x01" + struct.pack("<i", 32646) + struct.pack("<BII", 1, 10, 1) + arcs
    with sqlite3.connect(path) as database:
        database.execute(f"UPDATE {path.stem} SET geom = ? WHERE fid = 1", (blob,))
    database.close()
    return path


def test_curves_become_chords_and_are_listed(tmp_path):
    foreign = read_foreign(curved_gpkg(tmp_path / "curves.gpkg"))
    [(row, action, detail)] = listed(foreign, "curved geometry")
    assert (row, action) == (1, "mended") and "4 degrees" in detail
    # A regular polygon of 90 corners in a circle: n/2 r2 sin(2 pi / n).
    expected = 45 * 100**2 * np.sin(2 * np.pi / 90)
    assert foreign.slumps.area.tolist() == pytest.approx([expected, 10_000], rel=1e-6)


def test_heights_are_dropped(tmp_path):
    raised = Polygon([(x, y, 4700.0) for x, y in square(0).exterior.coords])
    foreign = read_foreign(save(tmp_path / "z.shp", [raised, square(1)]))
    # A shapefile has one type for all rows: both come back with heights.
    assert [row for row, *_ in listed(foreign, "3D geometry")] == [1, 2]
    assert not foreign.slumps.has_z.any() and foreign.slumps.area.tolist() == [10_000, 10_000]


def test_measures_that_a_layer_declares_are_remarked(tmp_path):
    path = save(tmp_path / "m.gpkg", [square(0)])
    with sqlite3.connect(path) as database:
        database.execute("UPDATE gpkg_geometry_columns SET m = 1")
    database.close()
    foreign = read_foreign(path)
    assert foreign.slumps.area.tolist() == [10_000]
    assert "Measured" in listed(foreign, "remark of the reader")[0][2]


def test_every_other_fault_of_a_geometry(tmp_path):
    shapes = [
        None,
        Polygon(),
        Point(X, Y),
        LineString([(X, Y), (X + 1, Y)]),
        BOWTIE,
        Polygon([(X, Y), (X + 5, Y), (X, Y)]),
        GeometryCollection([Point(X, Y), square(2), square(3)]),
        GeometryCollection([Point(X, Y), LineString([(X, Y), (X + 1, Y)])]),
        MultiPolygon([square(4), square(5), square(6)]),
        square(7),
    ]
    foreign = read_foreign(save(tmp_path / "a.gpkg", shapes))
    assert [(row, action) for row, action, _ in listed(foreign, "empty geometry")] == [(1, "left out"), (2, "left out")]
    points = listed(foreign, "no polygon")
    assert [row for row, *_ in points] == [3, 4, 8] and "Point has no area" in points[0][2]
    [(row, action, detail)] = listed(foreign, "invalid outline")
    assert (row, action) == (5, "mended") and "Self-intersection" in detail
    assert [row for row, *_ in listed(foreign, "no area")] == [6]
    assert [row for row, *_ in listed(foreign, "mixed geometry types")] == [7, 8]
    assert [(row, detail) for row, _, detail in listed(foreign, "several parts")] == [
        (5, "kept as one slump of 2 parts"),
        (7, "kept as one slump of 2 parts"),
        (9, "kept as one slump of 3 parts"),
    ]
    assert foreign.slumps["id"].tolist() == ["s5", "s7", "s9", "s10"]
    assert foreign.slumps.area.tolist() == pytest.approx([200, 20_000, 30_000, 10_000])
    # Nothing gets lost: each row of the file is kept or stands as left out.
    out = foreign.repairs.loc[foreign.repairs["action"] == "left out", "row"]
    assert len(foreign.slumps) + out.nunique() == foreign.rows == 10
    counts = foreign.counts().set_index("problem")["rows"]
    assert counts["no polygon"] == 3 and counts["empty geometry"] == 2


def test_open_ring_is_closed_with_a_remark(tmp_path):
    ring = [[91.0, 34.0], [91.01, 34.0], [91.01, 34.01], [91.0, 34.01]]
    text = '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"id":3},'
    (tmp_path / "a.geojson").write_text(f'{text}"geometry":{{"type":"Polygon","coordinates":[{ring}]}}}}]}}')
    foreign = read_foreign(tmp_path / "a.geojson")
    assert shapely.area(foreign.slumps.geometry.iloc[0]) == pytest.approx(1e-4)
    assert "Non closed ring" in listed(foreign, "remark of the reader")[0][2]


def test_a_surface_that_cannot_be_read_is_left_out(tmp_path):
    square_text = '"POLYGON((500000 3840000,500100 3840000,500100 3840100,500000 3840000))"'
    (tmp_path / "t.csv").write_text(f'id,WKT\n1,"TIN(((0 0 0,1 0 0,1 1 0,0 0 0)))"\n2,{square_text}\n')
    foreign = read_foreign(tmp_path / "t.csv", crs=UTM)
    [(row, action, detail)] = listed(foreign, "unreadable geometry")
    assert (row, action) == (1, "left out") and "TIN" in detail
    assert foreign.slumps["id"].tolist() == ["2"]


def test_endless_coordinates_are_left_out(tmp_path):
    path = tmp_path / "a.parquet"
    shapes = [Polygon([(X, Y), (X + 9, np.inf), (X + 9, Y)]), square(1)]
    gpd.GeoDataFrame({"id": [1, 2]}, geometry=shapes, crs=UTM).to_parquet(path)
    foreign = read_foreign(path)
    assert [row for row, *_ in listed(foreign, "coordinates that are no numbers")] == [1]
    assert foreign.slumps["id"].tolist() == ["2"]


def test_nothing_with_an_area_is_refused(tmp_path):
    refused(save(tmp_path / "a.gpkg", [Point(X, Y), Point(X, Y)]), "no slump with an area in 2 rows", "outlines")


@settings(max_examples=50)
@given(
    st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=4, max_size=7), min_size=1, max_size=5)
)
def test_polygons_of_any_collection(rings):
    """What comes back is the polygons of the collection, part for part, and only those."""
    polygons = [Polygon(ring) for ring in rings]
    nested = GeometryCollection(
        [MultiPolygon(polygons), Point(0, 0), GeometryCollection([LineString([(0, 0), (1, 1)])])]
    )
    line = LineString([(0, 0), (1, 1)])
    one, none, missing = polygons_of(np.array([nested, line, None], dtype=object))
    assert none is None and missing is None
    assert shapely.get_num_geometries(one) == len(polygons)
    assert one.geom_type == ("Polygon" if len(polygons) == 1 else "MultiPolygon")
    assert shapely.length(one) == pytest.approx(sum(polygon.length for polygon in polygons))


# --- attributes -----------------------------------------------------------------------------------------------------


def test_ids_missing_repeated_and_colliding(tmp_path):
    shapes = [square(number) for number in range(6)]
    foreign = read_foreign(save(tmp_path / "a.gpkg", shapes, id=["7", "7", "7-2", None, " ", "7"]))
    assert foreign.slumps["id"].is_unique and foreign.slumps["id"].iloc[0] == "7"
    assert [row for row, *_ in listed(foreign, "missing id")] == [4, 5]
    repeated = listed(foreign, "repeated id")
    assert [row for row, *_ in repeated] == [2, 3, 6] or [row for row, *_ in repeated] == [2, 6]
    for row, action, detail in repeated:
        assert action == "mended" and foreign.slumps["id"].iloc[row - 1] in detail


def test_file_without_ids_is_numbered_by_row(tmp_path):
    foreign = read_foreign(save(tmp_path / "a.gpkg", [Point(X, Y), square(0), square(1)], name=["p", "a", "b"]))
    assert foreign.slumps["id"].tolist() == ["2", "3"]
    assert any("id: no column" in detail for *_, detail in listed(foreign, "missing column"))


def test_columns_are_mapped_by_option_and_by_known_names(tmp_path):
    columns = {"UID": [11, 12], "BaseMapDate": ["2019-07-01", None], "Conf": ["HIGH", "sure"], "id": [1, 1]}
    path = save(tmp_path / "a.gpkg", [square(0), square(1)], **columns)
    foreign = read_foreign(path, columns={"probability": "Conf", "id": "UID"})
    assert foreign.slumps["id"].tolist() == ["11", "12"]
    assert foreign.slumps["date"].tolist() == ["2019-07-01", None]
    assert foreign.slumps["probability"].tolist() == ["high", None]
    assert [(row, detail) for row, _, detail in listed(foreign, "unknown probability")] == [
        (2, "'sure' is none of high, medium, low; left empty")
    ]
    assert {detail for *_, detail in listed(foreign, "column taken")} >= {"UID as id", "BaseMapDate as date"}
    assert "id: another column" in listed(foreign, "column dropped")[0][2]
    refused(path, "lacks the column Nope", "UID", columns={"id": "Nope"})
    refused(path, "no role 'colour'", columns={"colour": "UID"})


def test_whole_numbers_with_gaps_are_ids_without_decimals(tmp_path):
    path = save(tmp_path / "a.gpkg", [square(0), square(1)], id=pd.array([166, None], dtype="Int64"))
    assert read_foreign(path).slumps["id"].tolist() == ["166", "row-2"]


def test_copies_are_left_out_and_shared_outlines_noted(tmp_path):
    shapes = [square(0), square(0), square(0), Polygon([*square(0).exterior.coords][::-1])]
    foreign = read_foreign(save(tmp_path / "a.gpkg", shapes, id=["a", "a", "b", "c"], note=["n", "n", "n", "n"]))
    assert listed(foreign, "copy of a row") == [(2, "left out", "the same as row 1")]
    assert [row for row, *_ in listed(foreign, "outline stands twice")] == [3, 4]
    assert foreign.slumps["id"].tolist() == ["a", "b", "c"]


# --- CRS, text and files --------------------------------------------------------------------------------------------


def test_crs_missing_or_wrong(tmp_path):
    bare = save(tmp_path / "bare.shp", [square(0)], crs=None)
    refused(bare, "has no CRS", "EPSG:4326")
    foreign = read_foreign(bare, crs=UTM)
    assert "the file says none" in listed(foreign, "CRS assumed")[0][2] and foreign.slumps.crs == UTM
    degrees = save(tmp_path / "degrees.gpkg", [box(92.0, 34.0, 92.01, 34.01)], crs=UTM)
    refused(degrees, "look like degrees")
    assert read_foreign(degrees, crs="EPSG:4326").slumps.crs == "EPSG:4326"
    refused(save(tmp_path / "metres.gpkg", [square(0)], crs="EPSG:4326"), "are no degrees")
    refused(bare, "unknown CRS", crs="EPSG:nonsense")


def test_other_crs_is_brought_to_the_target(tmp_path):
    layer = gpd.GeoDataFrame({"id": ["a"]}, geometry=[square(0)], crs=UTM).to_crs("EPSG:4326")
    layer.to_file(tmp_path / "a.geojson")
    assert read_foreign(tmp_path / "a.geojson", target_crs=UTM).slumps.area.iloc[0] == pytest.approx(10_000, rel=1e-5)


def test_outline_that_the_target_cannot_hold_is_left_out(tmp_path):
    """The antipode of the centre has no place in an orthographic map."""
    path = save(tmp_path / "a.gpkg", [box(92, 34, 92.01, 34.01), box(-88, -34, -87.9, -33.9)], crs="EPSG:4326")
    foreign = read_foreign(path, target_crs="+proj=ortho +lat_0=34 +lon_0=92 +units=m")
    assert [(row, action) for row, action, _ in listed(foreign, "beyond the CRS")] == [(2, "left out")]
    assert foreign.slumps["id"].tolist() == ["s1"]


@pytest.mark.parametrize("says", [True, False])
def test_encodings_of_shapefiles(tmp_path, says):
    names = ["北麓河", "可可西里"]
    layer = gpd.GeoDataFrame({"id": names}, geometry=[square(0), square(1)], crs=UTM)
    for encoding in ("GB18030", "UTF-8"):
        path = tmp_path / f"{encoding}.shp"
        pyogrio.write_dataframe(layer, path, encoding=encoding)
        if not says:
            path.with_suffix(".cpg").unlink()
    chinese, utf8 = read_foreign(tmp_path / "GB18030.shp"), read_foreign(tmp_path / "UTF-8.shp")
    assert utf8.slumps["id"].tolist() == names
    if says:
        assert chinese.slumps["id"].tolist() == names
        assert not listed(chinese, "encoding assumed") and not listed(utf8, "encoding assumed")
        return
    assert "names may look wrong" in listed(chinese, "encoding assumed")[0][2]
    assert "read as UTF-8" in listed(utf8, "encoding assumed")[0][2]
    assert read_foreign(tmp_path / "GB18030.shp", encoding="GB18030").slumps["id"].tolist() == names
    refused(tmp_path / "GB18030.shp", "not in the encoding UTF-8", encoding="UTF-8")
    refused(tmp_path / "GB18030.shp", "unknown encoding", encoding="klingon")


def test_zipped_shapefile_in_a_folder(tmp_path):
    save(tmp_path / "a.shp", [square(0)])
    parts = [part for part in tmp_path.iterdir() if part.stem == "a"]
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as packed:
        for part in parts:
            packed.write(part, f"data set/{part.name}")
            packed.writestr(f"__MACOSX/data set/._{part.name}", b"x")
    assert read_foreign(tmp_path / "one.zip").slumps["id"].tolist() == ["s1"]
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as packed:
        for part in parts:
            packed.write(part, f"old/{part.name}")
            packed.write(part, f"new/b{part.suffix}")
    refused(tmp_path / "two.zip", "several files", "old/a.shp", "new/b.shp")
    assert len(read_foreign(tmp_path / "two.zip", layer="b").slumps) == 1
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    refused(tmp_path / "bad.zip", "cannot be unpacked")
    with zipfile.ZipFile(tmp_path / "text.zip", "w") as packed:
        packed.writestr("readme.txt", "no layer")
    refused(tmp_path / "text.zip", "holds no shapefile")


def test_files_that_are_no_inventory(tmp_path):
    refused(tmp_path / "none.gpkg", "is missing")
    (tmp_path / "text.shp").write_text("no layer")
    refused(tmp_path / "text.shp", "cannot be read")
    (tmp_path / "a.csv").write_text("id,name\n1,x\n")
    refused(tmp_path / "a.csv", "has no geometries")
    save(tmp_path / "part.shp", [square(0)])
    (tmp_path / "part.shx").unlink()
    refused(tmp_path / "part.shp", "part.shx", "Replace the file")
    path = tmp_path / "a.parquet"
    gpd.GeoDataFrame({"id": [1]}, geometry=[square(0)], crs=UTM).to_parquet(path)
    assert len(read_foreign(path).slumps) == 1
    refused(path, "chosen by a condition", where="id = 1")


def test_import_gives_the_columns_of_slumps(tmp_path):
    path = save(tmp_path / "theirs.shp", [square(0), BOWTIE], name=["a", "b"])
    import_inventory(path, tmp_path / "slumps.gpkg", tmp_path / "repairs.csv", target_crs=UTM)
    slumps = read_layer(tmp_path / "slumps.gpkg", "slumps", UTM, columns=SLUMP_COLUMNS, unique="id")
    assert slumps["source"].tolist() == ["theirs.shp"] * 2 and slumps["iteration_found"].tolist() == [0, 0]
    repairs = pd.read_csv(tmp_path / "repairs.csv")
    assert repairs.loc[repairs["problem"] == "invalid outline", "row"].tolist() == [2]


# --- the real thing -------------------------------------------------------------------------------------------------


@pytest.mark.shared
@pytest.mark.skipif(not ARCTIC.exists(), reason=f"needs the open data in {ARCTIC.parent}")
@pytest.mark.skipif("CI" in os.environ, reason="CI runs without ../shared")
def test_arctic_inventories():
    """Two layers; the one without ids; areas as its authors give them, in EPSG:6931."""
    refused(ARCTIC, "several layers (rts_polygons, rts_multidate)")
    refused(ARCTIC, "no such layer, only rts_polygons", layer="rts")
    every = read_foreign(ARCTIC, layer="rts_polygons", target_crs="EPSG:6931")
    assert len(every.slumps) == every.rows == 4974 and every.slumps["id"].is_unique
    areas = every.slumps.area.to_numpy() / 10_000
    np.testing.assert_allclose(areas, every.slumps["area_ha"], rtol=0.02, atol=0.002)
    date = "region = 'Iultinsky' AND img_date = '2014-08-08'"
    dated = read_foreign(ARCTIC, layer="rts_multidate", where=date)
    assert len(dated.slumps) == dated.rows == 53
    assert len(listed(dated, "outline stands twice")) == 8


def test_command_says_what_it_did(tmp_path):
    path = save(tmp_path / "theirs.gpkg", [square(0), BOWTIE, Point(X, Y)], nr=["a", "b", "c"])
    made = [str(tmp_path / name) for name in ("repairs.csv", "slumps.gpkg")]
    options = ["--column", "id=nr", "--crs", "EPSG:32645", "--out-repairs", made[0], "--out", made[1]]
    done = CliRunner().invoke(app, ["import-inventory", str(path), *options])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("2 slumps from 3 rows") and "1 left out: no polygon" in done.output
    slumps = read_layer(tmp_path / "slumps.gpkg", "slumps")
    assert slumps["id"].tolist() == ["a", "b"] and slumps.crs == "EPSG:32645"
