"""Tiles divided among GPUs, which a stand-in for torch counts: one process for each, with its own tiles and GPU."""

import pytest
import torch

from slumpmap.learning import team

RECORD = """
import os, pathlib, sys
tiles = sys.argv[len(sys.argv) - 1]
pathlib.Path(sys.argv[1], os.environ["CUDA_VISIBLE_DEVICES"]).write_text(tiles)
"""


@pytest.fixture
def gpus(monkeypatch):
    """Lets torch see some GPUs; the command that each process runs is `arguments` given to Python itself."""

    def see(count, visible=None):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)

    return see


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Puts a script in the place of slumpmap."""

    def put(script):
        package = tmp_path / "package" / "slumpmap"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(script)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "package"))

    return put


def test_each_gpu_of_the_job_maps_its_part_of_the_tiles(gpus, stand_in, tmp_path):
    gpus(3, "4,6,7")
    stand_in(RECORD)
    code = team.divide([str(tmp_path), "--tiles", "a,b,c,d,e,f,g"], list("abcdefg"), "auto")
    assert code == 0
    parts = {name: (tmp_path / name).read_text() for name in ("4", "6", "7")}
    assert parts == {"4": "a,b", "6": "c,d", "7": "e,f,g"}


def test_more_gpus_than_tiles_leave_some_idle(gpus, stand_in, tmp_path):
    gpus(8)
    stand_in(RECORD)
    assert team.divide([str(tmp_path)], ["a", "b"], "cuda") == 0
    assert (tmp_path / "0").read_text() == "a" and (tmp_path / "1").read_text() == "b"
    assert not (tmp_path / "2").exists()


@pytest.mark.parametrize(("count", "tiles", "device"), [(1, 4, "auto"), (0, 4, "auto"), (4, 1, "auto"), (4, 4, "cpu")])
def test_one_process_does_where_there_is_nothing_to_divide(gpus, count, tiles, device):
    gpus(count)
    assert team.divide(["infer"], ["tile"] * tiles, device) is None


def test_failure_of_one_ends_the_others(gpus, stand_in):
    gpus(2)
    stand_in("import os, sys, time\nsys.exit(3) if os.environ['CUDA_VISIBLE_DEVICES'] == '1' else time.sleep(600)")
    assert team.divide([], ["a", "b"], "auto") == 3


def test_infer_takes_the_last_of_two_tile_lists():
    from slumpmap.cli.learning import infer

    arguments = ["--grid", "g", "--model", "m", "--imagery", "i", "--scaling", "s", "--out", "o"]
    context = infer.make_context("infer", [*arguments, "--tiles", "a,b", "--tiles", "b"])
    assert context.params["tile_ids"] == "b"
