"""Intermediate files that were cut short after they had been finished: the next stage names them, or redoes nothing."""

import shlex
import subprocess

import pytest

from tests.faults.conftest import RESULTS, copy_of

pytestmark = pytest.mark.faults
# A file and the log of a job that reads it.
CUT = (
    ("inputs/grid.json", "scaling.log"),
    ("inputs/scenes.gpkg", "tiles_000_2019.log"),
    ("imagery/scaling.json", "tiles_000_2019.log"),
    ("imagery/2019/x000_y000.tif", "01/windows.log"),
    ("imagery/2019/x001_y000.tif", "01/infer_000.log"),
    ("iterations/01/labels/positives.gpkg", "01/windows.log"),
    ("iterations/01/training_set/windows.npy", "01/train_model.log"),
    ("iterations/01/training_set/windows.gpkg", "01/train_model.log"),
    ("iterations/01/model/weights.safetensors", "01/infer_000.log"),
    ("iterations/01/model/model.json", "01/infer_000.log"),
    ("iterations/01/model/weights.safetensors", "02/train_model.log"),
    ("iterations/01/probability/x000_y000.tif", "01/parts_000.log"),
    ("iterations/01/parts/x000_y000.parquet", "01/polygons.log"),
    ("iterations/01/candidates/polygons.gpkg", "01/ledger.log"),
    ("iterations/01/candidates/candidates.gpkg", "01/outcome.log"),
    ("iterations/01/outcome/accepted.gpkg", "02/labels.log"),
    ("iterations/02/outcome/accepted.gpkg", "slumps.log"),
    ("terrain/slope.tif", "inventory.log"),
    ("terrain/tpi.tif", "inventory.log"),
    ("inventory/slumps.gpkg", "inventory.log"),
)


def command_of(reference, log):
    """The shell command and the outputs of a finished job, its message on the standard error instead of the log."""
    jobs = [job for job in reference.jobs() if job["log"] == [str(RESULTS / "logs" / log)]]
    command = shlex.split(jobs[0]["shellcmd"])
    return command[: command.index("2>")]


@pytest.fixture(scope="module")
def spoilt(reference, tmp_path_factory):
    """A copy in which every file is mended after it was cut."""
    return copy_of(reference, tmp_path_factory.mktemp("spoilt"))


@pytest.mark.parametrize("share", [0.5, 0], ids=["half", "empty"])
@pytest.mark.parametrize(("name", "log"), CUT)
def test_job_names_the_file_that_was_cut_and_writes_nothing(reference, spoilt, name, log, share):
    path = spoilt.path(name)
    whole = path.read_bytes()
    before = spoilt.products()
    path.write_bytes(whole[: int(len(whole) * share)])
    try:
        done = subprocess.run(
            command_of(reference, log), cwd=spoilt.folder, capture_output=True, text=True, check=False, timeout=300
        )
    finally:
        path.write_bytes(whole)
    messages = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 1 and len(messages) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert name.rsplit("/", 1)[1] in messages[0]
    assert any(word in messages[0].lower() for word in ("remove it", "remove both", "train again")), messages[0]
    assert spoilt.products() == before
    assert spoilt.decisions() == reference.decisions()


def test_removed_as_the_message_says_the_run_goes_on_to_the_same_products(reference, tmp_path):
    campaign = copy_of(reference, tmp_path)
    campaign.rewind("02/parts_000.log")
    tile = campaign.path("iterations/02/probability/x000_y000.tif")
    tile.write_bytes(tile.read_bytes()[: tile.stat().st_size // 2])
    status, output = campaign.run()
    messages = {line.strip() for line in output.splitlines() if line.strip().startswith("error: ")}
    assert (
        status != 0
        and len(messages) == 1
        and str(RESULTS / "iterations/02/probability/x000_y000.tif") in messages.pop()
    ), output
    tile.unlink()
    status, output = campaign.run()
    assert status == 0, output
    assert campaign.same_as(reference)


def test_damaged_decisions_are_named_and_not_mended(reference, tmp_path):
    """People's decisions are theirs: nothing but a message happens to a damaged file."""
    campaign = copy_of(reference, tmp_path)
    campaign.rewind("02/outcome.log")
    decision = campaign.folder / "decisions" / "02" / "ben.gpkg"
    whole = decision.read_bytes()
    decision.write_bytes(whole[: len(whole) // 2])
    damaged = campaign.decisions()
    status, output = campaign.run()
    messages = {line.strip() for line in output.splitlines() if line.strip().startswith("error: ")}
    assert status != 0 and len(messages) == 1 and "decisions/02/ben.gpkg" in messages.pop(), output
    assert campaign.decisions() == damaged
    decision.write_bytes(whole)
    status, output = campaign.run()
    assert status == 0, output
    assert campaign.same_as(reference)
