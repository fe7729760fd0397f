"""Real elevation models for the tests, where they are, and GDAL's own terrain analysis to compare with."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import rasterio

DEMS = Path(__file__).parents[3] / "shared" / "data" / "dem"
TUJUNGA, TUOLUMNE = DEMS / "srtm30m_bigtujunga_utm11.tif", DEMS / "dem30m_tuolumne_esri102003.tif"
GOLD = DEMS / "topocalc_gold" / "gold_ipw"


def needs_shared(test):
    """Marks a test that reads the open data."""
    for mark in (
        pytest.mark.shared,
        pytest.mark.skipif(not DEMS.exists(), reason=f"needs the open data in {DEMS}"),
        pytest.mark.skipif("CI" in os.environ, reason="CI runs without ../shared"),
    ):
        test = mark(test)
    return test


@cache
def _bundled() -> ctypes.CDLL | None:
    """The GDAL that rasterio's wheel brings, which has gdaldem as a function."""
    for folder in Path(rasterio.__file__).parents[1].glob("rasterio.libs"):
        for path in folder.glob("libgdal-*.so*"):
            library = ctypes.CDLL(str(path))
            for name in ("GDALOpen", "GDALDEMProcessingOptionsNew", "GDALDEMProcessing"):
                getattr(library, name).restype = ctypes.c_void_p
            library.GDALAllRegister()
            return library
    return None


needs_gdaldem = pytest.mark.skipif(
    shutil.which("gdaldem") is None and _bundled() is None, reason="neither gdaldem nor rasterio's GDAL is there"
)


def gdaldem(dem: Path, out: Path, mode: str, *options: str) -> np.ndarray:
    """What `gdaldem mode dem out options` gives, NaN for nodata."""
    library = _bundled()
    if library is None:
        subprocess.run(["gdaldem", mode, str(dem), str(out), *options], check=True, capture_output=True)
    else:
        words = (ctypes.c_char_p * (len(options) + 1))(*[word.encode() for word in options], None)
        source = ctypes.c_void_p(library.GDALOpen(str(dem).encode(), 0))
        settings = ctypes.c_void_p(library.GDALDEMProcessingOptionsNew(words, None))
        made = library.GDALDEMProcessing(str(out).encode(), source, mode.encode(), None, settings, None)
        for dataset in (made, source.value):
            library.GDALClose(ctypes.c_void_p(dataset))
        library.GDALDEMProcessingOptionsFree(settings)
    with rasterio.open(out) as result:
        return result.read(1, masked=True).astype(float).filled(np.nan)


def read_ipw(path: Path, bands: int, shape: tuple[int, int]) -> np.ndarray:
    """Bands of a 16 bit IPW image as shares of their range, (rows, columns, bands)."""
    raw = path.read_bytes()
    start = raw.index(b"\f\n", raw.index(b"<header> image -1")) + 2
    return np.frombuffer(raw[start:], "<u2").reshape(*shape, bands) / 65535
