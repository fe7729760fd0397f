"""The claim on a working folder: one at a time, gone with its process."""

import subprocess
import sys

from slumpmap.runlock import claim

HOLD = """
import pathlib, sys
from slumpmap.runlock import claim
held = claim(pathlib.Path(sys.argv[1]))
print(held is not None, flush=True)
sys.stdin.read()
"""


def hold(folder):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() == "True"
    return process


def test_second_run_is_not_served_and_leaves_the_locks_of_the_first(tmp_path):
    first = hold(tmp_path)
    lock = tmp_path / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir()
    lock.touch()
    assert claim(tmp_path) is None
    assert lock.exists()
    first.kill()
    first.wait()
    held = claim(tmp_path)
    assert held is not None and not lock.exists()
    held.close()
