"""The benchmark of growth: what it reads of a campaign's files, its exponents, and the configuration that it takes."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from slumpmap.config import read_config
from slumpmap.demo import corridor_size

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        spec = importlib.util.spec_from_file_location("scale_benchmark", ROOT / "benchmarks" / "scale.py")
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        patch.setitem(sys.modules, "scale_benchmark", module)
        spec.loader.exec_module(module)
        yield module


def size(area: float, seconds: float, script: ModuleType) -> dict[str, Any]:
    cost = {"jobs": 1, "job_s": seconds, "cpu_s": seconds, "peak_mb": 300.0, "mb": 2 * seconds}
    return {"area_km2": area, "stages": dict.fromkeys(script.STAGES, cost)}


def test_growth_is_the_exponent_and_carries_to_the_corridor(script: ModuleType) -> None:
    sizes = [size(area, 3.0 * area**1.5, script) for area in (125.0, 500.0, 2000.0)]
    assert script.growth(sizes, "imagery", "cpu_s") == pytest.approx((1.5, 1.5))
    assert script.extrapolate(sizes, "imagery", "cpu_s") == pytest.approx(3.0 * 54_000**1.5)
    # What grows by less because starting weighs less in the end is not carried on.
    sizes = [size(area, 100.0 + area, script) for area in (125.0, 500.0, 2000.0)]
    assert script.extrapolate(sizes, "imagery", "cpu_s") == pytest.approx(2100.0 * 27)
    assert script.growth(sizes[:1], "imagery", "cpu_s") is None


def test_costs_are_those_of_the_jobs_of_a_stage(script: ModuleType, tmp_path: Path) -> None:
    header = "s\th:m:s\tmax_rss\tcpu_time\n"
    files = {
        "tiles_000_2019": "10\t-\t300\t8\n",
        "01/parts_000": "2\t-\tNA\tNA\n",
        "01/parts_001": "3\t-\t250\t1\n",
        "pisr": "5\t-\t400\t9\n",
    }
    for name, row in files.items():
        path = tmp_path / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(header + row)
    (tmp_path / "terrain").mkdir()
    (tmp_path / "terrain" / "pisr.tif").write_bytes(b"x" * 2_000_000)
    costs = script.stage_costs(tmp_path)
    assert costs["imagery"] == {"jobs": 1, "job_s": 10.0, "cpu_s": 8.0, "peak_mb": 300.0, "mb": 0.0}
    assert costs["candidates"] == {"jobs": 2, "job_s": 5.0, "cpu_s": 1.0, "peak_mb": 250.0, "mb": 0.0}
    assert costs["terrain"] == {"jobs": 1, "job_s": 5.0, "cpu_s": 9.0, "peak_mb": 400.0, "mb": 2.0}


def test_the_large_corridor_is_mapped_to_its_edges(script: ModuleType, tmp_path: Path) -> None:
    for path, area in ((ROOT / "config" / "large.yaml", 2000.0), (script.make_config(125.0, tmp_path), 125.0)):
        campaign = read_config(path)
        assert campaign.demo is not None and campaign.demo.area_km2 == area
        assert campaign.grid.bounds == corridor_size("large", area).bounds
    west, south, east, north = corridor_size("large", 2000.0).bounds
    assert (east - west) * (north - south) >= 2000e6
