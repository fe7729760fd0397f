"""Commands of the documents: those a newcomer types are run, here or by a named test; all others exist as written."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml
from documents import ROOT, blocks, inline, pages
from snakemake.cli import get_argument_parser

from slumpmap.cli import app

# What a newcomer types, page by page. Each command is in one of the two lists below.
FIRST_HOUR = [
    path
    for name in ("README.md", "CONTRIBUTING.md", "docs/tutorial.md", "docs/new-region.md")
    if (path := ROOT / name).exists()
]
# Run here, in an empty folder with the clone's files, and what the command says.
RUN = {
    ". .venv/bin/activate": "",
    "slumpmap status --config config/demo.yaml": "Next: run snakemake with this configuration.",
    "slumpmap plan --config config/demo.yaml": "Campaign demo: 12 tiles",
    "snakemake -n --quiet rules --configfile config/demo.yaml --config 'candidates={threshold: 0.5}'": "demo_data",
}
# What a command of the documents makes.
MADE = {"config/valley.yaml"}
# Begun here and gone through to the first candidates by one test.
NEW_REGION = ("tests/workflow/test_new_region.py", "def test_how_to_leads_to_the_first_candidates")
# Run elsewhere: where, and a word there that would go if it ran no more.
ELSEWHERE = {
    "make install": (".github/workflows/ci.yml", "bash .ci/run"),  # every other target begins with it
    "make lint": ("Makefile", "test: lint"),
    "make test": (".ci/run", "make test"),
    "make demo": ("tests/docs/test_doc_commands.py", "def test_make_demo_is_the_command_of_the_readme"),
    # The same rules on the tiny corridor; the demo itself takes 20 minutes.
    "snakemake --cores all --configfile config/demo.yaml": (
        "tests/workflow/test_campaign.py",
        "def test_campaign_ends_with_an_inventory_tables_and_figures",
    ),
    # On the tiny campaign, when it has ended.
    "slumpmap verify config/demo.yaml": ("tests/workflow/test_campaign.py", 'slumpmap("verify"'),
    "slumpmap reproduce fig05_inventory --last 1 --dry-run": ("tests/workflow/test_campaign.py", '"fig05_inventory"'),
    "slumpmap review --campaign config/demo.yaml --reviewer first": (
        "tests/workflow/test_waiting.py",
        "def decide_on_the_page",
    ),
    "slumpmap review --campaign config/valley.yaml --reviewer anna": (
        "tests/workflow/test_waiting.py",
        "def decide_on_the_page",
    ),
    **{
        command: NEW_REGION
        for command in blocks((ROOT / "docs/new-region.md").read_text())
        if "slumpmap review" not in command
    },
}


@pytest.fixture
def clone(tmp_path):
    """A folder that looks like a clone after `make install`."""
    for name in ("Snakefile", "Makefile", "workflow", "profiles", "config", "envs", "src", "requirements.txt"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


def run(command, folder):
    """Standard output of a command that succeeds in the folder."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": "src", "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("page", FIRST_HOUR, ids=lambda page: page.name)
def test_each_command_of_the_first_hour_is_run_by_a_test(page):
    assert [command for command in blocks(page.read_text()) if command not in RUN | ELSEWHERE] == []


def test_no_command_is_listed_that_no_page_has():
    typed = {command for page in FIRST_HOUR for command in blocks(page.read_text())}
    assert (RUN | ELSEWHERE).keys() <= typed


@pytest.mark.parametrize("command", RUN)
def test_command_runs(command, clone):
    assert RUN[command] in run(command, clone)


@pytest.mark.parametrize("command", ELSEWHERE)
def test_command_is_run_where_it_is_said_to_be(command):
    file, word = ELSEWHERE[command]
    assert word in (ROOT / file).read_text()


def test_make_demo_is_the_command_of_the_readme(clone):
    """What `make demo` runs after the set-up is what the README says, and its plan can be made."""
    said = run("make --dry-run --assume-old=install demo CORES=all", clone).splitlines()
    assert "snakemake --cores all --configfile config/demo.yaml" in said
    plan = run("snakemake --cores 1 --configfile config/demo.yaml --dry-run --quiet rules", clone)
    assert "demo_data" in plan


def commands():
    """Every command of ours in the documents: (page, command), those in sentences too."""
    for page in pages():
        text = page.read_text()
        for command in [*blocks(text), *inline(text)]:
            yield pytest.param(command, id=f"{page.name}: {command}")


def faults(command):
    """What of a command does not exist, in words; capitals and `...` may stand for anything, `a|b` for either."""
    words = shlex.split(re.sub(r"[\[\]]", "", command))
    check = {"slumpmap": of_slumpmap, "snakemake": of_snakemake, "make": of_make}.get(words[0], of_files)
    if words[:3] == ["python", "-m", "slumpmap"]:
        check, words = of_slumpmap, words[2:]
    yield from check(words[1:])
    for word in words[1:]:
        name = word.split("=")[-1]
        ours = re.match(r"(config|workflow|envs|benchmarks|tests)/", name) and name not in MADE
        if ours and not (ROOT / name).exists():
            yield f"no file {name}"


def of_slumpmap(words):
    """Faults of a slumpmap command: subcommands and options that are not there."""
    command = app
    for word in words[: words.index("--")] if "--" in words else words:
        if word.startswith("-"):
            known = {"--help", "--version"}.union(
                *(parameter.opts + parameter.secondary_opts for parameter in command.params)
            )
            if word.split("=")[0] not in known:
                yield f"{command.name} has no option {word}"
        elif isinstance(command, click.Group) and word != "...":
            choices = word.split("|")
            unknown = [choice for choice in choices if choice not in command.commands]
            if unknown:
                yield f"no command {unknown[0]}"
                return
            command = command.commands[choices[0]]


def of_snakemake(words):
    """Faults of a snakemake command: options and rules that are not there."""
    options = {name for action in get_argument_parser()._actions for name in action.option_strings}
    rules = set(re.findall(r"^\s*(?:rule|checkpoint) (\w+):", "\n".join(rule_files()), re.MULTILINE))
    takes_rules = True  # words before the first option and after --until are targets
    for word in words:
        if word.startswith("-"):
            takes_rules = word == "--until"
            if word.split("=")[0] not in options:
                yield f"snakemake has no option {word}"
        elif takes_rules and word != "..." and not word.isupper() and word not in rules:
            yield f"no rule {word}"


def rule_files():
    """Texts of the workflow's files."""
    return [path.read_text() for path in [ROOT / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]]


def of_make(words):
    """Faults of a make command: targets that are not there."""
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return [f"no target {word}" for word in words if "=" not in word and word not in targets]


def of_files(words):
    """Faults of python, pytest and bash: scripts of ours that are not there, and options they do not name."""
    scripts = [ROOT / word for word in words if re.search(r"\.(py|sh)$", word)]
    scripts += [ROOT / (word.replace(".", "/") + "/__main__.py") for word in words if word.startswith("tests.")]
    for script in scripts:
        if not script.exists():
            yield f"no file {script}"
            continue
        text = script.read_text()
        yield from (f"{script.name} has no option {word}" for word in words if word[:2] == "--" and word not in text)


@pytest.mark.parametrize("command", list(commands()))
def test_command_exists_as_it_is_written(command):
    assert list(faults(command)) == []


@pytest.mark.parametrize(
    "command",
    [
        "slumpmap statos",
        "slumpmap status --confg config/demo.yaml",
        "slumpmap terrain slope|aspekt --dem dem.tif",
        "slumpmap terrain pisr --dam dem.tif",
        "slumpmap status --config config/none.yaml",
        "python -m slumpmap statos",
        "snakemake --coars all",
        "snakemake --until fetch_scene",
        "snakemake crossvall",
        "make demos",
        "python benchmarks/none.py",
        "python benchmarks/ablation.py --wurk DIR",
        "pytest tests/review/test_none.py",
    ],
)
def test_a_slip_in_a_command_is_found(command):
    assert list(faults(command)) != []


def test_commands_are_found_in_blocks_and_sentences():
    block = "```sh\n$ make demo   # the demo\n\nsnakemake \\\n  --cores all\n```\n"
    text = f"Say `slumpmap status` or\n\n{block}\n```yaml\nmake: no\n```\n"
    assert list(blocks(text)) == ["make demo", "snakemake --cores all"]
    assert inline(text) == ["slumpmap status"]


def test_configurations_that_the_readme_names_are_there():
    named = re.findall(r"`(config/[\w./-]+\.yaml)`", (ROOT / "README.md").read_text())
    assert len(named) >= 2
    for name in named:
        assert yaml.safe_load((ROOT / name).read_text())["campaign"]
