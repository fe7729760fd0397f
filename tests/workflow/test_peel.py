"""The spine on real files: a Sentinel-2 scene of the Peel Plateau with the outlines of twelve experts."""

import json
import os
from pathlib import Path

import pytest

PEEL = Path(__file__).parents[3] / "shared" / "data" / "peel"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.workflow,
    pytest.mark.skipif(not PEEL.exists(), reason=f"needs the open data in {PEEL}"),
    pytest.mark.skipif("CI" in os.environ, reason="CI runs without ../shared"),
]


def test_real_scene_goes_through_the_same_rules(workflow):
    workflow.configure("peel", data=str(PEEL))
    status, output = workflow.run()
    assert status == 0, output
    scores = json.loads((workflow.folder / "results/peel/report/evaluation.json").read_text())["models"][0]
    assert scores["mapped"] > 0
    # Found on ground that training never saw; the figures are in benchmarks/RESULTS.md.
    assert scores["recall"] > 0.25
