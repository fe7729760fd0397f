"""Folders that can be read but not written, as an archive or a snapshot is; root is not above a read-only mount."""

import subprocess

import pytest

from slumpmap.errors import InputError
from slumpmap.files import check_writable, write_text
from slumpmap.runlock import enter
from tests.faults.conftest import copy_of, mounted


@pytest.fixture
def sealed(tmp_path):
    """A folder with a file in it, mounted read-only."""
    with mounted(tmp_path / "sealed", "-t", "tmpfs", "-o", "size=1m", "tmpfs") as folder:
        (folder / "old.txt").write_text("old")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield folder


@pytest.mark.parametrize("name", ["old.txt", "new.txt", "folder/new.txt"])
def test_file_that_cannot_be_written_is_named(sealed, name):
    with pytest.raises(InputError, match=r"cannot be written, .* is read-only") as caught:
        write_text(sealed / name, "new")
    assert str(sealed / name) in str(caught.value)
    assert (sealed / "old.txt").read_text() == "old"


def test_run_is_refused_and_a_look_is_not(sealed):
    with pytest.raises(InputError, match="read-only"):
        enter(sealed, ["--cores", "2"])
    assert enter(sealed, ["--cores", "2", "-n"]) is None
    with pytest.raises(InputError, match="read-only"):
        check_writable(sealed / "results" / "campaign")


def test_look_at_what_may_be_written_leaves_nothing(tmp_path):
    check_writable(tmp_path / "results")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.faults
def test_run_into_a_read_only_results_folder_ends_before_any_work(reference, tmp_path):
    campaign = copy_of(reference, tmp_path)
    campaign.rewind("02/outcome.log")
    results = tmp_path / "results"
    with mounted(results, "--bind", str(results)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(results)], check=True)
        before = campaign.products()
        status, output = campaign.run()
        assert status != 0
        messages = [line for line in output.splitlines() if line.startswith("error: ")]
        assert len(messages) == 1 and "read-only" in messages[0] and "results" in messages[0], output
        assert "Job" not in output and "Traceback" not in output
        assert campaign.products() == before
    status, output = campaign.run()
    assert status == 0, output
    assert campaign.same_as(reference)
    print(f"\nread-only results folder: refused ({messages[0]}), then the unbroken products")
