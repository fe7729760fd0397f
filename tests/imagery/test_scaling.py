"""16 to 8 bit: 0 is nodata and nothing else; percentiles are those of all the pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scene_maker import NORTH, WEST, grid_of, textured, udm_like, write_catalogue, write_scene
from shapely.geometry import Polygon

from slumpmap.errors import InputError
from slumpmap.files import read_json, write_json
from slumpmap.imagery.catalogue import make_catalogue
from slumpmap.imagery.conversion import sharpen
from slumpmap.imagery.histogram import Histogram
from slumpmap.imagery.scaling import make_scaling, read_scaling, to_8bit
from slumpmap.settings.imagery import CompositeSettings, ScalingSettings

FLOATS = st.floats(width=32)
LOW, HIGH = np.zeros(3), np.full(3, 3000.0)


def one(value: float, dtype: str = "uint16") -> int:
    return int(to_8bit(np.full((3, 1, 1), value, dtype), np.ones((1, 1), bool), LOW, HIGH)[0, 0, 0])


def test_ends_dark_and_saturated() -> None:
    assert (one(0), one(1), one(3000), one(65535), one(-30, "int16")) == (1, 1, 255, 255, 1)


def test_rounds_half_up() -> None:
    low, high = np.zeros(1), np.full(1, 254.0)
    values = np.array([[[0.49, 0.5, 1.49, 1.5, 253.49, 253.5]]])
    assert to_8bit(values, np.ones((1, 6), bool), low, high).tolist() == [[[1, 2, 2, 3, 254, 255]]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_nodata_in_all_bands(value: float) -> None:
    values = np.full((3, 1, 2), 1500.0, np.float32)
    values[2, 0, 0] = value
    assert to_8bit(values, np.ones((1, 2), bool), LOW, HIGH).tolist() == [[[0, 128]]] * 3


@given(
    hnp.arrays(np.float32, (3, 4, 5), elements=FLOATS),
    hnp.arrays(np.bool_, (3, 4, 5)),
    st.floats(-1e4, 1e4),
    st.floats(1e-2, 1e5),
)
def test_zero_exactly_where_invalid(
    values: NDArray[np.float32], valid: NDArray[np.bool_], low: float, width: float
) -> None:
    out = to_8bit(values, valid, np.full(3, low), np.full(3, low + width))
    good = (valid & np.isfinite(values)).all(axis=0)
    assert out.dtype == np.uint8
    assert np.array_equal(out > 0, np.broadcast_to(good, out.shape))


@given(hnp.arrays(np.uint16, 50), st.floats(-1e4, 1e4), st.floats(1e-2, 1e5))
def test_monotone(values: NDArray[np.uint16], low: float, width: float) -> None:
    line = np.sort(values)[None, None]
    out = to_8bit(line, np.ones(line.shape[1:], bool), np.array([low]), np.array([low + width]))
    assert (np.diff(out[0, 0].astype(int)) >= 0).all()


@given(hnp.arrays(np.uint8, (2, 9, 8), elements=st.sampled_from([0, 1, 2, 60, 128, 200, 255])))
def test_sharpening_equals_direct_convolution(image: NDArray[np.uint8]) -> None:
    out = sharpen(image)
    for band in range(2):
        for i in range(1, 8):
            for j in range(1, 7):
                centre = int(image[band, i, j])
                around = [int(image[band, i + a, j + b]) or centre for a, b in ((-1, 0), (1, 0), (0, -1), (0, 1))]
                wanted = max(1, min(255, 5 * centre - sum(around))) if centre else 0
                assert out[band, i - 1, j - 1] == wanted


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_percentiles_of_integers_are_exact(dtype: str) -> None:
    info = np.iinfo(dtype)
    values = np.random.default_rng(1).integers(info.min, info.max, (3, 5000), dtype, endpoint=True)
    counts = Histogram(3)
    for part in np.array_split(values, 7, axis=1):
        counts.add(part)
    for share in (0, 1, 37.77, 99, 100):
        assert counts.percentile(share) == np.percentile(values, share, axis=1, method="inverted_cdf").tolist()


def test_percentiles_of_floats_are_near_and_mind_no_outlier() -> None:
    values = np.random.default_rng(1).normal(0.2, 0.1, (3, 5000)).astype(np.float32)
    values[:, 0] = 3e38
    counts = Histogram(3)
    counts.add(values)
    for share in (1, 50, 99):
        wanted = np.percentile(values, share, axis=1, method="inverted_cdf")
        assert counts.percentile(share) == pytest.approx(wanted, rel=1 / 4096)


def test_percentiles_of_integers_and_floats_together() -> None:
    counts = Histogram(1)
    counts.add(np.arange(-100, 0, dtype=np.int16)[None])
    counts.add(np.arange(0, 100, dtype=np.float32)[None])
    assert counts.percentile(25) == pytest.approx([-51], rel=1 / 2048)
    assert counts.percentile(75) == pytest.approx([49], rel=1 / 2048)


def scaled(folder: Path, source: Path, how: ScalingSettings, **grid: object) -> dict[str, object]:
    campaign = grid_of(**grid)  # type: ignore[arg-type]
    make_catalogue(source, campaign, CompositeSettings(), [2018, 2019], folder / "checked.gpkg")
    make_scaling(folder / "checked.gpkg", campaign, how, [3, 2, 1], folder / "scaling.json")
    return dict(read_json(folder / "scaling.json"))


def test_percentiles_of_valid_clear_pixels_in_the_area(tmp_path: Path) -> None:
    """Against numpy on the whole: two scenes of two years, nodata, a mask, an oblique study area."""
    first, second = textured(1), textured(2)
    first[0, 40:50] = 0
    clear = np.ones((128, 128), bool)
    clear[:, 100:] = False
    rows = []
    for name, values, year in (("a", first, 2018), ("b", second, 2019)):
        write_scene(tmp_path / f"{name}.tif", values)
        rows.append({"path": f"{name}.tif", "acquired": f"{year}-07-01", "cloud_fraction": 0.0, "udm": ""})
    write_scene(tmp_path / "b_udm2.tif", udm_like(clear), nodata=None)
    rows[1]["udm"] = "b_udm2.tif"
    area = Polygon([(WEST, NORTH), (WEST + 383, NORTH), (WEST, NORTH - 383)])
    wanted = ScalingSettings(scaling="percentiles", percentiles=(2, 98))
    written = scaled(tmp_path, write_catalogue(tmp_path / "s.gpkg", rows), wanted, area=area)
    y, x = np.mgrid[:128, :128] + 0.5
    inside = x + y < 383 / 3
    used = np.concatenate([first[:, inside & (first[0] > 0)], second[:, inside & clear]], axis=1)[[2, 1, 0]]
    for key, share in (("low", 2), ("high", 98)):
        assert written[key] == np.percentile(used, share, axis=1, method="inverted_cdf").tolist()
    assert written["pixels"] == used.shape[1]
    assert (written["method"], written["bands"]) == ("percentiles", [3, 2, 1])


def test_fixed_range(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "20190701.tif", textured(1))
    write_scene(tmp_path / "20180701.tif", textured(1))
    rows = [{"path": f"{year}0701.tif", "acquired": f"{year}-07-01"} for year in (2018, 2019)]
    scaled(path.parent, write_catalogue(tmp_path / "s.gpkg", rows), ScalingSettings(reflectance=(100, 2000)))
    low, high = read_scaling(tmp_path / "scaling.json")
    assert low.tolist() == [100] * 3 and high.tolist() == [2000] * 3


def test_no_valid_pixel_and_empty_range(tmp_path: Path) -> None:
    rows = []
    for year in (2018, 2019):
        write_scene(tmp_path / f"{year}.tif", np.zeros((4, 128, 128), np.uint16))
        rows.append({"path": f"{year}.tif", "acquired": f"{year}-07-01"})
    source = write_catalogue(tmp_path / "s.gpkg", rows)
    with pytest.raises(InputError, match="no selected scene has a valid cloud-free pixel"):
        scaled(tmp_path, source, ScalingSettings(scaling="percentiles"))
    with pytest.raises(InputError, match="is empty"):
        scaled(tmp_path, source, ScalingSettings(reflectance=(3000, 3000)))


def test_file_that_is_no_scaling(tmp_path: Path) -> None:
    write_json(tmp_path / "scaling.json", {"low": [0, 0, 0]})
    with pytest.raises(InputError, match="not a scaling"):
        read_scaling(tmp_path / "scaling.json")
