"""What must hold for rows that were edited, before any of them is taken over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pydantic import ValidationError

from slumpmap.errors import InputError
from slumpmap.grid import HECTARE
from slumpmap.review.decisions import PROBABILITIES
from slumpmap.review.opinion import REASONS, of_row
from slumpmap.review.qgis.desk import Desk
from slumpmap.review.qgis.rows import settled, verdicts

_LONGEST_NOTE = 2000
_MOST_FAULTS = 20
_POLYGONS = (shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON)

# Which rows are at fault, and what is said of each.
_Check = tuple[NDArray[np.bool_] | pd.Series, str | Callable[[Any], str]]


def check_rows(desk: Desk, file: Path, rows: gpd.GeoDataFrame) -> list[str]:
    """Refuses edited rows that cannot be decisions, with all that is wrong with them.

    Args:
        desk: whose review.
        file: where they come from, for the message.
        rows: indexed by candidate, in the campaign's CRS.

    Returns:
        Candidates whose boundary lies beside them: near, but without touching them.

    Raises:
        InputError: a geometry or value is refused.
    """
    outlines = desk.candidates.set_index("id").geometry.loc[rows.index].to_numpy()
    faults: dict[str, str] = {}
    for wrong, text in [*_boundary_checks(desk, rows, outlines), *_value_checks(desk, rows)]:
        wrong = np.asarray(wrong, dtype=bool) & ~rows.index.isin(list(faults))
        faults |= {str(name): text if isinstance(text, str) else text(row) for name, row in rows[wrong].iterrows()}
    sound = rows[~rows.index.isin(list(faults))]
    faults |= _opinion_faults(sound, outlines[rows.index.isin(sound.index)])
    _refuse(file, [(name, faults[name]) for name in rows.index if name in faults])
    return list(rows.index[~shapely.intersects(outlines, rows.geometry.to_numpy())])


def small_slumps(desk: Desk, rows: gpd.GeoDataFrame) -> list[str]:
    """Slumps of which a part is smaller than the minimum mapping unit."""
    slumps = rows[verdicts(rows) == "slump"]
    area_crs = desk.config.inventory.area_crs
    flat = slumps.geometry if area_crs is None else slumps.geometry.to_crs(area_crs)
    parts, owner = shapely.get_parts(flat.to_numpy(), return_index=True)
    small = shapely.area(parts) < desk.config.candidates.mmu_ha * HECTARE
    return list(slumps.index[np.unique(owner[small])])


def _boundary_checks(desk: Desk, rows: gpd.GeoDataFrame, outlines: NDArray[np.object_]) -> Iterator[_Check]:
    """What must hold for the boundaries; the first that does not hold is told."""
    shapes = rows.geometry.to_numpy()
    yield shapely.is_missing(shapes) | shapely.is_empty(shapes), "the boundary is empty"
    flat = np.isin(shapely.get_type_id(shapes), _POLYGONS)
    yield ~flat, lambda row: f"the boundary is a {row.geometry.geom_type}, not a polygon"
    valid = shapely.is_valid(shapes)
    yield ~valid, lambda row: f"the boundary is not valid ({shapely.is_valid_reason(row.geometry)})"
    reach = desk.config.chips.context_m / 2
    near = shapely.covers(shapely.buffer(outlines, reach), np.where(flat & valid, shapes, None))
    yield flat & valid & ~near, f"the boundary reaches more than {reach:g} m beyond its candidate"
    lines = shapely.from_wkt(settled(rows)["headwall"].to_numpy(object))
    beyond = ~shapely.is_missing(lines) & ~shapely.covers(shapely.buffer(outlines, reach), lines)
    yield beyond, f"the headwall reaches more than {reach:g} m beyond its candidate"


def _value_checks(desk: Desk, rows: gpd.GeoDataFrame) -> Iterator[_Check]:
    """What must hold for the facts."""
    said, before = settled(rows), desk.rows().loc[rows.index]
    both = rows["unsure"] & rows["is_slump"].notna()
    yield both, "unsure, and a verdict: empty is_slump, or set unsure to false"
    yield rows["unsure"] & desk.adjudicates, "unsure, but the adjudicator must decide"
    lacking = (verdicts(rows) == "slump") & ~said["probability"].isin(PROBABILITIES)
    yield lacking, f"a slump needs a probability: {', '.join(PROBABILITIES)}"
    # What stands in the decision file already may stay, whatever the campaign's list is now.
    for column, known in (("initiation", desk.initiation_groups), ("reason", tuple(REASONS))):
        strange = said[column].notna() & ~said[column].isin(known) & (said[column] != before[column])
        yield strange, _strange(column, known)
    long = said["note"].str.len() > _LONGEST_NOTE
    yield long.fillna(False), f"the note has more than {_LONGEST_NOTE} characters"


def _strange(column: str, known: tuple[str, ...]) -> Callable[[Any], str]:
    return lambda row: f"{column} is {row[column]!r}, none of {', '.join(known)}"


def _opinion_faults(rows: gpd.GeoDataFrame, outlines: NDArray[np.object_]) -> dict[str, str]:
    """What the page, which takes these rows over, would refuse."""
    faults = {}
    rows = settled(rows)
    decided = (verdicts(rows) != "open").to_numpy()
    for (name, row), outline in zip(rows[decided].iterrows(), outlines[decided], strict=True):
        try:
            of_row(row, outline)
        except ValidationError as error:
            faults[str(name)] = error.errors()[0]["msg"].removeprefix("Value error, ")
    return faults


def _refuse(file: Path, faults: list[tuple[str, str]]) -> None:
    """Refuses a file with all that is wrong with its rows, so that it can be mended at once."""
    if not faults:
        return
    texts = [f"{name}: {text}" for name, text in faults[:_MOST_FAULTS]]
    more = f"; and {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
    rows = "1 row is" if len(faults) == 1 else f"{len(faults)} rows are"
    remedy = "mend this and import again; nothing was changed"
    raise InputError(file, f"{rows} at fault: {'; '.join(texts)}{more}", remedy)
