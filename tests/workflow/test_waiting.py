"""A people's campaign: the run ends where people have to decide, they decide on the page, and it goes on."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys

import pytest

from slumpmap.config import read_config
from slumpmap.status import campaign_status
from slumpmap.vector import read_layer, write_layer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.workflow
PEOPLE = {"mode": "people", "reviewers": ["anna", "ben"], "adjudicator": "chen", "decisions": "decisions"}


def decide_on_the_page(workflow, reviewer, keys):
    """A reviewer opens the page and gives one verdict a key, the last key again and again, until all are decided.

    Returns what the server says at the end; candidates that come twice unnoticed are not counted in it.
    """
    from playwright.sync_api import sync_playwright

    command = [sys.executable, "-m", "slumpmap", "review", "--campaign", "campaign.yaml", "--iteration", "1"]
    server = subprocess.Popen(
        [*command, "--reviewer", reviewer, "--no-browser"], cwd=workflow.folder, stdout=subprocess.PIPE, text=True
    )
    address = next(line.split()[-1] for line in iter(server.stdout.readline, "") if "http://" in line)
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(address)
        page.locator("[data-test=area]").wait_for()
        listed = int(page.locator("[data-test=listed]").inner_text())
        for number in range(listed):
            page.locator(f"[data-test=place]:text-is('{number + 1}')").wait_for()
            page.keyboard.press(keys[min(number, len(keys) - 1)])
            page.locator(f"[data-test=decided]:text-is('{number + 1}')").wait_for()
        page.locator("[data-test=saved]:text-is('saved')").wait_for()
        browser.close()
    server.send_signal(signal.SIGINT)
    said = server.communicate(timeout=60)[0]
    assert server.returncode == 0
    return said


def decide_in_the_file(workflow, reviewer, verdict):
    """Writes a decision file as a GIS does: the template with verdicts filled in."""
    layer = read_layer(workflow.folder / "results/tiny/iterations/01/review/to_inspect.gpkg", "template")
    layer["is_slump"] = [verdict(row) for row in range(len(layer))]
    layer["probability"] = layer["is_slump"].map({True: "high", False: None})
    write_layer(layer, workflow.folder / "decisions" / "01" / f"{reviewer}.gpkg")


def outcome(workflow, iteration=1):
    path = workflow.folder / f"results/tiny/iterations/{iteration:02d}/outcome/outcome.json"
    return json.loads(path.read_text())


def digests(folder):
    """SHA-256 of every file in a folder, hidden ones too, by name."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)")
def test_people_close_an_iteration_on_the_page_and_the_next_one_starts(workflow, tiny_corridor):
    workflow.bring(tiny_corridor)
    workflow.configure(review=PEOPLE, iterations={"maximum": 2}, model={"iterations": 25, "iterations_next": 10})
    status, output = workflow.run()
    assert status == 0, output
    assert outcome(workflow)["waiting_for"].keys() == {"anna", "ben"}
    assert "slumpmap review --campaign campaign.yaml --iteration 1 --reviewer anna" in output

    template = workflow.folder / "results/tiny/iterations/01/review/to_inspect.gpkg"
    everything = f"{len(read_layer(template, 'template'))} decided, 0 unsure, 0 open"
    assert everything in decide_on_the_page(workflow, "anna", "hhx")
    assert everything in decide_on_the_page(workflow, "ben", "hxx")
    decided = digests(workflow.folder / "decisions")
    status, output = workflow.run()
    assert status == 0, output
    assert "training model for" not in output
    assert outcome(workflow)["waiting_for"] == {"chen": 1}

    assert "1 decided, 0 unsure, 0 open" in decide_on_the_page(workflow, "chen", "h")
    status, output = workflow.run()
    assert status == 0, output
    assert (outcome(workflow)["state"], outcome(workflow)["disputed"]) == ("decided", 1)
    assert outcome(workflow, 2)["state"] == "waiting"
    assert digests(workflow.folder / "decisions").items() >= decided.items()
    config = read_config(workflow.folder / "campaign.yaml")
    object.__setattr__(config, "results", workflow.folder / "results")
    assert "iteration 01: decided" in campaign_status(config)


def test_no_rule_touches_a_decision(workflow, tiny_corridor):
    """Whatever is asked of the workflow: everything again, or all results deleted."""
    workflow.bring(tiny_corridor)
    workflow.configure(review=PEOPLE, iterations={"maximum": 1}, model={"iterations": 10})
    status, output = workflow.run("--until", "review_template")
    assert status == 0, output
    decide_in_the_file(workflow, "anna", lambda row: row == 0)
    decide_in_the_file(workflow, "ben", lambda row: row <= 1)
    (workflow.folder / "decisions/01/anna.sqlite").write_bytes(b"what a review leaves there")
    before = digests(workflow.folder / "decisions")
    for arguments in ((), ("--forceall",), ("--delete-temp-output",), ("--delete-all-output",)):
        status, output = workflow.run(*arguments)
        assert status == 0, output
        assert digests(workflow.folder / "decisions") == before, arguments
    assert not (workflow.folder / "results/tiny/iterations/01/outcome/outcome.json").exists()
