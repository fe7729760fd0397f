"""The how-to for a region of one's own, command by command as its page says them, to the first candidates."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.workflow
ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "new-region.md"


def commands():
    """The page's commands in their order."""
    text = "\n".join(re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL))
    return [line for line in text.replace("\\\n", " ").splitlines() if line]


def run(command, folder):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "PATH": path},
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    said = done.stdout + done.stderr
    # That something is amiss with the machine is the doctor's to tell, and no fault of the page.
    assert done.returncode == 0 or "Mend first" in said, said
    return said


def test_how_to_leads_to_the_first_candidates(workflow):
    folder = workflow.folder
    # The configuration is written where a clone has its own.
    (folder / "config").unlink()
    (folder / "config").mkdir()
    said = {}
    for command in commands():
        if "slumpmap review" in command:
            break
        if command.startswith("snakemake"):
            # A network that has learnt for a moment takes the same way as one that has learnt for minutes.
            text = (folder / "config" / "valley.yaml").read_text()
            (folder / "config" / "valley.yaml").write_text(text.replace("iterations: 400", "iterations: 20"))
            command = command.replace("--cores all", "--cores 2")
        said[command.split()[0] + " " + command.split()[1]] = run(command, folder)
    assert "6 tiles of 512 pixels of 3 m" in said["slumpmap new"]
    assert "Campaign valley: 6 tiles" in said["slumpmap plan"]
    assert "slumpmap review --campaign config/valley.yaml --iteration 1 --reviewer anna" in said["snakemake --cores"]
    for product in ("report/index.html", "valley.qgz", "inventory/inventory.gpkg"):
        assert (folder / "results" / "valley" / product).exists()
    # What the page shows is what the command says.
    shown = re.search(r"```text\n(.*?)\n\.\.\.\n(.*?)\n```", PAGE.read_text(), re.DOTALL)
    for part in shown.groups():
        assert part in said["slumpmap new"]
