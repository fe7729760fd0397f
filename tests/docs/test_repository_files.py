"""The files that services around the repository read: they parse, and say what those services understand."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
# What each kind of field of a form must have among its attributes.
ATTRIBUTES = {
    "markdown": {"value"},
    "textarea": {"label"},
    "input": {"label"},
    "dropdown": {"label", "options"},
    "checkboxes": {"label", "options"},
}


def read(path):
    return yaml.safe_load((ROOT / path).read_text())


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_ci_runs_the_script_of_ci_and_nothing_of_its_own():
    workflow = read(".github/workflows/ci.yml")
    events = workflow[True]  # YAML 1.1 takes the key `on` for a truth value, as GitHub does not
    assert {"push", "pull_request"} <= events.keys()
    (job,) = workflow["jobs"].values()
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands == ["bash .ci/run"]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in job["steps"] if "uses" in step)
    assert "make test" in (ROOT / ".ci" / "run").read_text().splitlines()


def test_ci_takes_versions_of_python_that_the_package_takes():
    (job,) = read(".github/workflows/ci.yml")["jobs"].values()
    versions = job["strategy"]["matrix"]["python"]
    lowest = project()["requires-python"].removeprefix(">=")
    assert all(isinstance(version, str) for version in versions)
    assert lowest == min(versions, key=lambda version: [int(part) for part in version.split(".")])


def test_ci_may_only_read():
    assert read(".github/workflows/ci.yml")["permissions"] == {"contents": "read"}


def test_catalogue_of_workflows_is_told_how_to_run_this_one():
    usage = read(".snakemake-workflow-catalog.yml")["usage"]
    assert usage.keys() == {"mandatory-flags", "software-stack-deployment", "report"}
    assert usage["mandatory-flags"].keys() == {"desc", "flags"}
    deployment = usage["software-stack-deployment"]
    assert deployment.keys() <= {"conda", "apptainer", "apptainer+conda", "singularity", "singularity+conda"}
    assert any(deployment.values())
    rules = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    assert deployment["conda"] == ("conda:" in rules)
    assert any(deployment[key] for key in deployment if key != "conda") == ("container:" in rules)
    assert usage["report"] == ("report(" in rules)
    option, file = usage["mandatory-flags"]["flags"].split()
    assert option == "--configfile"
    assert (ROOT / file).is_file()
    assert (ROOT / "config" / "README.md").is_file(), "the catalogue shows it as the reference of the configuration"


def test_there_are_forms_for_bugs_questions_and_features():
    assert {path.stem for path in FORMS} == {"bug", "question", "feature", "config"}


@pytest.mark.parametrize("path", [path for path in FORMS if path.stem != "config"], ids=lambda path: path.stem)
def test_form_is_one_that_the_service_shows(path):
    form = yaml.safe_load(path.read_text())
    assert form.keys() <= {"name", "description", "title", "labels", "body", "assignees"}
    assert form["name"]
    assert form["description"]
    kinds = {field["type"] for field in form["body"]}
    assert kinds & (ATTRIBUTES.keys() - {"markdown"}), "a form asks something"
    for field in form["body"]:
        assert ATTRIBUTES[field["type"]] <= field["attributes"].keys()
        assert field.keys() <= {"type", "id", "attributes", "validations"}
    names = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z_-]+", name) for name in names)


def test_citation_agrees_with_the_package():
    citation = read("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors"} <= citation.keys()
    assert citation["type"] == "software"
    assert citation["title"] == project()["name"]
    assert citation["version"] == project()["version"]
    assert citation["license"] == project()["license"]
    assert set(citation["keywords"]) <= set(project()["keywords"])
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", citation["date-released"])
    (paper,) = citation["references"]
    assert re.fullmatch(r"10\.\d{4,}/\S+", paper["doi"])
    assert paper["doi"] in (ROOT / "README.md").read_text()
    for person in paper["authors"]:
        assert person.keys() == {"family-names", "given-names"}


def test_changelog_keeps_its_form():
    """Sections of Keep a Changelog, entries of conventional commits."""
    text = (ROOT / "CHANGELOG.md").read_text()
    assert re.findall(r"^# .*", text, re.MULTILINE) == ["# Changelog"]
    releases = re.findall(r"^## (.*)", text, re.MULTILINE)
    assert releases[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", release) for release in releases[1:])
    groups = re.findall(r"^### (.*)", text, re.MULTILINE)
    assert set(groups) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    entries = re.findall(r"^- (.*)", text, re.MULTILINE)
    assert entries
    kinds = "feat|fix|docs|perf|refactor|test|build"
    assert [entry for entry in entries if not re.match(rf"({kinds})(\([a-z-]+\))?!?: \S", entry)] == []


def test_readme_fits_two_screens_and_has_pictures():
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) <= 80
    assert readme.count("](docs/images/") >= 2


def test_pictures_of_the_readme_are_small():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text())
    assert all((ROOT / picture).stat().st_size <= 300_000 for picture in pictures)
