"""What the code must never do with a file or a name: unpickle, load YAML's objects, hand a shell an unquoted word."""

from __future__ import annotations

import ast
import io
import pickle
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import torch

from slumpmap.errors import InputError
from slumpmap.files import read_yaml
from slumpmap.learning.checkpoints import load_checkpoint
from slumpmap.learning.tensors import read_tensors
from tests.fuzz.mutate import SENTINEL, evil_pickle

ROOT = Path(__file__).parents[2]
SOURCES = [*sorted((ROOT / "src").rglob("*.py")), *sorted((ROOT / "benchmarks").rglob("*.py"))]
RULES = sorted((ROOT / "workflow" / "rules").glob("*.smk"))

# Modules that build objects as a file says.
PICKLES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
# Of pickle only the name of its error is wanted, to catch it where torch raises it.
_ERROR_ONLY = {"tensors.py": {"UnpicklingError"}}
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
SHELLS = {"system", "popen", "getoutput", "getstatusoutput"}


def faults(source: str, name: str = "x.py") -> list[str]:
    """What is wrong in a module's source, with line numbers."""
    tree = ast.parse(source)
    return [f"{name}:{node.lineno}: {fault}" for node, fault in _faults(tree, name)]


def _faults(tree: ast.AST, name: str) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            for module in names:
                if module.split(".")[0] in PICKLES and not (module == "pickle" and name in _ERROR_ONLY):
                    yield node, f"imports {module}"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            allowed = _ERROR_ONLY.get(name, set())
            if node.value.id in PICKLES and node.attr not in allowed:
                yield node, f"uses {node.value.id}.{node.attr}"
            if node.value.id == "yaml" and "load" in node.attr.lower() and node.attr not in ("safe_load", "SafeLoader"):
                yield node, f"uses yaml.{node.attr}"
        if isinstance(node, ast.Call):
            yield from ((node, fault) for fault in _call(node))


def _call(node: ast.Call) -> Iterator[str]:
    function = ast.unparse(node.func)
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    if function == "torch.load" and given.get("weights_only") != "True":
        yield "torch.load without weights_only=True"
    if given.get("allow_pickle", "False") != "False":
        yield f"{function} with allow_pickle"
    if function in ("np.load", "numpy.load") and "allow_pickle" not in given:
        yield "np.load that does not say allow_pickle=False"
    if function.endswith("read_pickle") or function in RUNS_TEXT:
        yield f"calls {function}"
    if given.get("shell", "False") != "False" or (
        function.startswith(("os.", "subprocess.")) and _last(function) in SHELLS
    ):
        yield f"{function} through a shell"


def _last(function: str) -> str:
    return function.rsplit(".", 1)[-1]


def test_no_module_unpickles_evaluates_or_calls_a_shell() -> None:
    assert len(SOURCES) > 150
    assert not [fault for path in SOURCES for fault in faults(path.read_text(), path.name)]


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib.numpy_pickle",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
        "yaml.load(text, Loader=yaml.Loader)",
        "yaml.unsafe_load(text)",
        "yaml.full_load(text)",
        "eval(text)",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
        "subprocess.getoutput(text)",
    ],
)
def test_the_search_finds_what_it_is_for(source: str) -> None:
    assert faults(source)
    assert faults("import pickle\npickle.loads(b'')", "tensors.py")
    assert not faults("import pickle\npickle.UnpicklingError", "tensors.py")
    assert not faults("torch.load(path, weights_only=True)\nnp.load(path, allow_pickle=False)\nyaml.safe_load('')")


@pytest.mark.parametrize("number", range(12))
def test_a_pickle_with_a_command_does_not_run_it(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"mark": "m", "step": 1, "state": {}}, tmp_path / "last.pt")
    (tmp_path / "last.pt").write_bytes(evil_pickle((tmp_path / "last.pt").read_bytes(), Random(number)))
    with pytest.raises(InputError, match=r"last\.pt: weights cannot be read"):
        read_tensors(tmp_path / "last.pt", "weights")
    assert load_checkpoint(tmp_path, "m") is None
    assert not (tmp_path / SENTINEL).exists()


def test_the_pickle_would_run_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({}, tmp_path / "last.pt")
    for number in range(12):
        data = evil_pickle((tmp_path / "last.pt").read_bytes(), Random(number))
        if not zipfile.is_zipfile(io.BytesIO(data)):
            pickle.loads(data)
    assert (tmp_path / SENTINEL).exists()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: !!python/object/apply:os.system [touch pwned]", "could not determine a constructor"),
        ("a: !!python/name:os.system", "could not determine a constructor"),
        ("a: &a [*a]", "refers to itself"),
        ("a: &a {b: *a}", "refers to itself"),
        ("a: 2019-13-45", "month must be in 1..12"),
        ("a: " + "9" * 6000, "4300"),
        ("a: " + "[" * 3000, "recursion"),
        ("a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)), "stand for more"),
        (
            "a0: &a0 {k: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40)),
            "stand for",
        ),
    ],
)
def test_yaml_is_plain_values_and_no_more_than_the_file_shows(
    text: str, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputError, match=fault):
        read_yaml(tmp_path / "a.yaml", "configuration")
    assert not (tmp_path / SENTINEL).exists()


def test_yaml_references_that_are_used_once_or_twice_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]\n")
    values = read_yaml(tmp_path / "a.yaml", "configuration")
    assert values == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": [{"x": 1}, {"x": 1}]}


# --- the rules' shell commands ---------------------------------------------------------------------------------------

# Functions of common.smk that make options out of values, quoted by `shlex.quote` (tests/fuzz/test_names.py runs them).
BUILDERS = r"as_options\(|option\(|repeated\(|given_options\(\)|crossval_recall|named_decisions|found_by"
# What needs no quotes, being made of numbers and of the schema's own words.
PLAIN = {
    "threads",
    'f"--threads {campaign.run.torch_threads} --device {campaign.run.device}"',
    '"--synthetic" if',
    "\"--note 'synthetic data'\" if",
}


def shell_blocks(text: str) -> Iterator[tuple[str, str]]:
    """Each rule's text, and its shell command."""
    for rule in re.split(r"(?m)^(?= *(?:rule|checkpoint)\b[^\n]*:\n)", text):
        for command in re.finditer(r'shell:\s*\n((?:\s*r?f?"[^\n]*"\n)+)', rule):
            yield rule, command[1]


def unquoted(text: str) -> list[str]:
    """Words of a rules file's shell commands that could be more or something else than a word."""
    found = []
    for rule, command in shell_blocks(text):
        found += re.findall(r"--[a-z0-9-]+[ =]\{[^{}]*(?<!:q)\}", command)
        for name in re.findall(r"\{([^{}]*)(?<!:q)\}", command):
            if name in PLAIN or (name.startswith("params.") and _built(name.removeprefix("params."), rule, text)):
                continue
            found.append(name)
    return found


def _built(name: str, rule: str, text: str) -> bool:
    """Whether a parameter of a rule is made by a function that quotes."""
    params = re.search(r"(?ms)^( *)params:\n(.*?)(?=^\1\w+:\n|\Z)", rule)
    value = (
        re.search(rf"(?ms)^\s+{name}=(.*?)(?=,\s*$\n\s+\w+=|,\s*\Z)", params[2].rstrip(" \n,") + ",")
        if params
        else None
    )
    if value is None:
        return False
    made = value[1].strip()
    constant = (
        re.search(rf"(?m)^ *{re.escape(made)} = (.*(?:\n    .*)*)", text + COMMON) if made.isidentifier() else None
    )
    made = constant[1] if constant else made
    return any(made.startswith(plain) for plain in PLAIN) or re.search(BUILDERS, made) is not None


COMMON = "\n".join(path.read_text() for path in RULES)


def test_every_word_of_a_shell_command_is_quoted() -> None:
    commands = [command for path in RULES for _, command in shell_blocks(path.read_text())]
    assert len(commands) == sum(len(re.findall(r"(?m)^ +shell:", path.read_text())) for path in RULES) > 40
    assert not {path.name: found for path in RULES if (found := unquoted(path.read_text()))}


def test_rules_run_nothing_but_shell_commands() -> None:
    for path in RULES:
        assert not re.search(r"(?m)^ +(run|script|notebook|wrapper):", path.read_text())
        assert not re.search(r"\bshell\(", path.read_text())


@pytest.mark.parametrize(
    ("params", "command"),
    [
        ("a=campaign.campaign", "--a {params.a}"),
        ("a=campaign.campaign", "{params.a}"),
        ('a=f"--a {campaign.campaign}"', "{params.a}"),
        ('a=option("x", 1)', "--a {input.a}"),
        ('a=option("x", 1)', "{wildcards.a}"),
    ],
)
def test_the_search_finds_an_unquoted_word(params: str, command: str) -> None:
    rule = f'rule a:\n    params:\n        {params},\n    shell:\n        "python {command}"\n'
    assert unquoted(rule)
    assert not unquoted(rule.replace(params, 'a=option("x", 1)').replace(command, "{params.a} --b {input.a:q}"))
