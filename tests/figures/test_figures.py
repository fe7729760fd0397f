"""Figures: files are made, of the right size, with something on them, equal to the byte when repeated."""

from __future__ import annotations

import geopandas as gpd
import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from rasterio.transform import from_origin
from shapely.geometry import box
from toy_campaign import X, Y

from slumpmap.errors import InputError
from slumpmap.figures.maps import round_length
from slumpmap.figures.overview import iterations_figure
from slumpmap.figures.relief import read_relief
from slumpmap.figures.sheets import chip_window, choose, contact_sheet
from slumpmap.figures.style import TWO_COLUMNS, save
from slumpmap.grid import Grid
from slumpmap.inventory.build import read_inventory
from slumpmap.raster import write_raster
from slumpmap.vector import write_layer

DPI = 300


def draw(name, toy, folder):
    """Draws one figure; its files."""
    png, pdf = folder / f"{name}.png", folder / f"{name}.pdf"
    if name == "iterations":
        iterations_figure(toy.outcomes, toy.evaluation, png, pdf, "synthetic")
    else:
        contact_sheet(toy.inventory, toy.grid, toy.imagery, (2017, 2018, 2019), png, 2019, count=6, note="synthetic")
        return [png]
    return [png, pdf]


@pytest.mark.parametrize(("name", "width"), [("iterations", TWO_COLUMNS), ("sheet", None)])
def test_figure(toy, tmp_path, name, width):
    first, second = (draw(name, toy, tmp_path / run) for run in ("first", "second"))
    image = matplotlib.image.imread(first[0])
    if width:
        assert image.shape[1] == pytest.approx(width * DPI, abs=2)
    assert 0.02 < (image[..., :3].min(axis=2) < 0.95).mean() < 0.98
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    if len(first) == 2:
        assert first[1].read_bytes().startswith(b"%PDF") and b"CreationDate" not in first[1].read_bytes()


def test_figures_without_options(toy, tmp_path):
    iterations_figure(toy.outcomes, None, tmp_path / "i.png", tmp_path / "i.pdf")
    assert (tmp_path / "i.png").stat().st_size > 10_000


def test_figures_of_no_slump(toy, tmp_path):
    empty = tmp_path / "inventory.gpkg"
    write_layer(read_inventory(toy.inventory).iloc[:0], empty)
    contact_sheet(empty, toy.grid, toy.imagery, (2017, 2019), tmp_path / "s.png", 2019)
    iterations_figure([], None, tmp_path / "i.png", tmp_path / "i.pdf")


def test_hillshade_lights_the_north_west(tmp_path):
    """Slopes that face the light are the brightest, those that turn away the darkest."""
    brightness = {}
    row, column = np.indices((40, 40))
    for name, east, north in (("NW", -1, 1), ("NE", 1, 1), ("SE", 1, -1), ("SW", -1, -1)):
        fall = 4800 - 6.0 * (east * column - north * row)
        write_raster(tmp_path / "dem.tif", fall.astype(np.float32), from_origin(X, Y + 1200, 30, 30), "EPSG:32646")
        extent = (X / 1000 + 0.2, X / 1000 + 1.0, Y / 1000 + 0.2, Y / 1000 + 1.0)
        relief = read_relief(tmp_path / "dem.tif", "EPSG:32646", extent)
        shade, covered = relief.light, relief.extent
        assert covered == pytest.approx((extent[0], extent[0] + 0.81, extent[3] - 0.81, extent[3]))
        assert not np.isnan(shade).any()
        brightness[name] = shade.mean()
    assert brightness["NW"] > brightness["NE"] > brightness["SE"]
    assert brightness["NE"] == pytest.approx(brightness["SW"], abs=1e-3)


def test_scale_bar_lengths():
    assert [round_length(value) for value in (0.9, 1, 3.3, 7, 23)] == pytest.approx([0.5, 1, 2, 5, 20])


def test_choice_spreads_over_sizes_and_iterations(toy):
    slumps = read_inventory(toy.inventory)
    chosen = choose(slumps, 8)
    assert len(chosen) == 8 and chosen["area_ha"].is_monotonic_decreasing
    assert {slumps["area_ha"].max(), slumps["area_ha"].min()} <= set(chosen["area_ha"])
    assert set(chosen["iteration_found"]) == {0, 1, 2, 3}
    assert len(choose(slumps, 24)) == 24 and len(choose(slumps, 99)) == 40


def test_choice_shows_a_lone_find_of_an_iteration():
    """Of 20 slumps ranked by area those of ranks 3 and 6 alone are of iterations 1 and 2; 11 is the others' median."""
    found = np.zeros(20, dtype=int)
    found[[3, 6]] = 1, 2
    table = {"id": [f"{rank:02d}" for rank in range(20)], "area_ha": np.arange(20.0, 0, -1), "iteration_found": found}
    slumps = gpd.GeoDataFrame(table, geometry=[box(X, Y, X + 1, Y + 1)] * 20, crs="EPSG:32646")
    assert choose(slumps, 5)["id"].tolist() == ["00", "03", "06", "11", "19"]


def test_chip_has_300_m_to_each_side():
    grid = Grid.over(box(X, Y, X + 3000, Y + 3000), "EPSG:32646", 3.0, 512)
    west, south, east, north = grid.bounds(chip_window(box(X + 900, Y + 900, X + 1200, Y + 1020), grid))
    assert (west, east) == pytest.approx((X + 600, X + 1500), abs=3)
    assert (south, north) == pytest.approx((Y + 510, Y + 1410), abs=3)


def test_missing_tile_is_named(toy, tmp_path):
    with pytest.raises(InputError, match="tile cannot be read"):
        contact_sheet(toy.inventory, toy.grid, tmp_path, (2019,), tmp_path / "s.png", 2019)


def test_outline_with_parts_and_holes_is_drawn(toy, tmp_path):
    layer = read_inventory(toy.inventory).iloc[:1]
    ring = box(X + 900, Y + 900, X + 1200, Y + 1200).difference(box(X + 1000, Y + 1000, X + 1100, Y + 1100))
    layer = gpd.GeoDataFrame(layer, geometry=[ring.union(box(X + 1300, Y + 900, X + 1400, Y + 950))], crs=layer.crs)
    write_layer(layer, tmp_path / "inventory.gpkg")
    contact_sheet(tmp_path / "inventory.gpkg", toy.grid, toy.imagery, (2019,), tmp_path / "s.png", 2019)
    assert (tmp_path / "s.png").exists()


def test_a_figure_is_the_same_to_the_byte_though_its_layout_differs_in_the_last_bits(tmp_path, monkeypatch):
    """The solver of matplotlib's layouts goes by addresses, which differ from process to process."""
    solve = ConstrainedLayoutEngine.execute

    def drawn(name, shift):
        def execute(engine, figure):
            solve(engine, figure)
            for axes in figure.axes:
                place = axes.get_position(original=True)
                axes._set_position(place.translated(shift, shift), which="original")

        monkeypatch.setattr(ConstrainedLayoutEngine, "execute", execute)
        figure = Figure(figsize=(TWO_COLUMNS, 3), layout="constrained")
        for axes in figure.subplots(2, 3).flat:
            axes.plot([0, 1], [0, 1])
            axes.set(xlabel="share", ylabel="area, ha")
        save(figure, tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
        return [(tmp_path / f"{name}.{suffix}").read_bytes() for suffix in ("pdf", "png")]

    assert drawn("one", 0.0) == drawn("other", 1e-13)
    assert drawn("one", 0.0) != drawn("elsewhere", 1e-3)
