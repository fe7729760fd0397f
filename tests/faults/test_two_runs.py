"""Two runs started at once on one folder: the second is refused, the first ends as if it had been alone."""

from pathlib import Path

import pytest

from slumpmap.errors import InputError
from slumpmap.runlock import claim, enter, looks_only
from tests.faults.conftest import copy_of, wait_for

RUN = ["--cores", "2", "--configfile", "campaign.yaml"]


@pytest.mark.parametrize("look", ["-n", "-np", "--dry-run", "--dryrun", "--summary", "-S", "--report=a.html", "--lint"])
def test_command_that_only_looks_is_let_in_beside_a_run(tmp_path, look):
    assert looks_only([*RUN, look])
    with claim(tmp_path):
        assert enter(tmp_path, [*RUN, look]) is None
        with pytest.raises(InputError, match="another run is at work in this folder"):
            enter(tmp_path, RUN)


@pytest.mark.parametrize(
    "work", ["-sSnakefile", "--unlock", "-F", "-R", "--until=parts", "--forceall", "results/n.gpkg"]
)
def test_command_that_works_is_no_look(work):
    assert not looks_only([*RUN, work])


def test_look_holds_no_claim_and_removes_the_locks_of_a_dead_run(tmp_path):
    lock = tmp_path / ".snakemake" / "locks" / "0.output.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    assert enter(tmp_path, ["-n"]) is None
    assert not lock.exists()
    with enter(tmp_path, RUN):
        pass


@pytest.mark.faults
def test_second_run_is_refused_at_any_moment_and_the_first_ends_well(reference, tmp_path):
    campaign = copy_of(reference, tmp_path)
    campaign.rewind("02/train_model.log")
    first = campaign.start()
    refused = []
    # Before the first has built its DAG, when Snakemake holds no lock yet; and while it trains.
    for begun in (
        lambda: held(campaign.folder),
        (campaign.path("logs") / "02/train_model.log").exists,
    ):
        wait_for(begun, first, 300)
        for arguments in ((), ("--unlock",)):
            status, output = campaign.run(*arguments)
            assert status != 0, output
            messages = [line for line in output.splitlines() if line.startswith("error: ")]
            assert len(messages) == 1 and "another run is at work in this folder" in messages[0], output
            refused.append(messages[0])
    status, output = campaign.run("-n")
    assert status == 0, output
    assert first.wait(timeout=600) == 0
    assert campaign.same_as(reference)
    print(f"\ntwo runs at once: the second was refused {len(refused)} of 4 times, products as unbroken")


def held(folder):
    """Whether a process holds the folder; looked up, since to try would be to hold it oneself for a moment."""
    inode = (folder / ".snakemake" / "slumpmap.lock").stat().st_ino
    return f":{inode} " in Path("/proc/locks").read_text()
