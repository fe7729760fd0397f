"""Several people's outlines of the same ground: what at least k of n drew, and how far they agree.

All areas come from one planar overlay of all outlines: the faces between all boundaries, and who drew each face.
Nothing is rasterised but for the coefficients that need a background (`pixel_agreement`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.features import rasterize
from rasterio.transform import from_origin
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from shapely.geometry.base import BaseGeometry

from slumpmap.errors import InputError
from slumpmap.files import write_json, write_text
from slumpmap.grid import HECTARE
from slumpmap.review.coefficients import cohen_kappa, krippendorff_alpha
from slumpmap.review.missing import Recapture
from slumpmap.vector import read_layer

# An object is found if its IoU with the one that it is matched with is larger.
IOUS = (0.0, 0.4, 0.5)
# A grid of more pixels than this is a mistyped resolution.
_MOST_PIXELS = 100_000_000

Outlines = Sequence[BaseGeometry]
Floats = NDArray[np.float64]


class Faces(NamedTuple):
    """The plane cut along all boundaries of several outlines; ground that nobody drew is left out.

    Attributes:
        shape: (faces,) polygons that do not overlap.
        drawn: (faces, outlines) bool, whether the face is part of the outline.
    """

    shape: NDArray[np.object_]
    drawn: NDArray[np.bool_]


def overlay(outlines: Outlines) -> Faces:
    """Cuts the plane along the boundaries of all outlines.

    Args:
        outlines: valid polygons or multipolygons in one projected CRS.
    """
    shapes = np.asarray(outlines, dtype=object)
    # Union of the lines cuts them at every crossing.
    noded = shapely.union_all(shapely.boundary(shapes))
    faces = np.asarray(shapely.get_parts(shapely.polygonize(shapely.get_parts(noded))))
    drawn = np.zeros((len(faces), len(shapes)), dtype=bool)
    face, outline = shapely.STRtree(shapes).query(shapely.point_on_surface(faces), predicate="intersects")
    drawn[face, outline] = True
    inside = drawn.any(axis=1)
    return Faces(faces[inside], drawn[inside])


def consensus_outline(outlines: Outlines, at_least: int, min_area: float = 0.0) -> BaseGeometry:
    """The ground that at least k of n people drew.

    Args:
        outlines: each person's polygon or multipolygon, in one projected CRS.
        at_least: k, 1 (the union) to n (the intersection).
        min_area: parts and holes smaller than this, CRS units squared, are slivers between boundaries that were meant
            to be the same: parts are dropped, holes are filled.

    Returns:
        A polygon or multipolygon; empty where too few agree.

    Raises:
        InputError: k is not in 1 .. n.
    """
    _check_votes(at_least, len(outlines))
    faces = overlay(outlines)
    return _join(faces.shape[faces.drawn.sum(axis=1) >= at_least], min_area)


def _check_votes(at_least: int, people: int) -> None:
    if not 1 <= at_least <= people:
        raise InputError("at-least", f"{at_least} is not in 1 to {people}", f"there are {people} outlines")


def _join(faces: NDArray[np.object_], min_area: float) -> BaseGeometry:
    """Faces joined to polygons, without slivers."""
    parts = shapely.get_parts(shapely.union_all(faces))
    parts = parts[(shapely.get_type_id(parts) == shapely.GeometryType.POLYGON) & (shapely.area(parts) >= min_area)]
    if min_area > 0 and len(parts):
        rings, owner = shapely.get_rings(parts, return_index=True)
        outer = np.diff(owner, prepend=-1) > 0
        kept = outer | (shapely.area(shapely.polygons(rings)) >= min_area)
        parts = np.array(
            [shapely.Polygon(mine[0], mine[1:]) for mine in np.split(rings[kept], np.flatnonzero(outer[kept])[1:])]
        )
    return shapely.union_all(parts)


class Grid(NamedTuple):
    """The grid of the pixel coefficients.

    Attributes:
        resolution: side of a pixel, metres.
        pixels: number of pixels.
        kappa: (people, people) Cohen's kappa of each with each, NaN where it is not defined.
        alpha: Krippendorff's alpha of all; None where it is not defined.
    """

    resolution: float
    pixels: int
    kappa: Floats
    alpha: float | None


@dataclass(frozen=True)
class OutlineAgreement:
    """How far people agree who outlined the same ground.

    Attributes:
        names: the people, (n).
        objects: (n,) polygons that each drew.
        area_ha: (n,) ground that each drew.
        iou: (n, n) intersection over union of each one's ground with each other's.
        f1: (thresholds, n, n) F1 of polygons at `IOUS`, each matched with one at most.
        at_least: number of people who make a majority of all.
        majority_ha: (n,) ground that at least 1, 2, .. n people drew.
        others_iou: (n,) IoU of each with the majority of the others.
        others_f1: (thresholds, n) F1 of each against the polygons of that majority.
        sliver_ha: polygons of a majority that are smaller were not counted.
        grid: coefficients of pixels; None where they were not asked for.
    """

    names: list[str]
    objects: list[int]
    area_ha: Floats
    iou: Floats
    f1: Floats
    at_least: int
    majority_ha: Floats
    others_iou: Floats
    others_f1: Floats
    sliver_ha: float
    grid: Grid | None


def half_of(people: int) -> int:
    """The least number that is at least half of the people: 6 of 11 and of 12."""
    return (people + 1) // 2


def outline_agreement(
    layers: dict[str, gpd.GeoDataFrame],
    at_least: int | None = None,
    sliver_ha: float = 0.05,
    resolution: float | None = None,
    within: BaseGeometry | None = None,
) -> OutlineAgreement:
    """How far two or more people agree who outlined the same ground.

    Args:
        layers: each person's polygons, all in one projected CRS in metres.
        at_least: how many make a majority of all; by default `half_of` them. Of the others, half make one.
        sliver_ha: polygons of a majority below this area are not counted as objects.
        resolution: side of the pixels for kappa and alpha, metres; None leaves them out.
        within: the ground that all looked at, which kappa and alpha need; by default the box round all outlines.

    Raises:
        InputError: fewer than two layers, no outline at all, or a majority or a resolution that cannot be.
    """
    if len(layers) < 2:
        raise InputError("outlines", "it takes two people", "give the outlines of two people or more")
    at_least = half_of(len(layers)) if at_least is None else at_least
    _check_votes(at_least, len(layers))
    grounds = [layer.union_all() for layer in layers.values()]
    faces = overlay(grounds)
    if not len(faces.shape):
        raise InputError("outlines", "nobody drew anything", "give layers with polygons")
    area = shapely.area(faces.shape)
    votes = faces.drawn.sum(axis=1)
    people = range(len(layers))
    shapes = [layer.geometry.to_numpy() for layer in layers.values()]
    f1 = np.array([[[object_f1(one, other, iou) for other in shapes] for one in shapes] for iou in IOUS])
    # The majority of the others, for each person.
    among_others = (votes[:, None] - faces.drawn) >= half_of(len(layers) - 1)
    rivals = [_objects(faces.shape[among_others[:, person]], sliver_ha) for person in people]
    return OutlineAgreement(
        list(layers),
        [len(layer) for layer in layers.values()],
        area @ faces.drawn / HECTARE,
        _iou((area * faces.drawn.T) @ faces.drawn),
        f1,
        at_least,
        np.array([area[votes >= number].sum() for number in range(1, len(layers) + 1)]) / HECTARE,
        area @ (faces.drawn & among_others) / (area @ (faces.drawn | among_others)),
        np.array([[object_f1(shapes[person], rivals[person], iou) for person in people] for iou in IOUS]),
        sliver_ha,
        None if resolution is None else pixel_agreement(grounds, resolution, within),
    )


def _iou(common: Floats) -> Floats:
    """Intersection over union, (n, n), from the areas that each two have in common; each one's own on the diagonal."""
    area = np.diag(common)
    together = area[:, None] + area - common
    return np.divide(common, together, out=np.full_like(common, np.nan), where=together > 0)


def _objects(faces: NDArray[np.object_], sliver_ha: float) -> NDArray[np.object_]:
    """The polygons of joined faces that are no slivers."""
    return np.asarray(shapely.get_parts(_join(faces, sliver_ha * HECTARE)))


def object_f1(first: NDArray[np.object_], second: NDArray[np.object_], min_iou: float) -> float:
    """F1 of two people's polygons, each matched with one of the other's at most.

    Of all ways to match polygons whose IoU is larger than `min_iou`, one with the most pairs is taken. F1 is
    2 pairs / (polygons of both), which does not ask who is right.

    Args:
        first: (polygons,) of the one.
        second: (polygons,) of the other.
        min_iou: 0 (inclusive, any common area) to 1.

    Returns:
        0..1; NaN where neither drew anything.
    """
    if not len(first) + len(second):
        return float("nan")
    return 2 * matched(first, second, min_iou) / (len(first) + len(second))


def matched(first: NDArray[np.object_], second: NDArray[np.object_], min_iou: float) -> int:
    """The largest number of pairs of polygons with an IoU larger than `min_iou`, each polygon in one pair at most."""
    i, j = shapely.STRtree(second).query(first, predicate="intersects")
    common = shapely.area(shapely.intersection(first[i], second[j]))
    iou = common / (shapely.area(first[i]) + shapely.area(second[j]) - common)
    i, j = i[iou > min_iou], j[iou > min_iou]
    links = coo_array((np.ones(len(i)), (i, j)), shape=(len(first), len(second))).tocsr()
    return int((maximum_bipartite_matching(links, perm_type="column") >= 0).sum()) if len(i) else 0


def recapture_of_outlines(first: NDArray[np.object_], second: NDArray[np.object_], min_iou: float = 0.0) -> Recapture:
    """Two maps of the same slumps as two captures: polygons that match were caught by both.

    The maps must have been made without knowledge of each other. A model that was trained on the slumps of the other
    map is no second capture of them.

    Args:
        first: (polygons,) of the one.
        second: (polygons,) of the other.
        min_iou: 0 (inclusive, any common area) to 1; from which IoU on two outlines show one slump.
    """
    return Recapture(len(first), len(second), matched(first, second, min_iou))


def pixel_agreement(grounds: Outlines, resolution: float, within: BaseGeometry | None = None) -> Grid:
    """Kappa and alpha of pixels: slump or not, by who drew the pixel's centre.

    The grid starts at whole multiples of the resolution. Both coefficients depend on how much ground without slumps is
    looked at, so that they compare only over the same ground.

    Args:
        grounds: each person's ground, in one projected CRS in metres.
        resolution: side of a pixel, metres.
        within: the ground that all looked at; by default the box round all outlines.

    Raises:
        InputError: the resolution is not positive, or far too fine for this ground.
    """
    if resolution <= 0:
        raise InputError("resolution", f"{resolution:g} m is no size of a pixel", "give metres, such as 10")
    frame = shapely.box(*shapely.total_bounds(np.asarray(grounds, dtype=object))) if within is None else within
    west, south, east, north = np.asarray(frame.bounds) / resolution
    rows, columns = int(np.ceil(north) - np.floor(south)), int(np.ceil(east) - np.floor(west))
    if rows * columns > _MOST_PIXELS:
        fault = f"pixels of {resolution:g} m would be {rows} x {columns}"
        raise InputError("resolution", fault, "give a coarser one, in metres")
    transform = from_origin(np.floor(west) * resolution, np.ceil(north) * resolution, resolution, resolution)
    looked_at = _mask(frame, (rows, columns), transform)
    drawn = np.array([_mask(ground, (rows, columns), transform)[looked_at] for ground in grounds], dtype=np.float64)
    both, either_not = drawn @ drawn.T, (1 - drawn) @ (1 - drawn).T
    only = drawn @ (1 - drawn).T
    tables = np.array([[both, only], [only.T, either_not]]).transpose(2, 3, 0, 1)
    kappa = np.array([[cohen_kappa(table).kappa for table in row] for row in tables], dtype=np.float64)
    votes = drawn.sum(axis=0)
    alpha = krippendorff_alpha(np.column_stack([votes, len(grounds) - votes]))
    return Grid(resolution, int(looked_at.sum()), kappa, alpha)


def _mask(shape: BaseGeometry, size: tuple[int, int], transform: object) -> NDArray[np.bool_]:
    """Pixels whose centre lies in the shape."""
    if shape.is_empty:
        return np.zeros(size, dtype=bool)
    return np.asarray(rasterize([shape], size, transform=transform, dtype=np.uint8), dtype=bool)


def read_outlines(files: Sequence[Path], crs: str | None = None) -> dict[str, gpd.GeoDataFrame]:
    """Reads several people's outlines of the same ground into one projected CRS.

    A person is named after the file, or after its folder where files of several people have one name.

    Args:
        files: a vector file a person.
        crs: CRS in which areas are taken; None for that of the first file.

    Raises:
        InputError: a file is refused, two people have one name, or the CRS is not in metres.
    """
    stems = [file.stem for file in files]
    names = stems if len(set(stems)) == len(stems) else [file.resolve().parent.name for file in files]
    if len(set(names)) < len(names):
        raise InputError(files[0], "two files of one name in folders of one name", "rename one of them")
    layers: dict[str, gpd.GeoDataFrame] = {}
    for name, file in zip(names, files, strict=True):
        layers[name] = read_layer(file, "outlines", crs)
        crs = crs or str(layers[name].crs)
        if not CRS(crs).is_projected:
            raise InputError(file, f"areas cannot be taken in {crs}", "give a CRS in metres with --area")
    return layers


def write_outline_agreement(agreement: OutlineAgreement, out: Path) -> None:
    """Writes `agreement.json` (all) and `agreement.csv` (a row a pair of people) into the folder `out`."""
    scores = {f"f1_{iou:g}": table for iou, table in zip(IOUS, agreement.f1, strict=True)}
    tables = {"iou": agreement.iou} | scores
    if agreement.grid is not None:
        tables["pixel_kappa"] = agreement.grid.kappa
    first, second = np.triu_indices(len(agreement.names), 1)
    names = np.array(agreement.names)
    pairs = pd.DataFrame({"first": names[first], "second": names[second]})
    pairs = pairs.assign(**{name: table[first, second].round(6) for name, table in tables.items()})
    write_text(out / "agreement.csv", pairs.to_csv(index=False, lineterminator="\n"))
    people = pd.DataFrame(
        {"name": names, "polygons": agreement.objects, "area_ha": agreement.area_ha, "others_iou": agreement.others_iou}
    )
    people = people.assign(**{f"others_{name}": row for name, row in zip(scores, agreement.others_f1, strict=True)})
    grid = agreement.grid
    pixels = grid and {"resolution": grid.resolution, "pixels": grid.pixels, "alpha": grid.alpha}
    write_json(
        out / "agreement.json",
        {
            "people": _records(people),
            "pairs": _records(pairs),
            "at_least": agreement.at_least,
            "majority_ha": agreement.majority_ha.tolist(),
            "sliver_ha": agreement.sliver_ha,
            "grid": pixels,
        },
    )


def _records(table: pd.DataFrame) -> list[dict[Hashable, Any]]:
    """Rows for JSON, which knows no NaN."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def markdown(agreement: OutlineAgreement) -> str:
    """Tables of the agreement, in Markdown: each person, then all together."""
    people = len(agreement.names)
    lines = [
        "| who | polygons | area, ha | mean IoU with the others | IoU with their majority |"
        + "".join(f" F1, IoU > {iou:g} |" for iou in IOUS),
        "|---|" + "---:|" * (4 + len(IOUS)),
    ]
    others = ~np.eye(people, dtype=bool)
    mean_iou = np.nanmean(np.where(others, agreement.iou, np.nan), axis=1)
    for place, name in enumerate(agreement.names):
        figures = [mean_iou[place], agreement.others_iou[place], *agreement.others_f1[:, place]]
        lines.append(
            f"| {name} | {agreement.objects[place]} | {agreement.area_ha[place]:.1f} |"
            + "".join(f" {figure:.2f} |" for figure in figures)
        )
    upper = np.triu(others)
    lines += ["", "| each with each | least | median | most |", "|---|---:|---:|---:|"]
    measures = [("IoU of the ground", agreement.iou)]
    measures += [(f"F1 of polygons, IoU > {iou:g}", table) for iou, table in zip(IOUS, agreement.f1, strict=True)]
    if agreement.grid is not None:
        measures.append((f"Cohen's kappa of pixels of {agreement.grid.resolution:g} m", agreement.grid.kappa))
    for name, table in measures:
        least, median, most = np.nanquantile(table[upper], (0, 0.5, 1))
        lines.append(f"| {name} | {least:.2f} | {median:.2f} | {most:.2f} |")
    drawn = (("one", 1), (f"{agreement.at_least} of {people}", agreement.at_least), ("all", people))
    grounds = [f"{words}: {agreement.majority_ha[number - 1]:.1f} ha" for words, number in drawn]
    lines += ["", f"Ground drawn by at least {', '.join(grounds)}."]
    if agreement.grid is not None and agreement.grid.alpha is not None:
        lines.append(
            f"Krippendorff's alpha of {agreement.grid.pixels} pixels of {agreement.grid.resolution:g} m:"
            f" {agreement.grid.alpha:.3f}."
        )
    return "\n".join(lines) + "\n"
