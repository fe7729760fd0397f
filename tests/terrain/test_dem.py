"""The door to elevation models: what it refuses, cell sizes in metres, blocks, voids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pyproj import Geod
from rasterio.transform import Affine, from_origin
from rasterio.windows import Window

from slumpmap.errors import InputError
from slumpmap.raster import write_raster
from slumpmap.terrain import dem as dem_door
from slumpmap.terrain.dem import fill_dem, fill_voids, open_dem

UTM = "EPSG:32646"
SQUARE = from_origin(5e5, 4e6, 30, 30)
ARCSEC = from_origin(93, 35, 1 / 3600, 1 / 3600)


def write(path: Path, elevation: np.ndarray, transform: Affine = SQUARE, crs: str | None = UTM, **options) -> Path:
    write_raster(path, elevation, transform, crs, **options)
    return path


def ground(rows: int = 6, columns: int = 8) -> np.ndarray:
    return (4800 + np.arange(rows * columns).reshape(rows, columns)).astype(np.float32)


def opened(path: Path, **options):
    with open_dem(path, **options) as dem:
        return dem


@pytest.mark.parametrize(
    ("crs", "transform", "fault"),
    [
        (None, SQUARE, "DEM has no CRS.*Assign"),
        ("EPSG:2225", SQUARE, r"DEM's CRS is in US survey foot, not in metres.*Project it"),
        ("EPSG:4326", SQUARE, "geographic CRS but coordinates that are no angles.*Assign the CRS"),
        ("EPSG:4978", SQUARE, "neither projected nor geographic"),
        (UTM, SQUARE @ Affine.rotation(10), "rotated.*gdalwarp"),
        (UTM, Affine(30, 0, 5e5, 0, 30, 4e6), "not north-up"),
        ("EPSG:32646+6360", SQUARE, "elevations are in US survey foot.*Convert"),
    ],
)
def test_frames_that_are_refused(tmp_path, crs, transform, fault):
    path = write(tmp_path / "dem.tif", ground(), transform, crs)
    with pytest.raises(InputError, match=rf"dem\.tif: .*{fault}"):
        opened(path)


@pytest.mark.parametrize("shape", [(1, 50), (2, 50), (50, 1)])
def test_one_row_is_refused(tmp_path, shape):
    with pytest.raises(InputError, match=f"DEM has {shape[0]} x {shape[1]} cells"):
        opened(write(tmp_path / "dem.tif", ground(*shape)))


def test_all_nodata_is_refused(tmp_path):
    for elevation, nodata in ((np.full((5, 5), -9999, np.float32), -9999), (np.full((5, 5), np.nan), None)):
        with pytest.raises(InputError, match="DEM has no elevation"):
            opened(write(tmp_path / "dem.tif", elevation, nodata=nodata))


def test_implausible_elevations_are_refused_unless_allowed(tmp_path, capsys):
    in_feet = write(tmp_path / "feet.tif", ground() / 0.3048)
    unmarked = ground().astype(np.int16)
    unmarked[2, 2] = -32768
    unmarked = write(tmp_path / "unmarked.tif", unmarked)
    for path, low in ((in_feet, "15748"), (unmarked, "-32768")):
        with pytest.raises(InputError, match=rf"{path.name}: elevations from {low}.* to .*feet, or voids unmarked"):
            opened(path)
        assert opened(path, any_elevation=True).highest > 4000
    assert "unmarked.tif: 6 x 8 cells, -32768 to 4847 m" in capsys.readouterr().err


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(InputError, match="DEM is missing"):
        opened(tmp_path / "none.tif")
    path = write(tmp_path / "dem.tif", np.random.default_rng(1).normal(4800, 9, (600, 600)))
    path.write_bytes(path.read_bytes()[:-200_000])
    with pytest.raises(InputError, match=r"DEM is damaged|cannot be read"):
        opened(path)


def test_unit_of_the_band(tmp_path):
    path = write(tmp_path / "dem.tif", ground())
    with rasterio.open(path, "r+") as dataset:
        dataset.units = ("ft",)
    with pytest.raises(InputError, match="elevations are in ft"):
        opened(path)


def test_integers_voids_scale_and_infinity(tmp_path, capsys):
    elevation = ground().astype(np.int16)
    elevation[1, 2] = -9999
    path = write(tmp_path / "dem.tif", elevation, nodata=-9999)
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = (0.5,), (100.0,)
    with open_dem(path) as dem:
        found = dem.read_whole()
        assert (dem.voids, dem.lowest) == (1, 2500)
        assert np.isnan(dem.read(Window(2, 1, 1, 1)))
    assert "1 void cells (2.08%)" in capsys.readouterr().err
    expected = np.where(elevation == -9999, np.nan, elevation * 0.5 + 100)
    np.testing.assert_array_equal(found, expected)
    endless = ground()
    endless[0, 0] = np.inf
    assert opened(write(tmp_path / "endless.tif", endless)).voids == 1


def test_read_with_halo_beyond_the_raster(tmp_path):
    with open_dem(write(tmp_path / "dem.tif", ground())) as dem:
        np.testing.assert_array_equal(dem.read(Window(0, 0, 8, 6), 2), np.pad(ground(), 2, constant_values=np.nan))
        np.testing.assert_array_equal(dem.read(Window(2, 3, 3, 2), 1), ground()[2:6, 1:6])


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4267"])
def test_geographic_cell_sizes_are_geodesics(tmp_path, crs):
    """terrain.md 5: 1 arcsec at 34 N is 25.66 x 30.81 m (WGS84)."""
    step = 1 / 3600
    with open_dem(write(tmp_path / "dem.tif", ground(), from_origin(93, 34 + 3 * step, step, step), crs)) as dem:
        dx, dy = dem.cell_size(-1, 8)
    ellipsoid = Geod(ellps="WGS84" if crs == "EPSG:4326" else "clrk66")
    for row in range(8):
        latitude = 34 + (3 - row + 0.5) * step
        along = ellipsoid.inv(93, latitude, 93 + step, latitude)[2]
        down = ellipsoid.inv(93, latitude + step / 2, 93, latitude - step / 2)[2]
        assert (dx[row, 0], dy[row, 0]) == pytest.approx((along, down), rel=1e-7)
    if crs == "EPSG:4326":
        assert (dx[4, 0], dy[4, 0]) == pytest.approx((25.66, 30.81), abs=0.006)


def test_projected_cell_sizes(tmp_path):
    with open_dem(write(tmp_path / "dem.tif", ground(), from_origin(5e5, 4e6, 25, 31))) as dem:
        dx, dy = dem.cell_size()
    assert dx.shape == dy.shape == (6, 1)
    assert (dx == 25).all() and (dy == 31).all()


def test_mosaic_of_tiles_is_one_dem(tmp_path):
    """A VRT of two tiles reads as the whole."""
    write(tmp_path / "west.tif", ground()[:, :4])
    write(tmp_path / "east.tif", ground()[:, 4:], from_origin(5e5 + 120, 4e6, 30, 30))
    sources = "".join(
        f'<SimpleSource><SourceFilename relativeToVRT="1">{name}.tif</SourceFilename><SourceBand>1</SourceBand>'
        f'<SrcRect xOff="0" yOff="0" xSize="4" ySize="6"/><DstRect xOff="{x}" yOff="0" xSize="4" ySize="6"/>'
        "</SimpleSource>"
        for name, x in (("west", 0), ("east", 4))
    )
    (tmp_path / "dem.vrt").write_text(
        f'<VRTDataset rasterXSize="8" rasterYSize="6"><SRS>{UTM}</SRS>'
        "<GeoTransform>500000, 30, 0, 4000000, 0, -30</GeoTransform>"
        f'<VRTRasterBand dataType="Float32" band="1">{sources}</VRTRasterBand></VRTDataset>'
    )
    with open_dem(tmp_path / "dem.vrt") as dem:
        np.testing.assert_array_equal(dem.read_whole(), ground())


# Voids.


def test_voids_are_filled_up_to_a_size():
    """A plane with a void of one cell, one of 3 x 3 (2 cells deep), one of 5 x 5 (3 deep), and one at the edge."""
    row, column = np.indices((30, 30))
    plane = (4800 + 2 * row + 3 * column).astype(np.float32)
    holed = plane.copy()
    holed[5, 5] = holed[10:13, 10:13] = holed[20:25, 20:25] = holed[0, 15] = np.nan
    filled, count = fill_voids(holed, 2)
    assert count == 10
    assert np.isnan(filled[20:25, 20:25]).all() and np.isnan(filled[0, 15])
    assert np.isnan(filled).sum() == 26
    np.testing.assert_array_equal(filled[~np.isnan(holed)], plane[~np.isnan(holed)])
    known = ~np.isnan(filled)
    np.testing.assert_allclose(filled[known], plane[known], atol=1e-3)


@given(arrays(bool, (14, 17), elements=st.booleans()), st.integers(1, 4))
def test_every_cell_of_a_filled_void_gets_an_elevation(void, reach):
    elevation = np.where(void, np.nan, 4800 + np.arange(14 * 17).reshape(14, 17)).astype(np.float32)
    filled, count = fill_voids(elevation, reach)
    assert np.isnan(filled).sum() == void.sum() - count
    np.testing.assert_array_equal(filled[~void], elevation[~void])
    if not void.all():
        known = filled[~np.isnan(filled)]
        # Single precision at 5000 m.
        assert known.min() >= np.nanmin(elevation) - 1e-3 and known.max() <= np.nanmax(elevation) + 1e-3


def test_fill_dem_writes_and_reports(tmp_path, capsys):
    holed = ground(9, 9)
    holed[4, 4] = holed[0, 0] = np.nan
    fill_dem(write(tmp_path / "dem.tif", holed), tmp_path / "filled.tif", 1)
    assert "filled 1 void cells within 1 cells of an elevation; 1 stay nodata" in capsys.readouterr().err
    with rasterio.open(tmp_path / "filled.tif") as made:
        assert np.isnan(made.nodata) and made.dtypes == ("float32",)
        found = made.read(1)
    assert found[4, 4] == pytest.approx(4840, abs=1e-2)
    assert np.isnan(found[0, 0])


def test_blocks_cover_the_raster(tmp_path, monkeypatch):
    monkeypatch.setattr(dem_door, "_BLOCK_PX", 4)
    with open_dem(write(tmp_path / "dem.tif", ground(6, 9))) as dem:
        seen = np.zeros((6, 9), int)
        for window in dem.blocks():
            seen[window.toslices()] += 1
    assert (seen == 1).all()
