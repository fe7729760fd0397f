"""A main process that is killed: its jobs go on, and no run starts beside them."""

import os
import signal

import pytest

pytestmark = pytest.mark.cluster

RULES = """
rule all:
    input: "out_1", "out_2"

rule work:
    output: "out_{n}"
    shell: "echo start >> log_{wildcards.n}; sleep 20; echo end >> log_{wildcards.n}; touch {output}"
"""


@pytest.fixture
def orphaned(toy, slurm):
    """A run killed while both of its jobs were at work."""
    toy.write(RULES)
    process = toy.start("all")
    slurm.until(lambda: toy.lines("log_1") and toy.lines("log_2"), 150)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len(slurm.jobs()) == 2
    return toy


def test_run_beside_orphans_is_refused(orphaned, slurm):
    status, output = orphaned.finish(orphaned.start("all"))
    assert status == 1 and "slumpmap cluster recover" in output, output
    status, output = orphaned.slumpmap("cluster", "recover", "--list")
    assert status == 0 and output.count("rule_work") == 2, output
    # Nothing was submitted by the refused run, and nothing cancelled by the list.
    assert len(slurm.jobs()) == 2
    assert orphaned.slumpmap("cluster", "recover")[0] == 0
    assert slurm.jobs() == []


def test_cancelled_orphans_are_done_again_on_resumption(orphaned, slurm):
    command = orphaned.command("all")[3:]
    status, output = orphaned.slumpmap("cluster", "recover", "--", *command)
    assert status == 0, output
    assert "2 jobs cancelled" in output and slurm.jobs() == []
    for n in "12":
        # The first was cut off; the second began after that.
        assert orphaned.lines(f"log_{n}") == ["start", "start", "end"]
        assert (orphaned.folder / f"out_{n}").exists()


def test_orphans_that_are_waited_for_have_done_their_work(orphaned, slurm):
    status, output = orphaned.slumpmap("cluster", "recover", "--wait")
    assert status == 0 and "2 jobs ended" in output, output
    assert slurm.jobs() == []
    status, output = orphaned.finish(orphaned.start("all"))
    assert status == 0 and "Nothing to be done" in output, output
    assert all(orphaned.lines(f"log_{n}") == ["start", "end"] for n in "12")


def test_recovery_is_refused_while_the_run_lives(toy, slurm):
    toy.write(RULES)
    process = toy.start("all")
    slurm.until(lambda: len(slurm.jobs()) == 2, 100)
    status, output = toy.slumpmap("cluster", "recover")
    assert status == 1 and "a run goes on" in output
    assert len(slurm.jobs()) == 2
    # Ctrl-C cancels the jobs itself.
    os.killpg(process.pid, signal.SIGINT)
    toy.finish(process)
    slurm.until(lambda: slurm.jobs() == [])
