"""Looks at a machine and says what of slumpmap will work on it, and what to do about the rest.

Only Python's own library is imported here, and in a way that older Pythons understand too: this has to start where
packages are missing or broken.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

OLDEST_PYTHON = (3, 11)
# Of Debian, macOS and conda alike.
_OTHER_PYTHON = "install Python 3.11 or newer, and name it: make PYTHON=python3.12 install"
_INSTALL = "run `make install` in the checkout, or `pip install -r requirements.txt`"
_GIB = 2**30
# The demo with its data takes 1.1 GiB, a real region of 10,000 km2 and five years some 50.
_LEAST_DISK, _GOOD_DISK = 2 * _GIB, 50 * _GIB
# What training asks for (workflow/rules/learning.smk), and what leaves room beside it.
_LEAST_MEMORY, _GOOD_MEMORY = 4 * _GIB, 8 * _GIB
_ROOT = Path(__file__).parents[2]
# Seconds that a program may take to tell its version.
_PATIENCE = 20
_RASTER_DRIVERS, _VECTOR_DRIVERS = ("GTiff", "COG", "VRT"), ("GPKG", "GeoJSON", "ESRI Shapefile")
_SLURM = ("sbatch", "squeue", "sacct", "scancel")
OK, NOTE, WARNING, MISSING = "ok", "note", "warning", "missing"
MAPPING, GPU, FETCHING, CLUSTER = "mapping and analysis", "training on a GPU", "fetching data", "runs on SLURM"
QGIS = "looking at results in QGIS"


@dataclass(frozen=True)
class Finding:
    """What was found of one thing.

    Args:
        name: what was looked at.
        state: `ok`; `note`: it is not there, and only what is named in `serves` needs it; `warning`: it may fail;
            `missing`: slumpmap does not work without it.
        found: what was found.
        remedy: what to do about it; empty: nothing.
        serves: what works by it.
    """

    name: str
    state: str
    found: str
    remedy: str = ""
    serves: str = MAPPING


def examine(folder: Path) -> list[Finding]:
    """Looks at the machine.

    Args:
        folder: where campaigns are to run; its disk is looked at.
    """
    findings = [_python(), *_packages(), *_drivers(), *_torch(), _compiler(), _disk(folder), _memory(), _cores()]
    return [*findings, _slurm(), _qgis(), _git()]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding("Python", MISSING, f"{version}, older than 3.11", _OTHER_PYTHON)
    return Finding("Python", OK, f"{version}, {platform.system()} {platform.machine()}")


def _packages() -> list[Finding]:
    """The packages that slumpmap imports, and those of its extra `fetch`."""
    pinned, (needed, extra) = _pins(), _wanted()
    if not needed:
        return [Finding("Packages", MISSING, "slumpmap itself is not installed", _INSTALL)]
    return [_presence("Packages", needed, pinned, MAPPING), _presence("Packages of fetch", extra, pinned, FETCHING)]


def _presence(what: str, names: Sequence[str], pinned: Mapping[str, str], serves: str) -> Finding:
    there = {name: _version(name) for name in names}
    lacking = sorted(name for name, version in there.items() if version is None)
    if lacking:
        remedy = _INSTALL if serves == MAPPING else "run `pip install 'slumpmap[fetch]'` if you want it"
        return Finding(
            what, MISSING if serves == MAPPING else NOTE, f"not installed: {_listed(lacking)}", remedy, serves
        )
    # A build for CPU alone is called 2.13.0+cpu, and is that version.
    found = {name: (version or "").partition("+")[0] for name, version in there.items()}
    others = [f"{name} {own}, tested {pinned[name]}" for name, own in found.items() if pinned.get(name, own) != own]
    if others:
        return Finding(what, WARNING, f"other versions than tested: {_listed(others)}", _INSTALL, serves)
    return Finding(what, OK, f"{len(there)} there{', as tested' if pinned else ''}", serves=serves)


def _listed(names: Sequence[str]) -> str:
    """Names, the first of them where there are many."""
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _pins() -> dict[str, str]:
    """Package to the version that was tested; nothing outside of a checkout."""
    file = _ROOT / "requirements.txt"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    pairs = [line.partition("==") for line in lines if "==" in line and not line.startswith("#")]
    return {_plain(name): version.strip() for name, _, version in pairs}


def _wanted() -> tuple[list[str], list[str]]:
    """Names of the packages that slumpmap needs, and that `fetch` needs beside."""
    texts = _requirements()
    needed = [text for text in texts if "extra ==" not in text]
    extra = [text for text in texts if re.search(r"extra == ['\"]fetch['\"]", text)]
    return [_name_in(text) for text in needed], [_name_in(text) for text in extra]


def _requirements() -> list[str]:
    """What the installed slumpmap says that it needs; of a checkout that is not installed, its pyproject.toml."""
    try:
        return metadata.requires("slumpmap") or []
    except metadata.PackageNotFoundError:
        file = _ROOT / "pyproject.toml"
        if not file.exists() or sys.version_info[:2] < OLDEST_PYTHON:
            return []
        project = importlib.import_module("tomllib").loads(file.read_text(encoding="utf-8"))["project"]
        fetch = [f"{text} ; extra == 'fetch'" for text in project["optional-dependencies"]["fetch"]]
        return [*project["dependencies"], *fetch]


def _name_in(requirement: str) -> str:
    return _plain(re.split(r"[\s;<>=!~\[(]", requirement.strip(), maxsplit=1)[0])


def _plain(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _imported(name: str) -> tuple[Any, str]:
    """A module, or None and the reason why it cannot be imported; broken libraries raise anything."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name), ""
    except Exception as error:
        return None, _one_line(error)


def _one_line(error: object) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:300]} ..."


def _drivers() -> list[Finding]:
    """Formats that the GDAL inside rasterio and pyogrio reads and writes."""

    def of_rasterio(module: Any) -> Sequence[str]:
        with module.Env() as env:
            return list(env.drivers())

    return [
        _formats("rasterio", of_rasterio, _RASTER_DRIVERS),
        _formats("pyogrio", lambda module: list(module.list_drivers()), _VECTOR_DRIVERS),
    ]


def _formats(name: str, drivers: Callable[[Any], Sequence[str]], needed: Sequence[str]) -> Finding:
    module, reason = _imported(name)
    what = f"GDAL in {name}"
    if module is None:
        return Finding(what, MISSING, f"cannot be loaded: {reason}", _INSTALL)
    lacking = sorted(set(needed) - set(drivers(module)))
    if lacking:
        return Finding(what, MISSING, f"cannot handle {', '.join(lacking)}", f"install the wheel from PyPI: {_INSTALL}")
    version = getattr(module, "__gdal_version_string__", None) or module.__gdal_version__
    return Finding(what, OK, f"{version}, {', '.join(needed)}")


def _torch() -> list[Finding]:
    """PyTorch, and whether it can use a GPU."""
    torch, reason = _imported("torch")
    if torch is None:
        return [Finding("PyTorch", MISSING, f"cannot be loaded: {reason}", _INSTALL)]
    build = torch.version.cuda
    version = f"{torch.__version__} ({'CUDA ' + build if build else 'CPU build'})"
    return [Finding("PyTorch", OK, version), _gpu(torch, build)]


def _gpu(torch: Any, build: str | None) -> Finding:
    cards = graphics_cards()
    if not build:
        if not cards:
            return Finding("GPU", NOTE, "none: training and inference run on the CPU", serves=GPU)
        remedy = "install torch from PyPI, which brings CUDA, instead of the CPU build"
        return Finding("GPU", WARNING, f"{cards[0]}, but PyTorch is a CPU build and cannot use it", remedy, GPU)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        usable = bool(torch.cuda.is_available())
    told = " ".join(_one_line(warning.message) for warning in said)
    if usable:
        return _cards_of(torch)
    if "too old" in told:
        remedy = f"update NVIDIA's driver to one for CUDA {build}, or install a torch for an older CUDA"
        driver = cards[0] if cards else "a GPU"
        return Finding("GPU", WARNING, f"{driver}: its driver is too old for CUDA {build}", remedy, GPU)
    if cards:
        remedy = "look at `nvidia-smi`; in a container, pass the GPU in (docker run --gpus all)"
        reason = f" ({told})" if told else ""
        return Finding("GPU", WARNING, f"{cards[0]}, but PyTorch cannot reach it{reason}", remedy, GPU)
    return Finding("GPU", NOTE, "none that NVIDIA's driver knows: training and inference run on the CPU", serves=GPU)


def graphics_cards() -> list[str]:
    """Names of NVIDIA's cards with the version of their driver, as the driver tells them."""
    said = _said("nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader")
    return [
        " (driver ".join(part.strip() for part in line.split(",")) + ")" for line in said.splitlines() if "," in line
    ]


def _cards_of(torch: Any) -> Finding:
    """The GPUs that PyTorch reaches, tried by a small sum."""
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    found = ", ".join(names)
    try:
        right = float(torch.ones(8, device="cuda").sum()) == 8.0
    except Exception as error:
        reason = _one_line(error)
        if "no kernel image" in reason or "not compatible" in reason:
            remedy = "the card is too old or too new for this build; install a torch that supports it"
        else:
            remedy = "look at `nvidia-smi` whether another program fills the card"
        return Finding("GPU", WARNING, f"{found}, but it does not compute ({reason})", remedy, GPU)
    if not right:
        return Finding("GPU", WARNING, f"{found}, but it computes wrongly", "update NVIDIA's driver", GPU)
    return Finding("GPU", OK, found, serves=GPU)


def _compiler() -> Finding:
    """A C++ compiler, which nothing needs but the building of richdem."""
    if _version("richdem") is not None:
        return Finding("C++ compiler", OK, "not needed any more, richdem is built")
    if shutil.which("g++"):
        return Finding("C++ compiler", OK, "g++: richdem can be built (optional)")
    return Finding("C++ compiler", NOTE, "none, and none is needed: slope comes from slumpmap instead of richdem")


def _disk(folder: Path) -> Finding:
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not there.is_dir():
        return Finding("Disk", MISSING, f"{there} is a file, not a folder", "choose another folder with --folder")
    free = shutil.disk_usage(there).free
    found = f"{free / _GIB:.1f} GiB free in {there}"
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".doctor.") as handle:
            handle.write(b"\0")
            handle.flush()
    except OSError as error:
        remedy = "make room" if free < _GIB else "make the folder writable, or choose another one with --folder"
        return Finding("Disk", MISSING, f"{found}, and nothing can be written ({_one_line(error)})", remedy)
    if free < _LEAST_DISK:
        return Finding("Disk", MISSING, found, "make room: the demo takes 1.1 GiB, and training writes beside it")
    if free < _GOOD_DISK:
        remedy = "enough for the demo; a region of 10,000 km2 and five years takes some 50 GiB"
        return Finding("Disk", WARNING, found, remedy)
    return Finding("Disk", OK, found)


def _memory() -> Finding:
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return Finding("Memory", NOTE, "its size is not known here")
    limit = _limit_of_group()
    memory = machine if limit is None else min(machine, limit)
    found = f"{memory / _GIB:.1f} GiB{' (limit of the container)' if memory < machine else ''}"
    if memory < _LEAST_MEMORY:
        return Finding("Memory", MISSING, found, "training needs some 4 GiB: take a larger machine")
    if memory < _GOOD_MEMORY:
        return Finding("Memory", WARNING, found, "run few jobs at a time: snakemake --cores 2")
    return Finding("Memory", OK, found)


def _limit_of_group() -> int | None:
    """Bytes that a container leaves us; None: no limit is known."""
    for name in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        return int(text) if text.isdigit() else None
    return None


def _cores() -> Finding:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Finding("Cores", OK, f"{count}")


def _slurm() -> Finding:
    there = [name for name in _SLURM if shutil.which(name)]
    if not there:
        return Finding("SLURM", NOTE, "none: campaigns run on this machine alone", serves=CLUSTER)
    lacking = [name for name in _SLURM if name not in there]
    if lacking:
        remedy = "ask the cluster's administrators; docs/cluster.md says what is used"
        return Finding("SLURM", WARNING, f"{', '.join(there)}, but no {', '.join(lacking)}", remedy, CLUSTER)
    version = _said("sbatch", "--version").strip()
    if not version:
        remedy = "run where the cluster's slurm.conf is, such as a login node"
        return Finding("SLURM", WARNING, "its commands are there, but `sbatch --version` fails", remedy, CLUSTER)
    return Finding("SLURM", OK, version, serves=CLUSTER)


def _qgis() -> Finding:
    name = next((name for name in ("qgis", "qgis-ltr", "qgis_process") if shutil.which(name)), None)
    if name is None:
        return Finding("QGIS", NOTE, "not on the path; any machine's QGIS 3.22 or later opens the results", serves=QGIS)
    return Finding("QGIS", OK, f"{name}", serves=QGIS)


def _git() -> Finding:
    if shutil.which("git"):
        return Finding("git", OK, "records of provenance name the commit")
    return Finding("git", NOTE, "none: records of provenance do not name the commit")


def _said(*command: str) -> str:
    """What a program prints; nothing where it is not there, fails or hangs."""
    if shutil.which(command[0]) is None:
        return ""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout if done.returncode == 0 else ""


def all_there(findings: Sequence[Finding]) -> bool:
    """Whether nothing is missing that slumpmap needs."""
    return all(finding.state != MISSING for finding in findings)


def works(findings: Sequence[Finding]) -> dict[str, bool]:
    """What will work: nothing without what is needed, and each thing only by what it needs beside."""
    needed = all_there(findings)
    beside = dict.fromkeys((MAPPING, GPU, FETCHING, CLUSTER, QGIS), True)
    for finding in findings:
        if finding.state != OK and finding.serves != MAPPING:
            beside[finding.serves] = False
    # QGIS opens what is there already, whatever is missing here.
    return {serves: there and (needed or serves == QGIS) for serves, there in beside.items()}


def report(findings: Sequence[Finding]) -> str:
    """The findings for people."""
    widest = max(len(finding.name) for finding in findings)
    lines = []
    for finding in findings:
        lines.append(f"{finding.state:8}{finding.name:{widest + 2}}{finding.found}")
        if finding.remedy:
            lines.append(f"{'':{widest + 10}}-> {finding.remedy}")
    promised = works(findings)
    lines += ["", f"Will work: {', '.join(name for name, there in promised.items() if there) or 'nothing'}."]
    lacking = [name for name, there in promised.items() if not there]
    if lacking:
        lines.append(f"Will not work: {', '.join(lacking)}.")
    wrong = [finding.name for finding in findings if finding.state == MISSING]
    lines.append("Everything that is needed is here." if not wrong else f"Mend first: {', '.join(wrong)}.")
    return "\n".join(lines)


def as_json(findings: Sequence[Finding]) -> str:
    """The findings for programs."""
    facts = {
        "complete": all_there(findings),
        "works": works(findings),
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(facts, indent=1)


def run(folder: Path, json_wanted: bool) -> int:
    """Prints the findings; returns the exit status: 1 where something needed is missing."""
    findings = examine(folder)
    print(as_json(findings) if json_wanted else report(findings))
    return 0 if all_there(findings) else 1


def main(arguments: Sequence[str]) -> int:
    """`slumpmap doctor` without the packages that the other commands import.

    Args:
        arguments: what stands behind `doctor`.

    Returns:
        Exit status.
    """
    import argparse

    parser = argparse.ArgumentParser(prog="slumpmap doctor", description="Look at this machine: what will work on it?")
    parser.add_argument("--folder", type=Path, default=Path(), help="where campaigns are to run; default: here")
    parser.add_argument("--json", action="store_true", help="for programs instead of people")
    given = parser.parse_args(arguments)
    return run(given.folder, given.json)
