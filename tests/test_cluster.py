"""Orphans of dead runs, asked for by a stand-in for SLURM; tests/cluster has the real one."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from slumpmap.cluster import cancel, open_runs, orphans, queue_overhead, refuse_orphans, wait
from slumpmap.errors import InputError

ROOT = Path(__file__).parents[1]
PROFILE = ROOT / "workflow" / "profiles" / "slurm"
FIRST, SECOND = "2d10f0b5-0000-4000-8000-000000000001", "2d10f0b5-0000-4000-8000-000000000002"


@pytest.fixture
def folder(tmp_path):
    """A working folder with the logs of two runs on SLURM and of a local one."""
    logs = tmp_path / "work" / ".snakemake" / "log"
    logs.mkdir(parents=True)
    for name, text in (
        ("1", f"host: a\nSLURM run ID: {FIRST}\n"),
        ("2", "local\n"),
        ("3", f"SLURM run ID: {SECOND}\n"),
    ):
        (logs / f"2026-11-0{name}.snakemake.log").write_text(text)
    return tmp_path / "work"


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Puts commands first on the path: `slurm(squeue="shell lines")`."""
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)

    def put(**scripts):
        for name, body in scripts.items():
            (tools / name).write_text(f"#!/bin/sh\n{body}\n")
            (tools / name).chmod(0o755)
        return tools

    return put


def test_orphans_are_the_jobs_of_earlier_runs(folder, slurm):
    slurm(squeue=f'echo "$*" >> {folder}/asked; echo "7|RUNNING|{SECOND}|1:02|rule_infer_000"')
    (job,) = orphans(folder)
    assert (job.id, job.state, job.run, job.rule, job.elapsed) == ("7", "RUNNING", SECOND, "rule_infer_000", "1:02")
    with pytest.raises(InputError, match="slumpmap cluster recover"):
        refuse_orphans(folder)
    # Of the first run nothing is left, so that it is asked for once.
    first, second = (folder / "asked").read_text().splitlines()
    assert f"--name={FIRST},{SECOND}" in first
    assert f"--name={SECOND}" in second and FIRST not in second


def test_nothing_is_asked_where_no_run_used_slurm(tmp_path, slurm):
    slurm(squeue="exit 1")
    (tmp_path / ".snakemake" / "log").mkdir(parents=True)
    assert orphans(tmp_path) == []


def test_runs_that_have_ended_are_not_asked_for_again(folder, slurm):
    slurm(squeue="exit 0")
    assert open_runs(folder) == [FIRST, SECOND]
    refuse_orphans(folder)
    assert open_runs(folder) == []


def test_silent_controller_refuses_the_run(folder, slurm):
    slurm(squeue="exit 1")
    with pytest.raises(InputError, match="does not answer"):
        refuse_orphans(folder)
    assert open_runs(folder) == [FIRST, SECOND]


def test_machine_without_slurm_refuses_the_run(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="this machine lacks"):
        refuse_orphans(folder)


def test_job_that_does_not_end_is_named(folder, slurm):
    slurm(squeue=f'echo "7|COMPLETING|{SECOND}|1:02|rule"', scancel=f'echo "$*" > {folder}/cancelled')
    with pytest.raises(InputError, match="7 have not ended"):
        cancel(folder, orphans(folder), patience_s=0)
    assert (folder / "cancelled").read_text() == "7\n"


def test_waiting_rides_out_a_silent_controller(folder, slurm, monkeypatch):
    monkeypatch.setattr("slumpmap.cluster._RETRY_S", 0.01)
    state = (
        f"echo x >> {folder}/asked; case $(wc -l < {folder}/asked) in 1) echo '7|RUNNING|{SECOND}|1|r';; 2) exit 1;;"
    )
    slurm(squeue=f"{state} 3) echo '7|RUNNING|{SECOND}|1|r';; esac")
    wait(folder, orphans(folder))
    assert (folder / "asked").read_text().count("x") == 4


def test_overhead_is_that_of_the_jobs_on_batches(tmp_path):
    costs = {"01/infer_000": 30, "01/infer_001": 10, "02/infer_000": 15, "tiles_000_2018": 135, "01/polygons": 1}
    for name, seconds in costs.items():
        file = tmp_path / f"{name}.tsv"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"s\th:m:s\n{seconds}\t0:00:00\n")
    infer, tiles = queue_overhead(tmp_path, 16, 32)
    assert (infer.stage, infer.jobs, infer.seconds, infer.share) == ("infer", 3, 15, 0.5)
    # Nine times the queueing is 135 s of work.
    assert infer.tiles == 9 * 32
    assert (tiles.stage, tiles.share, tiles.tiles) == ("tiles", pytest.approx(0.1), 16)


def test_overhead_needs_a_run(tmp_path):
    with pytest.raises(InputError, match="Run the campaign first"):
        queue_overhead(tmp_path, 16, 16)


def status_of(run, tools):
    """What the profile's sacct says of a run."""
    path = os.pathsep.join([str(PROFILE / "bin"), str(tools), os.defpath])
    command = ["sacct", "-X", "--parsable2", "--noheader", "--format=JobIdRaw,State", "--name", run]
    return subprocess.run(
        [str(PROFILE / "bin" / command[0]), *command[1:]], env={"PATH": path}, capture_output=True, text=True
    )


def test_status_comes_from_the_accounting_where_it_answers(slurm):
    tools = slurm(sacct="echo '7|COMPLETED'", squeue="echo '7|RUNNING'")
    assert status_of(FIRST, tools).stdout == "7|COMPLETED\n"


def test_status_comes_from_the_controller_without_accounting(slurm):
    tools = slurm(sacct="echo disabled >&2; exit 1", squeue='echo "$*"')
    assert f"--name={FIRST}" in status_of(FIRST, tools).stdout


def test_status_is_no_answer_where_nobody_answers(slurm):
    done = status_of(FIRST, slurm(sacct="exit 1", squeue="exit 1"))
    assert done.returncode != 0 and done.stdout == ""


def test_reason_of_a_failure_comes_from_the_controller_without_accounting(slurm):
    tools = slurm(sacct="exit 1", scontrol='echo "   JobState=FAILED Reason=NonZeroExitCode Dependency=(null)"')
    path = os.pathsep.join([str(PROFILE / "bin"), str(tools), os.defpath])
    for step, reason in (("7.0", "NonZeroExitCode\n"), ("7.1", "")):
        ask = [str(PROFILE / "bin" / "sacct"), "-j", step, "--format=Reason", "--noheader"]
        done = subprocess.run(ask, env={"PATH": path}, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, reason)


def test_submission_waits_for_the_controller(slurm, tmp_path):
    times = f"echo x >> {tmp_path}/pings; [ $(wc -l < {tmp_path}/pings) -gt 1 ]"
    tools = slurm(scontrol=times, sbatch='echo "$*"')
    path = os.pathsep.join([str(PROFILE / "bin"), str(tools), os.defpath])
    done = subprocess.run(
        [str(PROFILE / "bin" / "sbatch"), "--comment", "two words"], env={"PATH": path}, capture_output=True, text=True
    )
    assert done.stdout == "--comment two words\n"
    assert (tmp_path / "pings").read_text() == "x\nx\n"


def test_nothing_is_submitted_for_a_dead_run(slurm):
    tools = slurm(scontrol="exit 0", sbatch="echo submitted")
    ended = subprocess.Popen(["true"])
    ended.wait()
    environment = {"PATH": os.pathsep.join([str(PROFILE / "bin"), str(tools), os.defpath])}
    for main, printed in ((ended.pid, ""), (os.getpid(), "submitted\n")):
        given = environment | {"SLUMPMAP_MAIN": str(main)}
        done = subprocess.run([str(PROFILE / "bin" / "sbatch")], env=given, capture_output=True, text=True)
        assert done.stdout == printed


def test_profile_avoids_what_the_plugin_does_badly():
    profile = yaml.safe_load((PROFILE / "config.yaml").read_text())
    assert profile["retries"] == 2
    assert profile["slurm-status-command"] == "sacct" and profile["slurm-status-attempts"] >= 1000
    # Arrays that hold fewer tasks than they may are never submitted; groups run one job after the other.
    assert not [key for key in profile if "array" in key or "group" in key]
    for rules in [ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]:
        assert "retries:" not in rules.read_text(), rules


@pytest.mark.skipif(shutil.which("snakemake") is None, reason="needs snakemake on the path")
def test_workstation_does_not_start_what_does_not_fit_into_memory(tmp_path):
    (tmp_path / "Snakefile").write_text(f"""
include: "{ROOT}/workflow/rules/cluster.smk"

rule all:
    input: "a", "b"

rule big:
    output: "{{name,[ab]}}"
    resources: mem_mb=int(0.6 * os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**20)
    shell: "echo start >> log; sleep 1; echo end >> log; touch {{output}}"
""")
    command = ["snakemake", "--cores", "2"]
    subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, check=True)
    assert (tmp_path / "log").read_text().split() == ["start", "end", "start", "end"]
