"""The small vocabulary of QGIS documents: options, symbols, labels. Read by QGIS 3.22 and later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from pyproj import CRS

VERSION = "3.22.0"
# What QGIS takes for "no value" in the list of a value map.
NO_VALUE = "{2839923C-8B7D-419E-B84B-CA2FE9B80EC7}"
DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"

Options = Mapping[str, object]
Stroke = tuple[str, float, str]


def text_of(root: Element) -> str:
    """A document as text, indented."""
    ElementTree.indent(root)
    return DOCTYPE + ElementTree.tostring(root, encoding="unicode") + "\n"


def put(parent: Element, tag: str, text: object = None, **attributes: object) -> Element:
    """Adds an element; its text and attributes are written as QGIS writes them."""
    child = SubElement(parent, tag, {name: _word(value) for name, value in attributes.items()})
    if text is not None:
        child.text = _word(text)
    return child


def put_option(parent: Element, value: object, name: str | None = None) -> None:
    """Adds a value, a map or a list of values as QGIS stores settings of widgets and symbols."""
    named = {} if name is None else {"name": name}
    if isinstance(value, Mapping):
        child = put(parent, "Option", **named, type="Map")
        for key, item in value.items():
            put_option(child, item, key)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        child = put(parent, "Option", **named, type="List")
        for item in value:
            put_option(child, item)
    else:
        kind = {bool: "bool", int: "int", float: "double"}.get(type(value), "QString")
        put(parent, "Option", **named, type=kind, value=value)


def put_crs(parent: Element, crs: CRS | str) -> None:
    """Adds a CRS, by its authority's number where it has one."""
    crs = CRS.from_user_input(crs)
    system = put(parent, "spatialrefsys")
    put(system, "wkt", crs.to_wkt())
    authority = crs.to_authority()
    if authority is not None:
        put(system, "authid", ":".join(authority))
    put(system, "description", crs.name)
    put(system, "geographicflag", crs.is_geographic)


def put_extent(parent: Element, bounds: tuple[float, float, float, float]) -> None:
    """Adds a box: west, south, east, north."""
    extent = put(parent, "extent")
    for name, value in zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True):
        put(extent, name, value)


def put_symbol(parent: Element, name: str, kind: str, strokes: Sequence[Stroke], inside: str | None = None) -> None:
    """Adds the symbol of a line or of an outline: strokes above each other, the lowest first.

    Args:
        parent: the list of symbols.
        name: its name in the list.
        kind: `fill` or `line`.
        strokes: colour (`r,g,b,a`), width in millimetres, and style (`solid`, `dash`, `dot`) of each.
        inside: colour of the filling under them; None: there is none.
    """
    symbol = put(parent, "symbol", type=kind, name=name, alpha=1, clip_to_extent=1, force_rhr=0)
    if inside is not None:
        layer = SubElement(symbol, "layer", {"class": "SimpleFill", "enabled": "1", "locked": "0", "pass": "0"})
        put_option(layer, {"color": inside, "style": "solid", "outline_style": "no"})
    for colour, width, style in strokes:
        layer = SubElement(symbol, "layer", {"class": "SimpleLine", "enabled": "1", "locked": "0", "pass": "0"})
        options = {"line_color": colour, "line_style": style, "line_width": str(width), "line_width_unit": "MM"}
        put_option(layer, options | {"joinstyle": "round", "capstyle": "round"})


def put_single(parent: Element, kind: str, strokes: Sequence[Stroke]) -> None:
    """Adds the drawing of a layer whose features all look alike."""
    renderer = put(parent, "renderer-v2", type="singleSymbol", enableorderby=0, forceraster=0, symbollevels=0)
    put_symbol(put(renderer, "symbols"), "0", kind, strokes)


def put_categories(
    parent: Element,
    kind: str,
    expression: str,
    categories: Mapping[str, tuple[str, Sequence[Stroke]]],
    insides: Mapping[str, str] | None = None,
) -> None:
    """Adds the drawing of a layer by the value of an expression.

    Args:
        parent: the layer or its style.
        kind: `fill` or `line`.
        expression: gives a key of `categories` for each feature; the key "" stands for all other values.
        categories: label in the legend, and strokes.
        insides: colour of the filling, of those keys that have one.
    """
    renderer = put(
        parent, "renderer-v2", type="categorizedSymbol", attr=expression, enableorderby=0, forceraster=0, symbollevels=0
    )
    listed, symbols = put(renderer, "categories"), put(renderer, "symbols")
    for number, (value, (label, strokes)) in enumerate(categories.items()):
        put(listed, "category", value=value, label=label, symbol=number, render="true")
        put_symbol(symbols, str(number), kind, strokes, (insides or {}).get(value))


def put_labels(parent: Element, expression: str, colour: str, smallest_scale: int) -> None:
    """Adds labels beside the features, readable on any image.

    Args:
        parent: the layer or its style.
        expression: their text.
        colour: `r,g,b,a`.
        smallest_scale: denominator of the smallest scale at which they are shown.
    """
    settings = put(put(parent, "labeling", type="simple"), "settings", calloutType="simple")
    style = put(
        settings,
        "text-style",
        fieldName=expression,
        isExpression=1,
        fontFamily="Sans Serif",
        fontSize=9,
        fontSizeUnit="Point",
        fontWeight=63,
        textColor=colour,
        textOpacity=1,
        multilineHeight=1,
    )
    put(
        style,
        "text-buffer",
        bufferDraw=1,
        bufferSize=0.8,
        bufferSizeUnits="MM",
        bufferColor="0,0,0,190",
        bufferOpacity=1,
    )
    outside = 8  # beside polygons, so that nothing of the image is hidden
    put(settings, "placement", placement=outside, dist=1, distUnits="MM", priority=5)
    put(settings, "rendering", drawLabels=1, scaleVisibility=1, scaleMax=smallest_scale, scaleMin=0, obstacle=1)


def put_ramp(parent: Element, stops: Sequence[tuple[float, str, str]], kind: str) -> None:
    """Adds the drawing of a raster of one band in colours.

    Args:
        parent: the layer or its style.
        stops: value, colour (`r,g,b` or `r,g,b,a`) and label of each, rising; above the last its colour goes on.
        kind: `INTERPOLATED`: colours run between the values; `DISCRETE`: a colour goes up to its value; `EXACT`:
            values alone are shown.
    """
    pipe = put(parent, "pipe")
    first, last = stops[0][0], stops[-1][0]
    renderer = put(pipe, "rasterrenderer", type="singlebandpseudocolor", band=1, opacity=1, alphaBand=-1)
    renderer.set("classificationMin", str(first))
    renderer.set("classificationMax", str(last))
    number = {"INTERPOLATED": 0, "DISCRETE": 1, "EXACT": 2}[kind]
    shader = put(put(renderer, "rastershader"), "colorrampshader", colorRampType=kind, classificationMode=number)
    shader.set("minimumValue", str(first))
    shader.set("maximumValue", str(last))
    shader.set("clip", "0")
    for value, colour, label in stops:
        red, green, blue, *opacity = map(int, colour.split(","))
        alpha = opacity[0] if opacity else 255
        put(shader, "item", value=value, color=f"#{red:02x}{green:02x}{blue:02x}", alpha=alpha, label=label)
    put_resampling(pipe)


def put_resampling(pipe: Element) -> None:
    """Pixels are averaged where the map is coarser, and shown as they are where it is finer."""
    put(pipe, "rasterresampler", maxOversampling=4, zoomedOutResampler="bilinear")
    put(pipe, "resamplingStage", "resamplingFilter")


def _word(value: object) -> str:
    """A value as QGIS writes it: booleans are 1 and 0 in attributes, true and false as options."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
