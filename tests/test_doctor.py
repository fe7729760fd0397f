"""What `slumpmap doctor` says of machines that lack something, and the one message that each wrong turn ends in."""

import json
import os
import shutil
import subprocess
import sys
import types
import warnings
from collections import namedtuple
from pathlib import Path

import pytest

from slumpmap import doctor
from slumpmap.doctor import GPU, MISSING, NOTE, OK, WARNING

ROOT = Path(__file__).parents[1]
Usage = namedtuple("Usage", "total used free")


def found(findings):
    return {finding.name: finding for finding in findings}


def run(*arguments, path=(), **surroundings):
    """`python -m slumpmap` with folders put before all packages."""
    way = os.pathsep.join([*map(str, path), str(ROOT / "src")])
    return subprocess.run(
        [sys.executable, "-m", "slumpmap", *arguments],
        env=os.environ | {"PYTHONPATH": way} | surroundings,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_this_machine_has_what_is_needed(tmp_path):
    done = run("doctor", "--json", "--folder", str(tmp_path))
    assert done.returncode == 0 and done.stderr == "", done.stdout + done.stderr
    facts = json.loads(done.stdout)
    assert facts["complete"] is True and facts["works"]["mapping and analysis"] is True
    assert {"name", "state", "found", "remedy", "serves"} == set(facts["findings"][0])
    assert {"Python", "Packages", "PyTorch", "GPU", "Disk", "Memory", "SLURM"} <= {f["name"] for f in facts["findings"]}


def test_the_command_of_the_group_is_the_same(tmp_path, monkeypatch, capsys):
    from slumpmap.cli import app

    good = doctor.Finding("Python", OK, "3.11")
    monkeypatch.setattr(doctor, "examine", lambda folder: [good, doctor.Finding("Disk", OK, str(folder))])
    for arguments, says in (
        ([], f"Disk    {tmp_path}\n\nWill work: mapping and analysis, "),
        (["--json"], '"complete": true'),
    ):
        with pytest.raises(SystemExit) as ended:
            app.main(["doctor", "--folder", str(tmp_path), *arguments])
        by_click = capsys.readouterr().out
        assert ended.value.code == doctor.main(["--folder", str(tmp_path), *arguments]) == 0
        assert by_click == capsys.readouterr().out and says in by_click


# Packages


def broken(folder, name, reason):
    """A package that cannot be imported."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(f"raise ImportError({reason!r})\n")
    return folder


def test_a_broken_package_is_named_and_the_doctor_starts_without_it(tmp_path):
    broken(tmp_path, "rasterio", "libgdal.so.37: cannot open shared object file")
    done = run("doctor", path=[broken(tmp_path, "torch", "libcudart.so.13: cannot open shared object file")])
    assert done.returncode == 1
    assert "GDAL in rasterio" in done.stdout and "libgdal.so.37" in done.stdout
    assert "libcudart.so.13" in done.stdout
    assert "Mend first: GDAL in rasterio, PyTorch." in done.stdout and "Traceback" not in done.stderr
    assert "Will not work: mapping and analysis" in done.stdout


def test_other_commands_say_in_one_line_that_a_package_is_missing(tmp_path):
    done = run("status", "--config", "x.yaml", path=[broken(tmp_path, "numpy", "No module named 'numpy'")])
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: No module named 'numpy'.") and "slumpmap doctor" in done.stderr


def test_a_python_without_any_package_gets_a_report():
    """As `python3 -m slumpmap doctor` before `make install`."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", "import runpy, sys; sys.argv = ['slumpmap', 'doctor']; "
         "runpy.run_module('slumpmap', run_name='__main__')"],
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1 and done.stderr == ""
    assert "not installed: " in done.stdout and "make install" in done.stdout
    assert "Mend first: Packages, GDAL in rasterio, GDAL in pyogrio, PyTorch." in done.stdout


def test_missing_and_other_versions_are_told_apart(monkeypatch):
    versions = {"click": "8.5.1", "numpy": "2.0.0", "torch": "2.13.0+cpu"}
    monkeypatch.setattr(doctor, "_version", versions.get)
    monkeypatch.setattr(doctor, "_pins", lambda: {"click": "8.5.1", "numpy": "2.4.6", "torch": "2.13.0", "scipy": "1"})
    requirements = ["click>=8.1", "numpy>=2.0", "torch>=2.6", "planet>=3 ; extra == 'fetch'", "mypy ; extra == 'dev'"]
    monkeypatch.setattr(doctor, "_requirements", lambda: requirements)
    needed, fetch = doctor._packages()
    assert (needed.state, needed.found) == (WARNING, "other versions than tested: numpy 2.0.0, tested 2.4.6")
    assert (fetch.state, fetch.found) == (NOTE, "not installed: planet")
    monkeypatch.setattr(doctor, "_requirements", lambda: [*requirements, "scipy>=1"])
    needed, _ = doctor._packages()
    assert (needed.state, needed.found) == (MISSING, "not installed: scipy")


def test_a_checkout_that_is_not_installed_is_read_from_its_project_file(monkeypatch):
    def nobody(name):
        raise doctor.metadata.PackageNotFoundError(name)

    installed = {doctor._name_in(text) for text in doctor._requirements() if "extra ==" not in text}
    monkeypatch.setattr(doctor.metadata, "requires", nobody)
    needed, fetch = doctor._wanted()
    assert set(needed) == installed and "planet" in fetch and "pytest" not in needed + fetch


@pytest.mark.parametrize(("name", "driver"), [("rasterio", "COG"), ("pyogrio", "GPKG")])
def test_a_gdal_without_a_driver_is_found_out(monkeypatch, name, driver):
    class Env:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def drivers(self):
            return {"GTiff": "", "VRT": ""}

    poor = types.SimpleNamespace(Env=Env, list_drivers=lambda: {"GeoJSON": "rw", "ESRI Shapefile": "rw"})
    poor.__gdal_version__ = "3.0"
    monkeypatch.setattr(doctor, "_imported", lambda _: (poor, ""))
    finding = found(doctor._drivers())[f"GDAL in {name}"]
    assert finding.state == MISSING and finding.found == f"cannot handle {driver}"


# GPU


class Torch:
    """PyTorch on another machine."""

    __version__ = "2.13.0"

    def __init__(self, build="13.0", usable=False, says="", computes=8.0):
        self.version = types.SimpleNamespace(cuda=build)
        self.cuda = types.SimpleNamespace(
            is_available=self.available, device_count=lambda: 1, get_device_name=lambda _: "NVIDIA H100"
        )
        self.usable, self.says, self.computes = usable, says, computes

    def available(self):
        if self.says:
            warnings.warn(self.says, UserWarning, stacklevel=1)
        return self.usable

    def ones(self, count, device):
        assert (count, device) == (8, "cuda")
        if isinstance(self.computes, Exception):
            raise self.computes
        return types.SimpleNamespace(sum=lambda: self.computes)


OLD = (
    "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040). Please update your GPU "
    "driver by downloading and installing a new version"
)
NO_KERNEL = RuntimeError("CUDA error: no kernel image is available for execution on the device")
CARD = ["NVIDIA H100 (driver 470.82)"]


@pytest.mark.parametrize(
    ("torch", "cards", "state", "says", "remedy"),
    [
        (Torch(usable=True), CARD, OK, "NVIDIA H100", ""),
        (Torch(), [], NOTE, "run on the CPU", ""),
        (Torch(build=None), [], NOTE, "run on the CPU", ""),
        (Torch(build=None), CARD, WARNING, "PyTorch is a CPU build", "install torch from PyPI"),
        (Torch(says=OLD), CARD, WARNING, "driver is too old for CUDA 13.0", "update NVIDIA's driver"),
        (Torch(says=OLD), [], WARNING, "driver is too old for CUDA 13.0", "update NVIDIA's driver"),
        (Torch(), CARD, WARNING, "PyTorch cannot reach it", "--gpus all"),
        (Torch(usable=True, computes=NO_KERNEL), CARD, WARNING, "does not compute", "too old or too new"),
        (Torch(usable=True, computes=RuntimeError("out of memory")), CARD, WARNING, "out of memory", "another program"),
        (Torch(usable=True, computes=7.0), CARD, WARNING, "computes wrongly", "update"),
    ],
)  # fmt: skip
def test_gpu(monkeypatch, torch, cards, state, says, remedy):
    monkeypatch.setattr(doctor, "graphics_cards", lambda: cards)
    finding = doctor._gpu(torch, torch.version.cuda)
    assert (finding.state, finding.serves) == (state, GPU)
    assert says in finding.found and remedy in finding.remedy
    # Without a GPU all else works.
    assert doctor.all_there([finding])
    assert doctor.works([finding])[GPU] is (state == OK) and doctor.works([finding])["mapping and analysis"]


def test_training_says_why_the_gpu_is_not_used(monkeypatch, capsys):
    from slumpmap.errors import InputError
    from slumpmap.learning import network

    monkeypatch.setattr(network.torch.cuda, "is_available", Torch(says=OLD).available)
    assert network.choose_device("auto").type == "cpu"
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "driver on your system is too old" in said and "slumpmap doctor" in said
    with pytest.raises(InputError, match=r"no GPU can be used \(CUDA initialization: .*slumpmap doctor"):
        network.choose_device("cuda")
    monkeypatch.setattr(network.torch.cuda, "is_available", Torch().available)
    assert network.choose_device("auto").type == network.choose_device("cpu").type == "cpu"
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(network.torch.cuda, "is_available", Torch(usable=True).available)
    assert network.choose_device("auto").type == network.choose_device("cuda").type == "cuda"


def program(folder, name, body):
    """A program on the path."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)
    return folder


def test_cards_are_asked_of_the_driver(monkeypatch, tmp_path):
    folder = program(tmp_path / "bin", "nvidia-smi", "echo 'NVIDIA A100-SXM4-40GB, 535.104.05'")
    monkeypatch.setenv("PATH", str(folder))
    assert doctor.graphics_cards() == ["NVIDIA A100-SXM4-40GB (driver 535.104.05)"]
    program(folder, "nvidia-smi", "echo NVIDIA-SMI has failed because it could not talk to the driver, sorry; exit 9")
    assert doctor.graphics_cards() == []
    (folder / "nvidia-smi").unlink()
    assert doctor.graphics_cards() == []


# The machine


@pytest.mark.parametrize(("free", "state"), [(60, OK), (10, WARNING), (1, MISSING)])
def test_disk(monkeypatch, tmp_path, free, state):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, free * 2**30))
    finding = doctor._disk(tmp_path / "not" / "yet" / "there")
    assert finding.state == state and f"{free}.0 GiB free in {tmp_path}" in finding.found


def test_a_disk_on_which_nothing_can_be_written(monkeypatch, tmp_path):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(doctor.tempfile, "NamedTemporaryFile", full)
    finding = doctor._disk(tmp_path)
    assert finding.state == MISSING and "No space left" in finding.found and not doctor.all_there([finding])
    (tmp_path / "file").write_text("")
    assert "is a file, not a folder" in doctor._disk(tmp_path / "file" / "results").found


@pytest.mark.parametrize(("limit", "state"), [(2 * 2**30, MISSING), (6 * 2**30, WARNING), (None, OK)])
def test_memory(monkeypatch, limit, state):
    monkeypatch.setattr(doctor.os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 2**23}.get)
    monkeypatch.setattr(doctor, "_limit_of_group", lambda: limit)
    finding = doctor._memory()
    assert finding.state == state and ("limit of the container" in finding.found) == (limit is not None)


@pytest.mark.parametrize(
    ("there", "says", "state"),
    [
        ([], "", NOTE),
        (["sbatch", "squeue"], "slurm 24.05", WARNING),
        (["sbatch", "squeue", "sacct", "scancel"], "", WARNING),
        (["sbatch", "squeue", "sacct", "scancel"], "slurm 24.05", OK),
    ],
)
def test_slurm(monkeypatch, tmp_path, there, says, state):
    for name in there:
        program(tmp_path, name, f"echo {says}" if says else "exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    finding = doctor._slurm()
    assert finding.state == state and (finding.found == says) == (state == OK)


def test_no_compiler_is_no_trouble(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(doctor, "_version", lambda _: None)
    finding = doctor._compiler()
    assert finding.state == NOTE and "none is needed" in finding.found


def test_old_python_is_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 18, "final", 0))
    finding = doctor._python()
    assert finding.state == MISSING and "3.9.18, older than 3.11" in finding.found and "PYTHON=" in finding.remedy


def test_old_python_gets_one_line_from_the_other_commands():
    script = (
        "import sys; sys.version_info = (3, 9, 18, 'final', 0); sys.argv = ['slumpmap', 'status']; import runpy; "
        "runpy.run_module('slumpmap', run_name='__main__')"
    )
    command = [sys.executable, "-c", script]
    surroundings = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == "error: this is Python 3.9.18, and slumpmap needs 3.11 or newer. Run `slumpmap doctor`.\n"


@pytest.mark.parametrize("name", ["doctor.py", "__main__.py", "__init__.py"])
def test_what_has_to_start_on_an_old_python_is_read_by_one(name):
    """The grammar of Python 3.8, as far as this Python can check it."""
    import ast

    ast.parse((ROOT / "src" / "slumpmap" / name).read_text(), feature_version=(3, 8))


# envs/install.sh with programs of its own


FAKE_PYTHON = """
echo "$@" >> "{log}"
case "$1 $2" in
    "-c "*version_info*) exit {too_old} ;;
    "-c "*richdem*) exit 1 ;;
    "-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
esac
"""


def install(folder, too_old=0, free_gib=40, programs=()):
    """Runs the set-up with a Python that only keeps a record."""
    bin_folder = folder / "bin"
    program(bin_folder, "python3", FAKE_PYTHON.format(log=folder / "calls", too_old=too_old))
    line = f"echo 'Filesystem 1024-blocks Used Available'; echo '/dev/x 99999999 1 {free_gib * 2**20} 1% /'"
    program(bin_folder, "df", line)
    for name in ("bash", "awk", "mkdir", "cp", "touch", "cat", *programs):
        (bin_folder / name).symlink_to(shutil.which(name))
    command = ["bash", str(ROOT / "envs" / "install.sh"), "python3", str(folder / "venv")]
    done = subprocess.run(
        command, cwd=folder, env={"PATH": str(bin_folder)}, capture_output=True, text=True, check=False, timeout=60
    )
    return done, (folder / "calls").read_text() if (folder / "calls").exists() else ""


def test_install_with_an_old_python_is_one_message(tmp_path):
    done, calls = install(tmp_path, too_old=1)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "older than Python 3.11" in done.stderr and "make PYTHON=python3.12" in done.stderr
    assert "venv" not in calls and not (tmp_path / "venv").exists()


def test_install_on_a_full_disk_is_one_message(tmp_path):
    done, _ = install(tmp_path, free_gib=2)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "only 2 GiB are free" in done.stderr and not (tmp_path / "venv").exists()


def test_install_without_a_compiler_goes_on_without_richdem(tmp_path):
    done, calls = install(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "richdem is left out (no C++ compiler)" in done.stdout
    assert "install -r requirements.txt" in calls and "richdem==" not in calls
    assert (tmp_path / "venv" / "installed").exists()


def test_wrong_configuration_is_one_message(tmp_path, monkeypatch, capsys):
    from slumpmap.__main__ import main

    demo = (ROOT / "config" / "demo.yaml").read_text()
    monkeypatch.setattr(sys, "argv", ["slumpmap", "status", "--config", str(tmp_path / "x.yaml")])
    for text, says in (("campaign: [", "cannot be read"), (f"{demo}\nseeds: 1\n", "seeds"), ("", "x.yaml")):
        (tmp_path / "x.yaml").write_text(text)
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert ended.value.code == 1 and said.out == "" and said.err.count("\n") == 1
        assert said.err.startswith("error: ") and says in said.err
