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
    layer = read_layer(path, "decision file", crs=candidates.crs, columns=REQUIRED, unique="candidate_id")
    unknown = ~layer["candidate_id"].isin(candidates["id"])
    if unknown.any():
        name = layer.loc[unknown, "candidate_id"].iloc[0]
        raise InputError(path, f"candidate {name!r} was not to be inspected", "remove the row, or take the right file")
    layer = layer.reindex(columns=[*COLUMNS, "geometry"])
    for column in ("is_slump", "unsure", "use_as_negative", *CRITERIA_COLUMNS):
        layer[column] = _as_boolean(layer[column], path, column)
    for column in ("unsure", "use_as_negative"):
        layer[column] = layer[column].fillna(False)
    both = layer["unsure"] & layer["is_slump"].notna()
    if both.any():
        name = layer.loc[both, "candidate_id"].iloc[0]
        raise InputError(path, f"candidate {name!r} is unsure and decided", "empty is_slump, or set unsure to false")
    decided = layer[layer["is_slump"].notna() | layer["unsure"]].copy()
    slumps = decided["is_slump"].fillna(False).astype(bool)
    wrong = slumps & ~decided["probability"].isin(PROBABILITIES)
    if wrong.any():
        name = decided.loc[wrong, "candidate_id"].iloc[0]
        raise InputError(path, f"slump {name!r} has no probability", f"give {', '.join(PROBABILITIES)}")
    _check_headwalls(decided, path)
    _check_seconds(decided, path)
    return decided.set_index("candidate_id")


def _check_headwalls(decided: gpd.GeoDataFrame, path: Path) -> None:
    """Refuses a headwall that is no line."""
    texts = decided["headwall"].where(decided["headwall"].astype(str).str.strip() != "", None)
    decided["headwall"] = texts.astype(object).where(texts.notna(), None)
    lines = shapely.from_wkt(decided["headwall"].to_numpy(object), on_invalid="ignore")
    wrong = decided["headwall"].notna().to_numpy() & (shapely.get_type_id(lines) != _LINE)
    if wrong.any():
        name = decided["candidate_id"].iloc[int(wrong.argmax())]
        raise InputError(
            path, f"the headwall of candidate {name!r} is no line", "write it as LINESTRING (x y, x y, ...)"
        )


def _check_seconds(decided: gpd.GeoDataFrame, path: Path) -> None:
    """Refuses a time that is negative or no number."""
    times = pd.to_numeric(decided["seconds"], errors="coerce")
    wrong = (times.isna() & decided["seconds"].notna()) | (times < 0)
    if wrong.any():
        value = decided.loc[wrong, "seconds"].iloc[0]
        raise InputError(path, f"seconds holds {value}", "give seconds, or leave it empty")
    decided["seconds"] = times.astype(float)


def _as_boolean(values: pd.Series, path: Path, column: str) -> pd.Series:
    """Booleans from what GIS programs store as booleans: true/false, 0/1, empty."""
    # 1 and 0 hash as True and False do, so they need no keys of their own.
    known = {True: True, False: False, "true": True, "false": False}
    lowered = values.map(lambda value: value.lower() if isinstance(value, str) else value, na_action="ignore")
    wrong = lowered.notna() & ~lowered.isin(list(known))
    if wrong.any():
        raise InputError(path, f"{column} holds {values[wrong].iloc[0]!r}", "give true, false, or leave it empty")
    return lowered.map(known, na_action="ignore").astype("boolean")
