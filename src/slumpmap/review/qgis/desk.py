"""Where one reviewer's decisions of one iteration are, and how they stand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd

from slumpmap.config import Config
from slumpmap.errors import InputError
from slumpmap.initiation import initiation_groups
from slumpmap.names import check_reviewer
from slumpmap.review.decisions import BOOLEANS, read_rows, undecided
from slumpmap.review.qgis.rows import RANK
from slumpmap.review.room import Places
from slumpmap.review.store import claim
from slumpmap.vector import read_layer


@dataclass(frozen=True)
class Desk:
    """One reviewer's part of one iteration; made by `desk_of`.

    Args:
        config: the campaign.
        iteration: from 1.
        reviewer: one of the campaign's reviewers, or its adjudicator.
    """

    config: Config
    iteration: int
    reviewer: str

    @property
    def adjudicates(self) -> bool:
        """Whether the reviewer decides where the others disagree."""
        return self.reviewer == self.config.review.adjudicator

    @property
    def places(self) -> Places:
        """The files of the iteration."""
        return Places.of(self.config, self.iteration)

    @property
    def decision_file(self) -> Path:
        """The reviewer's decisions."""
        return self.places.decisions / f"{self.reviewer}.gpkg"

    @property
    def history(self) -> Path:
        """The folder of decision files that were replaced."""
        return self.places.decisions / "history"

    @property
    def label(self) -> str:
        """What tells this desk from others."""
        return f"{self.config.campaign} {self.iteration:02d} {self.reviewer}"

    @property
    def initiation_groups(self) -> tuple[str, ...]:
        """The groups of initiation that the campaign's years can tell apart."""
        imagery = self.config.imagery
        return initiation_groups(imagery.years, imagery.mapping_year)

    @cached_property
    def to_inspect(self) -> gpd.GeoDataFrame:
        """All new candidates of the iteration: `id` and outline."""
        what = f"candidates of iteration {self.iteration}"
        path = self.places.candidates
        if not path.exists():
            raise InputError(path, f"{what} are not there yet", "run snakemake first, see slumpmap status")
        ledger = read_layer(path, what, self.config.grid.crs, columns=("id", "status"), unique="id")
        return ledger.loc[ledger["status"] == "new", ["id", "geometry"]].reset_index(drop=True)

    @cached_property
    def decided(self) -> gpd.GeoDataFrame | None:
        """The rows of the decision file, or None where there is none; indexed by candidate."""
        return read_rows(self.decision_file, self.to_inspect) if self.decision_file.exists() else None

    @cached_property
    def candidates(self) -> gpd.GeoDataFrame:
        """The candidates that this reviewer decides, in their order: `id`, outline, `rank` where they are ranked."""
        wanted = self.to_inspect
        if self.adjudicates:
            wanted = wanted[wanted["id"].isin(self._disputed())]
        queue = self.places.queue
        if not queue.exists():
            return wanted.reset_index(drop=True)
        ranks = read_layer(queue, "queue", columns=("candidate_id", "rank"), unique="candidate_id")
        wanted = wanted.assign(**{RANK: wanted["id"].map(ranks.set_index("candidate_id")["rank"])})
        return wanted.sort_values([RANK, "id"], ignore_index=True)

    def _disputed(self) -> list[str]:
        """What the adjudicator has to decide, and what was decided before."""
        path = self.places.disputed
        if not path.exists():
            remedy = "let all reviewers hand in, and run snakemake"
            raise InputError(path, "it is not known yet what is disputed", remedy)
        disputed = read_layer(path, "disputed candidates", columns=("candidate_id",))["candidate_id"]
        return [*disputed, *(() if self.decided is None else self.decided.index)]

    def rows(self) -> gpd.GeoDataFrame:
        """How the decisions stand: a row for each of `candidates`, in their order, indexed by candidate."""
        opened = undecided(self.candidates).set_index("candidate_id")
        if self.decided is None:
            return opened
        own = self.decided[self.decided.index.isin(opened.index)]
        return stacked([own, opened[~opened.index.isin(own.index)]]).loc[opened.index]

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keeps the page, and other imports, from this desk while the block runs.

        Raises:
            InputError: the reviewer is at work in another process.
        """
        self.places.decisions.mkdir(parents=True, exist_ok=True)
        with claim(self.decision_file.with_suffix(".sqlite"), self.reviewer):
            yield


def desk_of(config: Config, iteration: int, reviewer: str) -> Desk:
    """The desk of a reviewer.

    Raises:
        InputError: the name is not fit for a file, or nobody of this name reviews the campaign.
    """
    name = check_reviewer(reviewer)
    everybody = [*config.review.reviewers, config.review.adjudicator]
    if name not in everybody:
        raise InputError(name, "nobody of this name reviews this campaign", f"take one of: {', '.join(everybody)}")
    return Desk(config, iteration, name)


def stacked(parts: list[gpd.GeoDataFrame]) -> gpd.GeoDataFrame:
    """Decision rows below each other, with the types of `undecided`."""
    parts = [part for part in parts if len(part)] or parts[:1]
    both = gpd.GeoDataFrame(pd.concat([part.astype(object) for part in parts]), geometry="geometry", crs=parts[0].crs)
    for column in both.columns.drop("geometry"):
        values = both[column]
        if column in BOOLEANS:
            both[column] = values.astype("boolean")
        elif column == "seconds":
            both[column] = pd.to_numeric(values).astype(np.float64)
        else:
            both[column] = values.where(values.notna(), None)
    return both
