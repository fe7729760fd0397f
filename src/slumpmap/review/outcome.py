"""The outcome of an iteration: what people decided, counted, and turned into slumps and rejected places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from slumpmap.candidates.ledger import update_rejected
from slumpmap.files import write_json
from slumpmap.labels import SLUMP_COLUMNS
from slumpmap.review.adjudication import Boundary, adjudicate, disputed, undecided_by, verdicts_of
from slumpmap.review.decisions import read_decisions, undecided
from slumpmap.vector import read_layer, write_layer

# Two outlines show the same slump if they share this part of the smaller one.
_SAME_SHARE = 0.5


def make_outcome(
    candidates: Path,
    positives: Path,
    negatives: Path,
    rejected_before: Path | None,
    decisions: Mapping[str, Path | None],
    adjudicator: tuple[str, Path | None],
    iteration: int,
    boundary: Boundary,
    out: Path,
) -> None:
    """Counts an iteration's decisions and writes what follows from them into the folder `out`.

    - `accepted.gpkg`: the newly found slumps.
    - `rejected.gpkg`: all places rejected so far, with score and whether they may serve as negatives. The outlines of
      accepted candidates are among them (`is_slump`): what of their ground was left out of the slump's boundary
      was seen and not taken, so it need not be shown again.
    - `disputed.gpkg`: a decision file for the adjudicator, undecided.
    - `verdicts.gpkg`: one row a candidate that is decided, with everybody's verdict and who settled it.
    - `outcome.json`: the row of Table 2; `state`: `decided` when every new candidate is, else `waiting`; and what
      `slumpmap.review.missing` needs: `known_found_again` (slumps known before that a candidate shows), `reviews`
      (what each reviewer accepted, rejected, was unsure of), `captures` (who accepted the confirmed candidates).

    While people are still deciding the slumps accepted so far are written all the same.

    Args:
        candidates: the iteration's ledger of candidates.
        positives: slumps known at the start of the iteration.
        negatives: negatives that the iteration's model was trained on.
        rejected_before: `rejected.gpkg` of the iteration before, or None.
        decisions: decision file of each reviewer, None where there is none yet, in the order of the config.
        adjudicator: name and decision file, None where there is none yet.
        iteration: number of the iteration, from 1.
        boundary: which boundary a slump gets that all reviewers accepted.
        out: folder.

    Raises:
        InputError: a decision file is refused.
    """
    ledger = read_layer(candidates, "candidates", columns=("id", "status", "score"), unique="id")
    known = read_layer(positives, "positives", columns=("id",))
    to_inspect = ledger[ledger["status"] == "new"].reset_index(drop=True)
    opinions = {name: read_decisions(path, to_inspect) if path else None for name, path in decisions.items()}
    final = read_decisions(adjudicator[1], to_inspect) if adjudicator[1] else None
    given = {name: opinion for name, opinion in opinions.items() if opinion is not None}
    complete = len(given) == len(opinions)
    dispute = disputed(list(given.values())) if complete else []
    verdicts = adjudicate(list(given.values()), final, boundary) if complete else _no_verdicts(to_inspect)
    accepted = _new_slumps(verdicts[verdicts["is_slump"]], known, iteration)
    rejected = _rejected_places(verdicts, to_inspect)

    write_layer(_with_opinions(verdicts, opinions, adjudicator[0]), out / "verdicts.gpkg")
    write_layer(accepted, out / "accepted.gpkg")
    update_rejected(rejected_before, rejected, iteration, out / "rejected.gpkg")
    open_disputes = to_inspect[to_inspect["id"].isin(dispute) & ~to_inspect["id"].isin(verdicts.index)]
    write_layer(undecided(open_disputes), out / "disputed.gpkg")
    waits = {name: undecided_by(opinion, to_inspect) for name, opinion in opinions.items()}
    waits[adjudicator[0]] = len(open_disputes)
    figures = {
        "iteration": iteration,
        "state": "waiting" if any(waits.values()) else "decided",
        "waiting_for": {name: count for name, count in waits.items() if count},
        "positives": len(known),
        "negatives": len(read_layer(negatives, "negatives")),
        **_of_ledger(ledger, known),
        "disputed": len(dispute),
        "new": len(accepted),
        "total": len(known) + len(accepted),
        "reviews": {name: _review(opinion) for name, opinion in given.items()},
        "captures": _captures(verdicts, opinions) if complete else [],
    }
    write_json(out / "outcome.json", figures)


def _of_ledger(ledger: gpd.GeoDataFrame, known: gpd.GeoDataFrame) -> dict[str, int]:
    """The counts of an iteration's candidates, by what they were before anybody looked at them."""
    counts = ledger["status"].value_counts()
    return {
        "inferred": len(ledger),
        "known": int(counts.get("known", 0)),
        "known_found_again": len(np.unique(_same(known.geometry.to_numpy(), ledger.geometry.to_numpy())[0])),
        "rejected_before": int(counts.get("rejected", 0)),
        "inspected": int(counts.get("new", 0)),
    }


def _with_opinions(
    verdicts: gpd.GeoDataFrame, opinions: Mapping[str, gpd.GeoDataFrame | None], adjudicator: str
) -> gpd.GeoDataFrame:
    """The verdicts beside what each reviewer had said."""
    kept = verdicts.drop(columns=["unsure", "agreed", "seconds", "decided_at"])
    kept.insert(0, "settled_by", np.where(verdicts["agreed"], "agreement", adjudicator))
    for name, opinion in opinions.items():
        if opinion is not None:
            kept[f"verdict_{name}"] = verdicts_of(opinion).reindex(kept.index)
    return kept.reset_index()


def _review(opinion: gpd.GeoDataFrame) -> dict[str, int]:
    """How many candidates a reviewer accepted, rejected, or was unsure of."""
    return {
        "accepted": int(opinion["is_slump"].eq(True).sum()),
        "rejected": int(opinion["is_slump"].eq(False).sum()),
        "unsure": int(opinion["is_slump"].isna().sum()),
    }


def _captures(verdicts: gpd.GeoDataFrame, opinions: Mapping[str, gpd.GeoDataFrame | None]) -> list[dict[str, Any]]:
    """How many of the confirmed candidates were accepted by which reviewers, the most frequent case first.

    A candidate that the adjudicator alone accepted has nobody. What the adjudicator rejected is no slump, whoever
    accepted it.
    """
    confirmed = verdicts.index[verdicts["is_slump"]]
    accepted = {
        name: opinion["is_slump"].reindex(confirmed).eq(True).fillna(False)
        for name, opinion in opinions.items()
        if opinion is not None
    }
    who = Counter(zip(*(flags.tolist() for flags in accepted.values()), strict=True))
    return [
        {"by": [name for name, flag in zip(accepted, flags, strict=True) if flag], "count": count}
        for flags, count in sorted(who.items(), key=lambda item: (-item[1], item[0]))
    ]


def _no_verdicts(candidates: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Verdicts on nothing: no row, the columns of a decision file."""
    none = undecided(candidates.iloc[:0]).set_index("candidate_id")
    none["is_slump"] = none["is_slump"].astype(bool)
    none["agreed"] = False
    return none


def _new_slumps(accepted: gpd.GeoDataFrame, known: gpd.GeoDataFrame, iteration: int) -> gpd.GeoDataFrame:
    """One row a slump: boundaries split into parts, outlines of one slump drawn twice kept once.

    Two candidates may be two pieces of one slump, and reviewers draw the whole each time; and a candidate
    beside a known slump may be drawn as that slump. Neither is a new find.
    """
    parts = accepted.explode(index_parts=False)
    number = parts.groupby(level=0).cumcount()
    several = parts.index.duplicated(keep=False)
    names = parts.index.to_series().str.cat(number.add(1).astype(str), sep=".").where(several, parts.index)
    slumps = gpd.GeoDataFrame(
        {
            "id": names.to_numpy(dtype=object),
            "iteration_found": np.full(len(parts), iteration),
            "probability": parts["probability"].to_numpy(dtype=object),
            "initiation": parts["initiation"].to_numpy(dtype=object),
            "source": "inspection",
        },
        geometry=parts.geometry.to_numpy(),
        crs=accepted.crs,
    )
    outlines = slumps.geometry.to_numpy()
    fresh = ~np.isin(np.arange(len(slumps)), _same(outlines, known.geometry.to_numpy())[0])
    slumps = slumps[fresh].reset_index(drop=True)
    first, second = _same(slumps.geometry.to_numpy(), slumps.geometry.to_numpy())
    links = coo_array((np.ones(len(first)), (first, second)), shape=(len(slumps), len(slumps)))
    slumps["group"] = connected_components(links, directed=False)[1] if len(slumps) else []
    slumps["size"] = slumps.area
    # Of several drawings of one slump the largest is the most complete; ties go to the first id.
    chosen = slumps.sort_values(["size", "id"], ascending=[False, True]).drop_duplicates("group")
    return chosen.sort_values("id").reset_index(drop=True)[[*SLUMP_COLUMNS, "geometry"]]


def _same(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (row of left, row of right) that show the same slump."""
    i, j = shapely.STRtree(right).query(left, predicate="intersects")
    shared = shapely.area(shapely.intersection(left[i], right[j]))
    same = shared >= _SAME_SHARE * np.minimum(shapely.area(left[i]), shapely.area(right[j]))
    return i[same], j[same]


def _rejected_places(verdicts: gpd.GeoDataFrame, candidates: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Decided candidates with their own outlines, scores, and whether they may serve as negatives."""
    places = candidates.set_index("id").loc[verdicts.index]
    return gpd.GeoDataFrame(
        {
            "id": places.index.to_numpy(dtype=object),
            "score": places["score"].to_numpy(dtype=float),
            "is_slump": verdicts["is_slump"].to_numpy(dtype=bool),
            "use_as_negative": verdicts["use_as_negative"].to_numpy(dtype=bool),
            "reason": pd.Series(verdicts["reason"].to_numpy(), dtype=object),
        },
        geometry=places.geometry.to_numpy(),
        crs=candidates.crs,
    )
