"""From the acts in a store to the decision file that the workflow counts, and back from a file that was edited."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd

from slumpmap.errors import InputError
from slumpmap.files import atomic
from slumpmap.review.decisions import read_decisions, undecided
from slumpmap.review.opinion import Opinion, as_row, of_row, same
from slumpmap.review.room import Room
from slumpmap.review.store import State
from slumpmap.tables import write_csv
from slumpmap.vector import write_layer

# What the store remembers of the last decision file: its digest, and the number of acts that it holds.
_DIGEST, _ACTS = "handed_in", "handed_in_acts"


def hand_in(room: Room) -> dict[str, Any]:
    """Writes the decision file, a CSV of it, and the repeats; what is still open stays open in it.

    Args:
        room: the review.

    Returns:
        `file`, and how many candidates are `decided`, `unsure` and `open`.

    Raises:
        InputError: another program changed the decision file since it was last written or taken in.
    """
    path = room.decision_file
    if path.exists() and digest_of(path) != room.store.fact(_DIGEST):
        raise InputError(path, "another program changed it while the review was open", "start the review again")
    acts = room.store.acts()
    states = room.states()
    firsts = {state.candidate: state for state in states if not state.repeated}
    layer = decision_rows(room.candidates, firsts)
    write_layer(layer, path)
    write_csv(pd.DataFrame(layer.to_wkt()), path.with_suffix(".csv"))
    _write_repeats(path.with_suffix(".repeats.csv"), states, firsts)
    room.store.set_fact(_DIGEST, digest_of(path))
    room.store.set_fact(_ACTS, str(acts))
    verdicts = [state.opinion.verdict for state in firsts.values()]
    return {
        "file": str(path),
        "decided": sum(verdict in ("slump", "reject") for verdict in verdicts),
        "unsure": verdicts.count("unsure"),
        "open": verdicts.count(None),
    }


def decision_rows(candidates: gpd.GeoDataFrame, states: dict[str, State]) -> gpd.GeoDataFrame:
    """A decision file's rows: of every candidate, open where there is no opinion.

    Args:
        candidates: rows with `id` and outline.
        states: by candidate.
    """
    layer = undecided(candidates)
    records = [
        as_row(states[name].opinion, outline) | {"seconds": states[name].seconds, "decided_at": states[name].at}
        for name, outline in zip(candidates["id"], candidates.geometry, strict=True)
    ]
    for column in layer.columns.drop(["candidate_id", "geometry"]):
        layer[column] = pd.array([record[column] for record in records], dtype=layer[column].dtype)
    layer.geometry = np.array([record["geometry"] for record in records], dtype=object)
    return layer


def _write_repeats(path: Path, states: Sequence[State], firsts: dict[str, State]) -> None:
    """Writes the verdicts on candidates that were shown twice."""
    pairs = [
        (state.candidate, firsts[state.candidate].opinion.verdict, state.opinion.verdict)
        for state in states
        if state.repeated and state.opinion.verdict and firsts[state.candidate].opinion.verdict
    ]
    with atomic(path) as temporary:
        columns = ["candidate_id", "verdict", "repeat_verdict"]
        pd.DataFrame(sorted(pairs), columns=columns).to_csv(temporary, index=False)


def take_in(room: Room) -> int:
    """Takes over what another program, such as QGIS, changed in the decision file since it was last written.

    A row that is as it was handed in was not edited, and what was decided on the page since then stays; a row that was
    emptied is open again. Nothing is lost: the store keeps what was thought before.

    Args:
        room: the review.

    Returns:
        Number of opinions taken over.

    Raises:
        InputError: the decision file is refused.
    """
    path = room.decision_file
    if not path.exists() or digest_of(path) == room.store.fact(_DIGEST):
        return 0
    digest = digest_of(path)
    layer = read_decisions(path, room.to_inspect)
    acts = int(room.store.fact(_ACTS) or 0)
    firsts = {state.candidate: state for state in room.states() if not state.repeated}
    own = {state.item: name for name, state in firsts.items()}
    before = room.store.opinions_until(acts)
    changed = []
    for name, row in layer[layer.index.isin(list(firsts))].iterrows():
        state, outline = firsts[str(name)], room.outline(str(name))
        opinion = of_row(row, outline)
        handed_in = before.get(state.item, Opinion())
        if not same(opinion, handed_in, outline) and not same(opinion, state.opinion, outline):
            changed.append((state.item, opinion, 0.0))
    emptied = [
        item for item, opinion in before.items() if opinion.verdict and item in own and own[item] not in layer.index
    ]
    changed += [(item, Opinion(), 0.0) for item in emptied]
    # The same file may come back after another: its name alone would not be unique.
    room.store.take_in(changed, f"{digest}/{room.store.acts()}")
    room.store.set_fact(_DIGEST, digest)
    room.store.set_fact(_ACTS, str(room.store.acts()))
    return len(changed)


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
