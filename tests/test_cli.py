"""The command line: user errors are one message and a status; every command explains itself."""

import re
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from slumpmap.cli import FOR_PEOPLE, app
from slumpmap.cli.terrain import terrain
from slumpmap.errors import InputError


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


COMMANDS = app.commands | {f"terrain {name}": command for name, command in terrain.commands.items()}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_says_what_it_does(name):
    assert COMMANDS[name].help
    assert all(parameter.help for parameter in COMMANDS[name].params if isinstance(parameter, click.Option))


def test_help_names_the_values_that_a_setting_takes() -> None:
    shown = CliRunner().invoke(app, ["train", "--help"]).output
    assert "--optimizer sgd|adamw" in shown
    assert "--calibrate true|false" in shown
    assert "--batch INTEGER" in shown


@pytest.mark.parametrize("given", [["2018"], ["x=folder"], ["2018="], ["2018=a", "2018=b"]])
def test_folders_of_years_are_named_once_each(tmp_path, given: list[str]) -> None:
    grid = tmp_path / "grid.json"
    CliRunner().invoke(app, ["grid", "--crs=EPSG:32646", "--bounds=0,0,900,900", "--out", str(grid)])
    images = [text for folder in given for text in ("--imagery", folder)]
    files = [text for name in ("candidates", "model", "scaling") for text in (f"--{name}", "none")]
    others = ["--grid", str(grid), "--mapping-year=2018", "--tiles=x000_y000", "--out=none"]
    error = CliRunner().invoke(app, ["yearly", *others, *files, *images]).exception
    assert isinstance(error, InputError)
    assert "is no YEAR=FOLDER of another year" in str(error)


def test_help_names_each_command_once_and_what_people_type_first() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    listed = re.findall(r"^  ([a-z][a-z0-9-]+)  ", shown, re.MULTILINE)
    assert sorted(listed) == sorted(app.commands)
    people = [name for names in FOR_PEOPLE.values() for name in names]
    assert listed[: len(people)] == people
