"""What a campaign will take: jobs, hours, memory and disk of each stage, and what is done already. Reads no pixel."""

from __future__ import annotations

import csv
import math
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pyogrio
import rasterio

from slumpmap import rates
from slumpmap.config import Config, grid_of
from slumpmap.errors import InputError
from slumpmap.records import read_outcome

_TERRAIN = ("slope", "tpi", "pisr", "streams")
# Costs of finished jobs by stage: the names of their benchmark files, without numbers of batch, year or network.
STAGES = {
    "prepare": r"demo_data|fetch_.*|consensus|grid|layers|intake|catalogue|scaling",
    "imagery": r"tiles_\d+_\d+|layers_\d+_\d+|mosaic_.*",
    "training": r"labels|windows|train_model.*|training_figure.*",
    "inference": r"infer_\d+",
    "candidates": r"parts_\d+|polygons|ledger|review_template|simulate_review_.*|outcome",
    "review pages": r"chips_\d+|timelapse|candidate_evidence|rank|yearly_\d+|yearly_slumps|growth",
    "terrain": "|".join(_TERRAIN),
    "inventory, figures": r".*",
}
_FOLDERS = {
    "prepare": ("inputs",),
    "imagery": ("imagery",),
    "training": ("iterations/??/labels", "iterations/??/training_set", "iterations/??/model*"),
    "inference": ("iterations/??/probability",),
    "candidates": ("iterations/??/parts", "iterations/??/candidates", "iterations/??/outcome"),
    "review pages": ("iterations/??/review",),
    "terrain": ("terrain",),
    "inventory, figures": ("inventory", "report", "analysis"),
}
# Stages that each iteration goes through.
LOOP = ("training", "inference", "candidates", "review pages")


@dataclass(frozen=True)
class Machine:
    """The hardware.

    Attributes:
        cores: that the run may use.
        memory_gb: of the machine.
        gpus: that it has; none: networks run on the CPU.
        step_s: seconds of a training step, where somebody measured them there.
        map_mpx_s: million pixels of ground that inference maps in a second, the same.
    """

    cores: int
    memory_gb: float
    gpus: int = 0
    step_s: float | None = None
    map_mpx_s: float | None = None


@dataclass(frozen=True)
class Stage:
    """A row of the plan. None is "not known", and `note` says why.

    Attributes:
        name: key of `STAGES`.
        jobs: of all iterations up to the maximum.
        done: of these.
        hours: that the jobs to come take on the machine.
        peak_mb: largest resident memory of a job.
        there_mb: on the disk now.
        coming_mb: to come.
        side_by_side: jobs at a time.
        note: where the rates were measured, or why there are none.
    """

    name: str
    jobs: int
    done: int
    hours: float | None
    peak_mb: float | None
    there_mb: float
    coming_mb: float | None
    side_by_side: int
    note: str


@dataclass(frozen=True)
class Plan:
    """All stages, and the disk.

    Attributes:
        config: the campaign.
        machine: the hardware.
        tiles: of the grid.
        mpx: million pixels of the study area, a year.
        ended: iterations that are decided.
        to_come: iterations that may follow.
        stages: in the order of the workflow.
        free_mb: room on the disk of the results.
    """

    config: Config
    machine: Machine
    tiles: int
    mpx: float
    ended: int
    to_come: int
    stages: Sequence[Stage]
    free_mb: float

    @property
    def coming_mb(self) -> float:
        """What is known of the disk that the rest takes."""
        return sum(stage.coming_mb or 0.0 for stage in self.stages)

    def warnings(self) -> list[str]:
        """What stands against a start, in words."""
        found = []
        if self.coming_mb > self.free_mb:
            found.append(
                f"the disk has {self.free_mb / 1000:.1f} GB free in {self.config.folder}, and at least "
                f"{self.coming_mb / 1000:.1f} GB are to come: make room (`slumpmap clean`), set run.keep: final, or "
                "set `results` to another disk"
            )
        for stage in self.stages:
            if stage.jobs > stage.done and (stage.peak_mb or 0.0) > 900 * self.machine.memory_gb:
                found.append(
                    f"a job of {stage.name} needs {(stage.peak_mb or 0) / 1000:.1f} GB of memory: too much here"
                )
        return found


@dataclass(frozen=True)
class _Measured:
    """Jobs of this campaign that have run: number, mean wall seconds, largest memory."""

    jobs: int
    seconds: float
    peak_mb: float


class _Counter:
    """Counts jobs and files of a campaign; looks at names, sizes and headers only."""

    def __init__(self, config: Config, machine: Machine) -> None:
        self.config, self.machine = config, machine
        grid = grid_of(config.grid)
        self.tiles = [tile.id for tile in grid.tiles]
        self.mpx = grid.area.area / grid.resolution**2 / 1e6
        self.folder = config.folder
        run = config.run
        size, mapped = run.tiles_per_job, run.tiles_per_inference or run.tiles_per_job
        self.batches = [self.tiles[start : start + size] for start in range(0, len(self.tiles), size)]
        self.inferences = math.ceil(len(self.tiles) / mapped)
        self.years = len(config.imagery.years)
        self.people = config.review.mode == "people"
        self.on_gpu = machine.gpus > 0 and run.device != "cpu"
        self.measured = _own_costs(self.folder / "benchmarks")

    @cached_property
    def states(self) -> list[str]:
        """`decided` or `waiting` of each iteration so far."""
        return [str(row["state"]) for row in self.outcomes]

    @cached_property
    def outcomes(self) -> list[dict[str, object]]:
        """The outcomes so far, up to the first that lacks."""
        rows = []
        for number in range(1, self.config.iterations.maximum + 1):
            path = self._iteration(number) / "outcome" / "outcome.json"
            if not path.is_file():
                break
            rows.append(read_outcome(path))
        return rows

    @cached_property
    def to_come(self) -> int:
        """Iterations that may follow those with an outcome."""
        rows = self.outcomes
        if rows and rows[-1]["state"] == "decided" and rows[-1]["new"] == 0:
            return 0
        return self.config.iterations.maximum - len(rows)

    def _iteration(self, number: int) -> Path:
        return self.folder / "iterations" / f"{number:02d}"

    def _there(self, *names: str) -> int:
        return sum((self.folder / name).exists() for name in names)

    def candidates(self) -> int | None:
        """Candidates of the latest iteration that has any."""
        for number in range(self.config.iterations.maximum, 0, -1):
            path = self._iteration(number) / "candidates" / "candidates.gpkg"
            if path.is_file():
                try:
                    return int(pyogrio.read_info(path)["features"])
                except (pyogrio.errors.DataSourceError, OSError) as error:
                    raise InputError(path, f"cannot be read ({error})", "remove it and run snakemake") from error
        return None

    # Jobs and those done, by stage.

    def prepare(self) -> tuple[int, int]:
        results = ["inputs/grid.json", "inputs/layers.json", "iterations/01/labels/positives.gpkg"]
        results += ["inputs/scenes.gpkg", "imagery/scaling.json"]
        made = self.config.input_files()
        extra = [getattr(made, name) for name in self.config.fetched]
        extra += [made.catalogue] if self.config.demo is not None else []
        extra += [made.positives] if self.config.consensus is not None else []
        there = sum(path is not None and path.exists() for path in extra)
        return len(results) + len(extra), self._there(*results) + there

    def imagery(self) -> tuple[int, int]:
        suffixes = ("", "_layers") if self.config.imagery.layers else ("",)
        folders = [f"imagery/{year}{suffix}" for year in self.config.imagery.years for suffix in suffixes]
        jobs = len(folders) * (len(self.batches) + 1)
        left = [name for folder in folders for name in _names(self.folder / folder) if not name.startswith(".")]
        if not left and self._there("summary.json", "report/index.html") == 2:
            # Cleaned away: nothing asks for it any more.
            return jobs, jobs
        done = self._there(*(f"{folder}/mosaic.vrt" for folder in folders))
        for folder in folders:
            here = _names(self.folder / folder)
            done += sum(all(f"{tile}.tif" in here for tile in batch) for batch in self.batches)
        return jobs, done

    def loop(self, stage: str) -> tuple[int, int, int]:
        """Jobs of all iterations up to the last possible, those done, and those of one iteration."""
        members = self.config.model.members
        simulated = 0 if self.people else len(self.config.review.reviewers) + 1
        grows = 0 if self.years < 2 else 2 + (len(self.batches) if self.people else 0)
        each = {
            "training": 2 + 2 * members,
            "inference": self.inferences,
            "candidates": len(self.batches) + 4 + simulated,
            "review pages": len(self.batches) + 3 + grows,
        }[stage]
        iterations = len(self.outcomes) + self.to_come
        # The labels of the first iteration are the user's.
        jobs = each * iterations - (1 if stage == "training" else 0)
        done = sum(self._done(stage, number, each) for number in range(1, iterations + 1))
        return jobs, min(done, jobs), each

    def _done(self, stage: str, number: int, each: int) -> int:
        """Jobs of a stage of one iteration that are done; what passes away counts by what was made from it."""
        here = f"iterations/{number:02d}"
        polygons = self._there(f"{here}/candidates/polygons.gpkg")
        if stage == "training":
            networks = ["model", *(f"model_{n}" for n in range(2, self.config.model.members + 1))]
            trained = self._there(*(f"{here}/{name}/weights.safetensors" for name in networks))
            drawn = self._there(*(f"{here}/{name}/training.png" for name in networks))
            labelled = self._there(f"{here}/labels/positives.gpkg") if number > 1 else 0
            return labelled + self._there(f"{here}/training_set/windows.gpkg") + trained + drawn
        if stage == "inference":
            return each if polygons else self._share(f"{here}/probability", ".tif", self.inferences)
        if stage == "candidates":
            if self._there(f"{here}/outcome/outcome.json"):
                return each
            traced = len(self.batches) if polygons else self._share(f"{here}/parts", ".parquet", len(self.batches))
            return (
                traced + polygons + self._there(f"{here}/candidates/candidates.gpkg", f"{here}/review/to_inspect.gpkg")
            )
        names = ("timelapse", "evidence.parquet", "queue.gpkg", "yearly_slumps.zip", "growth.gpkg")
        later = self._there(f"iterations/{number + 1:02d}/outcome/outcome.json")
        packs = self._share(f"{here}/review/chips", ".zip", len(self.batches))
        seen = self._share(f"{here}/review/yearly", ".zip", len(self.batches)) if self.people and self.years > 1 else 0
        return each if later else packs + seen + self._there(*(f"{here}/review/{name}" for name in names))

    def _share(self, folder: str, suffix: str, jobs: int) -> int:
        """Jobs whose files are there, by the share of tiles."""
        count = sum(name.endswith(suffix) for name in _names(self.folder / folder))
        return min(jobs, math.floor(jobs * count / len(self.tiles)))

    def terrain(self) -> tuple[int, int]:
        if self.config.inputs.dem is None:
            return 0, 0
        names = {"tpi": "tpi.tif", "pisr": "pisr.tif", "streams": "streams.gpkg"}
        files = ["terrain/slope.tif", *(f"terrain/{names[name]}" for name in self.config.terrain.products)]
        return len(files), self._there(*files)

    def closing(self) -> tuple[int, int]:
        files = [f"report/{name}" for name in _REPORT] + [
            "inventory/slumps.gpkg",
            "inventory/inventory.gpkg",
            "summary.json",
        ]
        files += ["inventory/arts.gpkg"] if self.config.arts is not None else []
        files += ["report/evaluation.json"] if self.config.input_files().truth is not None else []
        ground = ("dem", "roads", "vegetation", "soil")
        if any(getattr(self.config.inputs, name) is not None for name in ground):
            files += ["analysis/landscape/landscape.json", *(f"analysis/own/{name}" for name in _STUDY)]
        else:
            files += [f"analysis/own/{name}" for name in ("table1.csv", "cells_10km.gpkg", "clustering.json")]
            files += ["analysis/own/figures/clusters.png"]
        files.append("analysis/own/figures/fig03_example.png")
        if self.config.analysis.inventory is not None:
            files += [f"analysis/given/{name}" for name in ("slumps.gpkg", "inventory.gpkg", *_STUDY)]
            files += ["analysis/given/published.csv"] if self.config.analysis.published else []
        return len(files), self._there(*files)

    # Costs.

    def million_cells(self) -> float | None:
        """Cells of the elevation model, from its header."""
        dem = self.config.input_files().dem
        if dem is None or not dem.is_file():
            return None
        try:
            with rasterio.open(dem) as source:
                return float(source.width * source.height / 1e6)
        except rasterio.errors.RasterioIOError as error:
            raise InputError(dem, f"cannot be read ({error})", "correct inputs.dem") from error

    def row(
        self,
        name: str,
        counts: tuple[int, int],
        rate: rates.Rate | None,
        units: float | None,
        note: str,
        threads: int = 1,
    ) -> Stage:
        """A stage from its rate: units of work of all its jobs, or None where nobody knows how much there will be."""
        jobs, done = counts
        left, share = jobs - done, (jobs - done) / jobs if jobs else 0.0
        slots = max(1, min(self.machine.cores // threads, left)) if left else 1
        hours = peak = coming = None
        if rate is not None:
            peak = rate.peak_mb
            if units is not None:
                hours = (rate.core_s * units * share + rate.start_s * left) / (slots * threads) / 3600
                coming = None if rate.mb is None else rate.mb * units * share
        own = self.measured.get(name)
        if own is not None and left:
            hours, peak, note = own.seconds * left / slots / 3600, own.peak_mb, f"{own.jobs} jobs of this campaign"
        elif own is not None:
            peak, note = own.peak_mb, f"{own.jobs} jobs of this campaign"
        there = _megabytes(self.folder, _FOLDERS[name])
        if own is not None and coming is None and done:
            coming = there * left / done
        if not left:
            hours = coming = 0.0
        return Stage(name, jobs, done, hours, peak, there, coming, slots, note)

    def training(self) -> Stage:
        model, window = self.config.model, self.config.windows.window_px
        jobs, done, _ = self.loop("training")
        first, iterations = len(self.outcomes), len(self.outcomes) + self.to_come
        steps = model.members * sum(
            model.iterations if n == 0 else model.iterations_next for n in range(first, iterations)
        )
        threads = min(self.config.run.torch_threads, self.machine.cores)
        rate = None if self.on_gpu else rates.TRAINING.get(model.encoder)
        note = _why_not("training", model.encoder, self.on_gpu, list(rates.TRAINING), "--step-seconds")
        note = rate.source if rate is not None else note
        stage = self.row("training", (jobs, done), None, None, note, threads)
        if "training" in self.measured or jobs == done:
            return stage
        step = self.machine.step_s
        if step is None and rate is not None:
            step = rate.core_s * model.batch * window**2 / 1e6 / threads
        elif step is not None:
            note = f"{step:g} s a step, as given"
        hours = None if step is None else step * steps / 3600
        note += "; size of the training windows not known before they are cut"
        return replace(stage, hours=hours, peak_mb=rate.peak_mb if rate else None, side_by_side=1, note=note)

    def inference(self) -> Stage:
        settings, model = self.config.inference, self.config.model
        jobs, done, each = self.loop("inference")
        threads = min(self.config.run.torch_threads, self.machine.cores)
        rate = None if self.on_gpu else rates.INFERENCE.get(model.encoder)
        looks = {"none": 1, "flips": 4, "symmetries": 8}[settings.test_time] * model.members
        ground = self.mpx * (jobs / each if each else 0)
        units = ground * (settings.window_px / settings.stride_px) ** 2 * looks
        note = (
            rate.source
            if rate
            else _why_not("inference", model.encoder, self.on_gpu, list(rates.INFERENCE), "--map-mpx-s")
        )
        stage = self.row("inference", (jobs, done), rate, units, note, threads)
        left = ground * (jobs - done) / jobs if jobs else 0.0
        if self.machine.map_mpx_s is not None and "inference" not in self.measured:
            note = f"{self.machine.map_mpx_s:g} Mpx/s, as given"
            stage = replace(stage, hours=left / self.machine.map_mpx_s / 3600, note=note)
        kept = 0.0 if self.config.run.keep == "final" else left
        return replace(stage, coming_mb=rates.PROBABILITY_MB * max(kept, min(left, self.mpx)))

    def stages(self) -> list[Stage]:
        """All rows."""
        candidates = self.candidates()
        cells = self.million_cells()
        start = rates.Rate(0.0, "job", rates.START_S, 250, 0.0, rates.DEMO)
        prepare = self.row("prepare", self.prepare(), start, 0.0, "checks of scenes and downloads: not known before")
        imagery = self.row("imagery", self.imagery(), rates.IMAGERY, self.mpx * self.years, rates.IMAGERY.source)
        jobs, done, each = self.loop("candidates")
        traced = self.row(
            "candidates",
            (jobs, done),
            rates.CANDIDATES,
            self.mpx * jobs / each if each else 0.0,
            rates.CANDIDATES.source,
        )
        jobs, done, each = self.loop("review pages")
        shown = None if candidates is None else float(candidates * self.years * jobs / each)
        why = "number of candidates not known before the first inference; 1,000 take 90 core-seconds over 5 years"
        note = why if shown is None else f"{rates.PICTURES.source}, {candidates:,} candidates as last time"
        review = self.row("review pages", (jobs, done), rates.PICTURES, shown, note)
        note = rates.TERRAIN.source if cells is not None else "no elevation model yet, whose size decides"
        terrain = self.row("terrain", self.terrain(), rates.TERRAIN, cells, note)
        if cells is not None and "terrain" not in self.measured:
            terrain = replace(terrain, peak_mb=max(1500.0, rates.STREAM_BYTES * cells))
        closing_rate = rates.Rate(rates.CLOSING_S, "campaign", 0.0, 589, None, rates.DEMO)
        note = f"{rates.DEMO}, with 69 slumps; how it grows with slumps is not known"
        closing = self.row("inventory, figures", self.closing(), closing_rate, 1.0, note)
        return [prepare, imagery, self.training(), self.inference(), traced, review, terrain, closing]


_REPORT = (
    "table2.csv", "iterations.png", "missing.png", "reliability.png", "contact_sheet.png", "ground", "sheets",
    "index.html",
)  # fmt: skip
_STUDY = (
    "selection.csv", "tests.csv", "joint.json", "clustering.json", "sensitivity.csv", "summary.json", "results.md",
    "table1.csv", "cells_10km.gpkg", "figures/clusters.png",
)  # fmt: skip


def make_plan(config: Config, machine: Machine) -> Plan:
    """Plans a campaign, or the rest of it.

    Args:
        config: the campaign.
        machine: what it runs on.

    Raises:
        InputError: it maps nothing, or a file that tells how far it is cannot be read.
    """
    if not config.maps:
        raise InputError("plan", f"campaign {config.campaign} maps nothing", "plan a configuration with a catalogue")
    counter = _Counter(config, machine)
    there = next(place for place in (config.folder.absolute(), *config.folder.absolute().parents) if place.is_dir())
    free = shutil.disk_usage(there).free / 1e6
    ended = sum(state == "decided" for state in counter.states)
    return Plan(config, machine, len(counter.tiles), counter.mpx, ended, counter.to_come, counter.stages(), free)


def describe(plan: Plan) -> str:
    """The plan as a table for people."""
    config, machine = plan.config, plan.machine
    gpus = f", {machine.gpus} GPU{'s' if machine.gpus > 1 else ''}" if machine.gpus else ", no GPU"
    lines = [
        f"Campaign {config.campaign}: {plan.tiles} tiles, {plan.mpx:,.0f} Mpx a year, {len(config.imagery.years)} "
        f"years, {plan.ended} of at most {config.iterations.maximum} iterations decided",
        f"on {machine.cores} cores, {machine.memory_gb:.0f} GB{gpus}; run.keep: {config.run.keep}",
        "",
        f"{'stage':20}{'jobs':>7}{'done':>7}{'hours':>9}{'MB a job':>10}{'GB there':>10}{'GB to come':>12}  rates from",
    ]
    for stage in plan.stages:
        coming = None if stage.coming_mb is None else stage.coming_mb / 1000
        lines.append(
            f"{stage.name:20}{stage.jobs:7d}{stage.done:7d}{_number(stage.hours, 2):>9}{_number(stage.peak_mb, 0):>10}"
            f"{stage.there_mb / 1000:10.2f}{_number(coming, 2):>12}"
            f"  {stage.note}"
        )
    jobs, done = sum(stage.jobs for stage in plan.stages), sum(stage.done for stage in plan.stages)
    hours = sum(stage.hours or 0.0 for stage in plan.stages)
    unknown = [stage.name for stage in plan.stages if stage.hours is None]
    lines += [
        f"{'all':20}{jobs:7d}{done:7d}{hours:9.2f}{'':10}{sum(s.there_mb for s in plan.stages) / 1000:10.2f}"
        f"{plan.coming_mb / 1000:12.2f}",
        "",
        "Hours are those of jobs to come, one stage after the other, up to the last iteration that is allowed; "
        "people's time is not among them, nor cross-validation.",
    ]
    if unknown:
        lines.append(f"Not known: hours of {', '.join(unknown)}. They are not in the sum.")
    unsized = [stage.name for stage in plan.stages if stage.coming_mb is None]
    if unsized:
        lines.append(f"Not known: disk of {', '.join(unsized)}. It is not in the sum.")
    together = max((stage.peak_mb or 0.0) * stage.side_by_side for stage in plan.stages)
    lines.append(f"Jobs side by side on {machine.cores} cores would take {together / 1000:.1f} GB of memory at most.")
    lines.append(f"Free disk for {config.folder}: {plan.free_mb / 1000:.1f} GB.")
    return "\n".join([*lines, *(f"Warning: {warning}." for warning in plan.warnings())])


def _number(value: float | None, digits: int) -> str:
    return "?" if value is None else f"{value:,.{digits}f}"


def _why_not(work: str, encoder: str, gpu: bool, measured: Sequence[str], option: str) -> str:
    if gpu:
        return f"no {work} was measured on a GPU: give {option} from a short run there"
    return f"{work} of {encoder} was not measured on a CPU, only of {', '.join(measured)}: give {option}"


def _own_costs(folder: Path) -> dict[str, _Measured]:
    """What finished jobs of the campaign took, by stage, from the files that Snakemake writes."""
    found: dict[str, list[tuple[float, float]]] = {}
    for path in sorted(folder.rglob("*.tsv")):
        if "crossval" in path.relative_to(folder).parts:
            continue
        inside = "analysis" in path.relative_to(folder).parts
        name = (
            "inventory, figures" if inside else next(n for n, form in STAGES.items() if re.fullmatch(form, path.stem))
        )
        with path.open() as lines:
            for row in csv.DictReader(lines, delimiter="\t"):
                try:
                    found.setdefault(name, []).append((float(row["s"]), _float(row["max_rss"])))
                except (KeyError, TypeError, ValueError) as error:
                    raise InputError(path, f"no benchmark of Snakemake ({error!r})", "remove it") from error
    return {
        name: _Measured(len(jobs), sum(seconds for seconds, _ in jobs) / len(jobs), max(peak for _, peak in jobs))
        for name, jobs in found.items()
    }


def _names(folder: Path) -> set[str]:
    """Names in a folder, which need not be there."""
    return {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()


def _float(text: str) -> float:
    """A cell; jobs that end before the first look have none."""
    return 0.0 if text in ("NA", "-", "") else float(text)


def _megabytes(folder: Path, names: Sequence[str]) -> float:
    """Size of the files in some folders."""
    total = 0
    for name in names:
        for place in folder.glob(name):
            for top, _, files in os.walk(place):
                total += sum((Path(top) / file).lstat().st_size for file in files)
    return total / 1e6
