"""Hashes are right, and computed again only where something may have changed."""

import hashlib
import os

import pytest

from slumpmap.errors import InputError
from slumpmap.sidecar import digest
from slumpmap.sidecar.digest import content_of, known_content, sha256
from slumpmap.sidecar.form import Run, Sidecar, read_sidecar, sidecar_path, write_sidecar

RUN = Run("0", ".", ["grid"], {}, {}, ["a"], {"slumpmap": "0", "python": "3"}, "2026-01-01T00:00:00.000+00:00", 1.0)


@pytest.fixture
def hashed(monkeypatch):
    """The files whose bytes were hashed."""
    names = []

    def count(path):
        names.append(path.name)
        return sha256(path)

    monkeypatch.setattr(digest, "sha256", count)
    return names


def product(path, text="made"):
    path.write_text(text)
    write_sidecar(Sidecar(path, False, content_of(path), RUN))
    return path


def test_hash_of_a_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(os.urandom(3_000_000))
    content = content_of(path)
    assert content.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (content.bytes, content.mtime_ns) == (3_000_000, path.stat().st_mtime_ns)


def test_hash_of_a_folder_follows_names_and_bytes_and_no_hidden_file(tmp_path):
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "a").write_text("1")
    (folder / "below" / "b").write_text("22")
    first = content_of(folder)
    assert first.bytes == 3
    (folder / ".snakemake_timestamp").write_text("")
    assert content_of(folder) == first
    (folder / "below" / "b").write_text("21")
    second = content_of(folder)
    (folder / "below" / "b").rename(folder / "b")
    third = content_of(folder)
    assert len({first.sha256, second.sha256, third.sha256}) == 3


def test_a_product_is_not_hashed_again(tmp_path, hashed):
    path = product(tmp_path / "a")
    del hashed[:]
    assert known_content(path).sha256 == hashlib.sha256(b"made").hexdigest()
    assert hashed == []


def test_beside_a_small_file_nothing_is_written(tmp_path):
    """Such as the decisions of people, who may have got them from a command: a run must not touch their folder."""
    path = product(tmp_path / "a")
    os.utime(path, ns=(10**18, 10**18))
    before = sidecar_path(path).read_bytes(), sidecar_path(path).stat().st_mtime_ns
    assert known_content(path).sha256 == hashlib.sha256(b"made").hexdigest()
    assert (sidecar_path(path).read_bytes(), sidecar_path(path).stat().st_mtime_ns) == before


def test_a_touched_large_product_is_hashed_once_and_its_time_is_noted(tmp_path, hashed, monkeypatch):
    monkeypatch.setattr(digest, "_WORTH_KEEPING", 4)
    path = product(tmp_path / "a")
    os.utime(path, ns=(10**18, 10**18))
    del hashed[:]
    assert known_content(path) == known_content(path)
    assert hashed == ["a"]
    assert read_sidecar(sidecar_path(path)).content.mtime_ns == 10**18


def test_a_changed_product_keeps_its_sidecar(tmp_path):
    path = product(tmp_path / "a")
    path.write_text("by hand")
    assert known_content(path).sha256 == hashlib.sha256(b"by hand").hexdigest()
    assert read_sidecar(sidecar_path(path)).content.sha256 == hashlib.sha256(b"made").hexdigest()


def test_large_inputs_are_hashed_once(tmp_path, hashed, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(digest, "_WORTH_KEEPING", 4)
    scene, small = tmp_path / "scene.tif", tmp_path / "small.csv"
    scene.write_text("pixels")
    small.write_text("a")
    for _ in range(2):
        known_content(scene)
        known_content(small)
    assert hashed == ["scene.tif", "small.csv", "small.csv"]
    scene.write_text("others")
    os.utime(scene, ns=(10**18, 10**18))
    assert known_content(scene).sha256 == hashlib.sha256(b"others").hexdigest()


def test_no_cache_is_no_failure(tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file where the folder would be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(digest, "_WORTH_KEEPING", 1)
    (tmp_path / "a").write_text("abc")
    assert known_content(tmp_path / "a").sha256 == hashlib.sha256(b"abc").hexdigest()


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        sha256(tmp_path)
