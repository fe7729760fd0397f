"""Rows of a decision file as they travel through QGIS: what in them counts, and how a change is recognised."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from slumpmap.review.decisions import CRITERIA_COLUMNS

# Layers of the GeoPackage that is edited.
CANDIDATES, HEADWALLS = "candidates", "headwalls"
# Columns that it has beside those of a decision file. Their names fit into a shapefile's ten letters.
RANK, EXPORTED, EXPORTED_FOR = "rank", "exported", "export_for"
# What the reviewer says; the rest of a row is the program's.
FACTS = (
    "is_slump",
    "unsure",
    "probability",
    "initiation",
    *CRITERIA_COLUMNS,
    "reason",
    "use_as_negative",
    "note",
)
# Two boundaries are one if no corner differs by more than this, metres.
_DECIMALS = 3


def settled(rows: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The rows without what does not go with their verdict, as the page stores opinions.

    Probability and initiation are said of slumps, reason and use as negative of rejected places, headwalls of all but
    rejected places. A criterion that is not met is an opinion only where there is a verdict: forms write false into
    boxes that nobody touched.

    Args:
        rows: booleans are nullable, as `read_rows` gives them.
    """
    rows = rows.copy()
    slump = rows["is_slump"].fillna(False).astype(bool)
    rejected = ~rows["is_slump"].fillna(True).astype(bool)
    for column in ("probability", "initiation"):
        rows[column] = _texts(rows[column]).where(slump, None)
    rows["reason"] = _texts(rows["reason"]).where(rejected, None)
    rows["note"] = _texts(rows["note"])
    rows["headwall"] = _texts(rows["headwall"]).where(~rejected, None)
    rows["use_as_negative"] = rows["use_as_negative"].fillna(False) & rejected
    judged = rows["is_slump"].notna() | rows["unsure"].fillna(False)
    for column in CRITERIA_COLUMNS:
        rows[column] = rows[column].where(judged | rows[column].fillna(False), pd.NA)
    return rows


def digests(rows: gpd.GeoDataFrame) -> pd.DataFrame:
    """What identifies the content of each row, with its facts settled.

    Args:
        rows: as `read_rows` gives them.

    Returns:
        Indexed as the rows: `row` (facts and boundary), `headwall`; 16 hexadecimal digits each. The order of corners
        and rings, and coordinates beyond the millimetre, do not count.
    """
    rows = settled(rows)
    facts = rows[list(FACTS)].astype(object)
    facts = facts.where(facts.notna(), None)
    boundaries = shapely.to_wkb(_canonical(rows.geometry.to_numpy()))
    lines = shapely.to_wkb(_canonical(shapely.from_wkt(rows["headwall"].to_numpy(object))))
    said = (json.dumps([_plain(value) for value in row]).encode() for row in facts.itertuples(index=False))
    return pd.DataFrame(
        {
            "row": [_digest(words + (boundary or b"")) for words, boundary in zip(said, boundaries, strict=True)],
            "headwall": [_digest(line or b"") for line in lines],
        },
        index=rows.index,
        dtype=object,
    )


def verdicts(rows: gpd.GeoDataFrame) -> pd.Series:
    """The verdict of each row: `slump`, `reject`, `unsure` or `open`."""
    unsure = rows["unsure"].fillna(False).astype(bool)
    slump = rows["is_slump"].fillna(False).astype(bool)
    rejected = ~rows["is_slump"].fillna(True).astype(bool)
    names = np.select([unsure, slump, rejected], ["unsure", "slump", "reject"], "open")
    return pd.Series(names, index=rows.index, dtype=object)


def text_of(values: pd.Series) -> pd.Series:
    """Texts without blanks around them; empty ones are missing."""
    return _texts(values)


def _texts(values: pd.Series) -> pd.Series:
    stripped = values.astype(object).map(lambda value: str(value).strip(), na_action="ignore").astype(object)
    return stripped.where(stripped.notna() & (stripped != ""), None)


def _canonical(shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    """Geometries to the millimetre, single ones as one part of several, parts and corners in a fixed order."""
    # Adding 0 turns a negative zero into zero.
    rounded = shapely.transform(shapely.force_2d(shapes), lambda corners: corners.round(_DECIMALS) + 0.0)
    several = np.array([None if shape is None else _as_multi(shape) for shape in rounded], dtype=object)
    normal: NDArray[np.object_] = shapely.normalize(several)
    return normal


def _as_multi(shape: shapely.Geometry) -> shapely.Geometry:
    makers = {"Polygon": shapely.multipolygons, "LineString": shapely.multilinestrings}
    maker = makers.get(shape.geom_type)
    return shape if maker is None else maker([shape])


def _plain(value: Hashable) -> Hashable:
    return bool(value) if isinstance(value, bool | np.bool_) else value


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=8).hexdigest()
