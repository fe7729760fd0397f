"""A share of the fuzzing, on every run; `make test-fuzz` does all of it. And that the fuzzing itself can fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from slumpmap.errors import InputError
from tests.fuzz import runner
from tests.fuzz.mutate import SENTINEL, mutated
from tests.fuzz.readers import READERS, Reader
from tests.fuzz.runner import FIRST_LOOK, GOOD, Result, run

ROOT = Path(__file__).parents[2]
# Cases of each reader; those whose good case takes a second or more get fewer.
CASES = 6
SLOW = {"outcome", "training_log", "reliability", "curve", "weights", "encoder", "model_card", "qgis_edits"}


@pytest.mark.parametrize("slow", [False, True])
def test_mutated_files_are_read_or_refused(slow: bool, tmp_path: Path) -> None:
    """In a process of its own, which forks: the worker that runs this test has threads of other tests."""
    chosen = [reader.name for reader in READERS if (reader.name in SLOW) == slow]
    each = 2 if slow else CASES
    command = [sys.executable, "-m", "tests.fuzz", "--cases", str(each * len(chosen)), "--save", str(tmp_path)]
    command += [word for name in chosen for word in ("--reader", name)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT)))}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    results = [Result(**json.loads(line)) for line in (tmp_path / "results-0.jsonl").read_text().splitlines()]
    assert len(results) == len(chosen) * each
    # Were all refused, or all read, the edits would test nothing.
    counts = Counter(result.outcome for result in results)
    assert min(counts["read"], counts["refused"]) > len(results) // 10


def test_a_case_is_the_same_on_every_run() -> None:
    data = Random(3).randbytes(3000)
    cases = [mutated(data, "shp", "x", number) for number in range(50)]
    assert cases == [mutated(data, "shp", "x", number) for number in range(50)]
    assert len({made for made, _ in cases}) > 30
    assert cases != [mutated(data, "shp", "y", number) for number in range(50)]


def outcomes(tmp_path: Path, read: Callable[[Path], Any], cases: int = 3) -> list[Result]:
    """Results of cases of a reader that does `read` with every file but the good one."""

    def make(folder: Path) -> None:
        (folder / "a.bin").write_bytes(b"good file " * 20)

    def after_good(folder: Path) -> None:
        if folder.name != FIRST_LOOK:
            read(folder)

    reader = Reader("own", "a.bin", "shp", make, after_good)
    return list(run([reader], range(cases), tmp_path / "saved", tmp_path / "work"))


def refuse(folder: Path, words: str = "is damaged") -> None:
    raise InputError(folder / "a.bin", words, "copy it again")


def hang(_: Path) -> None:
    time.sleep(100)


def die(_: Path) -> None:
    os.abort()


def grow(_: Path) -> None:
    np.ones(700 * 2**20 // 8)


def fill(_: Path) -> None:
    np.ones(20 * 2**30 // 8)


def obey(folder: Path) -> None:
    (folder / SENTINEL).touch()


def anonymous(_: Path) -> None:
    raise InputError("a file", "is damaged", "copy it again")


@pytest.mark.parametrize(
    ("read", "outcome", "detail"),
    [
        (refuse, "refused", "is damaged"),
        (anonymous, "unclear", "a file"),
        (lambda _: {}["x"], "error", "KeyError"),
        (die, "crash", "SIGABRT"),
        (hang, "hang", ""),
        (grow, "memory", "MB; read"),
        (fill, "error", "MemoryError"),
        (obey, "executed", ""),
    ],
)
def test_every_defect_is_seen_and_goes_with_its_case(
    read: Callable[[Path], Any], outcome: str, detail: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if outcome == "hang":
        monkeypatch.setattr(runner, "SECONDS", 0.7)
    results = outcomes(tmp_path, read)
    assert [result.number for result in results] == [0, 1, 2]
    assert {result.outcome for result in results} == {outcome}
    assert all(detail in result.detail for result in results)
    assert (tmp_path / "saved" / "own-1" / "a.bin").exists() == (outcome not in GOOD)
