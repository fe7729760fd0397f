"""One look for all figures: sizes of a two-column journal, colours that colour-blind readers tell apart."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from slumpmap.files import atomic

# Millimetres to inches; one and two columns of a journal page.
MM = 1 / 25.4
ONE_COLUMN = 85 * MM
TWO_COLUMNS = 175 * MM

# Okabe & Ito (2008), Color Universal Design: https://jfly.uni-koeln.de/color/
BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
VERMILION = "#D55E00"
SKY = "#56B4E9"
BLACK = "#000000"
GREY = "#7F7F7F"
PURPLE = "#CC79A7"
PALE = "#BBBBBB"

_STYLE = Path(__file__).with_name("slumpmap.mplstyle")

# Without these items matplotlib would write its version and the time into the file.
_METADATA: dict[str, dict[str, None]] = {
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@contextmanager
def journal_style() -> Iterator[None]:
    """Draws what is inside the block in the journal's style, and leaves matplotlib's settings as they were."""
    with matplotlib.rc_context(fname=_STYLE):
        yield


def save(figure: Figure, *paths: Path) -> None:
    """Writes a figure atomically to each path, PNG or PDF by its suffix; equal figures are equal to the byte."""
    _settle(figure)
    for path in paths:
        with atomic(path) as temporary:
            figure.savefig(temporary, metadata=_METADATA[path.suffix])


def _settle(figure: Figure) -> None:
    """Lays a figure out once and for all, on round numbers.

    matplotlib's solver orders its variables by their addresses, so that the places of the axes differ in the last bits
    from process to process, and a PDF writes these bits out.
    """
    if figure.get_layout_engine() is None:
        return
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position(np.round(axes.get_position(original=True).bounds, 6).tolist())


def titled(title: str, note: str) -> str:
    """The title with a note such as `synthetic` behind it, if there is one."""
    return f"{title} ({note})" if note else title


def state(axes: Axes, text: str) -> None:
    """Says in an otherwise empty panel why there is nothing to see."""
    axes.set(xticks=[], yticks=[], xlabel="", ylabel="")
    axes.spines[:].set_visible(False)
    wrapped = textwrap.fill(text, 26)
    axes.text(0.5, 0.5, wrapped, transform=axes.transAxes, ha="center", va="center", fontsize=7, color=GREY)


def both_files(figure: Figure, folder: Path, name: str) -> None:
    """Writes a figure into a folder, as vector PDF and as PNG."""
    save(figure, folder / f"{name}.png", folder / f"{name}.pdf")
