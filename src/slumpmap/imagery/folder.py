"""A folder of scenes as a scene catalogue: which files are scenes, what they show, when, and under how much cloud."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from glob import escape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import geopandas as gpd
import pandas as pd
import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from slumpmap.errors import InputError
from slumpmap.files import read_json
from slumpmap.imagery.checks import cloud_fraction_of, outline_of
from slumpmap.imagery.naming import date_of, planet_name, scenes_in, udm_of
from slumpmap.raster import open_raster
from slumpmap.vector import write_layer

_CRS = "EPSG:4326"
_THREADS = 8
_OTHER = "scene"
PRODUCTS = ("analytic_sr", "analytic_8b_sr", "analytic", "analytic_8b", _OTHER)
_NOT_ANALYTIC = "_Visual"


@dataclass(frozen=True)
class Metadata:
    """What a metadata file beside a scene says.

    Args:
        acquired: UTC.
        cloud: share of the whole scene, 0..1.
        instrument: such as `PSB.SD`.
        footprint: in longitude and latitude.
    """

    acquired: datetime | None = None
    cloud: float | None = None
    instrument: str | None = None
    footprint: BaseGeometry | None = None


@dataclass(frozen=True)
class Listing:
    """What became of the files of a folder.

    Args:
        rows: scenes in the catalogue.
        product: of all of them.
        left_out: reason of each file that is no scene of the catalogue.
    """

    rows: int
    product: str
    left_out: Mapping[Path, str] = field(default_factory=dict)

    def __str__(self) -> str:
        reasons = Counter(self.left_out.values())
        lines = [f"{self.rows} scenes ({self.product})", *(f"  {n} left out: {why}" for why, n in reasons.items())]
        return "\n".join(lines)


def catalogue_folder(folder: Path, out: Path, product: str | None = None) -> Listing:
    """Writes the scene catalogue of a folder, as `inputs.catalogue` takes it.

    Planet's products are known by their names, with the UDM2 mask and the metadata that lie beside them; other
    GeoTIFFs are scenes if their name or tag has a date. The cloud share is that of the mask, which knows what was
    clipped away; else that of the metadata; else empty.

    Args:
        folder: looked through with all that is below.
        out: GeoPackage to write: scene, path (from its own folder), udm, acquired, cloud_fraction, product, bands,
            resolution, instrument, footprint in longitude and latitude; ordered by time and name.
        product: one of `PRODUCTS`; None: the only one there is.

    Raises:
        InputError: no scene, several products to choose from, different bands, or a file that cannot be used.
    """
    if not folder.is_dir():
        raise InputError(folder, "is no folder", "give the folder of the scenes")
    files, left_out = _sorted_out(scenes_in(folder))
    files, chosen = _of_product(folder, files, product, left_out)
    files = _once(files, left_out)
    with ThreadPoolExecutor(_THREADS) as pool:
        rows = list(pool.map(lambda path: _row(path.absolute(), chosen, out.absolute().parent), files))
    _check_bands(folder, rows)
    rows.sort(key=lambda row: (row["acquired"], row["scene"], row["path"]))
    write_layer(gpd.GeoDataFrame(rows, geometry="geometry", crs=_CRS), out)
    return Listing(len(rows), chosen, left_out)


def _sorted_out(paths: Iterable[Path]) -> tuple[list[Path], dict[Path, str]]:
    """The files that can be scenes, and why the others cannot."""
    kept, left_out = [], {}
    for path in paths:
        name = planet_name(path)
        if name is not None and name.level.startswith("1"):
            left_out[path] = "basic scene, not orthorectified: order the orthorectified one (3B)"
        elif name is None and _NOT_ANALYTIC in path.stem:
            left_out[path] = "picture for the eye, not for measuring"
        else:
            kept.append(path)
    return kept, left_out


def _product_of(path: Path) -> str:
    name = planet_name(path)
    return _OTHER if name is None else name.product


def _of_product(
    folder: Path, paths: Sequence[Path], product: str | None, left_out: dict[Path, str]
) -> tuple[list[Path], str]:
    """The files of one product; notes the others."""
    counts = Counter(map(_product_of, paths))
    if not counts:
        why = f"; {Counter(left_out.values()).most_common(1)[0][0]}" if left_out else ""
        raise InputError(folder, f"the folder has no scenes (*.tif){why}", "correct the path or bring the scenes")
    if product is None and len(counts) > 1:
        listed = ", ".join(f"{counts[name]} {name}" for name in PRODUCTS if counts[name])
        raise InputError(folder, f"the folder has several products: {listed}", "choose one with --product")
    chosen = product or next(iter(counts))
    if not counts[chosen]:
        raise InputError(folder, f"the folder has no {chosen}, but {', '.join(counts)}", "choose another --product")
    for path in paths:
        if _product_of(path) != chosen:
            left_out[path] = f"another product: {_product_of(path)}"
    return [path for path in paths if _product_of(path) == chosen], chosen


def _once(paths: Sequence[Path], left_out: dict[Path, str]) -> list[Path]:
    """The files without second copies of an item; the one that was treated least stays."""

    def treated(path: Path) -> tuple[int, str]:
        name = planet_name(path)
        return len(name.tools) if name else 0, str(path)

    kept: dict[str, Path] = {}
    for path in sorted(paths, key=treated):
        name = planet_name(path)
        item = name.item if name else str(path)
        if item in kept:
            left_out[path] = "another copy of the same item"
        else:
            kept[item] = path
    return sorted(kept.values())


def _row(path: Path, product: str, start: Path) -> dict[str, Any]:
    """A row of the catalogue."""
    with open_raster(path, "scene") as dataset:
        outline, bands, size = outline_of(dataset, _CRS), dataset.count, abs(dataset.transform.a)
        tag = dataset.tags().get("TIFFTAG_DATETIME")
    said, udm = _metadata_of(path), udm_of(path)
    cloud = said.cloud if udm is None else cloud_fraction_of(udm)
    footprint = outline if said.footprint is None else shapely.intersection(outline, said.footprint)
    if footprint.is_empty or footprint.area == 0:
        raise InputError(
            path, "scene lies elsewhere than the metadata beside it say", "bring the metadata of the scene"
        )
    return {
        "scene": path.stem,
        "path": os.path.relpath(path, start),
        "udm": "" if udm is None else os.path.relpath(udm, start),
        "acquired": (said.acquired or date_of(path, tag)).isoformat(timespec="seconds"),
        "cloud_fraction": cloud,
        "product": product,
        "bands": bands,
        "resolution": round(size, 6),
        "instrument": said.instrument or "",
        "geometry": footprint,
    }


def _check_bands(folder: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    counts = Counter(row["bands"] for row in rows)
    if len(counts) > 1:
        listed = ", ".join(f"{number} with {bands} bands" for bands, number in sorted(counts.items()))
        remedy = "put scenes of different bands into different folders: imagery.bands holds for all"
        raise InputError(folder, f"the scenes have different bands: {listed}", remedy)


def _metadata_of(path: Path) -> Metadata:
    """What the metadata beside a scene say, JSON before XML; nothing where there are none."""
    name = planet_name(path)
    item, prefix = (path.stem, path.stem) if name is None else (name.item, f"{name.item}_{name.level}")
    found = path.with_name(f"{item}_metadata.json")
    if found.is_file():
        return _read_json(found)
    files = sorted(path.parent.glob(f"{escape(prefix)}_*metadata*.xml"))
    return _read_xml(files[0]) if files else Metadata()


def _read_json(path: Path) -> Metadata:
    """Metadata as Planet delivers them: a GeoJSON feature."""
    values = read_json(path)
    try:
        said, outline = values["properties"], values.get("geometry")
        footprint = None if outline is None else shapely.make_valid(shape(outline))
        cloud = said.get("cloud_cover")
        return Metadata(_moment(said.get("acquired")), _share(cloud, 1.0), said.get("instrument") or None, footprint)
    except (KeyError, TypeError, ValueError, AttributeError, shapely.errors.GEOSException) as error:
        raise InputError(path, f"is no metadata of a scene ({error})", "bring it again, or delete it") from None


def _read_xml(path: Path) -> Metadata:
    """Metadata as Planet delivers them: an Earth observation profile of GML."""
    try:
        root = ElementTree.parse(path).getroot()

        def text(*names: str) -> str | None:
            return next((found for name in names if (found := root.findtext(f".//{{*}}{name}"))), None)

        cloud = text("cloudCoverPercentage")
        moment = text("acquisitionDateTime", "acquisitionDate", "beginPosition")
        return Metadata(_moment(moment), _share(cloud, 100.0), text("instrument/{*}Instrument/{*}shortName"))
    except (ElementTree.ParseError, OSError, ValueError) as error:
        raise InputError(path, f"is no metadata of a scene ({error})", "bring it again, or delete it") from None


def _moment(value: Any) -> datetime | None:
    """A time in UTC."""
    if value is None:
        return None
    moment = pd.to_datetime(value, utc=True)
    if pd.isna(moment):
        raise ValueError(f"acquired is {value!r}")
    return datetime.fromtimestamp(moment.timestamp(), UTC)


def _share(value: Any, whole: float) -> float | None:
    """A cloud cover as a share 0..1."""
    if value is None:
        return None
    share = float(value) / whole
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"cloud cover is {value!r}")
    return round(share, 4)
