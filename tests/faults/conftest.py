"""One finished campaign with people's decisions, and copies of it as it was at any moment of its making."""

import contextlib
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from slumpmap.config import read_config
from slumpmap.options import as_options
from slumpmap.review.opinion import Opinion
from slumpmap.review.store import Store
from slumpmap.vector import read_layer
from tests.workflow.conftest import Workflow
from tests.workflow.conftest import tiny_corridor as tiny_corridor

REVIEWERS = ("anna", "ben", "chen")
RESULTS = Path("results/tiny")
INVENTORY = RESULTS / "inventory" / "inventory.gpkg"
# Small enough for a fault run to take a minute: one year, short training with checkpoints, one terrain product.
SETTINGS = {
    "review": {"mode": "people", "reviewers": list(REVIEWERS[:2]), "adjudicator": REVIEWERS[2]},
    "iterations": {"maximum": 2},
    "imagery": {"years": [2019]},
    "model": {"iterations": 40, "iterations_next": 20, "checkpoint_every": 5},
    "terrain": {"products": ["tpi"]},
    # Files that pass are damaged and compared too.
    "run": {"keep": "all"},
}


class Campaign(Workflow):
    """The tiny campaign, mapped as far as its inventory."""

    def __init__(self, folder):
        self.folder = folder
        if not (folder / "Snakefile").exists():
            super().__init__(folder)

    def run(self, *arguments):
        """Runs snakemake towards the inventory, or what the arguments name; returns (exit status, all output)."""
        return super().run(*(arguments or ("--", str(INVENTORY))))

    def start(self):
        """Starts the run in a process group of its own."""
        return subprocess.Popen(
            self.command("--", str(INVENTORY)),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def path(self, name):
        return self.folder / RESULTS / name

    def jobs(self):
        """What snakemake noted of each finished job, once for each of its outputs."""
        noted = self.folder / ".snakemake" / "metadata"
        return [json.loads(path.read_text()) for path in noted.rglob("*") if path.is_file()]

    def rewind(self, log):
        """Makes the folder what it was when a job began: nothing that is younger is there, decisions excepted.

        Returns:
            The seconds that the job had taken.
        """
        job = next(job for job in self.jobs() if job["log"] == [str(RESULTS / "logs" / log)])
        for place in (self.folder / RESULTS, self.folder / ".snakemake"):
            for path in [path for path in place.rglob("*") if path.is_file()]:
                if path.stat().st_mtime >= job["starttime"]:
                    path.unlink()
        return job["endtime"] - job["starttime"]

    def products(self):
        """SHA-256 of every product by name; logs, costs and what a killed process left (dotted names) are none."""
        found = {
            name: digest
            for name, digest in digests(self.folder / RESULTS, leave_out=("logs", "benchmarks")).items()
            if "tensorboard" not in name
        }
        # The catalogue holds the scenes' full paths, and a copy that did not make it anew those of the original.
        catalogue = "inputs/scenes.gpkg"
        if catalogue in found:
            rows = read_layer(self.path(catalogue), "scenes").to_wkt().to_csv()
            found[catalogue] = hashlib.sha256(re.sub(r"/\S*/data/", "data/", rows).encode()).hexdigest()
        return found

    def decisions(self):
        """SHA-256 of everything that people left."""
        return digests(self.folder / "decisions")

    def same_as(self, reference):
        """Whether all products and decisions are the reference's, byte for byte; names those that are not."""
        mine, wanted = self.products(), reference.products()
        differing = sorted(name for name in mine.keys() | wanted.keys() if mine.get(name) != wanted.get(name))
        assert differing == []
        assert self.decisions() == reference.decisions()
        return True

    def decide(self, number):
        """Lets simulated experts write the people's decision files of an iteration."""
        iteration = self.path(f"iterations/{number:02d}")
        config = read_config(self.folder / "campaign.yaml")
        folder = self.folder / "decisions" / f"{number:02d}"
        common = ["--candidates", iteration / "candidates/candidates.gpkg"]
        common += ["--known", iteration / "labels/positives.gpkg"]
        common += ["--truth", self.folder / "data/tiny/truth.gpkg", "--seed", "1", *as_options(config.experts).split()]
        for name in REVIEWERS:
            disputed = [folder / f"{other}.gpkg" for other in REVIEWERS[:2]] if name == REVIEWERS[2] else []
            options = [word for file in disputed for word in ("--disputed-by", file)]
            command = ["simulate-review", *common, "--reviewer", name, *options, "--out", folder / f"{name}.gpkg"]
            subprocess.run([sys.executable, "-m", "slumpmap", *map(str, command)], check=True, capture_output=True)
        with Store(folder / f"{REVIEWERS[0]}.sqlite", REVIEWERS[0]) as store:
            store.add_items([("c1", False), ("c2", False)])
            store.enter("window", take_over=False)
            for item, verdict in enumerate(("slump", "reject"), 1):
                store.decide(
                    f"act {item}",
                    "window",
                    item,
                    0,
                    2.5,
                    Opinion(verdict=verdict, probability="high" if verdict == "slump" else None),
                )


def digests(folder, leave_out=()):
    """SHA-256 of the files below a folder by name, folders of some names left out."""
    names = {path.relative_to(folder): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {
        str(name): hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in names.items()
        if name.parts[0] not in leave_out and not (leave_out and name.name.startswith("."))
    }


def steps_done(output):
    """Number of jobs that a run finished."""
    return len(re.findall(r"^\d+ of \d+ steps", output, re.MULTILINE))


def copy_of(reference, folder):
    """A copy of a campaign with all times of its files."""
    folder.mkdir(parents=True, exist_ok=True)
    copy = Campaign(folder)
    for name in ("campaign.yaml", "data", "results", "decisions", ".snakemake"):
        subprocess.run(["cp", "-a", str(reference.folder / name), str(folder)], check=True)
    return copy


@pytest.fixture(scope="session")
def reference(tmp_path_factory, tiny_corridor):
    """A campaign of two iterations that nothing ever happened to.

    SLUMPMAP_FAULT_REFERENCE names a folder in which it is kept for further calls.
    """
    kept = os.environ.get("SLUMPMAP_FAULT_REFERENCE")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("reference")
    campaign = Campaign(folder)
    if (folder / INVENTORY).exists():
        return campaign
    campaign.bring(tiny_corridor)
    campaign.configure(**SETTINGS)
    for number in (1, 2):
        status, output = campaign.run("--", str(RESULTS / f"iterations/{number:02d}/review/to_inspect.gpkg"))
        assert status == 0, output
        campaign.decide(number)
    status, output = campaign.run()
    assert status == 0, output
    return campaign


def wait_for(what, process, seconds):
    """Waits until something is so, or the process ends; returns whether it is so."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        if process.poll() is not None:
            return what()
        time.sleep(0.02)
    raise TimeoutError


@contextlib.contextmanager
def mounted(folder, *options):
    """A file system of its own at a folder, unmounted afterwards; skips where this is not permitted."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting is not permitted here ({done.stderr.strip()})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def resize(folder, size):
    """Gives a tmpfs another size."""
    subprocess.run(["mount", "-o", f"remount,size={size}", str(folder)], check=True)
