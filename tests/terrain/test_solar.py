"""Solar radiation from file to file: blocks, endings, metadata, masks, geographic DEMs, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray
from click.testing import CliRunner
from numpy.typing import NDArray
from rasterio.transform import from_origin

from slumpmap.cli.terrain import terrain
from slumpmap.errors import InputError
from slumpmap.settings.terrain import days_of_year
from slumpmap.terrain import solar as room
from slumpmap.terrain.pisr import pisr
from slumpmap.terrain.pisr_model import PisrSettings
from slumpmap.terrain.solar import solar, spans

SUMMER = PisrSettings(days=tuple(range(152, 244, 7)))


def hills(rows: int = 60, columns: int = 80) -> NDArray[np.float32]:
    """Rough ground near 4800 m."""
    rng = np.random.default_rng(3)
    coarse = rng.normal(0, 30, (rows // 10 + 2, columns // 10 + 2))
    y, x = np.linspace(0, coarse.shape[0] - 1.01, rows), np.linspace(0, coarse.shape[1] - 1.01, columns)
    i, j, f, g = y.astype(int), x.astype(int), (y % 1)[:, None], x % 1
    upper = coarse[i][:, j] * (1 - g) + coarse[i][:, j + 1] * g
    lower = coarse[i + 1][:, j] * (1 - g) + coarse[i + 1][:, j + 1] * g
    return (4800 + upper * (1 - f) + lower * f).astype(np.float32)


def write_dem(path: Path, values: NDArray[np.float32], crs: str = "EPSG:32646", cell: float = 30.0) -> Path:
    west, north = (93.0, 34.0) if crs == "EPSG:4326" else (500_000.0, 3_764_000.0)
    options = {"driver": "GTiff", "count": 1, "dtype": "float32", "nodata": np.nan, "crs": crs}
    height, width = values.shape
    transform = from_origin(west, north, cell, cell)
    with rasterio.open(path, "w", height=height, width=width, transform=transform, **options) as target:
        target.write(values, 1)
    return path


def test_geotiff_is_the_kernel_on_the_dems_grid(tmp_path: Path) -> None:
    dem = write_dem(tmp_path / "dem.tif", hills())
    solar(dem, tmp_path / "out.tif", SUMMER)
    with rasterio.open(tmp_path / "out.tif") as written, rasterio.open(dem) as source:
        values, tags = written.read(1), written.tags()
        assert (written.count, written.transform, written.crs) == (1, source.transform, source.crs)
        assert written.units == ("kWh m-2",)
    # 34 N within a few hundredths of a degree, on the zone's central meridian.
    expected = pisr(hills(), (30.0, 30.0), 34.0, SUMMER).total
    assert np.array_equal(np.isnan(values), np.isnan(expected))
    assert np.nanmax(np.abs(values / expected - 1)) < 5e-4
    assert tags["ATMOSPHERE"] == "kumar" and "Kumar" in tags["FORMULA"]


def test_blocks_equal_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dem = write_dem(tmp_path / "dem.tif", hills())
    solar(dem, tmp_path / "whole.tif", SUMMER)
    monkeypatch.setattr(room, "_BLOCK_PX", 32)
    solar(dem, tmp_path / "blocks.tif", SUMMER, halo_m=3000.0)
    with rasterio.open(tmp_path / "whole.tif") as one, rasterio.open(tmp_path / "blocks.tif") as other:
        whole, blocks = one.read(1), other.read(1)
    assert np.array_equal(np.isnan(whole), np.isnan(blocks))
    assert np.nanmax(np.abs(blocks / whole - 1)) < 5e-4


def test_netcdf_opens_in_xarray_with_units_and_crs(tmp_path: Path) -> None:
    dem = write_dem(tmp_path / "dem.tif", hills(20, 30))
    solar(dem, tmp_path / "out.nc", PisrSettings(days=(15, 172, 180)), monthly=True)
    with xarray.open_dataset(tmp_path / "out.nc") as found:
        assert found.sizes == {"month": 2, "y": 20, "x": 30}
        assert found["month"].values.tolist() == [1, 6]
        assert found["total"].attrs["units"] == "kW h m-2"
        assert found.attrs["Conventions"] == "CF-1.8"
        assert found["spatial_ref"].attrs["grid_mapping_name"] == "transverse_mercator"
        assert found["x"].values[:2] == pytest.approx([500_015.0, 500_045.0])
        parts = found["beam"] + found["diffuse"] + found["reflected"]
        assert np.nanmax(np.abs(parts / found["total"] - 1)) < 1e-5
        # Two days of June beside one of January.
        assert float((found["total"][1] / found["total"][0]).mean()) > 2.5


def test_geographic_dem_is_taken_in_metres(tmp_path: Path) -> None:
    # An even slope to the south: 10 degrees where a second of arc is 30.8 m.
    second = 1 / 3600
    rows = np.arange(40)[:, None] * -np.tan(np.radians(10)) * 30.81
    plane = np.broadcast_to(5000 + rows, (40, 30)).astype(np.float32)
    solar(write_dem(tmp_path / "dem.tif", plane, "EPSG:4326", second), tmp_path / "out.tif", SUMMER)
    metric = (5000 - np.arange(40)[:, None] * np.tan(np.radians(10)) * 30).astype(np.float32)
    expected = pisr(np.broadcast_to(metric, (40, 30)).copy(), (30.0, 30.0), 34.0, SUMMER).total
    with rasterio.open(tmp_path / "out.tif") as written:
        assert written.read(1)[20, 15] == pytest.approx(expected[20, 15], rel=3e-4)


def test_mask_says_where_terrain_may_be_missing(tmp_path: Path) -> None:
    values = hills()
    values[30, 40] = np.nan
    solar(write_dem(tmp_path / "dem.tif", values), tmp_path / "out.tif", SUMMER, halo_m=300.0,
          out_unreliable=tmp_path / "mask.tif")  # fmt: skip
    with rasterio.open(tmp_path / "mask.tif") as written:
        mask = written.read(1).astype(bool)
    expected = np.ones((60, 80), bool)
    expected[10:-10, 10:-10] = False
    expected[20:41, 30:51] = True
    assert np.array_equal(mask, expected)


def test_reference_method_agrees_on_a_small_area_and_refuses_a_large_one(tmp_path: Path) -> None:
    dem = write_dem(tmp_path / "dem.tif", hills(24, 24))
    settings = PisrSettings(days=(100, 200))
    solar(dem, tmp_path / "fast.tif", settings)
    solar(dem, tmp_path / "slow.tif", settings, method="reference")
    with rasterio.open(tmp_path / "fast.tif") as fast, rasterio.open(tmp_path / "slow.tif") as slow:
        difference = fast.read(1) / slow.read(1) - 1
    assert np.sqrt(np.nanmean(difference**2)) < 0.002
    large = write_dem(tmp_path / "large.tif", np.zeros((501, 500), np.float32))
    with pytest.raises(InputError, match="reference method is for 250000"):
        solar(large, tmp_path / "slow.tif", settings, method="reference")


def test_unknown_ending_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    dem = write_dem(tmp_path / "dem.tif", hills(10, 10))
    with pytest.raises(InputError, match=r"\.png is unknown"):
        solar(dem, tmp_path / "out.png", SUMMER)
    assert [path.name for path in tmp_path.iterdir()] == ["dem.tif"]


def test_days() -> None:
    assert days_of_year("1-3,365") == (1, 2, 3, 365)
    assert len(days_of_year("121-243")) == 123
    for text in ("0", "5-1", "a", "1,1", "367", "", "1-400"):
        with pytest.raises(ValueError, match="names no days"):
            days_of_year(text)


def test_months() -> None:
    found = spans(range(1, 366), monthly=True)
    assert [len(span.days) for span in found] == [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    assert [span.name for span in spans((60, 365, 366), monthly=True)] == ["03", "12"]


def test_commands_run_on_any_dem(tmp_path: Path) -> None:
    dem = write_dem(tmp_path / "dem.tif", hills())
    for name, options in {
        "slope": ["--out-aspect", str(tmp_path / "also.tif")],
        "aspect": ["--north", "true", "--slope-method", "zevenbergen_thorne"],
        "tpi": ["--radius-m", "90"],
        "hillshade": [],
        "fill-voids": [],
        "pisr": ["--days", "172", "--threads", "1"],
    }.items():
        out = tmp_path / f"{name}.tif"
        done = CliRunner().invoke(terrain, [name, "--dem", str(dem), *options, "--out", str(out)])
        assert done.exit_code == 0, (name, done.output, done.exception)
        with rasterio.open(out) as written:
            assert written.shape == (60, 80)
            assert np.isfinite(written.read(1)).mean() > 0.8
    lines = ["streams", "--dem", str(dem), "--min-catchment-km2", "0.1", "--out", str(tmp_path / "streams.gpkg")]
    assert CliRunner().invoke(terrain, lines).exit_code == 0
    assert (tmp_path / "also.tif").exists()
