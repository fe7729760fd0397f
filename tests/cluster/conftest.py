"""A loopback cluster for all tests of this folder, and small workflows that run on it through our profile."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.cluster.slurm import Slurm, lacking

ROOT = Path(__file__).parents[2]
PROFILE = ROOT / "workflow" / "profiles" / "slurm"


@pytest.fixture(scope="session")
def slurm():
    """A running cluster."""
    reason = lacking()
    if reason:
        pytest.skip(reason)
    # A short path: a socket's name holds 108 characters.
    with tempfile.TemporaryDirectory(prefix="slurm") as folder:
        cluster = Slurm(Path(folder))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


class Toy:
    """A small workflow in a folder of its own, run through the profile of the campaigns."""

    def __init__(self, folder: Path, slurm: Slurm) -> None:
        self.folder = folder
        self.slurm = slurm
        path = os.pathsep.join([str(Path(sys.executable).parent), slurm.environment["PATH"]])
        self.environment = slurm.environment | {"PYTHONPATH": str(ROOT / "src"), "PATH": path}

    def write(self, rules):
        """Writes the Snakefile: what the campaigns share, then some rules."""
        (self.folder / "Snakefile").write_text(f'include: "{ROOT}/workflow/rules/cluster.smk"\n{rules}')

    def command(self, *arguments):
        """The snakemake command line. Only the first look and the wait for files are hastened."""
        hasty = ["--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5"]
        return [sys.executable, "-m", "snakemake", "--workflow-profile", str(PROFILE), *hasty, *arguments]

    def start(self, *arguments):
        """Starts snakemake; its output goes to `output.txt`."""
        with (self.folder / "output.txt").open("a") as output:
            return subprocess.Popen(
                self.command(*arguments),
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def finish(self, process, seconds=400):
        """Waits for a run; returns (exit status, all output so far)."""
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = "not ended"
        return status, (self.folder / "output.txt").read_text()

    def slumpmap(self, *arguments):
        """Runs a slumpmap command in the folder; returns (exit status, output)."""
        done = subprocess.run(
            [sys.executable, "-m", "slumpmap", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=400,
        )
        return done.returncode, done.stdout + done.stderr

    def lines(self, name):
        """Lines of a file that jobs wrote; none if it is not there."""
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def toy(tmp_path, slurm):
    """An empty folder for a toy workflow."""
    return Toy(tmp_path, slurm)
