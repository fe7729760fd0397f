"""Runs mutated files through readers in child processes, so that a crash, a hang or a memory blow-up has a name.

A child is forked from a process that has imported everything but started no threads (`python -m tests.fuzz`, never a
worker of pytest: a child that waits for a thread that it does not have waits for ever). It says which case it begins
and how it ended; the parent kills it when a case takes too long, and goes on with a new child after the case at which
the old one ended.
"""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from slumpmap.errors import InputError
from tests.fuzz.mutate import SENTINEL, mutated
from tests.fuzz.readers import Reader

# What a case may take. Good files take a second and some ten megabytes at most; the machine may be busy.
SECONDS = 60.0
MEGABYTES = 600
_GOOD_SECONDS = 300
# Beyond this allocations fail, before the machine suffers; the address space of a child counts from its start.
_ADDRESS_SPACE = 6 * 2**30
_LONGEST_MESSAGE = 1200

GOOD = ("read", "refused")
# Folder of the copy in which the good file is read before the others.
FIRST_LOOK = "first_look"


@dataclass(frozen=True)
class Result:
    """How a case ended.

    Attributes:
        reader: name of the reader.
        number: of the case.
        edits: what was done to the good file.
        outcome: `read`, `refused` (a clean InputError); else a defect: `error` (another exception), `unclear` (a
            message without the file's name, or of several lines), `crash`, `hang`, `memory`, `executed`.
        detail: message, signal, or megabytes.
        seconds: it took.
        megabytes: by which the process's memory rose at most.
    """

    reader: str
    number: int
    edits: str
    outcome: str
    detail: str
    seconds: float
    megabytes: float


def run(readers: Sequence[Reader], numbers: range, saved: Path | None, folder: Path) -> Iterator[Result]:
    """Runs the cases `numbers` of each reader.

    Args:
        readers: what is to read.
        numbers: of the cases.
        saved: folder that receives the files of defects; None: none.
        folder: for good files and work; must be empty.
    """
    for reader in readers:
        good = folder / reader.name
        _made(reader, good)
        waiting = list(numbers)
        while waiting:
            for result in _batch(reader, good, waiting, folder / "work"):
                waiting.remove(result.number)
                if saved is not None and result.outcome not in GOOD:
                    _save(reader, good, result, saved)
                yield result
        shutil.rmtree(good)


def _made(reader: Reader, good: Path) -> None:
    """Makes the reader's good files in a child, and sees that they are read."""
    good.mkdir(parents=True)
    child = os.fork()
    if not child:
        signal.alarm(_GOOD_SECONDS)
        try:
            reader.make(good)
            copy = good.with_name(FIRST_LOOK)
            shutil.copytree(good, copy)
            reader.read(copy)
            shutil.rmtree(copy)
            sys.stderr.flush()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    if os.waitpid(child, 0)[1]:
        raise RuntimeError(f"the good file of {reader.name} is not read")


def _batch(reader: Reader, good: Path, numbers: Sequence[int], work: Path) -> Iterator[Result]:
    """Results of cases in one child, until they are done or the child has to go."""
    out, into = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(out)
            _child(reader, good, numbers, work, into)
        finally:
            os._exit(0)
    os.close(into)
    begun: tuple[int, str] | None = None
    start = time.monotonic()
    with os.fdopen(out, "rb", buffering=0) as pipe:
        for line in _lines(pipe, SECONDS):
            if line is None:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                if begun is not None:
                    yield Result(reader.name, *begun, "hang", "", time.monotonic() - start, 0.0)
                return
            said = json.loads(line)
            start = time.monotonic()
            if "outcome" in said:
                begun = None
                yield Result(reader.name, **said)
            else:
                begun = said["number"], said["edits"]
    status = os.waitpid(child, 0)[1]
    if begun is not None:
        how = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"exit {status >> 8}"
        yield Result(reader.name, *begun, "crash", how, time.monotonic() - start, 0.0)


def _lines(pipe: IO[bytes], patience: float) -> Iterator[bytes | None]:
    """Lines from a pipe; None where none comes in time."""
    rest = b""
    while True:
        if not select.select([pipe], [], [], patience)[0]:
            yield None
            return
        got = pipe.read(65536)
        if not got:
            return
        *whole, rest = (rest + got).split(b"\n")
        yield from whole


def _child(reader: Reader, good: Path, numbers: Sequence[int], work: Path, into: int) -> None:
    """Does the cases and says so; ends early where memory has grown, so that each case starts alike."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    resource.setrlimit(resource.RLIMIT_AS, (_kilobytes("VmSize") * 1024 + _ADDRESS_SPACE,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(into, "wb", buffering=0) as pipe:
        for number in numbers:
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(good, work)
            os.chdir(work)
            target = work / reader.file
            data, edits = mutated(target.read_bytes(), reader.kind, reader.name, number)
            pipe.write(json.dumps({"number": number, "edits": edits}).encode() + b"\n")
            target.write_bytes(data)
            Path("/proc/self/clear_refs").write_text("5")  # the peak counts from now
            before, start = _kilobytes("VmRSS"), time.monotonic()
            outcome, detail = _attempt(reader, work)
            grown = (_kilobytes("VmHWM") - before) / 1024
            if grown > MEGABYTES:
                outcome, detail = "memory", f"{grown:.0f} MB; {outcome} {detail}"
            if (work / SENTINEL).exists():
                outcome, detail = "executed", detail
            said = {"number": number, "edits": edits, "outcome": outcome, "detail": detail}
            said |= {"seconds": time.monotonic() - start, "megabytes": grown}
            pipe.write(json.dumps(said).encode() + b"\n")
    os.chdir("/")
    shutil.rmtree(work, ignore_errors=True)


def _attempt(reader: Reader, work: Path) -> tuple[str, str]:
    """Outcome and detail of one reading."""
    try:
        reader.read(work)
    except InputError as error:
        message = str(error)
        clean = any(name in message for name in reader.named)
        clean &= not any(ord(letter) < 32 or ord(letter) == 127 for letter in message)
        clean &= len(message) <= _LONGEST_MESSAGE
        return ("refused" if clean else "unclear"), message[:2000]
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "/slumpmap/" in frame.filename] or frames
        place = f"{Path(own[-1].filename).name}:{own[-1].lineno}"
        return "error", f"{type(error).__name__} at {place}: {' '.join(str(error).split())[:300]}"
    return "read", ""


def _kilobytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise KeyError(name)


def _save(reader: Reader, good: Path, result: Result, saved: Path) -> None:
    """Keeps the file of a defect with what is known of it."""
    place = saved / f"{reader.name}-{result.number}"
    place.mkdir(parents=True, exist_ok=True)
    data, _ = mutated((good / reader.file).read_bytes(), reader.kind, reader.name, result.number)
    (place / Path(reader.file).name).write_bytes(data)
    (place / "result.json").write_text(json.dumps(result.__dict__, indent=1) + "\n")


def table(results: Sequence[Result], readers: Sequence[Reader]) -> str:
    """Counts of the outcomes of each reader, as a table in Markdown."""
    bad = sorted({result.outcome for result in results} - set(GOOD))
    columns = [*GOOD, *bad]
    lines = ["| reader | file | cases | " + " | ".join(columns) + " | longest, s | most memory, MB |"]
    lines.append("|---|---|" + "---:|" * (len(columns) + 3))
    for reader in [*readers, None]:
        mine = [result for result in results if reader is None or result.reader == reader.name]
        counts = Counter(result.outcome for result in mine)
        name, kind = ("all", "") if reader is None else (reader.name, reader.kind)
        longest = max((result.seconds for result in mine), default=0.0)
        most = max((result.megabytes for result in mine), default=0.0)
        cells = [str(len(mine)), *(str(counts[column]) for column in columns), f"{longest:.2f}", f"{most:.0f}"]
        lines.append(f"| {name} | {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for a run."""
    return tempfile.TemporaryDirectory(prefix="slumpmap-fuzz-")
