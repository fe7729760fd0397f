"""A file comes whole or not at all, whatever the server does."""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from providers import Fault, Providers, running

from slumpmap.acquire import download
from slumpmap.acquire.digests import Digest, from_multihash
from slumpmap.acquire.download import Downloader, Fetched, Remote
from slumpmap.acquire.patience import Patience, Rate, retry_after
from slumpmap.errors import InputError

CONTENT = bytes(range(256)) * 2000  # 512 kB, several chunks
DIGEST = Digest("sha256", hashlib.sha256(CONTENT).hexdigest())
PATH = "/assets/a.tif"


def downloader(attempts: int = 4, wait_s: float = 0.01, per_second: float = 1000, parallel: int = 4) -> Downloader:
    return Downloader(Patience(attempts, wait_s), Rate(per_second), parallel, timeout_s=5)


def remote(
    world: Providers, name: str = "a.tif", size: int | None = len(CONTENT), digest: Digest | None = DIGEST
) -> Remote:
    world.files.setdefault(PATH, CONTENT)
    return Remote(name, "a test", lambda _: f"{world.url}{PATH}?token=verysecret", size, digest)


def fetch(world: Providers, folder: Path, **known: object) -> Fetched:
    return downloader().fetch(remote(world, **known), folder)  # type: ignore[arg-type]


def only_file(folder: Path) -> None:
    """The file is there, whole, and nothing beside it."""
    assert [path.name for path in folder.iterdir()] == ["a.tif"]
    assert (folder / "a.tif").read_bytes() == CONTENT


def test_good_file(world: Providers, tmp_path: Path) -> None:
    got = fetch(world, tmp_path)
    only_file(tmp_path)
    assert got.size == len(CONTENT) and got.sha256 == DIGEST.value and got.verified == "sha256"


def test_file_that_is_here_is_not_asked_for_again(world: Providers, tmp_path: Path) -> None:
    fetch(world, tmp_path)
    fetch(world, tmp_path)
    assert len(world.requests) == 1


def test_file_that_was_spoilt_here_comes_again(world: Providers, tmp_path: Path) -> None:
    fetch(world, tmp_path)
    (tmp_path / "a.tif").write_bytes(CONTENT[:-1] + b"x")
    fetch(world, tmp_path)
    only_file(tmp_path)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_failures_are_ridden_out(world: Providers, tmp_path: Path, status: int) -> None:
    world.faults = [Fault(PATH, status=status, times=3)]
    fetch(world, tmp_path)
    only_file(tmp_path)
    assert len(world.requests) == 4


def test_retry_after_is_obeyed(world: Providers, tmp_path: Path) -> None:
    world.faults = [Fault(PATH, status=429, headers={"Retry-After": "1"})]
    fetch(world, tmp_path)
    first, second = (request.time for request in world.requests)
    assert 1.0 <= second - first < 3.0


def test_too_many_failures_in_a_row_end_it(world: Providers, tmp_path: Path) -> None:
    world.faults = [Fault(PATH, status=500, times=99)]
    with pytest.raises(InputError, match=r"gave up after 4 tries in a row.*answered 500.*goes on where it stopped"):
        fetch(world, tmp_path)
    assert len(world.requests) == 4


def test_truncated_body_is_resumed(world: Providers, tmp_path: Path) -> None:
    world.faults = [Fault(PATH, "truncate", after=300_000)]
    fetch(world, tmp_path)
    only_file(tmp_path)
    resumed = world.requests[1].headers
    start = int(resumed["Range"].removeprefix("bytes=").rstrip("-"))
    assert 0 < start <= 300_000 and resumed["If-Range"] == world.etag(PATH)


def test_progress_starts_the_count_of_failures_anew(world: Providers, tmp_path: Path) -> None:
    """Seven breaks, each after some bytes, although four tries in a row may fail."""
    world.faults = [Fault(PATH, "truncate", after=70_000, times=7)]
    fetch(world, tmp_path)
    only_file(tmp_path)


def test_dropped_connection(world: Providers, tmp_path: Path) -> None:
    world.faults = [Fault(PATH, "drop", times=2)]
    fetch(world, tmp_path)
    only_file(tmp_path)


def test_next_run_goes_on_where_the_last_one_was_killed(world: Providers, tmp_path: Path) -> None:
    world.faults = [Fault(PATH, "truncate", after=300_000), Fault(PATH, status=500, times=3)]
    with pytest.raises(InputError):
        fetch(world, tmp_path)
    assert not (tmp_path / "a.tif").exists() and (tmp_path / ".a.tif.part").stat().st_size > 0
    fetch(world, tmp_path)
    only_file(tmp_path)
    assert world.requests[-1].headers["Range"] != "bytes=0-"


def test_changed_file_is_never_made_of_two_versions(world: Providers, tmp_path: Path) -> None:
    world.faults = [Fault(PATH, "truncate", after=300_000), Fault(PATH, status=500, times=3)]
    with pytest.raises(InputError):
        fetch(world, tmp_path, size=None, digest=None)
    world.files[PATH], world.versions[PATH] = CONTENT[::-1], 2
    fetch(world, tmp_path, size=None, digest=None)
    assert (tmp_path / "a.tif").read_bytes() == CONTENT[::-1]


def test_server_without_ranges(world: Providers, tmp_path: Path) -> None:
    world.faults = [Fault(PATH, "truncate", after=300_000), Fault(PATH, "no_range")]
    fetch(world, tmp_path)
    only_file(tmp_path)


def test_without_a_version_nothing_is_resumed(world: Providers, tmp_path: Path) -> None:
    world.no_validator.add(PATH)
    world.faults = [Fault(PATH, "truncate", after=300_000)]
    fetch(world, tmp_path)
    only_file(tmp_path)
    assert "Range" not in world.requests[1].headers


def test_version_that_is_only_alike_is_not_resumed(world: Providers, tmp_path: Path) -> None:
    """A weak ETag stays the same for contents that differ in bytes."""
    world.weak.add(PATH)
    world.faults = [Fault(PATH, "truncate", after=300_000)]
    fetch(world, tmp_path)
    only_file(tmp_path)
    assert "Range" not in world.requests[1].headers


def test_whole_part_that_was_not_renamed(world: Providers, tmp_path: Path) -> None:
    """A run killed between the last byte and the new name: the server has no byte left to send."""
    remote(world)
    (tmp_path / ".a.tif.part").write_bytes(CONTENT)
    (tmp_path / ".a.tif.part.json").write_text(json.dumps({"validator": world.etag(PATH), "synced": len(CONTENT)}))
    fetch(world, tmp_path)
    only_file(tmp_path)
    assert len(world.requests) == 1


def test_part_longer_than_the_file(world: Providers, tmp_path: Path) -> None:
    remote(world)
    (tmp_path / ".a.tif.part").write_bytes(CONTENT + b"more")
    (tmp_path / ".a.tif.part.json").write_text(json.dumps({"validator": world.etag(PATH), "synced": len(CONTENT) + 4}))
    fetch(world, tmp_path)
    only_file(tmp_path)


def test_bytes_that_a_power_cut_took_come_again(world: Providers, tmp_path: Path) -> None:
    """The length of the part is there, its last bytes are not: only what was forced onto the disk counts."""
    world.faults = [Fault(PATH, "truncate", after=300_000), Fault(PATH, status=500, times=3)]
    with pytest.raises(InputError):
        fetch(world, tmp_path)
    part, note = tmp_path / ".a.tif.part", tmp_path / ".a.tif.part.json"
    part.write_bytes(part.read_bytes()[:200_000] + bytes(100_000))
    note.write_text(json.dumps(json.loads(note.read_text()) | {"synced": 200_000}))
    got = fetch(world, tmp_path, size=None, digest=None)
    only_file(tmp_path)
    assert got.verified == "" and world.requests[-1].headers["Range"] == "bytes=200000-"


@pytest.mark.parametrize("state", ["", "{", "[]", '{"validator": ""}', '{"validator": "x", "synced": "y"}'])
def test_part_of_unknown_origin_is_dropped(world: Providers, tmp_path: Path, state: str) -> None:
    (tmp_path / ".a.tif.part").write_bytes(b"garbage" * 100)
    if state:
        (tmp_path / ".a.tif.part.json").write_text(state)
    fetch(world, tmp_path)
    only_file(tmp_path)


def test_wrong_checksum_once(world: Providers, tmp_path: Path) -> None:
    world.faults = [Fault(PATH, "corrupt")]
    fetch(world, tmp_path)
    only_file(tmp_path)
    assert "Range" not in world.requests[1].headers


def test_wrong_checksum_always(world: Providers, tmp_path: Path) -> None:
    world.faults = [Fault(PATH, "corrupt", times=99)]
    with pytest.raises(InputError, match=r"checksum .sha256. is wrong, 2 times in a row"):
        fetch(world, tmp_path)
    assert not (tmp_path / "a.tif").exists()


def test_wrong_size(world: Providers, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="512000 bytes, but the provider lists 512001"):
        fetch(world, tmp_path, size=len(CONTENT) + 1)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "does not know the key"),
        (403, "may not have this"),
        (404, "no such file"),
        (410, "withdrawn"),
        (418, "418"),
    ],
)
def test_refusals_are_told_once(world: Providers, tmp_path: Path, status: int, words: str) -> None:
    world.faults = [Fault(PATH, status=status, times=99)]
    with pytest.raises(InputError, match=words) as caught:
        fetch(world, tmp_path)
    assert len(world.requests) == 1
    assert "verysecret" not in str(caught.value) and "?" not in caught.value.source


def test_expired_link_is_asked_for_anew(world: Providers, tmp_path: Path) -> None:
    world.files[PATH] = CONTENT
    world.signed.add(PATH)
    old = world.token()
    world.expire()
    links = {False: old}

    def link(fresh: bool) -> str:
        return f"{world.url}{PATH}?sig={world.token() if fresh else links[False]}"

    downloader().fetch(Remote("a.tif", "a test", link, None, DIGEST), tmp_path)
    only_file(tmp_path)
    assert len(world.requests) == 2


def test_link_that_expires_on_the_way_is_resumed(world: Providers, tmp_path: Path) -> None:
    world.files[PATH] = CONTENT
    world.signed.add(PATH)
    world.faults = [Fault(PATH, "truncate", after=300_000), Fault(PATH, status=403)]
    given_out: list[str] = [world.token()]

    def link(fresh: bool) -> str:
        if fresh:
            given_out.append(world.token())
        return f"{world.url}{PATH}?sig={given_out[-1]}"

    downloader().fetch(Remote("a.tif", "a test", link, len(CONTENT), DIGEST), tmp_path)
    only_file(tmp_path)
    assert len(given_out) == 2 and world.requests[-1].headers["Range"].startswith("bytes=")


def test_link_that_is_always_refused(world: Providers, tmp_path: Path) -> None:
    world.files[PATH] = CONTENT
    world.signed.add(PATH)
    links = iter(f"{world.url}{PATH}?sig=bad{number}" for number in range(99))
    with pytest.raises(InputError, match="may not have this"):
        downloader().fetch(Remote("a.tif", "a test", lambda _: next(links), None, None), tmp_path)
    assert len(world.requests) == 3


@pytest.mark.parametrize("name", ["../a.tif", "/etc/passwd", "a/b.tif", ".hidden", "", "a\n.tif", "-rf", "ä.tif"])
def test_names_that_lead_elsewhere(world: Providers, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="the provider names a file"):
        downloader().fetch(remote(world, name=name), tmp_path / "folder")
    assert not (tmp_path / "a.tif").exists()


@pytest.mark.parametrize("url", ["http://example.org/a", "file:///etc/passwd", "ftp://127.0.0.1/a", "nothing"])
def test_addresses_that_are_not_asked(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError, match="no https address"):
        downloader().fetch(Remote("a.tif", "a test", lambda _: url), tmp_path)


def test_full_disk_is_seen_before(world: Providers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(InputError, match="1 MB are to come, but the disk has room for 0 MB"):
        fetch(world, tmp_path)


def test_two_processes_do_not_write_one_file(world: Providers, tmp_path: Path) -> None:
    with download._claimed(tmp_path / "a.tif"), pytest.raises(InputError, match="another process"):
        fetch(world, tmp_path)


def test_files_at_a_time_and_in_a_second(world: Providers, tmp_path: Path) -> None:
    world.hold = 0.05
    for number in range(12):
        world.files[f"/assets/{number}"] = b"x"
    remotes = [Remote(f"f{n}", "a test", lambda _, n=n: f"{world.url}/assets/{n}") for n in range(12)]  # type: ignore[misc]
    started = time.monotonic()
    downloader(per_second=20, parallel=2).fetch_all(remotes, tmp_path)
    assert time.monotonic() - started >= 11 / 20
    assert world.most_at_once == 2
    times = sorted(request.time for request in world.requests)
    assert min(after - before for before, after in itertools.pairwise(times)) > 0.01


def test_server_that_asks_for_rest_gets_it_from_all_threads(world: Providers, tmp_path: Path) -> None:
    class Noting(Rate):
        def pause(self, seconds: float) -> None:
            pauses.append(seconds)
            super().pause(seconds)

    pauses: list[float] = []
    rate = Noting(1000)
    rate.pause(5.0)
    assert rate.turn() > 4.0 and rate.turn() > 4.0
    world.faults = [Fault(PATH, status=429, headers={"Retry-After": "1"}), Fault(PATH, status=500)]
    Downloader(Patience(4, 0.01), Noting(1000), 2, timeout_s=5).fetch(remote(world), tmp_path)
    assert pauses == [5.0, 1.0]


def test_one_bad_file_does_not_stop_the_others(world: Providers, tmp_path: Path) -> None:
    world.files["/assets/b"] = b"b"
    bad = Remote("a", "a test", lambda _: f"{world.url}/assets/none")
    good = Remote("b", "a test", lambda _: f"{world.url}/assets/b")
    with pytest.raises(InputError, match="no such file"):
        downloader().fetch_all([bad, good], tmp_path)
    assert (tmp_path / "b").read_bytes() == b"b"


@settings(max_examples=40)
@given(
    size=st.integers(0, 400_000),
    cuts=st.lists(st.integers(0, 400_000), max_size=5),
    validator=st.booleans(),
    changes=st.sets(st.integers(0, 4), max_size=1),
    knows=st.booleans(),
)
def test_any_breaks_give_the_last_version(
    size: int,
    cuts: list[int],
    validator: bool,
    changes: set[int],
    knows: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """However often the connection breaks, and also where the file changes between two tries."""
    folder = tmp_path_factory.mktemp("resume")
    with running() as world:
        versions = [hashlib.shake_128(bytes([v])).digest(size) for v in range(2)]
        world.files[PATH] = versions[0]
        if not validator:
            world.no_validator.add(PATH)
        for number, cut in enumerate(cuts):
            world.faults = [Fault(PATH, "truncate", after=cut)]
            with suppress(InputError):
                downloader(attempts=1).fetch(Remote("a.tif", "a test", lambda _: f"{world.url}{PATH}"), folder)
                assert (folder / "a.tif").read_bytes() == world.files[PATH]
                (folder / "a.tif").unlink()
            if number in changes:
                world.files[PATH], world.versions[PATH] = versions[1], 2
        world.faults = []
        last = world.files[PATH]
        digest = Digest("sha256", hashlib.sha256(last).hexdigest()) if knows else None
        downloader().fetch(Remote("a.tif", "a test", lambda _: f"{world.url}{PATH}", None, digest), folder)
        assert (folder / "a.tif").read_bytes() == last
        assert [path.name for path in folder.iterdir()] == ["a.tif"]


@given(st.integers(1, 60), st.floats(0.01, 10))
def test_waits_double_and_end(failures: int, first: float) -> None:
    wait = Patience(99, first).delay(failures)
    assert 0.5 * min(first * 2 ** (failures - 1), 120) <= wait <= 120


def test_retry_after_in_both_forms() -> None:
    now = datetime(2026, 7, 1, tzinfo=UTC)
    assert retry_after("7") == 7
    assert retry_after("Wed, 01 Jul 2026 00:00:30 GMT", now) == 30
    assert retry_after("Wed, 01 Jul 2020 00:00:30 GMT", now) == 0
    assert [retry_after(text) for text in (None, "", "soon", "-3")] == [None] * 4


@given(st.binary(max_size=300), st.sampled_from([(0x12, "sha256"), (0xD5, "md5"), (0x13, "sha512")]))
def test_multihash(content: bytes, method: tuple[int, str]) -> None:
    code, name = method
    digest = hashlib.new(name, content).digest()
    head = bytes([code]) if code < 0x80 else bytes([code & 0x7F | 0x80, code >> 7])
    text = (head + bytes([len(digest)]) + digest).hex()
    assert from_multihash(text, "x") == Digest(name, digest.hex())


@pytest.mark.parametrize("text", ["", "zz", "1220", "1220abcd", "ff", "1" * 99])
def test_no_multihash(text: str) -> None:
    with pytest.raises(InputError, match="no multihash"):
        from_multihash(text, "x")


def test_multihash_of_a_method_that_is_unknown() -> None:
    assert from_multihash("1e0100", "x") is None  # BLAKE3
