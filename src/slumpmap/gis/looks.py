"""How each product looks in QGIS: one legend for the styles inside the files, beside the rasters, and in projects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree.ElementTree import Element

from slumpmap.gis.xml import VERSION, Stroke, put, put_categories, put_labels, put_ramp, put_single, text_of

Draw = Callable[[Element], None]
Geometry = Literal["Polygon", "Line"]

# Colours that people of any colour vision tell apart (Okabe and Ito 2008), on images of green and brown ground.
YELLOW, ORANGE, SKY, PINK = "240,228,66,255", "255,120,0,255", "86,180,233,255", "220,130,190,255"
_WHITE, _GREY, _BLUE = "255,255,255,255", "120,120,120,255", "0,114,178,255"
CASING: Stroke = ("0,0,0,150", 1.1, "solid")
LABELS_TO = 25_000
_OTHERS = ""

_PROBABILITY = {
    "high": ("High probability", ORANGE),
    "medium": ("Medium probability", YELLOW),
    "low": ("Low probability", PINK),
    _OTHERS: ("Known beforehand, not graded", _WHITE),
}
_STATUS = {"new": ("New", YELLOW), "known": ("Known", ORANGE), "rejected": ("Rejected before", SKY)}
_IS_SLUMP = """CASE WHEN "is_slump" THEN 'slump' WHEN NOT "is_slump" THEN 'reject' ELSE 'open' END"""
_VERDICT = {"slump": ("Slump", ORANGE), "reject": ("Not a slump", SKY), "open": ("Open", YELLOW)}
_SELECTED = """CASE WHEN "selected" THEN 'yes' ELSE 'no' END"""
_SCENES = {"yes": ("In the images", ORANGE), "no": ("Left out", _GREY)}
_LABEL = """CASE WHEN "slump_px" > 0 THEN 'slump' ELSE 'none' END"""
# Upper limits of the classes of slumps in a cell, and their fillings, from pale to dark.
_CELL_CLASSES = {"0": "255,255,255,0", "1": "254,240,217,170", "5": "253,204,138,170", "20": "252,141,89,170"}
_CELL_MOST = "179,0,0,170"
_RIDGE, _LEVEL, _HOLLOW = "166,97,26", "245,245,245", "1,133,113"


@dataclass(frozen=True)
class Look:
    """How a layer looks.

    Args:
        title: what people read.
        draw: adds renderer and labels to a style or to a layer of a project.
        geometry: `Polygon` or `Line`; None: a raster.
        labels: whether `draw` adds labels.
        hint: what it is, in a sentence.
    """

    title: str
    draw: Draw
    geometry: Geometry | None = None
    labels: bool = False
    hint: str = ""


def look_of(name: str) -> Look | None:
    """How a product looks, by the name of its file without suffix; None: it has no look of its own."""
    return LOOKS.get(re.sub(r"^cells_\d+km$", "cells", name))


def style_of(look: Look) -> str:
    """A look as QGIS keeps it in a GeoPackage or beside a raster (QML)."""
    root = Element("qgis", version=VERSION, styleCategories="AllStyleCategories")
    if look.geometry is not None:
        root.set("labelsEnabled", str(int(look.labels)))
    look.draw(root)
    if look.geometry is not None:
        put(root, "layerGeometryType", {"Line": 1, "Polygon": 2}[look.geometry])
    return text_of(root)


def _by_value(expression: str, values: Mapping[str, tuple[str, str]], label: str = "") -> Draw:
    """Outlines coloured by a value: key to what people read and colour."""
    categories = {key: (title, (CASING, (colour, 0.6, "solid"))) for key, (title, colour) in values.items()}

    def draw(node: Element) -> None:
        put_categories(node, "fill", expression, categories)
        if label:
            put_labels(node, label, _WHITE, LABELS_TO)

    return draw


def _alike(kind: Literal["fill", "line"], *strokes: Stroke) -> Draw:
    return lambda node: put_single(node, kind, strokes)


def _draw_streams(node: Element) -> None:
    """The wider the higher the order of Strahler."""
    orders = {str(order): (f"Order {order}", ((_BLUE, 0.12 * order, "solid"),)) for order in range(1, 7)}
    put_categories(node, "line", 'to_string("strahler")', orders | {_OTHERS: ("Higher", ((_BLUE, 0.9, "solid"),))})


def _draw_cells(node: Element) -> None:
    """Filled by the number of slumps."""
    limits = list(_CELL_CLASSES)
    cases = " ".join(f"WHEN \"slumps\" <= {limit} THEN '{limit}'" for limit in limits)
    titles = ["No slump", "1 slump", "2 to 5", "6 to 20"]
    rim: tuple[Stroke, ...] = ((_GREY, 0.2, "solid"),)
    classes: dict[str, tuple[str, Sequence[Stroke]]] = {
        limit: (title, rim) for limit, title in zip(limits, titles, strict=True)
    }
    insides = _CELL_CLASSES | {"more": _CELL_MOST}
    put_categories(node, "fill", f"CASE {cases} ELSE 'more' END", classes | {"more": ("More than 20", rim)}, insides)


def _ramp(*stops: tuple[float, str, str], kind: Literal["INTERPOLATED", "DISCRETE", "EXACT"] = "INTERPOLATED") -> Draw:
    """Colours of a raster's values: value, `r,g,b` or `r,g,b,a`, and what people read."""
    return lambda node: put_ramp(node, stops, kind)


_ASPECTS = (
    (22.5, "215,48,39", "North"), (67.5, "253,174,97", "Northeast"), (112.5, "255,255,191", "East"),
    (157.5, "166,217,106", "Southeast"), (202.5, "26,152,80", "South"), (247.5, "102,189,189", "Southwest"),
    (292.5, "69,117,180", "West"), (337.5, "158,98,168", "Northwest"), (360.0, "215,48,39", "North"),
)  # fmt: skip

LOOKS: Mapping[str, Look] = {
    "inventory": Look("Inventory", _by_value('"probability"', _PROBABILITY, '"id"'), "Polygon", True),
    "slumps": Look("Slumps", _by_value('"probability"', _PROBABILITY, '"id"'), "Polygon", True),
    "accepted": Look("Accepted slumps", _by_value('"probability"', _PROBABILITY, '"id"'), "Polygon", True),
    "positives": Look("Known slumps", _alike("fill", ("0,0,0,110", 0.8, "solid"), (_WHITE, 0.4, "dash")), "Polygon"),
    "negatives": Look("Known look-alikes", _alike("fill", CASING, (SKY, 0.5, "dash")), "Polygon"),
    "arts": Look("Slumps for ARTS", _alike("fill", CASING, (ORANGE, 0.6, "solid")), "Polygon"),
    "candidates": Look("Candidates", _by_value('"status"', _STATUS, '"id"'), "Polygon", True),
    "polygons": Look("Polygons of the network", _alike("fill", CASING, (YELLOW, 0.6, "solid")), "Polygon"),
    "queue": Look("Queue of inspection", _by_value("'new'", {"new": _STATUS["new"]}, '"rank"'), "Polygon", True),
    "to_inspect": Look("To inspect", _by_value(_IS_SLUMP, _VERDICT, '"candidate_id"'), "Polygon", True),
    "disputed": Look("Disputed", _by_value(_IS_SLUMP, _VERDICT, '"candidate_id"'), "Polygon", True),
    "verdicts": Look("Verdicts", _by_value(_IS_SLUMP, _VERDICT, '"candidate_id"'), "Polygon", True),
    "rejected": Look("Rejected places", _alike("fill", ("0,0,0,90", 0.7, "solid"), (SKY, 0.35, "dot")), "Polygon"),
    "growth": Look("Growth", _by_value("'grown'", {"grown": ("Growth", PINK)}, '"id"'), "Polygon", True),
    "streams": Look("Streams", _draw_streams, "Line"),
    "scenes": Look("Scenes", _by_value(_SELECTED, _SCENES), "Polygon"),
    "windows": Look(
        "Training windows",
        _by_value(_LABEL, {"slump": ("Slump", ORANGE), "none": ("No slump", SKY)}),
        "Polygon",
    ),
    "cells": Look("Slumps in cells", _draw_cells, "Polygon"),
    "study_area": Look("Study area", _alike("fill", (_GREY, 0.5, "solid")), "Polygon"),
    "truth": Look("True slumps", _alike("fill", ("0,0,0,110", 0.8, "solid"), (_BLUE, 0.4, "solid")), "Polygon"),
    "training_area": Look("Training area", _alike("fill", (ORANGE, 0.5, "dash")), "Polygon"),
    "evaluation_area": Look("Evaluation area", _alike("fill", (PINK, 0.5, "dash")), "Polygon"),
    "test_area": Look("Part kept for testing", _alike("fill", (PINK, 0.5, "dash")), "Polygon"),
    "tiles": Look("Tiles", _alike("fill", ("160,160,160,200", 0.2, "dash")), "Polygon"),
    "slope": Look(
        "Slope, degrees",
        _ramp(
            (0, "252,251,253", "0"), (4, "218,218,235", "4"), (8, "158,154,200", "8"), (16, "106,81,163", "16"),
            (30, "63,0,125", "30 and more"),
        ),
        hint="Slope of the elevation model, degrees",
    ),
    "aspect": Look(
        "Aspect", _ramp(*_ASPECTS, kind="DISCRETE"), hint="Where the ground falls to, degrees clockwise from north"
    ),
    "tpi": Look(
        "Topographic position, m",
        _ramp((-5, _HOLLOW, "-5 and less"), (0, _LEVEL, "0"), (5, _RIDGE, "5 and more")),
        hint="Elevation less the mean of the ground around, metres",
    ),
    "pisr": Look(
        "Radiation, kWh per m2",
        _ramp(
            (2000, "68,1,84", "2000 and less"), (2300, "49,104,142", "2300"), (2500, "53,183,121", "2500"),
            (2800, "253,231,37", "2800 and more"),
        ),
        hint="Potential incoming solar radiation, kWh m-2",
    ),
    "pisr_unreliable": Look(
        "Radiation not reliable",
        _ramp((0, "0,0,0,0", "Reliable"), (1, "230,0,120,150", "Terrain may be missing"), kind="EXACT"),
        hint="1 where terrain that casts shadows may be missing",
    ),
    "stream_distance": Look(
        "Distance from streams, m",
        _ramp((0, "8,48,107", "0"), (100, "66,146,198", "100"), (500, "222,235,247", "500 and more")),
        hint="Distance from the nearest stream, metres",
    ),
    "probability": Look(
        "Probability of the network",
        _ramp((0, "255,255,255,0", "0"), (64, "253,231,37,60", "0.25"), (127, "253,141,60,150", "0.5"),
              (254, "189,0,38,220", "1")),
        hint="Probability that a pixel is a thaw slump, times 254",
    ),
}  # fmt: skip
