"""`python -m slumpmap` and `slumpmap`: one clear message where Python is too old or a package is missing."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line; `doctor` also where the packages of the others are missing."""
    from slumpmap import doctor

    if sys.argv[1:2] == ["doctor"]:
        sys.exit(doctor.main(sys.argv[2:]))
    if sys.version_info[:2] < doctor.OLDEST_PYTHON:
        found = ".".join(map(str, sys.version_info[:3]))
        sys.exit(f"error: this is Python {found}, and slumpmap needs 3.11 or newer. Run `slumpmap doctor`.")
    try:
        from slumpmap.cli import main as run
    except ImportError as error:
        sys.exit(f"error: {' '.join(str(error).split())}. Run `make install`; `slumpmap doctor` says what is missing.")
    run()


if __name__ == "__main__":
    main()
