"""Power cuts: what was not synced is lost, and nothing that was made counts on it."""

import random
import re
import shutil
import subprocess
import sys

import pytest

from tests.faults.conftest import copy_of, steps_done, wait_for

STRACE = shutil.which("strace")
CALLS = "trace=openat,close,fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat,ftruncate,write,pwrite64,unlink"
WRITE = """
import sys
from pathlib import Path
import geopandas as gpd, numpy as np, shapely
from rasterio.transform import from_origin
from slumpmap.files import write_json
from slumpmap.raster import write_cog
from slumpmap.vector import write_layer, write_parquet
out = Path(sys.argv[1]) / "new" / "folder"
write_json(out / "a.json", {"a": 1})
layer = gpd.GeoDataFrame({"id": ["a"]}, geometry=[shapely.box(0, 0, 9, 9)], crs="EPSG:32646")
write_layer(layer, out / "a.gpkg")
write_parquet(layer, out / "a.parquet")
write_cog(out / "a.tif", np.ones((3, 600, 600), np.uint8), from_origin(500000, 3841000, 3, 3), "EPSG:32646", 0)
"""
DECIDE = """
import sys
from pathlib import Path
from slumpmap.review.opinion import Opinion
from slumpmap.review.store import Store
with Store(Path(sys.argv[1]) / "new" / "01" / "anna.sqlite", "anna") as store:
    store.add_items([("a", False)])
    store.enter("window", take_over=False)
    store.decide("act", "window", 1, 0, 1.0, Opinion(verdict="reject"))
    Path(sys.argv[1], "answered").touch()
"""


def trace(program, folder):
    """System calls on files of a program, in their order: (name, paths in it)."""
    log = folder / "calls.txt"
    command = [STRACE, "-f", "-y", "-s", "300", "-e", CALLS, "-o", str(log), sys.executable, "-c", program, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "ptrace" in done.stderr or not log.exists():
        pytest.skip(f"strace is not permitted here ({done.stderr.strip()[-100:]})")
    assert done.returncode == 0, done.stderr
    calls = []
    for line in log.read_text().splitlines():
        call = re.match(r"\d+\s+(\w+)\((.*)\)\s+= \d+", line)
        if call and str(folder) in line:
            calls.append((call[1], re.findall(rf"{re.escape(str(folder))}[^\">]*", call[2])))
    return calls


def synced_after(calls, path, start):
    """Whether a file or folder is synced at or after a place in the list of calls."""
    return any(name in ("fsync", "fdatasync") and paths[:1] == [str(path)] for name, paths in calls[start:])


@pytest.mark.skipif(STRACE is None, reason="no strace on this machine (Debian: apt install strace)")
def test_products_are_on_the_disk_before_their_name_and_the_name_before_the_job_ends(tmp_path):
    calls = trace(WRITE, tmp_path)
    renamed = [(place, *paths) for place, (name, paths) in enumerate(calls) if name.startswith("rename")]
    assert len(renamed) == 4
    for place, old, new in renamed:
        written = [
            number for number, (name, paths) in enumerate(calls[:place]) if "write" in name and paths[:1] == [old]
        ]
        assert written, new
        assert synced_after(calls[:place], old, written[-1]), f"{new} gets its name before its content is on the disk"
        assert synced_after(calls, tmp_path / "new/folder", place), f"the name {new} is not brought to the disk"
    for made, above in ((tmp_path / "new", tmp_path), (tmp_path / "new/folder", tmp_path / "new")):
        place = next(
            number for number, (name, paths) in enumerate(calls) if "mkdir" in name and paths[:1] == [str(made)]
        )
        assert synced_after(calls, above, place), made


@pytest.mark.skipif(STRACE is None, reason="no strace on this machine (Debian: apt install strace)")
def test_decision_is_on_the_disk_before_the_page_hears_that_it_is_saved(tmp_path):
    calls = trace(DECIDE, tmp_path)
    answered = next(number for number, (_, paths) in enumerate(calls) if paths[:1] == [str(tmp_path / "answered")])
    log = str(tmp_path / "new/01/anna.sqlite-wal")
    written = [
        number for number, (name, paths) in enumerate(calls[:answered]) if "write" in name and paths[:1] == [log]
    ]
    assert written
    assert synced_after(calls[:answered], log, written[-1])
    for folder in (tmp_path / "new/01", tmp_path / "new", tmp_path):
        assert synced_after(calls[:answered], folder, 0), folder


def lose(campaign, since, chance):
    """Does what a power cut does to files that nobody synced: emptied, or gone, one by one at random.

    Of a run these are Snakemake's notes, its marks and locks, logs and costs, and the temporary files of a writer;
    products are synced before they have their name, as the tests above show.

    Returns:
        How many were lost.
    """
    places = [campaign.folder / ".snakemake", campaign.path("logs"), campaign.path("benchmarks")]
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    files += [path for path in (campaign.folder / "results").rglob(".*") if path.is_file()]
    lost = [path for path in files if path.stat().st_mtime >= since]
    for path in lost:
        if chance.random() < 0.5:
            path.unlink()
        else:
            path.write_bytes(b"")
    return len(lost)


@pytest.mark.faults
@pytest.mark.parametrize("stage", ["01/train_model.log", "01/polygons.log", "02/outcome.log", "inventory.log"])
def test_run_after_a_power_cut_makes_the_same_products(reference, tmp_path, stage):
    chance = random.Random(stage)
    campaign = copy_of(reference, tmp_path)
    took = campaign.rewind(stage)
    # Beside what this run writes, the notes on the jobs of the 30 s before are lost, as far as a file system waits.
    since = max(path.stat().st_mtime for path in campaign.path("logs").rglob("*.log")) - 30
    process = campaign.start()
    wait_for((campaign.path("logs") / stage).exists, process, 300)
    try:
        wait_for(lambda: False, process, chance.uniform(0, took))
    except TimeoutError:
        campaign.kill(process)
    lost = lose(campaign, since, chance)
    assert lost > 10
    status, output = campaign.run()
    assert status == 0, output
    assert campaign.same_as(reference)
    print(
        f"\npower cut in {stage}: {lost} unsynced files lost, {steps_done(output)} jobs after it, products as unbroken"
    )
