"""One iteration of the tiny campaign through the profile, beside a local run of it."""

import os
import subprocess
import sys

import pytest
from geopandas.testing import assert_geodataframe_equal

from slumpmap.demo import make_corridor
from slumpmap.vector import read_layer
from tests.cluster.conftest import PROFILE
from tests.workflow.conftest import Workflow

pytestmark = [pytest.mark.cluster, pytest.mark.workflow]


def test_inventory_is_that_of_a_local_run(tmp_path, slurm):
    make_corridor(tmp_path / "corridor", "tiny", 1, years=(2018, 2019))
    inventories = []
    for name in ("local", "cluster"):
        (tmp_path / name).mkdir()
        workflow = Workflow(tmp_path / name)
        workflow.bring(tmp_path / "corridor")
        # One iteration has every kind of job; a second would only take longer.
        workflow.configure(iterations={"maximum": 1})
        command, environment = workflow.command(), dict(os.environ)
        if name == "cluster":
            hasty = ["--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "10"]
            head = [sys.executable, "-m", "snakemake", "--workflow-profile", str(PROFILE)]
            command = [*head, *hasty, "--configfile", "campaign.yaml"]
            environment = slurm.environment
        with (tmp_path / f"{name}.txt").open("w") as output:
            done = subprocess.run(
                command, cwd=workflow.folder, env=environment, stdout=output, stderr=subprocess.STDOUT, timeout=3000
            )
        assert done.returncode == 0, (tmp_path / f"{name}.txt").read_text()
        inventories.append(
            read_layer(workflow.folder / "results" / "tiny" / "inventory" / "inventory.gpkg", "inventory")
        )
    assert_geodataframe_equal(*inventories)
