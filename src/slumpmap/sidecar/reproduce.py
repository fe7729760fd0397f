"""The commands that make one product, from what nobody made to itself; and running them beside the campaign."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import slumpmap
from slumpmap.errors import InputError
from slumpmap.sidecar.command import HIDDEN
from slumpmap.sidecar.digest import content_of, known_content
from slumpmap.sidecar.form import SUFFIX, Run, Sidecar, read_sidecar, sidecar_of

_LOG_LINES = 12


@dataclass(frozen=True)
class Step:
    """One command of a chain.

    Attributes:
        run: the run that is repeated.
        base: the folder in which it took place.
        products: those of its products that the chain needs, with their sidecars.
    """

    run: Run
    base: Path
    products: Sequence[Sidecar]


@dataclass(frozen=True)
class Chain:
    """What it takes to make a product again.

    Attributes:
        target: the product.
        steps: the commands, in an order in which they can run.
        brought: the files that they start from; nobody made them, or a step that was left out.
        doubts: why the result may differ from the product that is there, in words.
    """

    target: Sidecar
    steps: Sequence[Step]
    brought: Sequence[Path]
    doubts: Sequence[str]

    @property
    def seconds(self) -> float:
        """How long the commands took when they ran."""
        return sum(step.run.seconds for step in self.steps)


@dataclass(frozen=True)
class Comparison:
    """A product of the campaign beside the one that was made again.

    Attributes:
        product: that of the campaign.
        again: the new one.
        same: whether they are equal to the byte.
    """

    product: Path
    again: Path
    same: bool


def find_product(name: str, folder: Path) -> Path:
    """A product by its path, or by its name with or without suffix, such as `fig05_inventory`, below a folder.

    Where a figure was written as PNG and PDF, the PNG is taken.

    Raises:
        InputError: there is no such product, or several.
    """
    # A path that names a file is taken as it is, whatever else has that name.
    if Path(name).exists():
        return Path(name)
    found: list[Path] = []
    for top, folders, names in os.walk(folder):
        folders[:] = [entry for entry in folders if not entry.startswith(".")]
        for entry in names:
            if entry.startswith(".") and entry.endswith(SUFFIX):
                product = read_sidecar(Path(top) / entry).product
                if name in (product.name, product.stem):
                    found.append(product)
    if len({path.with_suffix("") for path in found}) > 1:
        places = ", ".join(str(path) for path in sorted(found))
        raise InputError(name, f"there are several ({places})", "give the path of one")
    if not found:
        raise InputError(name, f"no product of that name in {folder}", "give its path, or the folder it lies in")
    return min(found, key=lambda path: (path.suffix != ".png", path.suffix == ".pdf", path))


def chain_of(product: Path, last: int | None = None) -> Chain:
    """The commands that make a product.

    Args:
        product: file or folder.
        last: only so many commands, the last ones; they start from the products that are there.

    Raises:
        InputError: the product has no sidecar, or one on the way is unreadable.
    """
    target = sidecar_of(product.absolute())
    if target is None:
        raise InputError(product, "nothing says how it was made", "run snakemake with this version of slumpmap first")
    makers: dict[Path, Sidecar | None] = {}
    order: dict[str, list[Sidecar]] = {}
    _visit(target, makers, order)
    runs = list(order.values())[-last:] if last is not None else list(order.values())
    # The sidecars of one run differ in the product alone.
    steps = [Step(made[0].run, made[0].base, list({one.product: one for one in made}.values())) for made in runs]
    made = {sidecar.product for step in steps for sidecar in step.products}
    read = {path for step in steps for path in step.products[0].inputs()}
    brought = sorted(path for path in read if path not in made and made.isdisjoint(path.parents))
    return Chain(target, steps, brought, _doubts(target, steps, set(brought), makers))


def _visit(sidecar: Sidecar, makers: dict[Path, Sidecar | None], order: dict[str, list[Sidecar]]) -> None:
    """Adds the run of a product behind those of its inputs; runs in other folders are left out."""
    run = sidecar.run.id
    if run in order:
        order[run].append(sidecar)
        return
    # Noted at once, so that a run that read what a later one made does not go round in circles.
    makers[sidecar.product] = sidecar
    for path in sidecar.inputs():
        if path not in makers:
            maker = makers[path] = sidecar_of(path)
            if maker is not None and maker.base == sidecar.base and maker.run.id != run:
                _visit(maker, makers, order)
    order.setdefault(run, []).append(sidecar)


def _doubts(
    target: Sidecar, steps: Sequence[Step], brought: AbstractSet[Path], makers: Mapping[Path, Sidecar | None]
) -> list[str]:
    """Where files are no longer what the commands read."""
    found: dict[str, None] = {}
    if target.product.exists() and known_content(target.product).sha256 != target.content.sha256:
        found[f"{target.product} changed since it was made"] = None
    for step in steps:
        product = step.products[0].product
        for path, content in step.products[0].inputs().items():
            maker = makers.get(path)
            if path in brought:
                if path.exists() and known_content(path).sha256 != content.sha256:
                    found[f"{path} changed since {product} was made from it"] = None
            elif maker is not None and maker.product == path and maker.content.sha256 != content.sha256:
                found[f"{product} was made from an older {path}"] = None
    return list(found)


def run_chain(chain: Chain, into: Path) -> Iterator[tuple[Step, list[Comparison]]]:
    """Runs the commands of a chain below another folder, and compares what they make with what is there.

    Below `into` the file system is repeated: links stand for the files that the chain starts from, and each command
    runs in the image of the folder in which it ran. Nothing of the campaign is touched.

    Args:
        chain: the commands.
        into: an empty folder, or one that is made.

    Yields:
        Each step when it is done, with the comparison of its products.

    Raises:
        InputError: a file that the chain starts from is gone, a command cannot be repeated, or it fails.
    """
    root = into.absolute()
    root.mkdir(parents=True, exist_ok=True)
    if any(root.iterdir()):
        raise InputError(into, "the folder is not empty", "give a new one")
    commands = [_moved(step, root) for step in chain.steps]
    for path in chain.brought:
        if not path.exists():
            raise InputError(path, f"is gone, and {chain.target.product.name} was made from it", "bring it back")
        image = _image(root, path)
        image.parent.mkdir(parents=True, exist_ok=True)
        image.symlink_to(path)
    for number, (step, command) in enumerate(zip(chain.steps, commands, strict=True), 1):
        _run(command, _image(root, step.base), root / f"step_{number:03d}.log")
        yield step, [_compared(sidecar, root) for sidecar in step.products]


def _image(root: Path, path: Path) -> Path:
    """Where a path of the file system lies below `root`."""
    return root / path.relative_to(path.anchor)


def _moved(step: Step, root: Path) -> list[str]:
    """The arguments of a step with absolute paths below `root`; relative ones count from the folder it runs in."""
    if any(HIDDEN in argument for argument in step.run.command):
        raise InputError(step.run.command[0], "a credential of the command was not kept", "run the command by hand")
    moved = [
        re.sub(r"(^|=)(?=/)", lambda found: f"{found.group()}{root}", argument, count=1)
        if re.search(r"(^|=)/", argument)
        else argument.replace(f"{step.base}/", f"{_image(root, step.base)}/")
        for argument in step.run.command
    ]
    # Better to refuse than to write where the product lies.
    places = {str(sidecar.product.parent) for sidecar in step.products}
    if any(place in argument.replace(f"{root}{place}", "") for argument in moved for place in places):
        raise InputError(step.run.command[0], "it would write into the campaign itself", "run the command by hand")
    return moved


def _run(command: Sequence[str], folder: Path, log: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    packages = str(Path(slumpmap.__file__).parents[1])
    path = os.pathsep.join([packages, *filter(None, [os.environ.get("PYTHONPATH")])])
    with log.open("wb") as handle:
        done = subprocess.run(
            [sys.executable, "-m", "slumpmap", *command],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": path},
            stdout=handle,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        said = log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]
        raise InputError(" ".join(command[:2]), "the command failed:\n" + "\n".join(said), f"all it said is in {log}")


def _compared(sidecar: Sidecar, root: Path) -> Comparison:
    again = _image(root, sidecar.product)
    same = again.exists() and content_of(again).sha256 == sidecar.content.sha256
    return Comparison(sidecar.product, again, same)
