"""Where a slump comes from: the model that found it, the scenes that show it, the people who decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from slumpmap.errors import InputError
from slumpmap.files import read_json
from slumpmap.review.growth_table import MEASURED
from slumpmap.vector import read_layer

COLUMNS = ("model", "scenes", "scene_dates", "reviewers")
_CARD = "model.json"
_DIGITS = 12
_LINE = shapely.GeometryType.LINESTRING
_DECISION_COLUMNS = ("candidate_id", "is_slump")


@dataclass(frozen=True)
class Iteration:
    """What an iteration left behind.

    Args:
        number: from 1.
        models: bundles; several make an ensemble.
        decisions: each reviewer's decision file, the adjudicator last.
    """

    number: int
    models: Sequence[Path] = ()
    decisions: Mapping[str, Path] = field(default_factory=dict)

    @cached_property
    def opinions(self) -> dict[str, gpd.GeoDataFrame]:
        """The rows of the decision files by reviewer, `candidate_id` being text."""
        tables = {}
        for name, file in self.decisions.items():
            table = read_layer(file, "decision file", columns=_DECISION_COLUMNS, unique="candidate_id")
            tables[name] = table.assign(candidate_id=table["candidate_id"].astype(str))
        return tables


@dataclass(frozen=True)
class Provenance:
    """What is known of a campaign's making.

    Args:
        iterations: those so far.
        catalogue: the checked catalogue of scenes, or None.
        year: the mapping year.
        growth: what was measured of the slumps in each iteration, see `review.growth_table`.
    """

    iterations: Sequence[Iteration] = ()
    catalogue: Path | None = None
    year: int | None = None
    growth: Sequence[Path] = ()


def origins(slumps: gpd.GeoDataFrame, known: Provenance) -> pd.DataFrame:
    """Model, scenes and reviewers of each slump.

    `model` is the iteration's number and the first digits of the SHA-256 of the weights, `02:3fa2b4c1d2e5`, joined by
    `+` in an ensemble; None for initial outlines. `scenes` and `scene_dates`, comma separated, are the scenes of the
    mapping year that its image can rest on there, clearest first: those that touch the slump, up to the first one that
    covers it without clouds. `reviewers` are those who gave an opinion, in their order, joined by `;`.

    Without a catalogue `scene_dates` is the column `date` of the slumps, where they have one.

    Args:
        slumps: columns `id`, `iteration_found`.
        known: what is known.

    Raises:
        InputError: a file is missing or is not what it should be.
    """
    table = pd.DataFrame(None, index=slumps.index, columns=list(COLUMNS), dtype=object)
    for iteration in known.iterations:
        found = slumps["iteration_found"] == iteration.number
        if iteration.models:
            table.loc[found, "model"] = _model_name(iteration)
        candidates = candidates_of(slumps.loc[found, "id"], iteration)
        table.loc[found, "reviewers"] = _reviewers(candidates, iteration)
    if known.catalogue is not None and known.year is not None:
        table[["scenes", "scene_dates"]] = _scenes(slumps, known.catalogue, known.year)
    elif "date" in slumps:
        table["scene_dates"] = slumps["date"].astype(object).where(slumps["date"].notna(), None)
    return table.where(table.notna(), None)


def measured(slumps: gpd.GeoDataFrame, growth: Sequence[Path]) -> pd.DataFrame:
    """What was measured of each slump, the columns MEASURED, beside the confirmed `initiation`; nulls elsewhere."""
    parts = [read_layer(path, "growth", columns=("id", *MEASURED), unique="id") for path in growth]
    rows = pd.concat([pd.DataFrame(part[["id", *MEASURED]]).astype(object) for part in parts]) if parts else None
    table = pd.DataFrame(index=slumps.index)
    for name in MEASURED:
        # A column that is empty throughout an iteration comes back without a type.
        values = slumps["id"].map({} if rows is None else rows.drop_duplicates("id", keep="last").set_index("id")[name])
        text = name == "initiation_measured"
        table[name] = values.astype(object).where(values.notna(), None) if text else pd.to_numeric(values)
    return table


def drawn_headwalls(slumps: gpd.GeoDataFrame, iterations: Sequence[Iteration]) -> NDArray[np.object_]:
    """Headwalls as drawn in review, (slumps,) lines; None where nobody drew one.

    The adjudicator's counts before the reviewers', theirs in their order. Decision files are in the slumps' CRS.
    """
    lines = np.full(len(slumps), None, dtype=object)
    for iteration in iterations:
        found = np.flatnonzero(slumps["iteration_found"] == iteration.number)
        candidates = candidates_of(slumps["id"].iloc[found], iteration)
        names = list(iteration.opinions)
        for name in [*names[-1:], *names[:-1]]:
            layer = iteration.opinions[name]
            if "headwall" in layer:
                texts = candidates.map(layer.set_index("candidate_id")["headwall"])
                drawn = np.array([text if isinstance(text, str) and text.strip() else None for text in texts], object)
                drawn = _lines(drawn, iteration.decisions[name])
                lines[found] = np.where(shapely.is_missing(lines[found]), drawn, lines[found])
    return lines


def candidates_of(ids: pd.Series, iteration: Iteration) -> pd.Series:
    """Ids of the candidates that slumps were: a part of a candidate has its id and a number, `c0007.2`."""
    known = {candidate for layer in iteration.opinions.values() for candidate in layer["candidate_id"]}
    whole = ids.str.rsplit(".", n=1).str[0]
    return ids.where(ids.isin(known) | ~whole.isin(known), whole)


def _model_name(iteration: Iteration) -> str:
    """Number of the iteration and weights of its networks."""
    digests = []
    for bundle in iteration.models:
        card = read_json(bundle / _CARD)
        digest = card.get("weights") if isinstance(card, dict) else None
        if not isinstance(digest, str) or not digest:
            raise InputError(bundle / _CARD, "not a model card (weights)", "give the bundle of this iteration")
        digests.append(digest[:_DIGITS])
    return f"{iteration.number:02d}:{'+'.join(digests)}"


def _reviewers(candidates: pd.Series, iteration: Iteration) -> pd.Series:
    """Names of those who said something of candidates, joined; None where nobody did."""
    texts = pd.Series("", index=candidates.index, dtype=object)
    for name, layer in iteration.opinions.items():
        opinion = layer["is_slump"].notna()
        if "unsure" in layer:
            # As GIS programs write what is true.
            opinion |= layer["unsure"].astype(str).str.lower().isin(["true", "1", "1.0"])
        said = candidates.isin(layer.loc[opinion, "candidate_id"])
        texts = texts.where(~said, texts.where(texts == "", texts + ";") + name)
    return texts.where(texts != "", None)


def _scenes(slumps: gpd.GeoDataFrame, catalogue: Path, year: int) -> pd.DataFrame:
    """Names and dates of the scenes that can show each slump."""
    columns = ("scene", "acquired", "year", "cloud_fraction", "selected")
    layer = read_layer(catalogue, "checked scene catalogue", str(slumps.crs), columns)
    layer = layer[layer["selected"].astype(bool) & (layer["year"] == year)]
    layer = layer.sort_values(["cloud_fraction", "acquired", "scene"], ignore_index=True)
    outlines, footprints = slumps.geometry.to_numpy(), layer.geometry.to_numpy()
    slump, scene = shapely.STRtree(footprints).query(outlines, predicate="intersects")
    pairs = pd.DataFrame({"slump": slump, "scene": scene}).sort_values(["slump", "scene"], ignore_index=True)
    clear = layer["cloud_fraction"].to_numpy()[pairs["scene"]] == 0
    enough = clear & shapely.covers(footprints[pairs["scene"]], outlines[pairs["slump"]])
    # Once a scene shows all of the slump, none that follows is seen.
    before = pd.Series(enough).groupby(pairs["slump"]).cumsum() - enough
    pairs = pairs[before.to_numpy() == 0]
    texts = {"scenes": layer["scene"].astype(str), "scene_dates": layer["acquired"].astype(str).str[:10]}
    table = pd.DataFrame(None, index=range(len(slumps)), columns=list(texts), dtype=object)
    for name, values in texts.items():
        each = pd.DataFrame({"slump": pairs["slump"], "text": values.to_numpy()[pairs["scene"]]}).drop_duplicates()
        joined = each.groupby("slump")["text"].agg(",".join)
        table.loc[joined.index, name] = joined
    return table.set_axis(slumps.index)


def _lines(texts: NDArray[np.object_], file: Path) -> NDArray[np.object_]:
    """Lines from WKT, None from None."""
    lines = shapely.from_wkt(texts, on_invalid="ignore")
    wrong = np.array([text is not None for text in texts], bool) & (shapely.get_type_id(lines) != _LINE)
    if wrong.any():
        raise InputError(file, f"headwall {texts[wrong][0]!r} is no line", "write it as LINESTRING (x y, x y, ...)")
    return np.asarray(lines)
