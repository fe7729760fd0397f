"""How long to wait before a request is repeated, and how many requests go out in a second."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

# Answers after which the same request may succeed.
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_S = 120.0
# A server that asks for more wants us to come back another day.
_LONGEST_ASKED_S = 900.0


@dataclass(frozen=True)
class Patience:
    """How often a request is repeated.

    Args:
        attempts: tries in a row that may fail.
        wait_s: seconds before the second try; doubles with each.
    """

    attempts: int
    wait_s: float

    def delay(self, failures: int, asked_s: float | None = None) -> float:
        """Seconds before the next try: what the server asked for, or a doubling wait, spread at random by a half.

        Args:
            failures: tries in a row that failed, from 1.
            asked_s: the server's Retry-After, seconds, if it sent one.
        """
        if asked_s is not None:
            return min(max(asked_s, 0.0), _LONGEST_ASKED_S)
        longest = min(self.wait_s * 2.0 ** min(failures - 1, 30), _LONGEST_S)
        # Not a seed's business: clients that failed together must not come back together.
        return longest * random.uniform(0.5, 1.0)


def retry_after(value: str | None, now: datetime | None = None) -> float | None:
    """Seconds that a Retry-After header asks for: a number or an HTTP date (RFC 9110, 10.2.3); None if it has neither.

    Args:
        value: the header.
        now: time to count from; default: the clock.
    """
    text = (value or "").strip()
    if text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


class Rate:
    """Spaces the requests of all threads evenly.

    Args:
        per_second: requests in a second.
    """

    def __init__(self, per_second: float) -> None:
        self._space = 1.0 / per_second
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Waits for the caller's turn."""
        time.sleep(self.turn())

    def turn(self) -> float:
        """Takes the next free place and says how many seconds there are until then."""
        with self._lock:
            now = time.monotonic()
            place = max(now, self._next)
            self._next = place + self._space
            return place - now

    def pause(self, seconds: float) -> None:
        """Lets nobody through for some seconds: a server that is asked for less is asked by no thread."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)
