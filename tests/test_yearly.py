from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely

from slumpmap.errors import InputError
from slumpmap.grid import Grid, Window
from slumpmap.raster import write_raster
from slumpmap.yearly import Yearly, read_all_yearly, read_yearly, write_yearly

GRID = Grid.over(shapely.box(500000, 3800000, 503000, 3803000), "EPSG:32646", 3.0, 512)


def place(row: int = 40, years: tuple[int, ...] = (2017, 2018, 2019)) -> Yearly:
    rng = np.random.default_rng(row)
    values = rng.integers(0, 256, (len(years), 21, 33), dtype=np.uint8)
    return Yearly.on(GRID, Window(row, -7, 21, 33), years, years[-1], values)


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "x000_y000.zip"
    write_yearly(path, [("01-r40c2", place()), ("01-r90c2", place(90))])
    return path


def test_what_is_written_is_read(archive: Path) -> None:
    found = read_yearly(archive, "01-r90c2")
    assert found is not None
    expected = place(90)
    assert np.array_equal(found.values, expected.values)
    assert (found.years, found.mapping_year) == ((2017, 2018, 2019), 2019)
    assert (found.window, found.transform, found.crs) == (expected.window, expected.transform, "EPSG:32646")
    assert read_yearly(archive, "01-r91c2") is None
    assert [name for name, _ in read_all_yearly(archive)] == ["01-r40c2", "01-r90c2"]


def test_a_gis_program_opens_it_where_it_belongs(archive: Path) -> None:
    with rasterio.open(f"/vsizip/{archive}/01-r40c2.tif") as source:
        assert source.descriptions == ("2017", "2018", "2019")
        assert (source.nodata, source.dtypes[0], source.crs.to_epsg()) == (255, "uint8", 32646)
        assert source.bounds[0] == GRID.x0 - 21
        assert source.colorinterp[0].name == "gray"
    assert {entry.compress_type for entry in zipfile.ZipFile(archive).infolist()} == {zipfile.ZIP_STORED}


def test_equal_content_is_equal_to_the_byte(archive: Path, tmp_path: Path) -> None:
    write_yearly(tmp_path / "again.zip", [("01-r40c2", place()), ("01-r90c2", place(90))])
    assert archive.read_bytes() == (tmp_path / "again.zip").read_bytes()


def test_nothing_is_left_when_writing_fails(tmp_path: Path) -> None:
    def places():  # type: ignore[no-untyped-def]
        yield "a", place()
        raise InputError("network", "is broken", "mend it")

    with pytest.raises(InputError, match="is broken"):
        write_yearly(tmp_path / "x.zip", places())
    assert not list(tmp_path.iterdir())


def test_damaged_files_are_refused(archive: Path) -> None:
    whole = archive.read_bytes()
    with pytest.raises(InputError, match="missing"):
        read_yearly(archive.with_name("none.zip"), "01-r40c2")
    for content in (whole[: len(whole) // 2], b"", b"no archive at all"):
        archive.write_bytes(content)
        with pytest.raises(InputError, match=r"x000_y000\.zip"):
            read_yearly(archive, "01-r40c2")
    # One byte of the pixels.
    flipped = bytearray(whole)
    start = whole.index(b"01-r40c2.tif") + 400
    flipped[start] ^= 1
    archive.write_bytes(bytes(flipped))
    with pytest.raises(InputError, match=r"01-r40c2\.tif in it cannot be read"):
        read_yearly(archive, "01-r40c2")
    with pytest.raises(InputError, match=r"01-r40c2\.tif in it cannot be read"):
        list(read_all_yearly(archive))


@pytest.mark.parametrize("fault", ["float", "years", "order", "window", "mapping", "nodata", "text"])
def test_other_content_is_refused(tmp_path: Path, fault: str) -> None:
    path, tif = tmp_path / "x.zip", tmp_path / "a.tif"
    good = place()
    values = good.values.astype(np.float32) if fault == "float" else good.values
    write_raster(tif, values, good.transform, good.crs, 0 if fault == "nodata" else 255, photometric="MINISBLACK")
    with rasterio.open(tif, "r+") as target:
        years = {"years": ("a", "b", "c"), "order": ("2019", "2018", "2017")}.get(fault, ("2017", "2018", "2019"))
        target.descriptions = years
        tags = {"ROW": "4", "COLUMN": "5", "MAPPING_YEAR": "2020" if fault == "mapping" else "2019"}
        target.update_tags(**{name: text for name, text in tags.items() if fault != "window" or name != "ROW"})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.tif", "no image" if fault == "text" else tif.read_bytes())
    with pytest.raises(InputError, match=r"a\.tif in it cannot be read"):
        read_yearly(path, "a")
