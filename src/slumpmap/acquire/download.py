"""One file from a server to this disk, whole or not at all: resumed, verified, repeated, then renamed.

What has arrived lies in `.NAME.part`; beside it `.NAME.part.json` says which version of the file it belongs to, and how
many of its bytes the disk has for certain, which after a power cut may be fewer than the length of the file says.
A resumed request asks for the rest of that version only (`If-Range`), so that no file is ever made of two versions.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from slumpmap.acquire.digests import Digest, file_digest
from slumpmap.acquire.patience import PASSING, Patience, Rate, retry_after
from slumpmap.acquire.secrets import check_address, shown
from slumpmap.errors import InputError
from slumpmap.files import read_json, write_json

if TYPE_CHECKING:
    import requests

_CHUNK = 1 << 16
# Bytes after which a part is forced onto the disk.
_SYNC_EVERY = 1 << 25
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
# A signed link that has run out answers with one of these, by provider.
_EXPIRED = frozenset({400, 401, 403, 404, 410})
# A link that is refused when it is new is not out of date.
_FRESH_LINKS = 2
# A file whose bytes are wrong after this many whole downloads is wrong at the provider.
_WHOLE_TRIES = 2


@dataclass(frozen=True)
class Remote:
    """A file of a provider.

    Args:
        name: of the file here, without folder.
        source: where it comes from, fit to be shown: no query, no login.
        link: gives its address; with True a new one, where addresses run out.
        size: bytes, if known.
        digest: checksum, if known.
    """

    name: str
    source: str
    link: Callable[[bool], str]
    size: int | None = None
    digest: Digest | None = None


@dataclass(frozen=True)
class Fetched:
    """A file that is here and whole.

    Args:
        path: the file.
        source: where it comes from, fit to be shown.
        size: bytes.
        sha256: checksum.
        verified: what it was held against: a method such as `md5`, or `size`, or `` where the provider says neither.
    """

    path: Path
    source: str
    size: int
    sha256: str
    verified: str


class _Again(Exception):  # noqa: N818 - not an error but a turn of the loop
    """The try failed in a way that may pass.

    Args:
        reason: for the log.
        asked_s: what the server asks to wait.
    """

    def __init__(self, reason: str, asked_s: float | None = None) -> None:
        super().__init__(reason)
        self.asked_s = asked_s


class _Expired(Exception):  # noqa: N818
    """The link was refused as an outdated one is.

    Args:
        status: HTTP status.
    """

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Downloader:
    """Downloads files, several at a time; for all of them one rate of requests.

    Args:
        patience: how often a request is repeated.
        rate: requests in a second, shared with other users of the same provider.
        parallel: files at a time.
        timeout_s: seconds without a byte after which a connection counts as lost.
    """

    def __init__(self, patience: Patience, rate: Rate, parallel: int, timeout_s: float) -> None:
        import requests

        self._patience, self._rate = patience, rate
        self._parallel, self._timeout = parallel, timeout_s
        self._session = requests.Session()
        self._session.headers["Accept-Encoding"] = "identity"

    def fetch_all(self, remotes: Sequence[Remote], folder: Path) -> list[Fetched]:
        """Downloads files into a folder; see `fetch`.

        Where one fails the others are still finished, so that the next run has less to do.

        Raises:
            InputError: the first one that failed.
        """
        with ThreadPoolExecutor(self._parallel) as pool:
            jobs = [pool.submit(self.fetch, remote, folder) for remote in remotes]
        return [job.result() for job in jobs]

    def fetch(self, remote: Remote, folder: Path) -> Fetched:
        """Downloads a file, or finds it whole; on return it lies in `folder` under its name, verified and synced.

        Raises:
            InputError: access refused, file gone, wrong bytes, no room, or too many failures in a row.
        """
        target = folder / check_name(remote.name)
        if target.is_file() and not _fault_of(target, remote):
            return _fetched(target, remote)
        folder.mkdir(parents=True, exist_ok=True)
        with _claimed(target) as part:
            self._complete(remote, part, target)
            os.fsync(part.fileno())
            Path(part.name).replace(target)
        _state_of(target).unlink(missing_ok=True)
        _sync_folder(folder)
        return _fetched(target, remote)

    def _complete(self, remote: Remote, part: IO[bytes], target: Path) -> None:
        """Brings the part file to its end."""
        failures = links = wrong = 0
        url = check_address(remote.link(False), target.name)
        while True:
            before = _length(part)
            try:
                self._try(url, remote, part, target)
                fault = _fault_of(Path(part.name), remote)
                if not fault:
                    return
                wrong += 1
                _start_anew(part, target)
                if wrong >= _WHOLE_TRIES:
                    Path(part.name).unlink()
                    raise InputError(
                        shown(url), f"{fault}, {wrong} times in a row", "try again later, or report it to the provider"
                    )
                print(f"{target.name}: {fault}; downloading it again", file=sys.stderr, flush=True)
            except _Expired as expired:
                links += 1
                fresh = "" if links > _FRESH_LINKS else check_address(remote.link(True), target.name)
                if not fresh or fresh == url:
                    raise refusal(expired.status, shown(url)) from None
                print(f"{target.name}: the link has run out; asking for a new one", file=sys.stderr, flush=True)
                url = fresh
            except _Again as again:
                # What brought the file further, by a chunk at least, is no failure in a row.
                further = _length(part) >= before + _CHUNK
                failures = 1 if further else failures + 1
                links = 0 if further else links
                self._wait(again, failures, url, target.name)

    def _wait(self, again: _Again, failures: int, url: str, name: str) -> None:
        """Waits before the next try, or gives up."""
        if failures >= self._patience.attempts:
            raise InputError(
                shown(url),
                f"gave up after {failures} tries in a row, the last one: {again}",
                "run it again later: it goes on where it stopped",
            )
        seconds = self._patience.delay(failures, again.asked_s)
        print(f"{name}: {again}; next try in {seconds:.1f} s", file=sys.stderr, flush=True)
        if again.asked_s is not None:
            self._rate.pause(seconds)
        time.sleep(seconds)

    def _try(self, url: str, remote: Remote, part: IO[bytes], target: Path) -> None:
        """One request; on return the part file has all bytes that the server says there are."""
        import requests

        validator, synced = _read_state(target)
        have = min(_length(part), synced) if validator else 0
        headers = {"Range": f"bytes={have}-", "If-Range": validator} if have else {}
        self._rate.wait()
        try:
            with self._session.get(url, headers=headers, stream=True, timeout=self._timeout) as answer:
                total = self._accept(answer, part, target, have)
                if total is None:
                    return
                _check_room(target, (remote.size or total) - _length(part))
                validator, _ = _read_state(target)
                try:
                    _receive(answer.raw.stream(_CHUNK, decode_content=False), part, target, validator)
                finally:
                    _note(part, target, validator)
        except requests.exceptions.InvalidURL:
            raise InputError(shown(url), "is no address", "report it to the provider") from None
        except (requests.RequestException, _transport_errors()) as error:
            raise _Again(f"{type(error).__name__}: connection lost or not made") from None
        if total >= 0 and _length(part) != total:
            if _length(part) > total:
                _start_anew(part, target)
            raise _Again(f"{_length(part)} of {total} bytes came")

    def _accept(self, answer: requests.Response, part: IO[bytes], target: Path, have: int) -> int | None:
        """Reads the head of an answer and puts the part file where its bytes belong.

        Returns:
            Bytes of the whole file, -1 if the server does not say; None if nothing is left to read.
        """
        status = answer.status_code
        if status in PASSING:
            raise _Again(f"the server answered {status}", retry_after(answer.headers.get("Retry-After")))
        if status == 416:
            whole = answer.headers.get("Content-Range", "") == f"bytes */{have}"
            if whole:
                return None
            _start_anew(part, target)
            raise _Again("the part that is here does not belong to the file")
        if status == 206 and have:
            found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if found is None or int(found[1]) != have:
                _start_anew(part, target)
                raise _Again("the server sent another part than was asked for")
            part.seek(have)
            part.truncate()
            return int(found[2]) + 1 if found[3] == "*" else int(found[3])
        if status == 200:
            _start_anew(part, target)
            _note(part, target, _validator(answer.headers))
            size = answer.headers.get("Content-Length", "")
            return int(size) if size.isdigit() else -1
        if status in _EXPIRED:
            raise _Expired(status)
        raise refusal(status, shown(answer.url))


def check_name(name: str) -> str:
    """A provider's file name that is fit to be one here.

    Raises:
        InputError: it has a folder in it, is hidden, or holds other signs than letters, digits, `.`, `_`, `-`.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}", name):
        raise InputError("fetch", f"the provider names a file {name[:80]!a}", "report it to the provider")
    return name


def refusal(status: int, source: str) -> InputError:
    """The error of an answer that waiting does not change."""
    words = {
        401: ("the provider does not know the key", "check the key in the environment (PL_API_KEY for Planet)"),
        403: ("the account may not have this", "check the account's plan, area and quota with the provider"),
        404: ("the provider has no such file or address (404)", "check the address, or search again later"),
        410: ("the provider has withdrawn the file (410)", "search again"),
    }
    return InputError(
        source, *words.get(status, (f"the server answered {status}", "check the address; try again later"))
    )


def _validator(headers: Any) -> str:
    """What names the version of a file: a strong ETag or a time of change (RFC 9110, 13.1.5); else nothing."""
    etag = str(headers.get("ETag", ""))
    if etag.startswith('"'):
        return etag
    return "" if etag else str(headers.get("Last-Modified", ""))


def _fault_of(path: Path, remote: Remote) -> str:
    """What is wrong with a file, or nothing."""
    size = path.stat().st_size
    if remote.size is not None and size != remote.size:
        return f"the file has {size} bytes, but the provider lists {remote.size}"
    if remote.digest is not None and remote.digest.of(path) != remote.digest.value.lower():
        return f"the checksum ({remote.digest.name}) is wrong"
    return ""


def _fetched(path: Path, remote: Remote) -> Fetched:
    verified = remote.digest.name if remote.digest else "size" if remote.size is not None else ""
    return Fetched(path, remote.source, path.stat().st_size, file_digest(path), verified)


def _state_of(target: Path) -> Path:
    return target.with_name(f".{target.name}.part.json")


def _read_state(target: Path) -> tuple[str, int]:
    """Which version a part belongs to and how many of its bytes are safe; neither where a killed run left no note."""
    try:
        state = read_json(_state_of(target))
        return str(state["validator"]), int(state["synced"])
    except (InputError, TypeError, KeyError, ValueError):
        return "", 0


def _note(part: IO[bytes], target: Path, validator: str) -> None:
    """Forces a part onto the disk and notes its length."""
    length = _length(part)
    os.fsync(part.fileno())
    write_json(_state_of(target), {"validator": validator, "synced": length})


def _receive(chunks: Iterable[bytes], part: IO[bytes], target: Path, validator: str) -> None:
    """Writes what comes, and forces it onto the disk now and then."""
    since = 0
    for chunk in chunks:
        part.write(chunk)
        since += len(chunk)
        if since >= _SYNC_EVERY:
            _note(part, target, validator)
            since = 0


@contextmanager
def _claimed(target: Path) -> Iterator[IO[bytes]]:
    """Opens the part file for this process alone."""
    path = target.with_name(f".{target.name}.part")
    path.touch()
    with path.open("r+b") as part:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(target, "another process downloads this file", "let it end, or end it") from None
        part.seek(0, os.SEEK_END)
        yield part


def _length(part: IO[bytes]) -> int:
    part.flush()
    return os.fstat(part.fileno()).st_size


def _start_anew(part: IO[bytes], target: Path) -> None:
    """Empties a part and forgets which version it belonged to."""
    part.seek(0)
    part.truncate()
    _state_of(target).unlink(missing_ok=True)


def _check_room(target: Path, needed: int) -> None:
    free = shutil.disk_usage(target.parent).free
    if needed > free:
        raise InputError(
            target,
            f"{needed / 1e6:.0f} MB are to come, but the disk has room for {free / 1e6:.0f} MB",
            "make room; what has come stays",
        )


def _transport_errors() -> type[Exception]:
    """The errors of a connection that breaks while its body is read."""
    from urllib3.exceptions import HTTPError

    transport: type[Exception] = HTTPError
    return transport


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
