"""Pins: requirements.txt, pyproject.toml and the conda environments say the same."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def pins():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"==[^,*]+", str(requirement.specifier)) for requirement in found)
    return {canonicalize_name(r.name): next(iter(r.specifier)).version for r in found}


def wanted():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    every = [*project["dependencies"], *extras["fetch"], *extras["dev"]]
    return {canonicalize_name(Requirement(text).name): Requirement(text) for text in every}


def test_every_dependency_is_pinned_inside_its_range():
    pinned = pins()
    for name, requirement in wanted().items():
        assert requirement.specifier.contains(pinned[name]), name


@pytest.mark.parametrize("name", ["fetch", "geo", "learning"])
def test_conda_environment_has_the_same_pins(name):
    environment = yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())
    packages = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    pinned, dependencies = pins(), wanted()
    for text in packages:
        package, _, version = text.partition("==")
        assert pinned[canonicalize_name(package)] == version, package
        assert canonicalize_name(package) in dependencies, package


def test_conda_environment_of_learning_holds_every_runtime_dependency_but_the_workflow_engine():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    runtime = {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}
    # Both belong to the main process, which no environment of a rule holds.
    runtime -= {"snakemake", "snakemake-executor-plugin-slurm"}
    environment = yaml.safe_load((ROOT / "envs" / "learning.yaml").read_text())
    packages = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert {canonicalize_name(text.partition("==")[0]) for text in packages} == runtime


def test_no_package_is_tied_to_cpu_or_cuda():
    assert not [name for name in pins() if "nvidia" in name or "cu12" in name]
    assert "+" not in pins()["torch"]


def test_every_pin_takes_the_oldest_python_that_the_readme_promises():
    """Debian 12 has Python 3.11.2; a package that wants 3.11.5 would stop a newcomer at the first command."""
    wanting = {
        distribution.name: asked
        for distribution in importlib.metadata.distributions()
        if (asked := distribution.metadata["Requires-Python"]) and "3.11.0" not in SpecifierSet(asked)
    }
    assert wanting == {}
