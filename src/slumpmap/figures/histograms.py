"""Area histogram of the inventory (the paper's Figure 6a)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from slumpmap.figures.style import BLACK, BLUE, MM, ONE_COLUMN, journal_style, save, titled
from slumpmap.inventory.build import read_inventory

_PER_DECADE = 6


def area_histogram(inventory: Path, out_png: Path, out_pdf: Path, note: str = "") -> None:
    """Draws the distribution of slump areas: logarithmic classes, with number, median and total.

    Args:
        inventory: the inventory, GeoPackage or GeoParquet.
        out_png: file to write.
        out_pdf: file to write.
        note: what to say behind the title, such as `synthetic`.

    Raises:
        InputError: the inventory is refused.
    """
    areas = read_inventory(inventory)["area_ha"].to_numpy(dtype=float)
    with journal_style():
        figure = Figure(figsize=(ONE_COLUMN, 60 * MM), layout="constrained")
        axes = figure.add_subplot()
        axes.set_xscale("log")
        axes.hist(areas, bins=list(_classes(areas)), color=BLUE, edgecolor="white", linewidth=0.4)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("Area (ha)")
        axes.set_ylabel("Slumps")
        axes.set_title(titled("Areas of the slumps", note), loc="left")
        if len(areas):
            axes.axvline(float(np.median(areas)), color=BLACK, linestyle="--", linewidth=0.8)
        axes.text(0.98, 0.97, _summary(areas), transform=axes.transAxes, ha="right", va="top", fontsize=7)
        axes.margins(y=0.5)
        save(figure, out_png, out_pdf)


def _classes(areas: np.ndarray) -> np.ndarray:
    """Class limits, evenly spaced in the logarithm, over whole decades' fractions; of a fixed range for no slump."""
    if not len(areas):
        return np.geomspace(0.01, 10, 3 * _PER_DECADE + 1)
    first = np.floor(np.log10(areas.min()) * _PER_DECADE)
    last = np.floor(np.log10(areas.max()) * _PER_DECADE) + 1
    return 10.0 ** (np.arange(first, last + 1) / _PER_DECADE)


def _summary(areas: np.ndarray) -> str:
    if not len(areas):
        return "n = 0"
    return f"n = {len(areas)}\nmedian (dashed) {np.median(areas):.2f} ha\ntotal {areas.sum():.1f} ha"
