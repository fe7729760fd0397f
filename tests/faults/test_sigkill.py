"""Runs killed at random moments of each stage: what a resumed run makes is what an unbroken one makes."""

import os
import random
import secrets
import time
from pathlib import Path

import pytest

from tests.faults.conftest import copy_of, steps_done, wait_for

pytestmark = pytest.mark.faults
# The log of a job of each stage, in the order of the work.
STAGES = (
    *("catalogue.log", "scaling.log", "tiles_000_2019.log", "01/windows.log", "01/train_model.log", "01/infer_000.log"),
    *("01/parts_000.log", "01/polygons.log", "01/ledger.log", "01/review_template.log", "01/outcome.log"),
    *("02/labels.log", "02/windows.log", "02/train_model.log", "02/infer_000.log", "02/outcome.log"),
    *("slope.log", "tpi.log", "slumps.log", "inventory.log"),
)
RUNS = int(os.environ.get("SLUMPMAP_FAULT_RUNS") or len(STAGES))
SEED = int(os.environ.get("SLUMPMAP_FAULT_SEED") or secrets.randbelow(10**6))
COUNTS = {"runs": 0, "killed": 0, "killed inside a job": 0, "jobs done again": 0, "inventories as unbroken": 0}


def stage_of(run):
    """The stages in turn, spread over all of the work where there are fewer runs than stages."""
    return STAGES[(run * len(STAGES) // RUNS if len(STAGES) > RUNS else run) % len(STAGES)]


@pytest.fixture(scope="module", autouse=True)
def counts():
    """Prints the counts at the end of all runs."""
    yield
    print(f"\nSIGKILL, seed {SEED}: " + ", ".join(f"{number} {name}" for name, number in COUNTS.items()), flush=True)


@pytest.mark.parametrize("run", range(RUNS))
def test_killed_run_resumes_to_the_same_products(reference, tmp_path, run):
    chance = random.Random(f"{SEED}/{run}")
    stage = stage_of(run)
    campaign = copy_of(reference, tmp_path)
    took = campaign.rewind(stage)
    process = campaign.start()
    begun = wait_for((campaign.path("logs") / stage).exists, process, 300)
    assert begun, f"the run ended before {stage}"
    pause = chance.uniform(0, took)
    try:
        wait_for(lambda: False, process, pause)
        killed = False
    except TimeoutError:
        killed = True
    campaign.kill(process)
    assert gone(campaign.folder), "a process of the killed run goes on"
    cut = unfinished(campaign.folder)
    status, output = campaign.run()
    assert status == 0, output
    done = steps_done(output)
    same = campaign.same_as(reference)
    COUNTS["runs"] += 1
    COUNTS["killed"] += killed
    COUNTS["killed inside a job"] += bool(cut)
    COUNTS["jobs done again"] += done
    COUNTS["inventories as unbroken"] += same
    print(
        f"\nrun {run + 1} of {RUNS}, seed {SEED}/{run}: {stage} + {pause:.2f} s, {'killed' if killed else 'had ended'},"
        f" {len(cut)} files unfinished, {done} jobs in the resumed run, products and decisions as unbroken",
        flush=True,
    )


def unfinished(folder):
    """The marks of files that jobs were at when they were killed."""
    return [path for path in (folder / ".snakemake" / "incomplete").rglob("*") if path.is_file()]


def gone(folder):
    """Whether no process works in a folder, or none does any more in a while; to die takes a large one a moment."""
    deadline = time.monotonic() + 60
    while processes_in(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def processes_in(folder):
    """Numbers of the processes that work in a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (place / "cwd").resolve() == folder.resolve():
                found.append(int(place.name))
        except OSError:
            continue
    return found
