"""A reviewer's acts in a SQLite file: each is written at once, none is ever changed or deleted.

What a reviewer thinks of a candidate now is the last act on it; undoing is an act too. The file lies beside the
decision file that is made from it, so that it is as safe from the workflow as that is.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from slumpmap.errors import InputError
from slumpmap.files import make_folder
from slumpmap.review.opinion import Opinion

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS items (
    item INTEGER PRIMARY KEY,
    candidate TEXT NOT NULL,
    repeated INTEGER NOT NULL,
    UNIQUE (candidate, repeated)
);
CREATE TABLE IF NOT EXISTS acts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    act TEXT NOT NULL UNIQUE,
    tab TEXT NOT NULL,
    item INTEGER NOT NULL REFERENCES items (item),
    at TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('decide', 'undo', 'import')),
    undoes INTEGER REFERENCES acts (number),
    seconds REAL NOT NULL,
    opinion TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS acts_of_item ON acts (item, number);
CREATE TABLE IF NOT EXISTS window (one INTEGER PRIMARY KEY CHECK (one = 1), tab TEXT NOT NULL, seen TEXT NOT NULL);
"""
_VERSION = "1"
# A window that was not heard of for this long is taken to be closed.
_SILENT_S = 90.0


class TakenError(Exception):
    """Another window works under this name.

    Args:
        seen: when it was last heard of, ISO 8601, UTC.
    """

    def __init__(self, seen: str) -> None:
        self.seen = seen
        super().__init__(seen)


class OutdatedError(Exception):
    """An act was based on a version that is not the present one.

    Args:
        current: the present state.
    """

    def __init__(self, current: State) -> None:
        self.current = current
        super().__init__(f"version {current.version}")


@dataclass(frozen=True)
class State:
    """What a reviewer thinks of an item now.

    Args:
        item: number of the item.
        candidate: its candidate.
        repeated: whether it is shown for the second time, to see how steady the reviewer is.
        version: number of acts on it.
        opinion: the last one.
        seconds: time spent on it, of all acts.
        at: when it was last acted on, ISO 8601, UTC; None: never.
    """

    item: int
    candidate: str
    repeated: bool
    version: int
    opinion: Opinion
    seconds: float
    at: str | None


class Store:
    """The file of one reviewer and iteration; a context manager. One process at a time has it open.

    Args:
        path: the SQLite file; made where it is missing.
        reviewer: whose it is.

    Raises:
        InputError: another process has it open, it is another reviewer's or another version's, or is damaged.
    """

    def __init__(self, path: Path, reviewer: str) -> None:
        self.path = Path(path)
        make_folder(self.path.parent)
        self._claim = claim(self.path, reviewer)
        self._lock = threading.RLock()
        # It holds the page's token, which is nobody else's on a shared machine.
        self.path.touch(mode=0o600)
        try:
            self._sql = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self._sql.execute("PRAGMA journal_mode = WAL")
            # In WAL mode only FULL survives a power cut after each act.
            self._sql.execute("PRAGMA synchronous = FULL")
            self._sql.executescript(_SCHEMA)
            damage = self._sql.execute("PRAGMA quick_check(1)").fetchone()[0]
            if damage != "ok":
                raise sqlite3.DatabaseError(damage)
            with closing(sqlite3.connect(":memory:")) as fresh:
                fresh.executescript(_SCHEMA)
                if _columns(fresh) != _columns(self._sql):
                    raise sqlite3.DatabaseError("it has other tables or columns than a review file")
            self._check(reviewer)
            self.states()
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            self._claim.close()
            raise InputError(
                path, f"the review file cannot be read ({error})", "move it away; decisions handed in are in the .gpkg"
            ) from error

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sql.close()
        self._claim.close()

    def _check(self, reviewer: str) -> None:
        for name, wanted in (("version", _VERSION), ("reviewer", reviewer)):
            there = self.fact(name)
            if there is None:
                self.set_fact(name, wanted)
            elif there != wanted:
                self._claim.close()
                raise InputError(self.path, f"the review file has {name} {there!r}, not {wanted!r}", "move it away")

    def fact(self, name: str) -> str | None:
        """A remembered value."""
        row = self._sql.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def set_fact(self, name: str, value: str) -> None:
        """Remembers a value."""
        with self._lock:
            self._sql.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def add_items(self, wanted: Iterable[tuple[str, bool]]) -> None:
        """Gives numbers to items that have none yet, in the order in which they come.

        Args:
            wanted: candidate and whether it is a repeat.
        """
        with self._transaction():
            self._sql.executemany("INSERT OR IGNORE INTO items (candidate, repeated) VALUES (?, ?)", wanted)

    def states(self) -> dict[int, State]:
        """All items, by number."""
        with self._lock:
            rows = self._sql.execute(_STATES.format(of="", which="")).fetchall()
        return {row[0]: _state(row) for row in rows}

    def state(self, item: int) -> State | None:
        """An item; None where there is no such number."""
        with self._lock:
            row = self._sql.execute(
                _STATES.format(of="WHERE acts.item = :item", which="WHERE items.item = :item"), {"item": item}
            ).fetchone()
        return None if row is None else _state(row)

    def verdicts(self) -> dict[str, str]:
        """The verdict on each candidate that has one, repeats left aside; faster than all states."""
        with self._lock:
            return dict(self._sql.execute(_VERDICTS).fetchall())

    def enter(self, tab: str, take_over: bool) -> None:
        """Makes a window the one that may act.

        Raises:
            TakenError: another window is at work, and is not to be relieved.
        """
        with self._transaction():
            row = self._sql.execute("SELECT tab, seen FROM window").fetchone()
            if row is not None and row[0] != tab and not take_over and _age(row[1]) < _SILENT_S:
                raise TakenError(row[1])
            self._sql.execute("INSERT OR REPLACE INTO window VALUES (1, ?, ?)", (tab, _now()))

    def _must_hold(self, tab: str) -> None:
        row = self._sql.execute("SELECT tab, seen FROM window").fetchone()
        if row is None or row[0] != tab:
            raise TakenError(_now() if row is None else row[1])
        self._sql.execute("UPDATE window SET seen = ?", (_now(),))

    def seen(self, tab: str) -> None:
        """Notes that a window is still open.

        Raises:
            TakenError: another window is at work.
        """
        with self._transaction():
            self._must_hold(tab)

    def leave(self, tab: str) -> None:
        """Notes that a window was closed."""
        with self._transaction():
            self._sql.execute("DELETE FROM window WHERE tab = ?", (tab,))

    def decide(self, act: str, tab: str, item: int, version: int, seconds: float, opinion: Opinion) -> State:
        """Writes an opinion. The same act sent twice is written once.

        Args:
            act: the act's own unique name.
            tab: the window.
            item: number of the item, which must exist.
            version: the version that the reviewer saw.
            seconds: time spent since the item was shown.
            opinion: the opinion.

        Raises:
            TakenError: another window is at work.
            OutdatedError: the item was changed since.
        """
        with self._transaction():
            self._must_hold(tab)
            current = self._current(item)
            if self._done(act):
                return current
            if current.version != version:
                raise OutdatedError(current)
            self._write(act, tab, item, "decide", None, seconds, opinion)
            return self._current(item)

    def undo(self, act: str, tab: str) -> State | None:
        """Takes back the last act that was not taken back yet; None where there is none.

        Raises:
            TakenError: another window is at work.
        """
        with self._transaction():
            self._must_hold(tab)
            done = self._sql.execute("SELECT item FROM acts WHERE act = ?", (act,)).fetchone()
            if done is not None:
                return self._current(done[0])
            last = self._sql.execute(
                "SELECT number, item FROM acts WHERE kind = 'decide' AND number NOT IN"
                " (SELECT undoes FROM acts WHERE undoes IS NOT NULL) ORDER BY number DESC LIMIT 1"
            ).fetchone()
            if last is None:
                return None
            number, item = last
            before = self._sql.execute(
                "SELECT opinion FROM acts WHERE item = ? AND number < ? ORDER BY number DESC LIMIT 1", (item, number)
            ).fetchone()
            opinion = Opinion() if before is None else _opinion(before[0])
            self._write(act, tab, item, "undo", number, 0.0, opinion)
            return self._current(item)

    def take_in(self, opinions: Sequence[tuple[int, Opinion, float]], source: str) -> None:
        """Writes opinions that come from a decision file.

        Args:
            opinions: item, opinion and seconds spent.
            source: unique name of what they come from.
        """
        with self._transaction():
            for item, opinion, seconds in opinions:
                self._write(f"{source}/{item}", "", item, "import", None, seconds, opinion)

    def opinions_until(self, number: int) -> dict[int, Opinion]:
        """What was thought of each item when there were `number` acts."""
        with self._lock:
            rows = self._sql.execute(
                "SELECT item, opinion FROM acts WHERE number IN"
                " (SELECT MAX(number) FROM acts WHERE number <= ? GROUP BY item)",
                (number,),
            ).fetchall()
        return {item: _opinion(text) for item, text in rows}

    def acts(self) -> int:
        """Number of acts so far."""
        return int(self._sql.execute("SELECT COUNT(*) FROM acts").fetchone()[0])

    def _done(self, act: str) -> bool:
        return self._sql.execute("SELECT 1 FROM acts WHERE act = ?", (act,)).fetchone() is not None

    def _current(self, item: int) -> State:
        state = self.state(item)
        assert state is not None
        return state

    def _write(
        self, act: str, tab: str, item: int, kind: str, undoes: int | None, seconds: float, opinion: Opinion
    ) -> None:
        values = (act, tab, item, _now(), kind, undoes, seconds, opinion.model_dump_json())
        self._sql.execute(
            "INSERT INTO acts (act, tab, item, at, kind, undoes, seconds, opinion) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._sql.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._sql.execute("ROLLBACK")
                raise
            self._sql.execute("COMMIT")


# What is thought of an item now: its last act that was about the opinion. Of one item only its own acts are read.
_STATES = """
SELECT items.item, items.candidate, items.repeated, COALESCE(sums.count, 0), last.opinion,
    COALESCE(sums.seconds, 0), last.at
FROM items
LEFT JOIN (SELECT item, MAX(number) AS number, COUNT(*) AS count, SUM(seconds) AS seconds FROM acts {of} GROUP BY item)
    AS sums ON sums.item = items.item
LEFT JOIN acts AS last ON last.number = sums.number
{which}
"""
_VERDICTS = """
SELECT candidate, verdict FROM (
    SELECT items.candidate AS candidate, json_extract(acts.opinion, '$.verdict') AS verdict
    FROM items JOIN acts ON acts.number = (SELECT MAX(number) FROM acts WHERE item = items.item)
    WHERE NOT items.repeated
) WHERE verdict IS NOT NULL
"""


def _columns(sql: sqlite3.Connection) -> list[tuple[str, str]]:
    """Tables and their columns."""
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    tables = [row[0] for row in sql.execute(names)]
    return [(name, row[1]) for name in tables for row in sql.execute("SELECT * FROM pragma_table_info(?)", (name,))]


def _state(row: Sequence[Any]) -> State:
    item, candidate, repeated, version, opinion, seconds, at = row
    return State(
        item, candidate, bool(repeated), version, Opinion() if opinion is None else _opinion(opinion), seconds, at
    )


def _opinion(text: str) -> Opinion:
    return Opinion.model_validate(json.loads(text))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _age(moment: str) -> float:
    """Seconds since a moment; a clock that was set back makes it old rather than young."""
    return abs((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())


def claim(path: Path, reviewer: str) -> IO[bytes]:
    """Holds a reviewer's desk, by a lock file, for as long as the file is open, however the process ends.

    Args:
        path: the reviewer's SQLite file, which need not be there.
        reviewer: whose it is.

    Raises:
        InputError: another process holds it.
    """
    lock = path.with_name(f".{path.stem}.lock")
    handle = lock.open("ab")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise InputError(
            path, f"{reviewer} is at work in another process", "close that one, or take its page"
        ) from None
    return handle
