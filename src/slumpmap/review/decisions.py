"""Decision files: what a reviewer says of each candidate. People and simulated experts write the same.

A decision file is a GeoPackage with one row a candidate:

| column | meaning |
|---|---|
| `candidate_id` | id of the candidate |
| `is_slump` | true or false; empty where the reviewer has not decided yet |
| `unsure` | true where the reviewer cannot tell: the adjudicator decides (may be left out) |
| `probability` | `high`, `medium` or `low`, for slumps (Xia et al. 2022, section 4.3) |
| `initiation` | initiation group, for slumps; may be empty |
| `use_as_negative` | true if a rejected candidate should teach the model |
| `reason`, `note` | free text |
| `headwall_highest`, `colour_differs`, `headwall_arcuate`, `retreats_upslope` | the four criteria (may be left out) |
| `headwall` | the headwall as a line, WKT (may be left out) |
| `seconds`, `decided_at` | time spent, and when (may be left out) |
| geometry | boundary of the slump; several parts are several slumps in one candidate |
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from slumpmap.errors import InputError
from slumpmap.vector import read_layer, write_layer

PROBABILITIES = ("high", "medium", "low")
CRITERIA_COLUMNS = ("headwall_highest", "colour_differs", "headwall_arcuate", "retreats_upslope")
_TEXTS = ("reason", "note", "headwall", "decided_at")
COLUMNS = (
    "candidate_id",
    "is_slump",
    "unsure",
    "probability",
    "initiation",
    "use_as_negative",
    *_TEXTS,
    *CRITERIA_COLUMNS,
    "seconds",
)
BOOLEANS = ("is_slump", "unsure", "use_as_negative", *CRITERIA_COLUMNS)
_LINE = shapely.GeometryType.LINESTRING
REQUIRED = ("candidate_id", "is_slump", "probability", "initiation", "use_as_negative")


def write_template(candidates: Path, out: Path) -> None:
    """Writes the decision file that a reviewer fills in: one undecided row for each new candidate.

    Args:
        candidates: an iteration's candidates, with `id`, `status` and `score`.
        out: the GeoPackage to make; the candidate's outline is the boundary to correct.
    """
    layer = read_layer(candidates, "candidates", columns=("id", "status", "score"))
    write_layer(undecided(layer[layer["status"] == "new"]), out)


def undecided(candidates: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Undecided rows for these candidates, in their order, with the candidate's outline as boundary."""
    count = len(candidates)
    return gpd.GeoDataFrame(
        {
            "candidate_id": candidates["id"].to_numpy(dtype=object),
            "is_slump": pd.array([pd.NA] * count, dtype="boolean"),
            "unsure": pd.array([False] * count, dtype="boolean"),
            "probability": pd.Series([None] * count, dtype=object),
            "initiation": pd.Series([None] * count, dtype=object),
            "use_as_negative": pd.array([False] * count, dtype="boolean"),
            **{name: pd.Series([None] * count, dtype=object) for name in _TEXTS},
            **{name: pd.array([pd.NA] * count, dtype="boolean") for name in CRITERIA_COLUMNS},
            "seconds": np.full(count, np.nan),
        },
        geometry=candidates.geometry.to_numpy(),
        crs=candidates.crs,
    )


def read_decisions(path: Path, candidates: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Reads a decision file and checks it against the candidates that were to be inspected.

    Args:
        path: the decision file.
        candidates: the candidates to inspect (column `id`), in the campaign's CRS.

    Returns:
        The decided and the unsure rows (open ones are left out) indexed by `candidate_id`, columns as in COLUMNS;
        `is_slump` is missing where the reviewer is unsure.

    Raises:
        InputError: missing column, unknown id, two rows for one candidate, a slump without a probability, a
            verdict beside `unsure`, a value that is not allowed, or any fault that `read_layer` refuses.
    """
    rows = read_rows(path, candidates)
    return rows[rows["is_slump"].notna() | rows["unsure"]].copy()


def read_rows(path: Path, candidates: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Reads all rows of a decision file, open ones too, with the checks of `read_decisions`."""
    layer = read_layer(path, "decision file", crs=candidates.crs, columns=REQUIRED, unique="candidate_id")
    unknown = ~layer["candidate_id"].isin(candidates["id"])
    if unknown.any():
        name = layer.loc[unknown, "candidate_id"].iloc[0]
        raise InputError(path, f"candidate {name!r} was not to be inspected", "remove the row, or take the right file")
    layer = layer.reindex(columns=[*COLUMNS, "geometry"])
    for column in BOOLEANS:
        layer[column], strange = as_booleans(layer[column])
        if strange is not None:
            raise InputError(path, f"{column} holds {strange!r}", "give true, false, or leave it empty")
    for column in ("unsure", "use_as_negative"):
        layer[column] = layer[column].fillna(False)
    both = layer["unsure"] & layer["is_slump"].notna()
    if both.any():
        name = layer.loc[both, "candidate_id"].iloc[0]
        raise InputError(path, f"candidate {name!r} is unsure and decided", "empty is_slump, or set unsure to false")
    slumps = layer["is_slump"].fillna(False).astype(bool)
    wrong = slumps & ~layer["probability"].isin(PROBABILITIES)
    if wrong.any():
        name = layer.loc[wrong, "candidate_id"].iloc[0]
        raise InputError(path, f"slump {name!r} has no probability", f"give {', '.join(PROBABILITIES)}")
    _check_headwalls(layer, path)
    _check_seconds(layer, path)
    return layer.set_index("candidate_id")


def _check_headwalls(layer: gpd.GeoDataFrame, path: Path) -> None:
    """Refuses a headwall that is no line."""
    texts = layer["headwall"].where(layer["headwall"].astype(str).str.strip() != "", None)
    layer["headwall"] = texts.astype(object).where(texts.notna(), None)
    lines = shapely.from_wkt(layer["headwall"].to_numpy(object), on_invalid="ignore")
    wrong = layer["headwall"].notna().to_numpy() & (shapely.get_type_id(lines) != _LINE)
    if wrong.any():
        name = layer["candidate_id"].iloc[int(wrong.argmax())]
        raise InputError(
            path, f"the headwall of candidate {name!r} is no line", "write it as LINESTRING (x y, x y, ...)"
        )


def _check_seconds(layer: gpd.GeoDataFrame, path: Path) -> None:
    """Refuses a time that is negative or no number."""
    times = pd.to_numeric(layer["seconds"], errors="coerce")
    wrong = (times.isna() & layer["seconds"].notna()) | (times < 0)
    if wrong.any():
        value = layer.loc[wrong, "seconds"].iloc[0]
        raise InputError(path, f"seconds holds {value}", "give seconds, or leave it empty")
    layer["seconds"] = times.astype(float)


def as_booleans(values: pd.Series) -> tuple[pd.Series, Any]:
    """Booleans from what GIS programs store as booleans: true/false, t/f, 0/1 as number or text, empty.

    Returns:
        The values, nullable; and the first one that is none of these, or None.
    """
    # 1 and 0 hash as True and False do, so they need no keys of their own.
    texts: dict[bool | str, bool | None] = {"true": True, "t": True, "1": True, "": None}
    texts |= {"false": False, "f": False, "0": False}
    known = {True: True, False: False, **texts}
    lowered = values.map(lambda value: value.strip().lower() if isinstance(value, str) else value, na_action="ignore")
    wrong = lowered.notna() & ~lowered.isin(list(known))
    booleans = lowered.map(known, na_action="ignore").astype("boolean")
    return booleans, values[wrong].iloc[0] if wrong.any() else None
