"""The command line: user errors are one message and a status; every command explains itself."""

import subprocess
import sys

import pytest

from slumpmap.cli import app


def slumpmap(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "slumpmap", *arguments], capture_output=True, text=True, check=False, timeout=120
    )


def test_user_error_is_one_message_and_status_1(tmp_path):
    done = slumpmap("status", "--config", str(tmp_path / "none.yaml"))
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_bad_option_is_refused_by_name():
    done = slumpmap("grid", "--crs", "EPSG:32646", "--bounds", "0,0,10", "--out", "grid.json")
    assert done.returncode == 1 and "--bounds" in done.stderr


def test_grid_is_written(tmp_path):
    out = tmp_path / "grid.json"
    done = slumpmap("grid", "--crs=EPSG:32646", "--bounds=0,0,900,900", "--tile-px=128", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert '"x002_y002"' in out.read_text()


@pytest.mark.parametrize("name", sorted(app.commands))
def test_every_command_says_what_it_does(name):
    assert app.commands[name].help
    assert all(parameter.help for parameter in app.commands[name].params if hasattr(parameter, "help"))
