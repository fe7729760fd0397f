"""A copy of the workflow in a folder of its own, and a way to run it there."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from slumpmap.sidecar.form import SUFFIX, read_sidecar

ROOT = Path(__file__).parents[2]


class Workflow:
    """The Snakemake workflow in a scratch folder, with one campaign configuration."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("Snakefile", "workflow", "profiles", "config", "envs", "src"):
            (folder / name).symlink_to(ROOT / name)

    def configure(self, base="tiny", **sections):
        """Writes `campaign.yaml`: a shipped configuration with some keys of some sections replaced."""
        config = yaml.safe_load((ROOT / "config" / f"{base}.yaml").read_text())
        for name, keys in sections.items():
            config[name] = config.get(name, {}) | keys if isinstance(keys, dict) else keys
        (self.folder / "campaign.yaml").write_text(yaml.safe_dump(config))

    def bring(self, corridor):
        """Puts a ready-made corridor where the tiny campaign expects it."""
        shutil.copytree(corridor, self.folder / "data" / "tiny")

    def command(self, *arguments):
        """The snakemake command line for this campaign."""
        head = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "campaign.yaml"]
        return [*head, *arguments]

    def run(self, *arguments):
        """Runs snakemake to its end; returns (exit status, all output)."""
        done = subprocess.run(
            self.command(*arguments), cwd=self.folder, capture_output=True, text=True, timeout=1500, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def slumpmap(self, *arguments):
        """Runs a slumpmap command in the folder; returns (exit status, all output)."""
        done = subprocess.run(
            [sys.executable, "-m", "slumpmap", *arguments],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            timeout=1500,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    def hashes(self):
        """The hash of each product as its sidecar has it, by its path; without what tells of times and commits."""
        results = self.folder / "results" / "tiny"
        sidecars = [read_sidecar(path) for path in results.rglob(f".*{SUFFIX}")]
        measured = ("summary.json", "report/site", "report/index.html")
        names = {sidecar.product.relative_to(results).as_posix(): sidecar.content.sha256 for sidecar in sidecars}
        return {name: sha256 for name, sha256 in names.items() if name not in measured}

    def start(self):
        """Starts snakemake in a process group of its own, so that `kill` reaches its jobs too."""
        return subprocess.Popen(
            self.command(),
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self, process):
        """Ends a run as a power cut would: no process of it gets to clean up."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def workflow(tmp_path):
    """An empty campaign folder."""
    return Workflow(tmp_path)


@pytest.fixture(scope="session")
def tiny_corridor(tmp_path_factory):
    """The tiny corridor's files, made once for all campaigns."""
    from slumpmap.demo import make_corridor

    folder = tmp_path_factory.mktemp("corridor") / "tiny"
    make_corridor(folder, "tiny", 1, years=(2018, 2019))
    return folder
