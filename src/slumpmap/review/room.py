"""A review room: one iteration's candidates, one reviewer's opinions of them, and the decision file they become."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from slumpmap.config import Config, grid_of
from slumpmap.errors import InputError
from slumpmap.initiation import initiation_groups
from slumpmap.review import editing
from slumpmap.review.chance import uniform
from slumpmap.review.chips import as_geojson, tiles_of
from slumpmap.review.decisions import read_decisions
from slumpmap.review.growth import measure
from slumpmap.review.opinion import Opinion, of_row
from slumpmap.review.pack import CONTEXT, RELIEF, Pack, frame_name
from slumpmap.review.ranking import expected_left
from slumpmap.review.store import State, Store
from slumpmap.vector import read_layer
from slumpmap.yearly import read_yearly

# Packs and entries that are kept at hand. A reviewer goes through them in some order, so that few serve; an entry with
# many neighbours takes most of a megabyte.
_OPEN_PACKS = 32
_ENTRIES = 32
# A repeat comes at least this many candidates after the first showing, so that it is not remembered.
_REPEAT_GAP = 25


@dataclass(frozen=True)
class Places:
    """Where the files of a review are.

    Args:
        candidates: the iteration's ledger.
        queue: the candidates to inspect, in the order of their expected value.
        chips: folder of the packs.
        yearly: folder of the yearly probabilities; a campaign of one year has none.
        decisions: folder of the decision files.
        disputed: what the adjudicator has to decide, written by the outcome.
    """

    candidates: Path
    queue: Path
    chips: Path
    yearly: Path
    decisions: Path
    disputed: Path

    @classmethod
    def of(cls, config: Config, iteration: int) -> Places:
        """The files of an iteration of a campaign."""
        folder = config.folder / "iterations" / f"{iteration:02d}"
        return cls(
            candidates=folder / "candidates" / "candidates.gpkg",
            queue=folder / "review" / "queue.gpkg",
            chips=folder / "review" / "chips",
            yearly=folder / "review" / "yearly",
            decisions=config.review.decisions / f"{iteration:02d}",
            disputed=folder / "outcome" / "disputed.gpkg",
        )


class Room:
    """What the page shows and what it changes; a context manager. Its methods may be called from several threads.

    Args:
        config: the campaign.
        iteration: number of the iteration, from 1.
        reviewer: who is at work: one of the campaign's reviewers, or its adjudicator.

    Raises:
        InputError: an unknown reviewer, an iteration that has no candidates yet, pictures that are missing, a decision
            file that is refused, or another process that is at work under this name.
    """

    def __init__(self, config: Config, iteration: int, reviewer: str) -> None:
        self.config = config
        self.iteration = iteration
        self.reviewer = reviewer
        self.places = Places.of(config, iteration)
        self.adjudicates = reviewer == config.review.adjudicator
        if not self.adjudicates and reviewer not in config.review.reviewers:
            known = ", ".join([*config.review.reviewers, config.review.adjudicator])
            raise InputError(reviewer, "nobody of this name reviews this campaign", f"take one of: {known}")
        self.grid = grid_of(config.grid)
        self.candidates = self._candidates()
        self._rows = {name: row for row, name in enumerate(self.candidates["id"])}
        self._opinions = self._opinions_of_reviewers() if self.adjudicates else {}
        self._packs: OrderedDict[str, Pack] = OrderedDict()
        self._metas: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lock = threading.RLock()
        self._check_packs()
        self.store = Store(self.places.decisions / f"{reviewer}.sqlite", reviewer)
        self.store.add_items(self._wanted_items())

    def __enter__(self) -> Room:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.__exit__(kind, error, trace)
        while self._packs:
            self._packs.popitem()[1].__exit__(kind, error, trace)

    def _candidates(self) -> gpd.GeoDataFrame:
        """The candidates of this queue, best first; of an adjudicator the disputed ones."""
        what = f"candidates of iteration {self.iteration}"
        if not self.places.queue.exists():
            raise InputError(self.places.queue, f"{what} are not there yet", "run snakemake first, see slumpmap status")
        columns = ("id", "rank", "expected", "probability", "drawn")
        queue = read_layer(self.places.queue, what, columns=columns, unique="id").sort_values("rank")
        self._queue = queue[list(columns)]
        ledger = self.to_inspect.set_index("id")
        if set(queue["id"]) != set(ledger.index):
            raise InputError(self.places.queue, "it is not made of the present candidates", "run snakemake again")
        queue = ledger.loc[queue["id"]].reset_index()
        if not self.adjudicates:
            return queue
        remedy = "let all reviewers hand in, and run snakemake"
        if not self.places.disputed.exists():
            raise InputError(self.places.disputed, "it is not known yet what is disputed", remedy)
        disputed = read_layer(self.places.disputed, "disputed candidates", columns=("candidate_id",))
        decided = self._own_decisions()
        return queue[queue["id"].isin([*disputed["candidate_id"], *decided])].reset_index(drop=True)

    def _own_decisions(self) -> list[str]:
        """Candidates that the adjudicator has decided before, which are not listed as disputed any more."""
        path = self.decision_file
        return list(read_layer(path, "decision file")["candidate_id"]) if path.exists() else []

    @property
    def decision_file(self) -> Path:
        """The decision file that this review becomes."""
        return self.places.decisions / f"{self.reviewer}.gpkg"

    def _opinions_of_reviewers(self) -> dict[str, dict[str, Opinion]]:
        """What each reviewer said of the disputed candidates."""
        opinions = {}
        for name in self.config.review.reviewers:
            path = self.places.decisions / f"{name}.gpkg"
            layer = read_decisions(path, self.to_inspect)
            here = layer[layer.index.isin(self.candidates["id"])]
            opinions[name] = {key: of_row(row, self.outline(str(key))) for key, row in here.iterrows()}
        return opinions

    @cached_property
    def to_inspect(self) -> gpd.GeoDataFrame:
        """All new candidates of the iteration."""
        ledger = read_layer(self.places.candidates, "candidates", columns=("id", "status", "score"), unique="id")
        return ledger[ledger["status"] == "new"].reset_index(drop=True)

    def _check_packs(self) -> None:
        """Refuses to start where pictures are missing."""
        self._tiles = tiles_of(self.candidates, self.grid)
        for tile in sorted(set(self._tiles)):
            with Pack(self.places.chips / f"{tile}.zip") as pack:
                there = set(pack.candidates())
            missing = set(self.candidates["id"][self._tiles == tile]) - there
            if missing:
                path = self.places.chips / f"{tile}.zip"
                raise InputError(path, f"there are no pictures of {min(missing)}", "remove it and run snakemake again")

    # -- items ---------------------------------------------------------------------------------------------------

    def _wanted_items(self) -> list[tuple[str, bool]]:
        """Candidates in the order of their value, with the repeats among them: numbers tell nothing."""
        first = [(name, False) for name in self.candidates["id"]]
        places, repeats = self._repeats()
        keyed = [*zip(map(float, range(len(first))), first, strict=True)]
        keyed += [(place + 0.5, (name, True)) for place, name in zip(places, repeats, strict=True)]
        return [item for _, item in sorted(keyed)]

    def _repeats(self) -> tuple[NDArray[np.float64], list[str]]:
        """Which candidates are shown twice, and after which place of the queue the second time."""
        names = list(self.candidates["id"])
        share = 0.0 if self.adjudicates or len(names) <= _REPEAT_GAP else self.config.review.repeat_share
        chances = uniform(self.config.seed, self.reviewer, "repeat", names)
        chosen = np.argsort(chances, kind="stable")[: int(np.ceil(share * len(names)))]
        waits = uniform(self.config.seed, self.reviewer, "wait", names)[chosen] * (len(names) - _REPEAT_GAP)
        # A candidate near the end of the queue cannot come again late enough; it comes last.
        later = np.minimum(chosen + _REPEAT_GAP + np.floor(waits), len(names))
        return later, [names[row] for row in chosen]

    def states(self) -> list[State]:
        """All items of this queue, as the store has them."""
        return [state for state in self.store.states().values() if state.candidate in self._rows]

    def rows(self) -> list[dict[str, Any]]:
        """The queue for the page, one row an item."""
        states = self.states()
        by_value, by_place = self._orders(states)
        return [
            self.row(state) | {"order_value": int(value), "order_place": int(place)}
            for state, value, place in zip(states, by_value, by_place, strict=True)
        ]

    def left(self) -> dict[str, Any] | None:
        """How many new slumps the open candidates should still hold; nothing for an adjudicator."""
        if self.adjudicates:
            return None
        verdicts = self.store.verdicts()
        decided = {name: verdict == "slump" for name, verdict in verdicts.items() if name in self._rows}
        return asdict(expected_left(self._queue, decided))

    def row(self, state: State) -> dict[str, Any]:
        """An item for the page."""
        row = self._rows[state.candidate]
        x, y = self._centres[row]
        verdict = state.opinion.verdict
        facts = self.candidates.iloc[row]
        return {
            "item": state.item,
            "area_ha": round(float(facts["area_ha"]), 4),
            "x": float(x),
            "y": float(y),
            "tile": self._tiles[row],
            "verdict": verdict,
            "probability": state.opinion.probability,
            "version": state.version,
            "seconds": round(state.seconds, 1),
            "score": None if self._score_hidden(state) else round(float(facts["score"]), 4),
            "flags": ["edge"] if bool(facts["at_edge"]) else [],
        }

    def _score_hidden(self, state: State) -> bool:
        return self.config.review.hide_score and state.opinion.verdict is None

    @cached_property
    def _centres(self) -> NDArray[np.float64]:
        """(candidates, 2) centres of the boxes, metres."""
        boxes = self.candidates.bounds.to_numpy()
        return np.column_stack([boxes[:, [0, 2]].mean(axis=1), boxes[:, [1, 3]].mean(axis=1)]).round(1)

    @cached_property
    def _along(self) -> NDArray[np.intp]:
        """Place of each candidate on a curve that keeps neighbours together."""
        if self.candidates.empty:
            return np.empty(0, dtype=np.intp)
        return np.asarray(np.argsort(np.argsort(self.candidates.hilbert_distance(), kind="stable")))

    def _orders(self, states: Sequence[State]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Places of the items in the two orders, from 0."""
        later, names = self._repeats()
        again = dict(zip(names, later, strict=True))
        value, place = np.empty(len(states)), np.empty(len(states))
        for number, state in enumerate(states):
            row = self._rows[state.candidate]
            value[number] = again.get(state.candidate, len(states)) + 0.5 if state.repeated else row
            # Beside its first showing a repeat would be noticed: it comes half the way round.
            half = (self._along[row] + len(self._rows) / 2 + 0.5) % max(len(self._rows), 1)
            place[number] = half if state.repeated else self._along[row]
        return np.argsort(np.argsort(value, kind="stable")), np.argsort(np.argsort(place, kind="stable"))

    # -- one item ------------------------------------------------------------------------------------------------

    def state(self, item: int) -> State | None:
        """An item of this queue; None where there is no such number."""
        state = self.store.state(item)
        return state if state is not None and state.candidate in self._rows else None

    def outline(self, candidate: str) -> shapely.Geometry:
        """A candidate's own outline."""
        return self.candidates.geometry.iloc[self._rows[candidate]]

    def meta(self, candidate: str) -> dict[str, Any]:
        """What the pack says of a candidate."""
        with self._lock:
            if candidate not in self._metas:
                self._metas[candidate] = self._pack(candidate).meta(candidate)
                if len(self._metas) > _ENTRIES:
                    self._metas.popitem(last=False)
            return self._metas[candidate]

    def picture(self, candidate: str, name: str) -> bytes | None:
        """A picture: `context`, `relief` or the number of a frame; None where there is none of that name."""
        meta = self.meta(candidate)
        members = {"context": CONTEXT} | {str(number): frame_name(number) for number in range(len(meta["frames"]))}
        if meta["relief"] is not None:
            members["relief"] = RELIEF
        if name not in members:
            return None
        with self._lock:
            return self._pack(candidate).picture(candidate, members[name])

    def _pack(self, candidate: str) -> Pack:
        tile = self._tiles[self._rows[candidate]]
        if tile not in self._packs:
            self._packs[tile] = Pack(self.places.chips / f"{tile}.zip")
            if len(self._packs) > _OPEN_PACKS:
                self._packs.popitem(last=False)[1].__exit__(None, None, None)
        self._packs.move_to_end(tile)
        return self._packs[tile]

    def described(self, state: State) -> dict[str, Any]:
        """All that the page shows of an item."""
        meta = dict(self.meta(state.candidate))
        score = meta.pop("score")
        if state.opinion.verdict is None:
            meta.pop("id")
        base = f"chips/{state.item}"
        meta["frames"] = [frame | {"url": f"{base}/{number}.jpg"} for number, frame in enumerate(meta["frames"])]
        meta["context"] = meta["context"] | {"url": f"{base}/context.jpg"}
        meta["relief"] = meta["relief"] and meta["relief"] | {"url": f"{base}/relief.jpg"}
        opinions = [
            {"reviewer": name, "decision": given[state.candidate].model_dump()}
            for name, given in self._opinions.items()
            if state.candidate in given
        ]
        return {
            "item": state.item,
            "version": state.version,
            "decision": state.opinion.model_dump(),
            "meta": meta,
            "score": None if self._score_hidden(state) else score,
            "opinions": opinions,
        }

    def edited(
        self,
        state: State,
        operation: str,
        boundary: shapely.Geometry,
        line: shapely.Geometry | None,
        other: str | None,
    ) -> dict[str, Any]:
        """The result of an edit of a boundary, with what is to be said of it.

        Raises:
            EditError: the edit has no result, or lacks its line or neighbour.
        """
        if operation == "simplify":
            boundary = editing.simplified(boundary, self.grid.resolution)
        elif operation == "repair":
            boundary = editing.repaired(boundary)
        elif operation == "split":
            if line is None:
                raise editing.EditError("Draw the line along which to cut.")
            boundary = editing.split(boundary, line)
        elif operation == "merge":
            boundary = editing.merge(boundary, self._neighbour(state.candidate, other))
        facts = editing.facts_of(boundary, self.grid.crs, self.config.inventory.area_crs, self.config.candidates.mmu_ha)
        return {"boundary": as_geojson(boundary), **asdict(facts)}

    def _neighbour(self, candidate: str, other: str | None) -> shapely.Geometry:
        for place in self.meta(candidate)["around"]:
            if place["id"] == other and place["kind"] in ("known", "candidate"):
                return shapely.from_geojson(json.dumps(place["geometry"]))
        raise editing.EditError("There is no such neighbour.")

    def growth(self, candidate: str, opinion: Opinion) -> dict[str, Any]:
        """What is measured of a slump in the images of all years, or why nothing is (`unavailable`)."""
        path = self.places.yearly / f"{self._tiles[self._rows[candidate]]}.zip"
        boundary = self.outline(candidate) if opinion.outline is None else opinion.outline
        uphill = self.meta(candidate)["uphill_deg"]
        # A verdict stands whatever can be measured: nothing of this may look as if it had not been saved.
        try:
            yearly = read_yearly(path, candidate) if path.exists() else None
            if yearly is None:
                return {"unavailable": "There are no yearly probabilities of this candidate."}
            return measure(yearly, boundary, opinion.headwall_line, uphill, self.config.growth).as_json()
        except InputError as error:
            return {"unavailable": f"Nothing can be measured: {error.fault}."}

    def check(self, candidate: str, opinion: Opinion) -> str | None:
        """What is wrong with an opinion in this campaign, or None."""
        groups = self.initiation_groups
        if opinion.initiation is not None and opinion.initiation not in groups:
            return f"the initiation must be one of {', '.join(groups)}"
        if self.adjudicates and opinion.verdict == "unsure":
            return "the adjudicator must decide"
        shown = shapely.box(*self.meta(candidate)["context"]["bounds"])
        if opinion.outline is not None and not shown.covers(opinion.outline):
            return "the boundary leaves the ground that is shown"
        return None

    @property
    def initiation_groups(self) -> list[str]:
        """The groups of initiation that the campaign's years can tell apart."""
        return list(initiation_groups(self.config.imagery.years, self.config.imagery.mapping_year))
