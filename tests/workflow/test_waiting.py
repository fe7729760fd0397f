"""A people's campaign: the run ends where people have to decide, and goes on when they have."""

import json

import pytest

from slumpmap.config import read_config
from slumpmap.status import campaign_status
from slumpmap.vector import read_layer, write_layer

pytestmark = pytest.mark.workflow


def decide(workflow, template, reviewer, verdicts):
    """Writes a reviewer's decision file as a person would: the template with verdicts filled in."""
    layer = read_layer(workflow.folder / "results/tiny/iterations/01" / template, "template")
    layer["is_slump"] = verdicts(layer)
    layer["probability"] = layer["is_slump"].map({True: "high", False: None})
    write_layer(layer, workflow.folder / "decisions" / "01" / f"{reviewer}.gpkg")


def outcome(workflow):
    return json.loads((workflow.folder / "results/tiny/iterations/01/outcome/outcome.json").read_text())


def test_run_waits_for_people_and_goes_on(workflow, tiny_corridor):
    workflow.bring(tiny_corridor)
    people = {"mode": "people", "reviewers": ["anna", "ben"], "adjudicator": "chen", "decisions": "decisions"}
    workflow.configure(review=people, iterations={"maximum": 1}, model={"iterations": 25})
    status, output = workflow.run()
    assert status == 0, output
    assert outcome(workflow)["waiting_for"].keys() == {"anna", "ben"}
    assert "review/to_inspect.gpkg to decisions/01/anna.gpkg" in output

    decide(workflow, "review/to_inspect.gpkg", "anna", lambda layer: layer.index == 0)
    decide(workflow, "review/to_inspect.gpkg", "ben", lambda layer: layer.index <= 1)
    status, output = workflow.run()
    assert status == 0, output
    assert "training model for" not in output
    assert outcome(workflow)["waiting_for"] == {"chen": 1}

    before = (workflow.folder / "decisions/01/anna.gpkg").read_bytes()
    decide(workflow, "outcome/disputed.gpkg", "chen", lambda layer: layer.index >= 0)
    status, output = workflow.run()
    assert status == 0, output
    assert outcome(workflow)["state"] == "decided"
    assert outcome(workflow)["new"] >= 1
    assert (workflow.folder / "decisions/01/anna.gpkg").read_bytes() == before
    config = read_config(workflow.folder / "campaign.yaml")
    object.__setattr__(config, "results", workflow.folder / "results")
    assert "iteration 01: decided" in campaign_status(config)
