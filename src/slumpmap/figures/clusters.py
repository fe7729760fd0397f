"""Ripley's curve of an inventory with the envelope of random patterns."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from slumpmap.figures.style import BLUE, GREY, MM, ONE_COLUMN, PALE, VERMILION, state, titled

_KM = 1000.0


def ripley_figure(ripley: pd.DataFrame, clustering: dict[str, Any], note: str = "") -> Figure:
    """Draws L(r) - r against r, km.

    Args:
        ripley: what `study clustering` wrote: `r`, `l_minus_r`, `lower`, `upper`, metres.
        clustering: its figures (`clustering.json`).
        note: what to say behind the title.
    """
    figure = Figure(figsize=(ONE_COLUMN, 68 * MM), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(titled("Clusters of slumps", note), loc="left")
    if ripley["l_minus_r"].notna().sum() < 2:
        state(axes, "; ".join(clustering["omissions"]) or "too few slumps for a curve")
        return figure
    r = ripley["r"] / _KM
    axes.fill_between(r, ripley["lower"] / _KM, ripley["upper"] / _KM, color=PALE, linewidth=0,
                      label=f"95 % of {clustering['simulations']} random patterns")  # fmt: skip
    axes.axhline(0, color=GREY, linewidth=0.6)
    axes.plot(r, ripley["l_minus_r"] / _KM, color=BLUE, label="slumps")
    beyond = ripley["finding"] == "clustered"
    axes.plot(r[beyond], ripley["l_minus_r"][beyond] / _KM, "o", color=VERMILION, markersize=2.5, label="clustered")
    axes.set_xlim(left=0)
    axes.set_xlabel("Distance $r$ (km)")
    axes.set_ylabel("$L(r) - r$ (km)")
    figure.legend(loc="outside lower center", ncols=2)
    return figure
