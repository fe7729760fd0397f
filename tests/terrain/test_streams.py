"""Streams as files: a valley by hand, topology and distances on real ground, sensitivity by hand, refusals."""

from __future__ import annotations

from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from rasterio.transform import Affine, from_origin
from real_dems import TUJUNGA, TUOLUMNE, needs_shared

from slumpmap.errors import InputError
from slumpmap.raster import write_raster
from slumpmap.terrain import dem as dem_door
from slumpmap.terrain import richdem_door
from slumpmap.terrain.streams import stream_sensitivity, streams
from slumpmap.vector import write_layer

UTM = "EPSG:32646"
WEST, NORTH = 500_000.0, 4_000_000.0
CELL = 30.0
needs_richdem = pytest.mark.skipif(not richdem_door.available(), reason="richdem is optional and not installed")


def valley(rows: int = 41, columns: int = 61) -> np.ndarray:
    """Two even slopes towards the middle row, which falls to the east: one straight stream along it."""
    row, column = np.indices((rows, columns))
    return (4800 + 5.0 * np.abs(row - rows // 2) - 0.5 * column).astype(np.float32)


def write(path: Path, elevation: np.ndarray, transform: Affine | None = None, crs: str = UTM, **options) -> Path:
    write_raster(path, elevation, transform or from_origin(WEST, NORTH, CELL, CELL), crs, **options)
    return path


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(1)


def test_straight_valley(tmp_path, capsys):
    """Each column of 41 cells adds 0.0369 km2; 0.9 km2 are reached in the 25th column."""
    dem = write(tmp_path / "dem.tif", valley())
    streams(dem, tmp_path / "streams.gpkg", tmp_path / "distance.tif", 0.9)
    lines = gpd.read_file(tmp_path / "streams.gpkg")
    assert lines.crs == UTM and len(lines) == 1
    line = lines.iloc[0]
    assert (line.reach, line.downstream, line.strahler) == (1, 0, 1)
    assert line.length_m == line.geometry.length == 36 * CELL
    assert line.catchment_km2 == pytest.approx(61 * 41 * CELL**2 / 1e6)
    middle = NORTH - 20.5 * CELL
    assert shapely.get_coordinates(line.geometry)[[0, -1]].tolist() == [
        [WEST + 24.5 * CELL, middle],
        [WEST + 60.5 * CELL, middle],
    ]
    row, column = np.indices((41, 61))
    expected = CELL * np.hypot(row - 20, np.maximum(24 - column, 0))
    np.testing.assert_allclose(read(tmp_path / "distance.tif"), expected, rtol=1e-6)
    said = capsys.readouterr().err
    assert "filled depressions" in said and "1 reaches, 1.1 km, 0.48 km/km2" in said


def test_voids_stay_nodata(tmp_path):
    elevation = valley()
    elevation[5, 7] = -9999
    dem = write(tmp_path / "dem.tif", elevation, nodata=-9999)
    streams(dem, tmp_path / "streams.gpkg", tmp_path / "distance.tif")
    assert np.argwhere(np.isnan(read(tmp_path / "distance.tif"))).tolist() == [[5, 7]]


def test_geographic_dem(tmp_path):
    """The same valley in degrees: lengths, catchments and distances are metres of each row."""
    step = 1 / 3600
    dem = write(tmp_path / "dem.tif", valley(), from_origin(93, 34, step, step), "EPSG:4326")
    streams(dem, tmp_path / "streams.gpkg", tmp_path / "distance.tif", 0.5)
    (line,) = gpd.read_file(tmp_path / "streams.gpkg").itertuples()
    on_ground = gpd.GeoSeries([line.geometry], crs="EPSG:4326").to_crs("+proj=aeqd +lat_0=34 +lon_0=93").length[0]
    assert line.length_m == pytest.approx(on_ground, rel=1e-4)
    assert line.catchment_km2 == pytest.approx(61 * 41 * 25.66 * 30.81 / 1e6, rel=1e-3)
    assert read(tmp_path / "distance.tif")[0, 60] == pytest.approx(20 * 30.81, rel=1e-3)


@needs_shared
@pytest.mark.parametrize("dem", [TUJUNGA, TUOLUMNE], ids=lambda path: path.stem)
def test_network_on_real_ground(tmp_path, dem):
    streams(dem, tmp_path / "streams.gpkg", tmp_path / "distance.tif")
    lines = gpd.read_file(tmp_path / "streams.gpkg").set_index("reach", drop=False)
    assert lines.is_valid.all() and lines.is_simple.all()
    np.testing.assert_allclose(lines.length, lines.length_m)
    starts, ends = (shapely.get_point(lines.geometry.to_numpy(), at) for at in (0, -1))
    inner = (lines.downstream > 0).to_numpy()
    after = lines.downstream.to_numpy()[inner]
    assert (starts[after - 1] == ends[inner]).all()
    assert (lines.strahler.to_numpy()[after - 1] >= lines.strahler.to_numpy()[inner]).all()
    # Below a confluence the catchment is at least the sum of what meets there.
    upstream = lines[inner].groupby("downstream").catchment_km2.agg(["sum", "size"])
    assert (upstream["size"] >= 2).all()
    assert (lines.loc[upstream.index, "catchment_km2"] > upstream["sum"]).all()
    assert (lines.catchment_km2 >= 0.9).all()
    with rasterio.open(tmp_path / "distance.tif") as made:
        points = shapely.get_coordinates(lines.geometry.to_numpy())
        assert max(value[0] for value in made.sample(points)) == 0


@needs_shared
def test_blocks_change_nothing(tmp_path, monkeypatch):
    for name, block in (("one", 4096), ("two", 100)):
        monkeypatch.setattr(dem_door, "_BLOCK_PX", block)
        streams(TUJUNGA, tmp_path / f"{name}.gpkg", tmp_path / f"{name}.tif")
    np.testing.assert_array_equal(read(tmp_path / "one.tif"), read(tmp_path / "two.tif"))
    assert gpd.read_file(tmp_path / "one.gpkg").equals(gpd.read_file(tmp_path / "two.gpkg"))


@needs_shared
@needs_richdem
def test_engines_agree_on_real_ground(tmp_path):
    for engine in ("numba", "richdem"):
        streams(TUJUNGA, tmp_path / f"{engine}.gpkg", engine=engine)
    assert gpd.read_file(tmp_path / "numba.gpkg").equals(gpd.read_file(tmp_path / "richdem.gpkg"))


def test_refusals(tmp_path, monkeypatch):
    dem = write(tmp_path / "dem.tif", valley())
    out = tmp_path / "streams.gpkg"
    with pytest.raises(InputError, match=r"no stream drains 5 km2; the largest catchment has 2\.25 km2"):
        streams(dem, out, min_catchment_km2=5)
    with pytest.raises(InputError, match=r"min_catchment_km2: .*not positive"):
        streams(dem, out, min_catchment_km2=0)
    with pytest.raises(InputError, match="no stream drains"):
        streams(write(tmp_path / "flat.tif", np.full((30, 30), 4500.0)), out)
    monkeypatch.setattr(richdem_door, "_load", lambda: None)
    with pytest.raises(InputError, match="richdem is not installed"):
        streams(dem, out, engine="richdem")
    assert not out.exists()


# How many slumps lie near streams.


def squares(path: Path, places: list[tuple[float, float]], crs: str = UTM) -> Path:
    """Squares of 20 m; `places` are metres east of the DEM's corner and north of the stream's line."""
    middle = NORTH - 20.5 * CELL
    shapes = [shapely.box(WEST + x - 10, middle + y - 10, WEST + x + 10, middle + y + 10) for x, y in places]
    write_layer(gpd.GeoDataFrame({"n": range(len(shapes))}, geometry=shapes, crs=UTM).to_crs(crs), path)
    return path


@pytest.mark.parametrize("crs", [UTM, "EPSG:4326"])
def test_sensitivity_by_hand(tmp_path, capsys, crs):
    """Slumps that touch the stream, begin 40 m and 190 m from it, and one that only the smaller threshold reaches."""
    dem = write(tmp_path / "dem.tif", valley())
    places = [(1200, 0), (1200, 50), (1200, -200), (24.5 * CELL - 300, 0), (1e5, 0)]
    slumps = squares(tmp_path / "slumps.gpkg", places, crs)
    stream_sensitivity(slumps, dem, tmp_path / "table.csv", (0.4, 0.9, 50), (0, 41, 200))
    table = pd.read_csv(tmp_path / "table.csv")
    assert "1 of 5 slumps lie outside the DEM" in capsys.readouterr().err
    assert table.slumps.eq(4).all()
    # 0.4 km2 are reached in the 11th column, 0.9 in the 25th, 50 nowhere.
    assert table.near.tolist() == [2, 3, 4, 1, 2, 3, 0, 0, 0]
    assert table.share.tolist() == [0.5, 0.75, 1, 0.25, 0.5, 0.75, 0, 0, 0]
    density = 36 / (61 * 41 * CELL)
    assert table.stream_km.tolist() == [1.5] * 3 + [1.08] * 3 + [0] * 3
    np.testing.assert_allclose(table.density_km_per_km2[3:6], density * 1000, atol=1e-6)
    np.testing.assert_allclose(table.chance[3:6], [0, 2 * density * 41, 2 * density * 200], atol=1e-6)


def test_sensitivity_on_a_geographic_dem(tmp_path):
    """Distances are metres, though the DEM is in degrees."""
    step = 1 / 3600
    dem = write(tmp_path / "dem.tif", valley(), from_origin(93, 34, step, step), "EPSG:4326")
    stream = 34 - 20.5 * step
    spot = shapely.box(93 + 50 * step, stream + 4 * step, 93 + 51 * step, stream + 5 * step)
    write_layer(gpd.GeoDataFrame(geometry=[spot], crs="EPSG:4326"), tmp_path / "slumps.gpkg")
    away = 4 * 30.81
    stream_sensitivity(tmp_path / "slumps.gpkg", dem, tmp_path / "t.csv", [0.5], [away * 0.998, away * 1.002])
    assert pd.read_csv(tmp_path / "t.csv").near.tolist() == [0, 1]


def test_sensitivity_refusals(tmp_path):
    dem = write(tmp_path / "dem.tif", valley())
    slumps = squares(tmp_path / "slumps.gpkg", [(1e6, 0)])
    out = tmp_path / "table.csv"
    with pytest.raises(InputError, match=r"slumps\.gpkg: no slump lies on the DEM dem\.tif"):
        stream_sensitivity(slumps, dem, out, [0.9], [100])
    with pytest.raises(InputError, match="distances are missing or negative"):
        stream_sensitivity(slumps, dem, out, [0.9], [-1])
    with pytest.raises(InputError, match="min_catchments_km2"):
        stream_sensitivity(slumps, dem, out, [], [100])
    assert not out.exists()
