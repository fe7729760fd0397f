"""The door to vector layers: each refusal names file, fault and remedy; equal content is equal to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
import pytest
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from slumpmap.errors import InputError
from slumpmap.vector import LINES, read_layer, write_layer, write_parquet

CRS = "EPSG:32646"
BOWTIE = Polygon([(0, 0), (2, 2), (2, 0), (0, 2)])


def layer(*shapes: Any, crs: str | None = CRS, **columns: Any) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns or {"id": range(1, len(shapes) + 1)}, geometry=list(shapes), crs=crs)


def save(path: Path, content: gpd.GeoDataFrame) -> Path:
    content.to_file(path)
    return path


def refuse(path: Path, *parts: str, **options: Any) -> None:
    with pytest.raises(InputError) as caught:
        read_layer(path, "positives", **options)
    for part in (str(path), "positives", *parts):
        assert part in str(caught.value)


def test_missing_and_unreadable(tmp_path: Path) -> None:
    refuse(tmp_path / "a.gpkg", "file is missing", "bring the file")
    for name in ("a.gpkg", "a.parquet"):
        (tmp_path / name).write_text("no layer")
        refuse(tmp_path / name, "cannot be read")


def test_table_without_geometry(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,name\n1,x\n")
    refuse(tmp_path / "a.csv", "has no geometry column")


def test_no_crs(tmp_path: Path) -> None:
    refuse(save(tmp_path / "a.shp", layer(box(0, 0, 1, 1), crs=None)), "has no CRS", "Assign the CRS")


def test_column_missing(tmp_path: Path) -> None:
    path = save(tmp_path / "a.gpkg", layer(box(0, 0, 1, 1)))
    refuse(path, "lacks the column name, year", columns=("id", "name", "year"))


@pytest.mark.parametrize(
    ("shape", "fault", "remedy"),
    [
        (None, "an empty geometry in row 2", "Delete the row"),
        (Polygon(), "an empty geometry in row 2", "Delete the row"),
        (Point(1, 1), "a geometry that is no Polygon in row 2", "Give Polygon geometries only"),
        (BOWTIE, "an invalid geometry in row 2 (Self-intersection", "Fix geometries in QGIS"),
    ],
)
def test_geometries(tmp_path: Path, shape: Any, fault: str, remedy: str) -> None:
    refuse(save(tmp_path / "a.gpkg", layer(box(0, 0, 1, 1), shape)), fault, remedy)


def test_repeated_values(tmp_path: Path) -> None:
    path = save(tmp_path / "a.gpkg", layer(box(0, 0, 1, 1), box(2, 2, 3, 3), id=["s1", "s1"]))
    refuse(path, "several rows with id 's1'", unique="id")
    assert len(read_layer(path, "positives")) == 2


def test_no_rows(tmp_path: Path) -> None:
    empty = layer(box(0, 0, 1, 1)).iloc[:0]
    write_layer(empty, tmp_path / "a.gpkg")
    refuse(tmp_path / "a.gpkg", "has no rows", empty_ok=False)
    read = read_layer(tmp_path / "a.gpkg", "positives", columns=("id",))
    assert read.empty and read.crs == CRS


def test_brought_to_the_crs_and_flat(tmp_path: Path) -> None:
    tall = Polygon([(93, 34, 5), (93.1, 34, 5), (93.1, 34.1, 5)])
    read = read_layer(save(tmp_path / "a.gpkg", layer(tall, crs="EPSG:4326")), "positives", CRS)
    assert read.crs == CRS and not read.has_z.any()
    assert read.total_bounds[0] == pytest.approx(500_000, abs=1)


def test_lines(tmp_path: Path) -> None:
    path = save(tmp_path / "a.gpkg", layer(LineString([(0, 0), (1, 1)])))
    assert len(read_layer(path, "roads", kinds=LINES)) == 1
    refuse(path, "no Polygon")


def test_mixed_single_and_multi_polygons(tmp_path: Path) -> None:
    mixed = layer(box(0, 0, 1, 1), MultiPolygon([box(2, 2, 3, 3), box(4, 4, 5, 5)]))
    write_layer(mixed, tmp_path / "a.gpkg")
    assert read_layer(tmp_path / "a.gpkg", "positives").area.tolist() == [1, 2]


def test_same_bytes_on_rewriting(tmp_path: Path) -> None:
    made = layer(box(0, 0, 1, 1), box(2, 2, 3, 3), when=pd.to_datetime(["2019-07-01", "2020-07-01"], utc=True))
    written = []
    for _ in range(2):
        write_layer(made, tmp_path / "a.gpkg")
        write_parquet(made, tmp_path / "a.parquet")
        written.append([(tmp_path / name).read_bytes() for name in ("a.gpkg", "a.parquet")])
    assert written[0] == written[1]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.gpkg", "a.parquet"]


def test_parquet_round_trip(tmp_path: Path) -> None:
    made = layer(box(0, 0, 1, 1), box(2, 2, 3, 3))
    write_parquet(made, tmp_path / "a.parquet")
    read = read_layer(tmp_path / "a.parquet", "positives", columns=("id",))
    assert read.geometry.geom_equals(made.geometry).all() and read["id"].tolist() == [1, 2]


@pytest.mark.parametrize("name", ["a;b.gpkg", "a!b.gpkg", "a?b.gpkg"])
def test_a_path_that_would_be_taken_for_an_address_is_refused(name, tmp_path):
    with pytest.raises(InputError, match="one of ! ; \\? in its path"):
        read_layer(tmp_path / name, "slumps")
    with pytest.raises(InputError, match="one of ! ; \\? in its path"):
        write_layer(gpd.GeoDataFrame(geometry=[box(0, 0, 1, 1)], crs=CRS), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_geometry_without_a_place_in_the_wanted_crs_is_refused(tmp_path):
    shapes = [box(0, 0, 1, 1), box(1e30, 0, 2e30, 1e30)]
    write_layer(gpd.GeoDataFrame(geometry=shapes, crs=CRS), tmp_path / "a.gpkg")
    with pytest.raises(InputError, match=r"a\.gpkg: slumps has a geometry in row 2 that has no place in EPSG:4326"):
        read_layer(tmp_path / "a.gpkg", "slumps", "EPSG:4326")
