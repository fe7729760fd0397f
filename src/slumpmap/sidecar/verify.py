"""What changed since the products of a campaign were made."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from slumpmap.errors import InputError
from slumpmap.sidecar.digest import content_of, known_content, size_and_time
from slumpmap.sidecar.form import SUFFIX, UNKNOWN, Content, Sidecar, read_sidecar, sidecar_of, sidecar_path

Kind = Literal["changed", "input newer", "older input", "input missing", "no sidecar", "unreadable"]
_RERUN = "run snakemake: it makes again what depends on it"
_REMEDIES: dict[Kind, str] = {
    "changed": "changed since it was made; remove it and run snakemake, or keep a copy under another name",
    "input newer": f"changed since it was read; {_RERUN}",
    "older input": f"made again since it was read; {_RERUN}",
    "input missing": "is gone; bring it back, or run snakemake with what there is",
    "no sidecar": "nothing says where it comes from; remove it and run snakemake, or move it out of the results",
    "unreadable": "remove it with its product and run snakemake",
}
# Times and messages of the jobs: read by the report, and new after every run.
_RECORDS = ("benchmarks", "logs")
# Snakemake's own report of the run (`snakemake --report`), and the configuration that `slumpmap analyse` runs with.
_NO_PRODUCTS = ("report.html", "analysis/given/config.yaml")
# What TensorBoard shows of a training, beside the model.
_BOARD = "_tensorboard"
_THREADS = 4


@dataclass(frozen=True)
class Finding:
    """Something that is not as the sidecars say.

    Attributes:
        kind: what is wrong.
        path: the file at fault.
        products: what rests on it.
    """

    kind: Kind
    path: Path
    products: Sequence[Path] = ()

    @property
    def remedy(self) -> str:
        """What is wrong in words, and what to do."""
        return _REMEDIES[self.kind]


@dataclass
class Verification:
    """What the sidecars of a folder say, compared with the files.

    Attributes:
        products: number of products that are there.
        inputs: number of files that nobody made and that products rest on.
        gone: products that are no longer there: temporary ones, or cleaned away. That is no fault.
        findings: what is wrong.
        versions: number of products by what made them; several are no fault, but worth knowing.
    """

    products: int = 0
    inputs: int = 0
    gone: list[Path] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)


def verify(folder: Path, quick: bool = False, people: Path | None = None) -> Verification:
    """Compares all products of a results folder, and what they were made from, with their sidecars.

    Args:
        folder: the campaign's results.
        quick: whether size and time of a file suffice where they are as recorded; other files are read anyway.
        people: folder in which people write, which may lie in the results.

    Raises:
        InputError: the folder is missing or holds no sidecar, or a file cannot be read.
    """
    folder = Path(os.path.normpath(folder.absolute()))
    if not folder.is_dir():
        raise InputError(folder, "there is no such folder", "give the campaign's configuration or its results folder")
    report = Verification()
    sidecars = _collect(folder, report)
    if not sidecars and not report.findings:
        raise InputError(folder, "no product here has a sidecar", "run snakemake with this version of slumpmap")
    records = tuple(folder / name for name in _RECORDS)
    rests: dict[Path, dict[Content, list[Path]]] = {}
    for sidecar in sidecars.values():
        if sidecar.product.exists():
            report.versions[_maker(sidecar)] += 1
            for path, content in sidecar.inputs().items():
                if not any(path.is_relative_to(place) for place in records):
                    rests.setdefault(path, {}).setdefault(content, []).append(sidecar.product)
    there = {path: sidecar for path, sidecar in sidecars.items() if path.exists()}
    recorded = {path: [sidecar.content] for path, sidecar in there.items()}
    for path, contents in rests.items():
        if path.exists():
            recorded.setdefault(path, []).extend(contents)
    now = _contents(recorded, quick)
    report.products = len(there)
    report.inputs = sum(path not in sidecars for path in rests)
    report.gone = sorted(path for path in sidecars if path not in there)
    report.findings += _products_changed(there, now, rests)
    report.findings += _inputs_changed(sidecars, now, rests)
    others = records if people is None else (*records, Path(os.path.normpath(people.absolute())))
    report.findings += [Finding("no sidecar", path) for path in _unrecorded(folder, sidecars, others)]
    report.findings.sort(key=lambda finding: (list(_REMEDIES).index(finding.kind), finding.path))
    return report


def _collect(folder: Path, report: Verification) -> dict[Path, Sidecar]:
    """The sidecars of a folder, and those of what its products were made from wherever that lies."""
    found: dict[Path, Sidecar] = {}
    waiting: list[Sidecar] = []
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in sorted(names):
            if name.startswith(".") and name.endswith(SUFFIX):
                try:
                    waiting.append(read_sidecar(Path(top) / name))
                except InputError:
                    report.findings.append(Finding("unreadable", Path(top) / name))
    seen: set[Path] = set()
    while waiting:
        sidecar = waiting.pop()
        found[sidecar.product] = sidecar
        for path in sidecar.inputs().keys() - seen:
            seen.add(path)
            if path in found or path.is_relative_to(folder):
                continue
            try:
                maker = sidecar_of(path)
            except InputError:
                report.findings.append(Finding("unreadable", sidecar_path(path)))
                continue
            if maker is not None and maker.product not in found:
                waiting.append(maker)
    return found


def _contents(recorded: Mapping[Path, Sequence[Content]], quick: bool) -> dict[Path, str]:
    """The hashes of files and folders as they are now."""

    def now(path: Path) -> str:
        if not quick:
            return content_of(path).sha256
        facts = size_and_time(path)
        for content in recorded[path]:
            if content.sha256 != UNKNOWN and (content.bytes, content.mtime_ns) == facts:
                return content.sha256
        return known_content(path).sha256

    with ThreadPoolExecutor(_THREADS) as pool:
        return dict(zip(recorded, pool.map(now, recorded), strict=True))


def _products_changed(
    there: Mapping[Path, Sidecar], now: Mapping[Path, str], rests: Mapping[Path, Mapping[Content, list[Path]]]
) -> list[Finding]:
    return [
        Finding("changed", path, _unlike(rests.get(path, {}), now[path]))
        for path, sidecar in there.items()
        if sidecar.content.sha256 != now[path]
    ]


def _inputs_changed(
    sidecars: Mapping[Path, Sidecar], now: Mapping[Path, str], rests: Mapping[Path, Mapping[Content, list[Path]]]
) -> list[Finding]:
    """Inputs that differ from what products were made from; those that were changed by hand are named elsewhere."""
    findings = []
    for path, contents in rests.items():
        made = sidecars.get(path)
        if path not in now:
            if made is None and not _inside_product(path, sidecars):
                findings.append(Finding("input missing", path, _unlike(contents, "")))
            continue
        if made is not None and made.content.sha256 != now[path]:
            continue
        stale = _unlike(contents, now[path])
        if stale:
            findings.append(Finding("input newer" if made is None else "older input", path, stale))
    return findings


def _unlike(contents: Mapping[Content, Iterable[Path]], sha256: str) -> list[Path]:
    """The products that were made from another content than this."""
    return sorted({path for content, paths in contents.items() if content.sha256 != sha256 for path in paths})


def _inside_product(path: Path, sidecars: Mapping[Path, Sidecar]) -> bool:
    return any(parent in sidecars for parent in path.parents)


def _unrecorded(folder: Path, sidecars: Mapping[Path, Sidecar], others: Sequence[Path]) -> list[Path]:
    """Files of the results that no sidecar knows, but for those in some other folders."""
    found = []
    for top, folders, names in os.walk(folder):
        here = Path(top)
        folders[:] = [
            name
            for name in folders
            if not (name.startswith(".") or name.endswith(_BOARD))
            and here / name not in others
            and here / name not in sidecars
        ]
        found += [here / name for name in names if not name.startswith(".") and here / name not in sidecars]
    # An unreadable sidecar is a finding of its own.
    unknown = [path for path in found if not sidecar_path(path).exists()]
    return sorted(path for path in unknown if path.relative_to(folder).as_posix() not in _NO_PRODUCTS)


def _maker(sidecar: Sidecar) -> str:
    """Version and commit in words."""
    software = sidecar.run.software
    git = software.get("git")
    commit = "" if git is None else f", commit {git['commit'][:10]}{' with changes' if git['changed'] else ''}"
    return f"slumpmap {software['slumpmap']}{commit}, Python {software['python']}"
