"""Figures of a study: the numbers that are drawn, sizes, fonts, and pictures of small or bare campaigns."""

from __future__ import annotations

import re

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import shapely
from matplotlib.container import BarContainer
from matplotlib.text import Text
from shapely.geometry import box
from toy_campaign import HEIGHT, UTM, WIDTH, X, Y

from slumpmap.figures.clusters import ripley_figure
from slumpmap.figures.example import example_sheet, telling
from slumpmap.figures.frequencies import few_classes, frequencies_figure
from slumpmap.figures.maps import inventory_map, map_extent, read_roads
from slumpmap.figures.ratios import dependence_figure, selection_figure
from slumpmap.figures.relief import read_relief
from slumpmap.figures.study import map_figures, read_slumps, statistics_figures
from slumpmap.figures.style import journal_style
from slumpmap.grid import Grid
from slumpmap.vector import read_layer, write_layer

MAPS = ("fig01_study-area", "fig05_inventory", "fig07_affected-area")
STATISTICS = ("fig06_frequencies", "selection-ratios", "dependence")
WINDS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


def selection_table() -> pd.DataFrame:
    """Shares of all seven factors, with a class without slumps and a factor of which nothing is known."""
    rows = []
    for factor, low in (("elevation", 4500.0), ("slope", 0.0), ("tpi", -2.0)):
        for n, (slumps, land) in enumerate(((0.5, 0.25), (0.5, 0.5), (0.0, 0.25))):
            step = 100.0 if factor == "elevation" else 2.0
            rows.append((factor, f"c{n}", low + n * step, low + (n + 1) * step, slumps, land))
    rows += [("aspect", wind, None, None, 0.2 if n < 5 else 0.0, 0.125) for n, wind in enumerate(WINDS)]
    rows += [("vegetation", f"class {n:02d}", None, None, 1 / 12, 1 / 12) for n in range(12)]
    table = pd.DataFrame(rows, columns=["factor", "class", "low", "high", "slump_share", "landscape_share"])
    table["ratio"] = table["slump_share"] / table["landscape_share"]
    table["ratio_low"], table["ratio_high"] = table["ratio"] * 0.5, table["ratio"] * 1.5
    table["finding"], table["note"] = "preferred", None
    silent = pd.DataFrame([{"factor": "soil", "note": "no soil in this test"}, {"factor": "pisr", "note": "no sun"}])
    return pd.concat([table, silent], ignore_index=True)


@pytest.fixture(scope="module")
def drawn(toy, tmp_path_factory):
    """All figures of the toy campaign, drawn once."""
    folder = tmp_path_factory.mktemp("study")
    selection_table().to_csv(folder / "selection.csv", index=False)
    map_figures(toy.inventory, toy.grid, toy.dem, toy.roads, folder, "synthetic")
    statistics_figures(toy.inventory, toy.grid, folder, "synthetic")
    return folder


@pytest.mark.parametrize("name", [*MAPS, *STATISTICS])
def test_files_are_as_wide_as_a_journal_page(drawn, name):
    image = matplotlib.image.imread(drawn / "figures" / f"{name}.png")
    assert image.shape[1] / 300 * 25.4 == pytest.approx(175, abs=0.2)
    assert image.shape[0] / 300 * 25.4 < 240
    pdf = (drawn / "figures" / f"{name}.pdf").read_bytes()
    width = float(re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", pdf).group(1))
    assert width / 72 * 25.4 == pytest.approx(175, abs=0.2)
    # TrueType outlines lie in the file; Type 3 fonts, which journals refuse, do not.
    assert b"/FontFile2" in pdf and b"/Type3" not in pdf


def test_no_text_is_smaller_than_six_points(toy, tmp_path):
    slumps = read_slumps(toy.inventory, toy.grid)
    with journal_style():
        figures = [
            frequencies_figure(slumps["area_ha"].to_numpy(), selection_table()),
            selection_figure(selection_table()),
            inventory_map(slumps, toy.grid, None, None),
            example_sheet(slumps.assign(**headwall()), toy.grid, toy.imagery, (2017, 2018, 2019), 2019),
        ]
        for figure in figures:
            figure.savefig(tmp_path / "one.png", dpi=40)
            sizes = [text.get_fontsize() for text in figure.findobj(Text) if text.get_text().strip()]
            assert len(sizes) > 5 and min(sizes) >= 6


def headwall() -> dict[str, object]:
    return {"headwall_azimuth": 90.0, "headwall_source": "estimated", "elevation_headwall": 4800.0}


def axes_titled(figure, start):
    return next(axes for axes in figure.findobj(matplotlib.axes.Axes) if axes.get_title(loc="left").startswith(start))


def test_frequencies_are_those_of_the_table(toy):
    areas = read_slumps(toy.inventory, toy.grid)["area_ha"].to_numpy()
    with journal_style():
        figure = frequencies_figure(areas, selection_table(), "synthetic")
    heights = [bar.get_height() for bar in axes_titled(figure, "a").patches]
    assert sum(heights) == len(areas) == 40
    assert "synthetic" in axes_titled(figure, "a").get_title(loc="left")
    elevation = axes_titled(figure, "b")
    (bars,) = [part for part in elevation.containers if isinstance(part, BarContainer)]
    assert [bar.get_height() for bar in bars] == [50, 50, 0]
    assert [bar.get_x() for bar in bars] == [4500, 4600, 4700]
    stairs = next(patch for patch in elevation.patches if hasattr(patch, "get_data"))
    assert stairs.get_data().values.tolist() == [25, 50, 25]
    assert elevation.get_xlabel() == "Elevation (m)"
    rose = axes_titled(figure, "e")
    slumps, land = rose.containers
    assert [round(bar.get_height()) for bar in slumps] == [20] * 5 + [0] * 3
    assert [bar.get_height() for bar in land] == [12.5] * 8
    middles = [np.degrees(bar.get_x() + bar.get_width() / 2) for bar in slumps]
    assert middles == pytest.approx(np.arange(8) * 45)
    # North up and clockwise: east is to the right.
    assert rose.get_theta_direction() == -1 and rose.get_theta_offset() == pytest.approx(np.pi / 2)
    soil = " ".join(text.get_text() for text in axes_titled(figure, "g").texts)
    assert soil.replace("\n", " ") == "no soil in this test"


def test_many_classes_stand_together():
    rows = selection_table().query("factor == 'vegetation'")
    few = few_classes(rows)
    assert len(few) == 10 and few["class"].iloc[-1] == "3 others"
    assert few["slump_share"].sum() == pytest.approx(1)
    assert few["landscape_share"].iloc[-1] == pytest.approx(3 / 12)


def test_ratios_and_their_intervals_are_drawn():
    with journal_style():
        figure = selection_figure(selection_table())
    axes = figure.axes[0]
    points = {line.get_xdata()[0]: line.get_ydata()[0] for line in axes.lines if line.get_marker() == "o"}
    assert points == {4550: 2.0, 4650: 1.0}
    intervals = [list(line.get_ydata()) for line in axes.lines if len(line.get_xdata()) == 2][:2]
    assert [1.0, 3.0] in intervals and [0.5, 1.5] in intervals
    without = next(line for line in axes.lines if line.get_marker() == "v")
    assert list(without.get_xdata()) == [4750]


def test_map_shows_each_slump_with_an_area_by_its_own(toy):
    slumps = read_slumps(toy.inventory, toy.grid)
    relief = read_relief(toy.dem, toy.grid.crs, map_extent(toy.grid))
    figure = inventory_map(slumps, toy.grid, relief, read_roads(toy.roads, toy.grid))
    circles = next(part for part in figure.axes[0].collections if len(part.get_offsets()) == len(slumps))
    order = slumps.sort_values(["area_ha", "id"], ascending=[False, True])
    assert np.asarray(circles.get_sizes()) == pytest.approx(np.maximum(16 * order["area_ha"].to_numpy(), 3))
    assert np.asarray(circles.get_offsets())[:, 0] == pytest.approx(order.geometry.centroid.x.to_numpy() / 1000)
    orange = (np.asarray(circles.get_facecolors())[:, 0] > 0.5).tolist()
    # The same by hand: distance from the centroid to the lines of the file.
    lines = shapely.union_all(read_layer(toy.roads, "roads", kinds=("LineString",)).geometry.to_numpy())
    assert orange == (order.geometry.centroid.distance(lines) <= 500).tolist() and 0 < sum(orange) < len(order)


def test_bare_and_empty_campaigns_give_pictures(toy, tmp_path):
    empty = tmp_path / "inventory.gpkg"
    write_layer(read_layer(toy.inventory, "inventory").iloc[:0], empty)
    map_figures(empty, toy.grid, None, None, tmp_path / "bare")
    statistics_figures(empty, toy.grid, tmp_path / "bare")
    made = {path.name for path in (tmp_path / "bare" / "figures").iterdir()}
    assert made == {f"{name}.{kind}" for name in (*MAPS, *STATISTICS) for kind in ("png", "pdf")}
    cells = read_layer(tmp_path / "bare" / "cells_25km.gpkg", "cells")
    assert cells["slumps"].tolist() == [0] and cells["area_ha"].tolist() == [0]


def test_one_slump_at_the_edge_of_a_long_area(toy, tmp_path):
    grid = Grid.over(box(X, Y, X + 120_000, Y + HEIGHT), UTM, 6.0, 512)
    one = tmp_path / "inventory.gpkg"
    write_layer(read_layer(toy.inventory, "inventory").iloc[:1], one)
    map_figures(one, grid, toy.dem, toy.roads, tmp_path)
    assert len(read_layer(tmp_path / "cells_10km.gpkg", "cells")) == 12


def test_no_model_and_no_curve_are_said():
    with journal_style():
        figure = dependence_figure(None, "too few slumps: 3")
        assert "too few slumps: 3" in [text.get_text() for text in figure.axes[0].texts]
        table = pd.DataFrame({"r": [1.0], "l_minus_r": [np.nan], "lower": [0.0], "upper": [0.0], "finding": [""]})
        figure = ripley_figure(table, {"omissions": ["2 slumps are too few"], "simulations": 199})
        assert "2 slumps are too few" in [text.get_text() for text in figure.axes[0].texts]


def test_ripley_is_drawn_in_km():
    table = pd.DataFrame({"r": [100.0, 200.0], "l_minus_r": [50.0, 30.0], "lower": -10.0, "upper": 40.0})
    table["finding"] = ["clustered", "random"]
    figure = ripley_figure(table, {"omissions": [], "simulations": 199})
    curve = next(line for line in figure.axes[0].lines if line.get_label() == "slumps")
    assert curve.get_xdata() == pytest.approx([0.1, 0.2]) and curve.get_ydata() == pytest.approx([0.05, 0.03])
    dots = next(line for line in figure.axes[0].lines if line.get_label() == "clustered")
    assert dots.get_xdata() == pytest.approx([0.1])


def test_example_is_the_largest_that_began_in_view(toy):
    slumps = read_slumps(toy.inventory, toy.grid).assign(**headwall())
    chosen = telling(slumps)
    in_view = slumps[slumps["initiation"].isin(["2016-17", "2018-19"]) & (slumps["probability"] == "high")]
    assert chosen["id"] == in_view.sort_values("area_ha")["id"].iloc[-1]
    with journal_style():
        figure = example_sheet(slumps, toy.grid, toy.imagery, (2017, 2018, 2019), 2019, note="synthetic")
    words = {text.get_text() for text in figure.findobj(Text)}
    assert {"2", "1, 3", "4", "2017", "2019 (mapped)"} <= words


def test_memory_of_a_relief_does_not_grow_with_the_area(toy):
    west, east, south, north = map_extent(Grid.over(box(X, Y, X + WIDTH, Y + HEIGHT), UTM, 6.0, 512))
    for factor in (1, 40):
        relief = read_relief(toy.dem, UTM, (west, west + factor * (east - west), south, north))
        assert max(relief.light.shape) <= 1201
