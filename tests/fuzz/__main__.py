"""Fuzzes all readers, `python -m tests.fuzz`, or does one case again, `python -m tests.fuzz --reader dem --case 12`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from tests.fuzz.readers import READERS
from tests.fuzz.runner import GOOD, run, scratch, table


def main() -> int:
    """Prints counts by reader and outcome, and each defect; 1 where there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="in all, divided among the readers")
    parser.add_argument("--reader", action="append", help="only this one; may be repeated")
    parser.add_argument("--case", type=int, help="only the case of this number")
    parser.add_argument("--first", type=int, default=0, help="number of the first case of each reader")
    parser.add_argument("--save", type=Path, default=Path("build/fuzz"), help="folder for the files of defects")
    options = parser.parse_args()
    os.nice(19)
    chosen = [reader for reader in READERS if options.reader is None or reader.name in options.reader]
    each = -(-options.cases // len(chosen))
    numbers = range(options.first, options.first + each)
    if options.case is not None:
        numbers = range(options.case, options.case + 1)
    start, results = time.monotonic(), []
    with scratch() as folder:
        for result in run(chosen, numbers, options.save.resolve(), Path(folder)):
            results.append(result)
            if result.outcome not in GOOD or options.case is not None:
                print(f"{result.reader} {result.number} ({result.edits}): {result.outcome} {result.detail}", flush=True)
    print(table(results, chosen))
    defects = [result for result in results if result.outcome not in GOOD]
    print(f"{len(results)} cases, {len(defects)} defects, {time.monotonic() - start:.0f} s")
    return 1 if defects else 0


if __name__ == "__main__":
    sys.exit(main())
