"""Progress of long loops on stderr: a live line in a terminal, a line per tenth in a log file."""

from __future__ import annotations

import sys
import time


class Progress:
    """Reports how far a loop is, its rate and the time left.

    Args:
        what: what is being done, such as `training`.
        total: amount of work.
        unit: unit of the amount, such as `steps` or `tiles`.
        done: amount that was done before (a resumed run), left out of the rate.
    """

    def __init__(self, what: str, total: int, unit: str, done: int = 0) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._first = done
        self._started = time.monotonic()
        self._tenth = 10 * done // max(1, total)
        self._live = sys.stderr.isatty()

    def update(self, done: int, note: str = "") -> None:
        """Reports that `done` of the total is done; `note` is added to the line."""
        tenth = 10 * done // max(1, self._total)
        if not self._live and tenth == self._tenth:
            return
        self._tenth = tenth
        rate = (done - self._first) / max(time.monotonic() - self._started, 1e-9)
        left = (self._total - done) / rate if rate else 0.0
        line = f"{self._what}: {done}/{self._total} {self._unit}, {rate:.2f}/s, {left:.0f} s left"
        line = f"{line}, {note}" if note else line
        ending = "\n" if not self._live or done == self._total else ""
        print(f"\r{line:<100}" if self._live else line, file=sys.stderr, end=ending, flush=True)
