"""What was measured of all confirmed slumps of an iteration, beside what people confirmed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from shapely.geometry import LineString

from slumpmap.errors import InputError
from slumpmap.labels import SLUMP_COLUMNS
from slumpmap.review.growth import measure
from slumpmap.settings.review import GrowthSettings
from slumpmap.tables import write_csv
from slumpmap.vector import read_layer, write_layer
from slumpmap.yearly import Yearly, read_all_yearly

Uphill = Callable[[gpd.GeoDataFrame], pd.Series]

MEASURED = ("initiation_measured", "measured_confidence", "retreat_m_per_year")
BASE = ("id", "candidate_id", "initiation", *MEASURED, "retreat_low", "retreat_high", "note")


def write_growth(
    slumps: Sequence[Path], yearly: Path, settings: GrowthSettings, out: Path, uphill: Uphill | None = None
) -> None:
    """Measures all slumps of some layers and writes one row a slump, as GeoPackage and as CSV beside it.

    Columns: those of `BASE` (`candidate_id` is empty for slumps known before the first iteration, `initiation` is what
    people confirmed), `area_ha_<year>` and `valid_<year>` of each year, and the confirmed outline.

    Args:
        slumps: layers of confirmed slumps, columns as in `labels.SLUMP_COLUMNS`, optionally `headwall` (WKT).
        yearly: their yearly probabilities (`slumpmap.yearly`), by id.
        settings: how slumps are measured.
        out: GeoPackage to write.
        uphill: from outlines to directions in which the ground rises, degrees clockwise from grid north, NaN
            where there is none; None: nobody knows.

    Raises:
        InputError: a layer or the file of probabilities is missing or damaged, or does not hold a slump; a headwall
            that is no line.
    """
    places = dict(read_all_yearly(yearly))
    rows: list[dict[str, Any]] = []
    crs = None
    for path in slumps:
        layer = read_layer(path, "slumps", crs, columns=SLUMP_COLUMNS, unique="id")
        crs = crs or layer.crs
        unknown = layer.loc[~layer["id"].isin(list(places)), "id"]
        if len(unknown):
            fault = f"holds nothing on slump {unknown.iloc[0]!r}"
            raise InputError(yearly, fault, "remove it and run the workflow again")
        rows.extend(_rows(layer, path, places, settings, uphill))
    table = gpd.GeoDataFrame(rows, columns=None if rows else [*BASE, "geometry"], geometry="geometry", crs=crs)
    table = table.sort_values("id", ignore_index=True)
    write_layer(table, out)
    write_csv(table.drop(columns="geometry"), out.with_suffix(".csv"))


def _rows(
    layer: gpd.GeoDataFrame, path: Path, places: Mapping[str, Yearly], settings: GrowthSettings, uphill: Uphill | None
) -> Iterator[dict[str, Any]]:
    """One row a slump of a layer."""
    directions = pd.Series(np.nan, layer.index) if uphill is None else uphill(layer)
    headwalls = layer["headwall"] if "headwall" in layer else pd.Series(None, layer.index, dtype=object)
    for slump, direction, headwall in zip(layer.itertuples(), directions, headwalls, strict=True):
        line = None if pd.isna(headwall) else _line(headwall, path, slump.id)
        toward = None if pd.isna(direction) else float(direction)
        growth = measure(places[slump.id], slump.geometry, line, toward, settings)
        yield {
            "id": slump.id,
            "candidate_id": slump.id.partition(".")[0] if slump.source == "inspection" else None,
            "initiation": slump.initiation,
            "initiation_measured": growth.initiation,
            "measured_confidence": growth.confidence,
            "retreat_m_per_year": growth.retreat_m_per_year,
            "retreat_low": growth.retreat_low,
            "retreat_high": growth.retreat_high,
            "note": growth.note,
            **{f"area_ha_{area.year}": area.area_ha for area in growth.areas},
            **{f"valid_{area.year}": area.share_valid for area in growth.areas},
            "geometry": slump.geometry,
        }


def _line(text: str, path: Path, name: str) -> LineString:
    """A headwall from WKT."""
    try:
        line = shapely.from_wkt(text)
    except shapely.errors.GEOSException:
        line = None
    if not isinstance(line, LineString) or line.is_empty:
        raise InputError(path, f"the headwall of slump {name!r} is no line", "draw it again, or leave it empty")
    return line
