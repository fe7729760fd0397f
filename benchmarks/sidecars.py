"""What the sidecars of a finished campaign cost: the same hashing and writing again, beside the time of the commands.

    python benchmarks/sidecars.py results/tiny

Nothing in the campaign is changed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from slumpmap.files import write_json
from slumpmap.sidecar.digest import content_of, known_contents
from slumpmap.sidecar.form import SUFFIX, Sidecar, read_sidecar
from slumpmap.sidecar.software import software


def seconds_of(sidecars: list[Sidecar], scratch: Path) -> float:
    """Seconds that the sidecars of one run take, written into another folder."""
    start = time.perf_counter()
    run = sidecars[0].run
    known_contents(path for path in sidecars[0].inputs() if path.exists())
    software()
    for number, sidecar in enumerate(sidecars):
        if sidecar.product.exists():
            write_json(scratch / f"{number}.json", asdict(content_of(sidecar.product)) | {"run": asdict(run)})
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("results", type=Path)
    folder = parser.parse_args().results
    runs: dict[str, list[Sidecar]] = {}
    size = 0
    for path in folder.rglob(f".*{SUFFIX}"):
        sidecar = read_sidecar(path)
        size += path.stat().st_size
        runs.setdefault(sidecar.run.id, []).append(sidecar)
    with tempfile.TemporaryDirectory() as scratch:
        cost = sum(seconds_of(sidecars, Path(scratch)) for sidecars in runs.values())
    work = sum(sidecars[0].run.seconds for sidecars in runs.values())
    facts = {
        "runs": len(runs),
        "sidecars": sum(map(len, runs.values())),
        "kB": round(size / 1e3),
        "sidecars_s": round(cost, 2),
        "commands_s": round(work, 1),
        "share_percent": round(100 * cost / work, 2),
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
