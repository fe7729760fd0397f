"""One inventory: which factors hold together, whether slumps lie in clusters, and what holds without doubtful ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from slumpmap.files import write_json
from slumpmap.inventory.clustering import nearest_neighbour, ripley
from slumpmap.inventory.joint import Factor, Joint, Kind, Model, joint_model
from slumpmap.inventory.landscape import BINNED, write_table
from slumpmap.inventory.selection import watson_u2
from slumpmap.inventory.sensitivity import SUBSETS, sensitivity
from slumpmap.inventory.study import (
    TESTED,
    Study,
    notes,
    read_bins,
    read_points,
    slump_classes,
    why_absent,
)
from slumpmap.settings.analysis import ClusterSettings, JointSettings

Rows = NDArray[np.intp]
Statement = Callable[[Rows], float | None]

# What each factor is to the joint model: an optimum in the middle is thinkable of elevation and slope.
KINDS: Mapping[str, Kind] = {
    "elevation": "hump",
    "slope": "hump",
    "aspect": "direction",
    "tpi": "number",
    "pisr": "number",
    "vegetation": "class",
    "soil": "class",
    "stream_distance_m": "number",
    "road_distance_m": "number",
}
# A model of fewer slumps learns them by heart.
LEAST_MODELLED = 20
# Slumps without a factor drop out of a model with it: a factor that is known of fewer costs more than it tells.
_LEAST_KNOWN = 0.8
_COLUMNS = {
    "coefficients": ("factor", "term", "coefficient", "lower", "upper"),
    "factors": ("model", "factor", "alone", "after_others", "lower", "upper", "holds", "note"),
    "dependence": ("model", "factor", "value", "relative"),
}

RIPLEY_COLUMNS = ("r", "k", "l", "l_minus_r", "slumps", "lower", "upper", "finding")
# Distances at which Ripley's K is taken.
_DISTANCES = 20
LEAST_PATTERN = 3

NORTH_FACING = ("N", "NE", "NW")
SENSITIVITY_COLUMNS = ("statement", "all", "without_low", "high_only", "change_percent", "note")


def write_joint(study: Study, landscape: Path, settings: JointSettings, seed: int, out: Path) -> None:
    """Writes the joint model: `out`, a JSON, and beside it `coefficients.csv`, `factors.csv`, `dependence.csv`.

    Factors that cannot be in the model (no layer, one class or value only, unknown of most slumps) are listed with the
    reason; where slumps are too few there is no model, and the JSON says so.

    Args:
        study: the slumps.
        landscape: folder with `points.parquet` and `landscape.json`.
        settings: blocks, folds, draws, and whether trees give a second opinion.
        seed: of folds and draws.
        out: JSON to write.
    """
    points = read_points(study, landscape)
    factors, left_out = usable_factors(study, points, landscape)
    models: tuple[Model, ...] = ("logistic", "trees") if settings.trees else ("logistic",)
    found: dict[str, Joint] = {}
    reasons = study.remarks()
    for model in models:
        try:
            found[model] = _modelled(study, points, factors, model, settings, seed)
        except ValueError as error:
            reasons.append(f"no {model} model: {error}")
            print(f"warning: {reasons[-1]}")
    facts = {
        "slumps": len(study.slumps),
        "outside": study.outside,
        "factors": [factor.name for factor in factors],
        "factors_left_out": left_out,
        "models": {name: _summary(joint) for name, joint in found.items()},
        "omissions": reasons,
    }
    _write_tables(found, left_out, out)
    write_json(out, facts)


def usable_factors(study: Study, points: pd.DataFrame, landscape: Path) -> tuple[list[Factor], list[dict[str, str]]]:
    """Factors that a model can take, and those that it cannot, with reasons."""
    factors, left_out = [], []
    for name, kind in KINDS.items():
        known = study.slumps[name].notna()
        share = float(known.mean()) if len(known) else 0.0
        if name not in points or not points[name].notna().any():
            reason = why_absent(landscape, name)
        elif points[name].nunique() < 2:
            what = "class" if kind == "class" else "value"
            reason = f"the study area has one {what} only: {points[name].dropna().iloc[0]}"
        elif share < _LEAST_KNOWN:
            reason = f"{int((~known).sum())} of {len(known)} slumps have no value"
        else:
            factors.append(Factor(name, kind))
            continue
        left_out.append({"factor": name, "reason": reason})
    return factors, left_out


def _modelled(
    study: Study, points: pd.DataFrame, factors: list[Factor], model: Model, settings: JointSettings, seed: int
) -> Joint:
    """The joint model of a study.

    Raises:
        ValueError: too few slumps or blocks, or no factor.
    """
    names = [factor.name for factor in factors]
    complete = int(study.slumps[names].notna().all(axis=1).sum())
    if complete < LEAST_MODELLED:
        raise ValueError(f"{complete} slumps with all values are too few, {LEAST_MODELLED} or more are needed")
    slumps, landscape = (_plain(table, factors) for table in (study.slumps, points))
    places = points[["x", "y"]].to_numpy()
    shared = (1000 * settings.block_km, seed, model, settings.folds, settings.joint_repeats)
    return joint_model(slumps, study.xy, landscape, places, factors, *shared)


def _plain(table: pd.DataFrame, factors: list[Factor]) -> pd.DataFrame:
    """The factors' columns with numbers as float and classes as objects."""
    return pd.DataFrame(
        {factor.name: table[factor.name].astype(object if factor.kind == "class" else float) for factor in factors}
    )


def _summary(joint: Joint) -> dict[str, Any]:
    """Figures of a model for the JSON."""
    facts = {name: getattr(joint, name) for name in ("auc", "gain", "slumps", "landscape", "dropped", "blocks")}
    # A part of the blocks without slumps has no ROC curve.
    facts["auc"] = None if np.isnan(joint.auc) else joint.auc
    return facts | {"holds": joint.factors.loc[joint.factors["holds"], "factor"].tolist()}


def _write_tables(found: Mapping[str, Joint], left_out: list[dict[str, str]], out: Path) -> None:
    """Writes the three tables of the joint model; without a model they have no rows but those of left out factors."""
    missing = pd.DataFrame([{"factor": row["factor"], "note": row["reason"]} for row in left_out])
    tables = {
        "coefficients": [joint.coefficients for name, joint in found.items() if name == "logistic"],
        "factors": [*(joint.factors.assign(model=name) for name, joint in found.items()), missing],
        "dependence": [joint.dependence.assign(model=name) for name, joint in found.items()],
    }
    for name, parts in tables.items():
        some = [part for part in parts if len(part)]
        table = pd.concat(some, ignore_index=True) if some else pd.DataFrame()
        write_table(table.reindex(columns=list(_COLUMNS[name])), out.with_name(f"{name}.csv"))


def write_clustering(study: Study, settings: ClusterSettings, seed: int, out: Path) -> None:
    """Writes whether slumps lie in clusters: `out`, a JSON, and `ripley.csv` beside it.

    Args:
        study: the slumps; each stands at its centroid.
        settings: number of random patterns, largest distance.
        seed: of the patterns.
        out: JSON to write.
    """
    count, reasons = len(study.slumps), study.remarks()
    facts: dict[str, Any] = {"slumps": count, "outside": study.outside, "area_km2": study.area.area / 1e6}
    facts |= {"simulations": settings.simulations, "nearest_neighbour": None, "ripley": None}
    table = pd.DataFrame(columns=list(RIPLEY_COLUMNS))
    if count < LEAST_PATTERN:
        reasons.append(f"{count} slumps are too few for a pattern: {LEAST_PATTERN} or more are needed")
        print(f"warning: {reasons[-1]}")
    else:
        found = nearest_neighbour(study.xy, study.area, seed, settings.simulations)
        facts["nearest_neighbour"] = asdict(found)
        curve = ripley(study.xy, study.area, _distances(study, settings), seed, settings.simulations)
        table = curve.table
        clustered = table.loc[table["finding"] == "clustered", "r"]
        facts["ripley"] = {
            "p": None if np.isnan(curve.p) else curve.p,
            "farthest_m": float(table["r"].max()),
            "clustered_m": [float(clustered.min()), float(clustered.max())] if len(clustered) else None,
        }
        few = int((table["finding"] == "unknown").sum())
        if few:
            reasons.append(f"at {few} of {len(table)} distances no slump is far enough from the edge of the area")
    write_table(table, out.with_name("ripley.csv"))
    write_json(out, facts | {"omissions": reasons})


def _distances(study: Study, settings: ClusterSettings) -> NDArray[np.float64]:
    """Distances at which Ripley's K is taken, metres."""
    west, south, east, north = study.area.bounds
    farthest = 1000 * settings.farthest_km if settings.farthest_km else min(east - west, north - south) / 4
    return np.linspace(0, farthest, _DISTANCES + 1)[1:]


def sensitivity_table(study: Study, landscape: Path, seed: int) -> pd.DataFrame:
    """What is said of all slumps, said again without those of low probability, and of those of high probability alone.

    Args:
        study: the slumps.
        landscape: folder with `bins.csv`, `points.parquet` and `landscape.json`.
        seed: of random patterns.

    Returns:
        Columns `SENSITIVITY_COLUMNS`, a row a statement; `note` says why one has no number.
    """
    statements = {**_of_slumps(study), **_of_pattern(study, seed)} | _against(study, landscape)
    probability = study.slumps["probability"]
    table = sensitivity(statements, probability)
    counts = table.attrs["slumps"]
    ungraded = int(probability.isna().sum())
    first = notes(*study.remarks(), f"{ungraded} slumps without probability count throughout" if ungraded else None)
    table["note"] = [
        notes(_why_no_number(row, counts), first if place == 0 else None)
        for place, (_, row) in enumerate(table.iterrows())
    ]
    return table[list(SENSITIVITY_COLUMNS)]


def _why_no_number(row: pd.Series, counts: Mapping[str, int]) -> str | None:
    """What a row of the sensitivity table says of its empty fields; None where there is none."""
    empty = [f"{name} ({counts[name]} slumps)" for name in SUBSETS if np.isnan(row[name])]
    return f"no slumps with a value, or too few, in {', '.join(empty)}" if empty else None


def _of_slumps(study: Study) -> dict[str, Statement]:
    """Statements of the slumps themselves."""
    slumps = study.slumps
    statements: dict[str, Statement] = {
        "slumps": lambda rows: float(len(rows)),
        "affected area, ha": lambda rows: float(slumps["area_ha"].iloc[rows].sum()),
        "median area, ha": _quantile(slumps["area_ha"], 0.5),
        "share near roads": _share(slumps["near_road"]),
        "share adjacent to streams": _share(slumps["near_stream"]),
        "share facing N, NE or NW": _share(_is_in(slumps["aspect_class"], NORTH_FACING)),
        "share on slopes of 4 to 8 degrees": _share(_is_in_range(slumps["slope"], 4, 8)),
        "elevation above which 95 % lie, m": _quantile(slumps["elevation"], 0.05),
        "elevation below which 95 % lie, m": _quantile(slumps["elevation"], 0.95),
    }
    for name, unit in (("elevation", "m"), ("slope", "degrees"), ("tpi", "m"), ("pisr", "kWh m-2")):
        statements[f"median {name}, {unit}"] = _quantile(slumps[name], 0.5)
    return statements


def _is_in(column: pd.Series, names: tuple[str, ...]) -> pd.Series:
    return column.isin(names).astype("boolean").mask(column.isna())


def _is_in_range(column: pd.Series, low: float, high: float) -> pd.Series:
    return ((column >= low) & (column < high)).astype("boolean").mask(column.isna())


def _quantile(column: pd.Series, share: float) -> Statement:
    """A quantile of the known values."""

    def statement(rows: Rows) -> float | None:
        known = column.iloc[rows].dropna()
        return float(known.quantile(share)) if len(known) else None

    return statement


def _share(flags: pd.Series) -> Statement:
    """The share of true among those known."""

    def statement(rows: Rows) -> float | None:
        known = flags.iloc[rows].dropna()
        return float(known.astype(float).mean()) if len(known) else None

    return statement


def _of_pattern(study: Study, seed: int) -> dict[str, Statement]:
    """How close slumps lie."""

    def ratio(rows: Rows) -> float | None:
        return nearest_neighbour(study.xy[rows], study.area, seed).ratio if len(rows) >= LEAST_PATTERN else None

    return {"nearest neighbour ratio": ratio}


def _against(study: Study, landscape: Path) -> dict[str, Statement]:
    """Statements of slumps against the landscape."""
    bins, points = read_bins(landscape), read_points(study, landscape)
    statements: dict[str, Statement] = {}
    for factor in TESTED:
        if factor in points:
            there = points[factor].dropna().to_numpy(dtype=float)
            values = study.slumps[factor].to_numpy(dtype=float)
            kind = "U2 of aspect" if factor == "aspect" else f"difference of medians from the landscape, {factor}"
            statements[kind] = _difference(values, there, factor == "aspect")
    for factor in BINNED:
        own = bins[(bins["layer"] == factor) & (bins["share"] > 0)]
        if len(own):
            classes = pd.Series(slump_classes(study, factor, own), dtype=object)
            counted = classes.value_counts()
            counted = counted[counted.index.isin(own["class"])]
            if len(counted):
                name = str(counted.index[0])
                share = float(own.loc[own["class"] == name, "share"].iloc[0])
                statements[f"selection ratio of the most frequent {factor}, {name}"] = _ratio(classes, name, share)
    return statements


def _difference(values: NDArray[np.float64], there: NDArray[np.float64], is_direction: bool) -> Statement:
    """Watson's U2 of directions, or the difference of medians of numbers."""

    def statement(rows: Rows) -> float | None:
        known = values[rows][~np.isnan(values[rows])]
        if not len(known) or not len(there):
            return None
        return watson_u2(known, there) if is_direction else float(np.median(known) - np.median(there))

    return statement


def _ratio(classes: pd.Series, name: str, share: float) -> Statement:
    """Share of a class among the slumps whose class is known, by its share of the landscape."""

    def statement(rows: Rows) -> float | None:
        known = classes.iloc[rows].dropna()
        return float((known == name).mean() / share) if len(known) else None

    return statement
