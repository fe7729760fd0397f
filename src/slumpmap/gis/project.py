"""A QGIS project: layers in groups, a theme a year, where the map starts, how edits snap. All paths are relative."""

from __future__ import annotations

import uuid
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

from pyproj import CRS

from slumpmap.files import atomic
from slumpmap.gis.xml import VERSION, put, put_crs, put_extent, put_resampling, put_symbol, text_of

Bounds = tuple[float, float, float, float]
Draw = Callable[[Element], None]
# Screen pixels within which an edit catches a neighbour's corner or edge.
_SNAP_PX = 12
_VERTEX_AND_SEGMENT, _ALL_LAYERS, _PIXELS = 3, 2, 1
# Gentle ground would be one flat grey under true heights.
_EXAGGERATION = 3.0
_DEGREES_IN_A_METRE = 1 / 111_320
# ZIP files know no time before this; a fixed one makes equal projects equal to the byte.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Layer:
    """A layer of a project.

    Args:
        key: its name inside the project.
        title: what people read.
        source: file, relative to the project's folder; for vector layers with `|layername=NAME`.
        crs: of its coordinates.
        bounds: west, south, east, north in `crs`.
        draw: adds renderer, labels and form.
        geometry: `Polygon` or `Line`; None: an image.
        labels: whether `draw` adds labels.
        locked: whether it cannot be edited.
        checked: whether it is shown when the project opens.
        smallest_scale: denominator of the smallest scale at which it is shown; None: at all.
    """

    key: str
    title: str
    source: str
    crs: CRS | str
    bounds: Bounds
    draw: Draw
    geometry: str | None = None
    labels: bool = False
    locked: bool = True
    checked: bool = True
    smallest_scale: int | None = None


@dataclass(frozen=True)
class Group:
    """Layers that stand together in the list.

    Args:
        title: what people read.
        layers: from top to bottom.
        one_at_a_time: whether showing one hides the others.
    """

    title: str
    layers: Sequence[Layer]
    one_at_a_time: bool = False


@dataclass(frozen=True)
class Project:
    """What a project holds.

    Args:
        title: what stands above the window.
        crs: of the map.
        view: what the map shows first, in `crs`.
        groups: from top to bottom, which is the order of drawing too.
        themes: name to the keys of the layers that it shows.
    """

    title: str
    crs: str
    view: Bounds
    groups: Sequence[Group]
    themes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def id_of(self, key: str) -> str:
        """The id of a layer: QGIS replaces short ones, and two projects may be pasted into one."""
        return f"{key}_{uuid.uuid5(uuid.NAMESPACE_URL, f'{self.title}/{key}')}".replace("-", "_")

    @property
    def layers(self) -> list[Layer]:
        """All layers, from top to bottom."""
        return [layer for group in self.groups for layer in group.layers]


def write_project(project: Project, path: Path) -> None:
    """Writes a project, atomically, equal to the byte for equal content.

    Args:
        project: what it holds.
        path: the .qgz file.
    """
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        name = zipfile.ZipInfo(f"{path.stem}.qgs", _NO_TIME)
        archive.writestr(name, project_document(project), zipfile.ZIP_DEFLATED)


def project_document(project: Project) -> str:
    """The project as QGIS keeps it (QGS)."""
    root = Element("qgis", version=VERSION, projectname=project.title)
    put(root, "title", project.title)
    put_crs(put(root, "projectCrs"), project.crs)
    _put_tree(root, project)
    _put_canvas(root, project)
    snapping = put(
        root,
        "snapping-settings",
        enabled=1,
        mode=_ALL_LAYERS,
        type=_VERTEX_AND_SEGMENT,
        unit=_PIXELS,
        tolerance=_SNAP_PX,
        minScale=0,
        maxScale=0,
        scaleDependencyMode=0,
    )
    snapping.set("intersection-snapping", "0")
    snapping.set("self-snapping", "0")
    listed = put(root, "projectlayers")
    for layer in project.layers:
        _put_layer(listed, layer, project.id_of(layer.key))
    _put_properties(root)
    presets = put(root, "visibility-presets")
    for name, keys in project.themes.items():
        preset = put(presets, "visibility-preset", name=name)
        for key in keys:
            put(preset, "layer", id=project.id_of(key), visible=1)
    view = put(root, "ProjectViewSettings", UseProjectScales=0, rotation=0)
    west, south, east, north = project.view
    put_crs(put(view, "DefaultViewExtent", xmin=west, ymin=south, xmax=east, ymax=north), project.crs)
    return text_of(root)


def _put_tree(root: Element, project: Project) -> None:
    """The list of layers beside the map."""
    tree = put(root, "layer-tree-group")
    for group in project.groups:
        node = put(tree, "layer-tree-group", name=group.title, checked="Qt::Checked", expanded=1)
        if group.one_at_a_time:
            shown = next((place for place, layer in enumerate(group.layers) if layer.checked), -1)
            node.set("mutually-exclusive", "1")
            node.set("mutually-exclusive-child", str(shown))
        for layer in group.layers:
            put(
                node,
                "layer-tree-layer",
                id=project.id_of(layer.key),
                name=layer.title,
                source=layer.source,
                expanded=0,
                providerKey=_provider(layer),
                checked="Qt::Checked" if layer.checked else "Qt::Unchecked",
            )


def _put_canvas(root: Element, project: Project) -> None:
    """The map, where it starts."""
    canvas = put(root, "mapcanvas", name="theMapCanvas", annotationsVisible=1)
    put(canvas, "units", "meters")
    put_extent(canvas, project.view)
    put(canvas, "rotation", 0)
    put_crs(put(canvas, "destinationsrs"), project.crs)


def _put_layer(parent: Element, layer: Layer, name: str) -> None:
    image = layer.geometry is None
    scaled = layer.smallest_scale is not None
    node = put(parent, "maplayer", type="raster" if image else "vector", styleCategories="AllStyleCategories")
    node.set("hasScaleBasedVisibilityFlag", str(int(scaled)))
    if scaled:
        node.set("minScale", str(layer.smallest_scale))
        node.set("maxScale", "0")
    if layer.geometry is not None:
        node.set("geometry", layer.geometry)
        node.set("labelsEnabled", str(int(layer.labels)))
        node.set("readOnly", str(int(layer.locked)))
    put_extent(node, layer.bounds)
    put(node, "id", name)
    put(node, "datasource", layer.source)
    put(node, "layername", layer.title)
    put_crs(put(node, "srs"), layer.crs)
    put(node, "provider", _provider(layer), **({} if image else {"encoding": "UTF-8"}))
    flags = put(node, "flags")
    put(flags, "Identifiable", int(not layer.locked))
    put(flags, "Removable", 1)
    put(flags, "Searchable", int(not layer.locked))
    layer.draw(node)


def _put_properties(root: Element) -> None:
    """Editing that keeps common borders common, and relative paths."""
    properties = put(root, "properties")
    digitizing = put(properties, "Digitizing")
    put(digitizing, "AvoidIntersectionsMode", 0, type="int")
    put(digitizing, "TopologicalEditing", 1, type="int")
    put(put(properties, "Paths"), "Absolute", False, type="bool")
    # Without this the project has no CRS at all.
    put(put(properties, "SpatialRefSys"), "ProjectionsEnabled", 1, type="int")
    measurement = put(properties, "Measurement")
    put(measurement, "AreaUnits", "ha", type="QString")
    put(measurement, "DistanceUnits", "meters", type="QString")


def _provider(layer: Layer) -> str:
    return "gdal" if layer.geometry is None else "ogr"


def draw_colours(bands: Sequence[int], ranges: Sequence[tuple[float, float]] | None = None) -> Draw:
    """How an image is drawn: as red, green, blue, or as grey.

    Args:
        bands: three band numbers, or one.
        ranges: lowest and highest value that is shown of each; None: values are colours already.
    """
    colours = ("red", "green", "blue") if len(bands) == 3 else ("gray",)

    def draw(node: Element) -> None:
        pipe = put(node, "pipe")
        kind = "multibandcolor" if len(bands) == 3 else "singlebandgray"
        renderer = put(pipe, "rasterrenderer", type=kind, opacity=1, alphaBand=-1)
        for place, (colour, band) in enumerate(zip(colours, bands, strict=True)):
            renderer.set(f"{colour}Band", str(band))
            low, high = (0, 255) if ranges is None else ranges[place]
            tag = "contrastEnhancement" if colour == "gray" else f"{colour}ContrastEnhancement"
            stretch = put(renderer, tag)
            put(stretch, "minValue", low)
            put(stretch, "maxValue", high)
            put(stretch, "algorithm", "NoEnhancement" if ranges is None else "StretchToMinimumMaximum")
        put_resampling(pipe)

    return draw


def draw_relief(crs: CRS) -> Draw:
    """How an elevation model in some CRS is drawn as shaded relief."""
    z_factor = _EXAGGERATION * (_DEGREES_IN_A_METRE if crs.is_geographic else 1.0)

    def draw(node: Element) -> None:
        pipe = put(node, "pipe")
        _put_smoothing(pipe)
        put(
            pipe,
            "rasterrenderer",
            type="hillshade",
            band=1,
            opacity=1,
            alphaBand=-1,
            azimuth=315,
            angle=45,
            zfactor=z_factor,
            multidirection=0,
        )

    return draw


def draw_contours(step: float) -> Draw:
    """How an elevation model is drawn as contour lines, every fifth stronger.

    Args:
        step: between lines, metres.
    """

    def draw(node: Element) -> None:
        pipe = put(node, "pipe")
        _put_smoothing(pipe)
        renderer = put(pipe, "rasterrenderer", type="contour", band=1, opacity=1, alphaBand=-1, downscale=4)
        renderer.set("contour-interval", str(step))
        renderer.set("contour-index-interval", str(5 * step))
        symbols = put(renderer, "symbols")
        put_symbol(symbols, "contour", "line", (("255,255,255,150", 0.2, "solid"),))
        put_symbol(symbols, "index", "line", (("255,255,255,200", 0.45, "solid"),))

    return draw


def _put_smoothing(pipe: Element) -> None:
    """Elevations are smoothed before anything is drawn of them: the edges of large cells would show as a net."""
    smooth = {"zoomedInResamplingMethod": "cubic", "zoomedOutResamplingMethod": "bilinear"}
    put(put(pipe, "provider"), "resampling", enabled="true", maxOversampling=4, **smooth)
    put(pipe, "resamplingStage", "provider")
