"""Fuzzes all readers, `python -m tests.fuzz`, or does one case again, `python -m tests.fuzz --reader dem --case 12`."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.readers import READERS, Reader
from tests.fuzz.runner import GOOD, Result, run, scratch, table


def _share(readers: Sequence[Reader], numbers: range, save: Path, file: Path, all_told: bool) -> None:
    """Runs some readers; their results go to a file, defects are told at once."""
    with scratch() as folder, file.open("w") as out:
        for result in run(readers, numbers, save, Path(folder)):
            out.write(json.dumps(asdict(result)) + "\n")
            out.flush()
            if result.outcome not in GOOD or all_told:
                print(f"{result.reader} {result.number} ({result.edits}): {result.outcome} {result.detail}", flush=True)


def main() -> int:
    """Prints counts by reader and outcome, and each defect; 1 where there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="in all, divided among the readers")
    parser.add_argument("--reader", action="append", help="only this one; may be repeated")
    parser.add_argument("--case", type=int, help="only the case of this number")
    parser.add_argument("--first", type=int, default=0, help="number of the first case of each reader")
    parser.add_argument("--jobs", type=int, default=1, help="processes that share the readers")
    parser.add_argument("--save", type=Path, default=Path("build/fuzz"), help="folder for the files of defects")
    options = parser.parse_args()
    os.nice(19)
    chosen = [reader for reader in READERS if options.reader is None or reader.name in options.reader]
    each = -(-options.cases // len(chosen))
    numbers = range(options.first, options.first + each)
    if options.case is not None:
        numbers = range(options.case, options.case + 1)
    start = time.monotonic()
    options.save.mkdir(parents=True, exist_ok=True)
    files = [options.save / f"results-{number}.jsonl" for number in range(options.jobs)]
    children = []
    for number, file in enumerate(files):
        child = os.fork()
        if not child:
            _share(chosen[number :: options.jobs], numbers, options.save.resolve(), file, options.case is not None)
            os._exit(0)
        children.append(child)
    ends = [os.waitpid(child, 0)[1] for child in children]
    if any(ends):
        return 2
    results = [Result(**json.loads(line)) for file in files for line in file.read_text().splitlines()]
    print(table(results, chosen))
    defects = [result for result in results if result.outcome not in GOOD]
    print(f"{len(results)} cases, {len(defects)} defects, {time.monotonic() - start:.0f} s")
    return 1 if defects else 0


if __name__ == "__main__":
    sys.exit(main())
