"""How many candidates people must open to find the new slumps of an iteration: ranked, by score, and in any order.

    python benchmarks/review_effort.py [--json FILE] [--seeds 1 2 3] [--campaign CONFIG ...] [--work DIR]

Reads finished campaigns: those of `benchmarks/seeds.py`, or others by their configuration. Each iteration is ranked
again as `slumpmap rank` does it, with the verdicts of the iterations before; no truth is read. A new slump of an
iteration is a row of its `outcome/accepted.gpkg`; it is found when the first accepted candidate that shows it is
opened. Where an iteration has more new slumps than places in the first 30 % of its queue, no order can find all of them
there: the column `perfect` is the best possible, and `of what is possible` compares with it.

Intervals are 95 % bootstrap intervals over the candidates of each iteration. With --json a figure is drawn beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.special import gammaln

from slumpmap.config import Config, check_config, grid_of, read_config
from slumpmap.figures.style import BLACK, BLUE, GREY, MM, ORANGE, TWO_COLUMNS, journal_style, save
from slumpmap.files import read_json
from slumpmap.learning.calibration import Reliability
from slumpmap.review.evidence import collect_evidence
from slumpmap.review.ranking import calibration, expected_left, rank_candidates
from slumpmap.vector import read_layer

ROOT = Path(__file__).parents[1]
SHARE = 0.3
WANTED = 0.95
DRAWS = 2000
# A candidate shows a slump if they share this part of the smaller of the two.
SEEN_SHARE = 0.1

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Order = NDArray[np.intp]


@dataclass(frozen=True)
class Queue:
    """One iteration as people opened it.

    Attributes:
        campaign: name.
        iteration: number.
        table: rows of queue.gpkg, in the order of the ranks.
        by_score: rows of the table in the order of the model's score.
        shows: (candidates, slumps) which accepted candidate shows which new slump.
        verdicts: id to verdict.
    """

    campaign: str
    iteration: int
    table: pd.DataFrame
    by_score: Order
    shows: Bools
    verdicts: dict[str, bool]

    @property
    def places(self) -> int:
        """Candidates in the first 30 % of the queue; a part of one does not count."""
        return math.floor(SHARE * len(self.table) + 1e-9)

    def curve(self, order: Order | None = None) -> Floats:
        """(candidates + 1,) new slumps found after 0, 1, 2, ... candidates; without an order: by rank."""
        shows = self.shows if order is None else self.shows[order]
        found: Floats = np.concatenate([[0.0], np.logical_or.accumulate(shows, axis=0).sum(axis=1)])
        return found

    def perfect(self) -> Floats:
        """The same for the best order: each candidate that shows something new before all others."""
        open_to, gains = self.shows.copy(), []
        while open_to.any():
            best = int(open_to.sum(axis=1).argmax())
            gains.append(int(open_to[best].sum()))
            open_to[:, open_to[best]] = False
        found: Floats = np.full(len(self.table) + 1, float(sum(gains)))
        found[: len(gains) + 1] = np.concatenate([[0], np.cumsum(gains)])
        return found

    def any_order(self) -> Floats:
        """The same as a mean over all orders: a slump that k of n candidates show stays unseen with C(n-k,m)/C(n,m)."""
        n, m = len(self.table), np.arange(len(self.table) + 1)
        total = np.zeros(n + 1)
        for k in self.shows.sum(axis=0):
            with np.errstate(invalid="ignore"):
                unseen = np.exp(gammaln(n - k + 1) - gammaln(n - k - m + 1) - gammaln(n + 1) + gammaln(n - m + 1))
            total += 1 - np.where(m <= n - k, unseen, 0.0)
        return total


def campaigns(seeds: Sequence[int], files: Sequence[Path]) -> Iterator[Config]:
    """The configurations to read: of files if there are any, else those that seeds.py runs."""
    if files:
        yield from map(read_config, files)
        return
    values = read_config(ROOT / "config" / "demo.yaml").model_dump(mode="json", exclude_unset=True)
    for seed in seeds:
        name = "demo" if seed == 1 else f"demo-seed{seed}"
        changes = {"campaign": name, "data": f"data/{name}", "seed": seed}
        config = check_config({**values, **changes, "demo": {**values["demo"], "seed": seed}})
        if (config.folder / "summary.json").exists():
            yield config
        else:
            print(f"seed {seed}: no finished campaign in {config.folder}, see benchmarks/seeds.py")


def queues(config: Config, work: Path) -> Iterator[Queue]:
    """Ranks each finished iteration of a campaign again; what is not measured yet is measured into `work`."""
    grid, inputs, evidence = grid_of(config.grid), config.input_files(), list[Path]()
    years = {year: config.folder / "imagery" / str(year) for year in config.imagery.years}
    for number in range(1, config.iterations.maximum + 1):
        folder = config.folder / "iterations" / f"{number:02d}"
        if not (folder / "outcome" / "outcome.json").exists():
            return
        if read_json(folder / "outcome" / "outcome.json")["state"] != "decided":
            return
        candidates = folder / "candidates" / "candidates.gpkg"
        before = config.folder / "iterations" / f"{number - 1:02d}" / "outcome" / "rejected.gpkg"
        rejected = before if number > 1 else None
        measured = folder / "review" / "evidence.parquet"
        if not measured.exists():
            measured = work / config.campaign / f"{number:02d}.parquet"
        if not measured.exists():
            known, negatives = (folder / "labels" / f"{name}.gpkg" for name in ("positives", "negatives"))
            mapped = config.imagery.mapping_year
            collect_evidence(candidates, known, negatives, rejected, years, mapped, inputs.dem, grid, measured)
        evidence.append(measured)
        out = work / config.campaign / f"{number:02d}_queue.gpkg"
        rank_candidates(candidates, evidence, rejected, config.ranking, config.seed, out)
        yield _queue(config.campaign, number, out, folder / "outcome")


def _queue(campaign: str, number: int, ranked: Path, outcome: Path) -> Queue:
    table = read_layer(ranked, "queue").sort_values("rank", ignore_index=True)
    decided = read_layer(outcome / "rejected.gpkg", "rejected places").set_index("id")["is_slump"].astype(bool)
    verdicts = {str(name): bool(decided[name]) for name in table["id"] if name in decided.index}
    found = read_layer(outcome / "accepted.gpkg", "accepted slumps")
    outlines, shapes = found.geometry.to_numpy(), table.geometry.to_numpy()
    shared = shapely.area(shapely.intersection(shapes[:, None], outlines[None, :]))
    smaller = np.minimum(shapely.area(shapes)[:, None], shapely.area(outlines)[None, :])
    accepted = np.array([verdicts.get(name, False) for name in table["id"]], dtype=bool)
    shows = (shared >= SEEN_SHARE * smaller) & accepted[:, None]
    # The candidate whose boundary was taken shows its slump in any case.
    own = found["id"].astype(str).str.split(".").str[0].to_numpy()
    shows |= table["id"].to_numpy()[:, None] == own[None, :]
    by_score = np.lexsort((table["id"].to_numpy().astype(str), -table["score"].to_numpy()))
    return Queue(campaign, number, table, by_score, shows, verdicts)


def row(queue: Queue) -> dict[str, Any]:
    """The figures of one iteration."""
    n, slumps, places = len(queue.table), queue.shows.shape[1], queue.places
    curve, score = queue.curve(), queue.curve(queue.by_score)
    wanted = math.ceil(WANTED * slumps - 1e-9)
    opened = {name: queue.verdicts[name] for name in queue.table["id"][:places] if name in queue.verdicts}
    left = expected_left(queue.table, opened)
    return {
        "campaign": queue.campaign,
        "iteration": queue.iteration,
        "candidates": n,
        "new_slumps": slumps,
        "places": places,
        "found": int(curve[places]),
        "found_by_score": int(score[places]),
        "found_in_any_order": float(queue.any_order()[places]),
        "found_perfect": int(queue.perfect()[places]),
        "opened_for_95_percent": int(np.argmax(curve >= wanted)),
        "opened_for_95_percent_by_score": int(np.argmax(score >= wanted)),
        "opened_for_95_percent_perfect": int(np.argmax(queue.perfect() >= wanted)),
        "expected": float(queue.table["expected"].sum()),
        "left": int(slumps - curve[places]),
        "expected_left": left.expected,
        "expected_left_low": left.low,
        "expected_left_high": left.high,
    }


def bootstrap(every: Sequence[Queue], seed: int = 1) -> tuple[Floats, Floats]:
    """(draws or fewer,) found_at_30_percent, and the same of what is possible, candidates drawn anew in each iteration.

    A slump is drawn with all candidates that show it, else copies of its fragments would not be its fragments. The
    copies of a candidate stand side by side in the queue, each with a slump of its own.
    """
    rng = np.random.default_rng(seed)
    sums = np.zeros((DRAWS, 3))
    for queue in every:
        n, slumps = queue.shows.shape
        if not slumps:
            continue
        owner = np.where(queue.shows.any(axis=1), queue.shows.argmax(axis=1), slumps + np.arange(n))
        units, unit = np.unique(owner, return_inverse=True)
        copies = rng.multinomial(len(units), np.full(len(units), 1 / len(units)), size=DRAWS)[:, unit]
        behind = np.cumsum(copies, axis=1)
        places = np.floor(SHARE * behind[:, -1:] + 1e-9)
        first = queue.shows.argmax(axis=0)
        there = copies[:, first]
        found = np.clip(places - (behind[:, first] - there), 0, there)
        whole = there.sum(axis=1)
        sums += np.column_stack([found.sum(axis=1), whole, np.minimum(whole, places[:, 0])])
    # Draws without anything to find say nothing.
    sums = sums[sums[:, 2] > 0]
    return sums[:, 0] / sums[:, 1], sums[:, 0] / sums[:, 2]


def summary(every: Sequence[Queue]) -> dict[str, Any]:
    """The figures of all iterations together."""
    rows = [row(queue) for queue in every]
    total = {
        name: sum(one[name] for one in rows)
        for name in (
            "candidates", "new_slumps", "places", "found", "found_by_score", "found_in_any_order", "found_perfect",
            "opened_for_95_percent", "opened_for_95_percent_by_score", "opened_for_95_percent_perfect",
        )
    }  # fmt: skip
    share, of_possible = bootstrap(every)
    tables = [calibration(queue.table, queue.verdicts) for queue in every]
    reliability = sum(tables[1:], start=tables[0])
    within = [one["expected_left_low"] <= one["left"] <= one["expected_left_high"] for one in rows]
    missed = [
        {"campaign": queue.campaign, "iteration": queue.iteration, **_missed(queue, int(slump))}
        for queue in every
        for slump in np.flatnonzero(~queue.shows[: queue.places].any(axis=0))
    ]
    return {
        "found_at_30_percent": total["found"] / total["new_slumps"],
        "found_at_30_percent_interval": np.percentile(share, [2.5, 97.5]).tolist(),
        "found_at_30_percent_of_what_is_possible": total["found"] / total["found_perfect"],
        "found_at_30_percent_of_what_is_possible_interval": np.percentile(of_possible, [2.5, 97.5]).tolist(),
        "perfect_at_30_percent": total["found_perfect"] / total["new_slumps"],
        "by_score_at_30_percent": total["found_by_score"] / total["new_slumps"],
        "any_order_at_30_percent": total["found_in_any_order"] / total["new_slumps"],
        "opened_per_new_slump_at_30_percent": total["places"] / total["found"],
        "opened_per_new_slump_of_all": total["candidates"] / total["new_slumps"],
        "expected_left_within_interval": f"{sum(within)} of {len(within)}",
        "expected_calibration_error": reliability.expected_calibration_error,
        "brier_score": reliability.brier_score,
        "reliability": json.loads(_table(reliability).to_json(orient="records")),
        "total": total,
        "iterations": rows,
        "missed": missed,
    }


def _missed(queue: Queue, slump: int) -> dict[str, Any]:
    """The first candidate that shows a slump, and why it ranks where it does."""
    one = queue.table.iloc[int(queue.shows[:, slump].argmax())]
    return {name: one[name] for name in ("id", "expected", "why", "fragment_of")} | {
        "rank": int(one["rank"]),
        "area_ha": round(float(one.geometry.area) / 1e4, 3),
    }


def _table(reliability: Reliability) -> pd.DataFrame:
    columns = {"count": reliability.count, "mean_predicted": reliability.mean_predicted}
    return pd.DataFrame({**columns, "observed_share": reliability.observed_share}).round(3)


COLUMNS = (
    "campaign", "iteration", "candidates", "new slumps", "places in 30 %", "ranked", "by score", "any order", "perfect",
    "opened for 95 %: ranked", "by score", "perfect", "still expected (5-95 %)", "left",
)  # fmt: skip


def report(found: dict[str, Any]) -> None:
    """Prints the tables."""
    print(f"| {' | '.join(COLUMNS)} |\n|---|{'---:|' * (len(COLUMNS) - 1)}")
    for one in found["iterations"]:
        expected = f"{one['expected_left']:.1f} ({one['expected_left_low']}-{one['expected_left_high']})"
        cells = (
            *(one[name] for name in ("campaign", "iteration", "candidates", "new_slumps", "places", "found")),
            *(one["found_by_score"], f"{one['found_in_any_order']:.1f}", one["found_perfect"]),
            *(one[f"opened_for_95_percent{order}"] for order in ("", "_by_score", "_perfect")),
            *(expected, one["left"]),
        )
        print(f"| {' | '.join(map(str, cells))} |")
    key = "found_at_30_percent"
    low, high = found[f"{key}_interval"]
    print(f"\n{key}: {found[key]:.3f} (95 % interval {low:.3f}-{high:.3f})")
    low, high = found[f"{key}_of_what_is_possible_interval"]
    possible = found[f"{key}_of_what_is_possible"]
    print(f"a perfect order: {found['perfect_at_30_percent']:.3f}; of what is possible: {possible:.3f}", end=" ")
    print(f"({low:.3f}-{high:.3f})")
    print(f"by score: {found['by_score_at_30_percent']:.3f}; in any order: {found['any_order_at_30_percent']:.3f}")
    stopped, whole = found["opened_per_new_slump_at_30_percent"], found["opened_per_new_slump_of_all"]
    print(f"opened per new slump: {stopped:.2f} if one stops at 30 %, {whole:.2f} if all are opened")
    error, brier = found["expected_calibration_error"], found["brier_score"]
    print(f"probabilities: expected calibration error {error:.3f}, Brier score {brier:.3f}")
    print(f"what was left lies in the interval in {found['expected_left_within_interval']} iterations")
    for one in found["missed"]:
        where = f"{one['campaign']} {one['iteration']:02d}: {one['id']}, rank {one['rank']}, {one['area_ha']} ha"
        print(f"missed in {where}, expected {one['expected']:.2f}: {one['why']}")


def draw(every: Sequence[Queue], out: Path) -> None:
    """Draws slumps found against candidates opened: pooled, and iteration by iteration."""
    shares = np.linspace(0, 1, 201)

    def pooled(curves: Sequence[Floats]) -> Floats:
        # The same share of each queue is opened.
        parts = [curve[np.floor(shares * (len(curve) - 1) + 1e-9).astype(int)] for curve in curves]
        whole: Floats = np.sum(parts, axis=0) / sum(curve[-1] for curve in curves)
        return whole

    useful = [queue for queue in every if queue.shows.shape[1]]
    with journal_style():
        figure = Figure(figsize=(TWO_COLUMNS, 75 * MM), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        lines = (
            ("perfect order", [queue.perfect() for queue in useful], BLACK, ":"),
            ("ranked", [queue.curve() for queue in useful], BLUE, "-"),
            ("by the model's score", [queue.curve(queue.by_score) for queue in useful], ORANGE, "--"),
            ("in any order", [queue.any_order() for queue in useful], GREY, "-."),
        )
        for label, curves, colour, dashes in lines:
            left.plot(100 * shares, 100 * pooled(curves), dashes, color=colour, label=label)
        for queue in useful:
            curve = queue.curve()
            opened = np.arange(len(curve)) / (len(curve) - 1)
            first = queue.iteration == 1
            style: dict[str, Any] = {"color": BLUE, "alpha": 0.55} if first else {"color": ORANGE, "alpha": 0.55}
            right.step(100 * opened, 100 * curve / curve[-1], where="post", lw=0.8, **style)
        right.plot([], [], color=BLUE, label="iteration 1: no verdicts yet")
        right.plot([], [], color=ORANGE, label="later iterations")
        for panel, title in ((left, "All iterations together"), (right, "Ranked, each iteration")):
            panel.axvline(100 * SHARE, color=GREY, lw=0.6)
            panel.axhline(100 * WANTED, color=GREY, lw=0.6)
            panel.set(xlim=(0, 100), ylim=(0, 101), xlabel="candidates opened, %")
            panel.set_title(title, loc="left")
            panel.legend(loc="lower right", frameon=False)
        left.set_ylabel("new slumps found, %")
        save(figure, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--campaign", type=Path, nargs="+", default=[], help="configurations, instead of seeds")
    parser.add_argument("--work", type=Path, help="folder to keep what is measured and ranked")
    parser.add_argument("--json", type=Path, help="file for the figures; a figure is drawn beside it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        every = [queue for config in campaigns(options.seeds, options.campaign) for queue in queues(config, work)]
    if not every:
        parser.error("no finished campaign; run benchmarks/seeds.py first")
    found = summary(every)
    report(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
        draw(every, options.json.with_suffix(".png"))


if __name__ == "__main__":
    main()
