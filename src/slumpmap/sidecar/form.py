"""The form of a sidecar: `.NAME.prov.json` beside a product, hidden, so that folders look as they did."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from slumpmap.errors import InputError
from slumpmap.files import read_json, write_text

SUFFIX = ".prov.json"
FORM = 1
# Hash of an input that was changed while the command ran: nobody knows which content was read.
UNKNOWN = "unknown"
# Longer names leave no room for what is put round them; a file system takes 255 bytes.
_LONGEST = 200


@dataclass(frozen=True)
class Content:
    """What a file or a folder held.

    Attributes:
        sha256: of the bytes; of a folder, over the names and hashes of its files.
        bytes: size; of a folder, of its files together.
        mtime_ns: time of the last change, ns; with the size it tells cheaply that nothing changed.
    """

    sha256: str
    bytes: int
    mtime_ns: int


@dataclass(frozen=True)
class Run:
    """The command that made a product.

    Attributes:
        id: the same in all sidecars of one run.
        folder: where it ran, relative to the product's folder, so that a campaign can be moved as a whole.
        command: arguments of `slumpmap`, without credentials.
        settings: options and settings with their values in force, defaults too.
        inputs: what it read, by path; paths here and in `products` are relative to `folder`, or absolute.
        products: all that it made.
        software: versions and commit, see `software`.
        started: UTC, ISO 8601.
        seconds: how long it took.
    """

    id: str
    folder: str
    command: Sequence[str]
    settings: Mapping[str, Any]
    inputs: Mapping[str, Content]
    products: Sequence[str]
    software: Mapping[str, Any]
    started: str
    seconds: float


@dataclass(frozen=True)
class Sidecar:
    """A product with the run that made it.

    Attributes:
        product: the file or folder.
        is_folder: whether it is a folder as a whole.
        content: what it held when it was made.
        run: what made it.
    """

    product: Path
    is_folder: bool
    content: Content
    run: Run

    @property
    def base(self) -> Path:
        """The folder in which the run took place, absolute."""
        return Path(os.path.normpath(self.product.absolute().parent / self.run.folder))

    def inputs(self) -> dict[Path, Content]:
        """The inputs with absolute paths."""
        return {absolute(self.base, path): content for path, content in self.run.inputs.items()}

    def products(self) -> list[Path]:
        """All products of the run, absolute."""
        return [absolute(self.base, path) for path in self.run.products]


def absolute(base: Path, path: str | Path) -> Path:
    """A path that counts from `base`, absolute and without `..`; links are left as they are."""
    return Path(os.path.normpath(base / path))


def sidecar_path(product: Path) -> Path:
    """Where the sidecar of a product lies."""
    name = product.name
    if len(os.fsencode(name)) > _LONGEST:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return product.with_name(f".{name}{SUFFIX}")


def write_sidecar(sidecar: Sidecar) -> None:
    """Writes a sidecar beside its product, atomically."""
    values = {
        "form": FORM,
        "product": sidecar.product.name,
        "is_folder": sidecar.is_folder,
        "content": sidecar.content,
        "run": sidecar.run,
    }
    # ASCII: a name in a folder may hold bytes that no encoding explains, which UTF-8 refuses to write.
    write_text(sidecar_path(sidecar.product), json.dumps(values, indent=1, default=vars) + "\n")


def read_sidecar(path: Path) -> Sidecar:
    """Reads a sidecar.

    Raises:
        InputError: it is unreadable, of another form, or no sidecar.
    """
    values = read_json(path)
    try:
        if values["form"] != FORM:
            raise InputError(path, f"sidecar of form {values['form']!r}", "use the slumpmap that wrote it")
        inputs = {name: Content(**content) for name, content in values["run"]["inputs"].items()}
        run = replace(Run(**values["run"]), inputs=inputs)
        return Sidecar(
            Path(path).with_name(values["product"]), bool(values["is_folder"]), Content(**values["content"]), run
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(path, f"no sidecar ({error!r})", "remove it with its product, run snakemake") from error


def sidecar_of(path: Path) -> Sidecar | None:
    """The sidecar of a file or folder, or of the folder product in which it lies; None where there is none.

    Raises:
        InputError: there is one that is unreadable.
    """
    own = sidecar_path(path)
    if own.is_file():
        return read_sidecar(own)
    for folder in path.absolute().parents[:-1]:
        above = sidecar_path(folder)
        if above.is_file():
            sidecar = read_sidecar(above)
            if sidecar.is_folder:
                return sidecar
    return None
