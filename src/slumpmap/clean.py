"""Room on the disk: removes what a campaign can make again, and nothing else.

A file goes only where all of this holds: it has one of the names below; a sidecar says that a command made it, and it
is as it was made; the product that was made from it stands and is younger; no part of its path below the campaign's
folder is a link; it does not lie where people write. So nothing that a person made or changed can go. Sidecars stay, so
that `slumpmap verify` can still say what was there.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from slumpmap.cluster import refuse_orphans
from slumpmap.config import Config
from slumpmap.errors import InputError
from slumpmap.records import read_outcome
from slumpmap.runlock import claim
from slumpmap.sidecar.form import read_sidecar, sidecar_path
from slumpmap.vector import load_layer

# What runs again when something that was made from the files is wanted anew.
AGAIN: Mapping[str, str] = {
    "leftovers": "nothing: killed jobs left them half-written",
    "training pixels": "windows are cut again before a network is trained again",
    "traced parts": "polygons are traced again when candidates of that iteration are wanted anew",
    "probability": "inference runs again when candidates of that iteration are wanted anew (candidates.threshold), "
    "or a map of probabilities",
    "cross-validation maps": "inference of that part runs again when its scores are wanted anew",
    "yearly probabilities": "candidates of an earlier iteration are looked at in all years again when wanted",
    "pictures": "pictures are made again when time-lapse files of that iteration are wanted anew; its page needs them",
    "imagery": "scenes are composited again, all years, before anything looks at an image: another iteration, "
    "figures with images, the site's sheets",
}
_LEFTOVER = re.compile(r"\..*\.[0-9a-f]{8}\.part(\.[A-Za-z0-9]+)?")
_TILE = r"x\d{3,}_y\d{3,}"


@dataclass(frozen=True)
class Removable:
    """A file that can be made again.

    Attributes:
        kind: what it is, a key of `AGAIN`.
        path: where, from the campaign's folder.
        size: bytes on the disk.
    """

    kind: str
    path: Path
    size: int


@dataclass(frozen=True)
class Cleaning:
    """What a cleaning removes, and what it leaves.

    Attributes:
        folder: the campaign's folder, with links in its own path followed.
        files: what goes, in the order in which it goes.
        kept: files that have the name of something removable and stay, with the reason.
    """

    folder: Path
    files: Sequence[Removable]
    kept: Sequence[tuple[Path, str]]

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Number of files and bytes of each kind."""
        found: dict[str, tuple[int, int]] = {}
        for file in self.files:
            count, size = found.get(file.kind, (0, 0))
            found[file.kind] = count + 1, size + file.size
        return found


@dataclass(frozen=True)
class _Group:
    """Files of one kind in a folder.

    Attributes:
        kind: key of `AGAIN`.
        folder: where they lie, from the campaign's folder.
        name: pattern of their names.
        made: what was made from them; they go when all of it stands, and is younger.
        after: what must be there too, however old.
    """

    kind: str
    folder: str
    name: str
    made: Sequence[str]
    after: Sequence[str] = ()


def look(config: Config, pictures: bool = False, imagery: bool = False) -> Cleaning:
    """What can go; removes nothing.

    Args:
        config: the campaign.
        pictures: whether pictures of candidates go where all is decided.
        imagery: whether the 8-bit tiles go.

    Raises:
        InputError: imagery is asked for and the campaign goes on, or its scenes are gone.
    """
    folder = Path(os.path.realpath(config.folder))
    if not folder.is_dir():
        return Cleaning(folder, [], [])
    groups = [*_iteration_groups(config, folder, pictures), *_crossval_groups(folder)]
    if imagery:
        _check_over(config, folder)
        groups += _imagery_groups(config)
    brought = _of_people(config)
    files = [*_leftovers(folder, brought)]
    kept: list[tuple[Path, str]] = []
    for group in groups:
        for path in _named(folder, group):
            reason = _reason_to_stay(folder, path, group, brought)
            if reason is None:
                files.append(Removable(group.kind, path, (folder / path).lstat().st_blocks * 512))
            else:
                kept.append((path, reason))
    return Cleaning(folder, files, kept)


def remove(cleaning: Cleaning) -> int:
    """Removes what `look` found, while no run is at work; returns the bytes.

    Raises:
        InputError: a run is at work in the folder in which the files were made, or in this one.
    """
    with ExitStack() as claims:
        for place in _workplaces(cleaning):
            claims.enter_context(closing(_claimed(place)))
        done = 0
        for file in cleaning.files:
            done += file.size if _unlink(cleaning.folder, file.path) else 0
        return done


def _claimed(place: Path) -> IO[bytes]:
    held = claim(place)
    if held is None:
        raise InputError(place, "a run is at work in this folder", "wait until it has ended, or look with --dry-run")
    try:
        refuse_orphans(place)
    except InputError:
        held.close()
        raise
    return held


def _workplaces(cleaning: Cleaning) -> list[Path]:
    """This folder, and those in which snakemake made the files."""
    places = {Path.cwd().resolve()}
    for folder in {file.path.parent for file in cleaning.files if file.kind != "leftovers"}:
        first = next(file.path for file in cleaning.files if file.path.parent == folder and file.kind != "leftovers")
        base = read_sidecar(sidecar_path(cleaning.folder / first)).base
        if (base / ".snakemake").is_dir():
            places.add(base.resolve())
    return sorted(places)


def _iteration_groups(config: Config, folder: Path, pictures: bool) -> Iterator[_Group]:
    networks = ["model", *(f"model_{number}" for number in range(2, config.model.members + 1))]
    for number in range(1, config.iterations.maximum + 1):
        here = f"iterations/{number:02d}"
        weights = [f"{here}/{network}/weights.safetensors" for network in networks]
        polygons = [f"{here}/candidates/polygons.gpkg"]
        yield _Group("training pixels", f"{here}/training_set", r"windows\.npy", weights)
        yield _Group("traced parts", f"{here}/parts", rf"{_TILE}\.parquet", polygons)
        # The page of the last iteration stays whole, and its map, which the QGIS project and the STAC collection show.
        after = [f"iterations/{number + 1:02d}/outcome/outcome.json"]
        mapped = [] if config.run.keep == "final" else after
        yield _Group("probability", f"{here}/probability", rf"{_TILE}\.tif", polygons, mapped)
        if _state(folder / here) != "decided":
            continue
        yield _Group("yearly probabilities", f"{here}/review/yearly", rf"{_TILE}\.zip", [], after)
        if pictures:
            shown = [f"{here}/review/timelapse"]
            yield _Group("pictures", f"{here}/review/chips", rf"{_TILE}\.zip", shown, after)


def _crossval_groups(folder: Path) -> Iterator[_Group]:
    for fold in sorted((folder / "crossval").glob("fold_[0-9][0-9]")):
        here = f"crossval/{fold.name}"
        yield _Group("cross-validation maps", f"{here}/probability", rf"{_TILE}\.tif", [f"{here}/scores.json"])


def _imagery_groups(config: Config) -> Iterator[_Group]:
    """The mosaics first: one that shows tiles that are gone would be taken for a whole year."""
    last = ["summary.json", "report/index.html"]
    folders = [f"imagery/{year}{layers}" for year in config.imagery.years for layers in ("", "_layers")]
    yield from (_Group("imagery", folder, r"mosaic\.vrt", last) for folder in folders)
    yield from (_Group("imagery", folder, rf"{_TILE}\.tif", last) for folder in folders)


def _state(iteration: Path) -> str:
    outcome = iteration / "outcome" / "outcome.json"
    return str(read_outcome(outcome)["state"]) if outcome.is_file() else ""


def _check_over(config: Config, folder: Path) -> None:
    """Refuses to remove imagery that the campaign needs, or that nobody could make again."""
    numbers = range(1, config.iterations.maximum + 1)
    outcomes = [folder / f"iterations/{number:02d}/outcome/outcome.json" for number in numbers]
    rows = [read_outcome(path) for path in outcomes if path.is_file()]
    over = rows and rows[-1]["state"] == "decided" and (len(rows) == len(numbers) or rows[-1]["new"] == 0)
    if not over:
        fault = "the campaign goes on, and its next iteration needs the imagery"
        raise InputError("--imagery", fault, "leave --imagery out until the last iteration is decided")
    catalogue = folder / "inputs" / "scenes.gpkg"
    scenes = load_layer(catalogue, "scenes")
    paths = [catalogue.parent / name for name in scenes.loc[scenes["selected"].astype(bool), "path"]]
    gone = [path for path in paths if not path.exists()]
    if gone:
        fault = f"{len(gone)} scenes are gone ({gone[0]} ...), so that the imagery could not be made again"
        raise InputError("--imagery", fault, "bring the scenes back, or leave --imagery out")


def _of_people(config: Config) -> list[Path]:
    """Where people write, and the files that they brought, with links followed."""
    places = [config.review.decisions, *config.named_files().values()]
    places += [path for _, path in config.input_files() if path is not None]
    return [Path(os.path.realpath(path)) for path in places]


def _leftovers(folder: Path, brought: Sequence[Path]) -> Iterator[Removable]:
    """Temporary names of killed jobs, but where people write."""
    for top, folders, names in os.walk(folder):
        here = Path(top)
        folders[:] = [name for name in folders if not (here / name).is_symlink() and (here / name) not in brought]
        for name in names:
            facts = (here / name).lstat()
            if _LEFTOVER.fullmatch(name) and stat.S_ISREG(facts.st_mode) and not _inside(here / name, brought):
                yield Removable("leftovers", (here / name).relative_to(folder), facts.st_blocks * 512)


def _named(folder: Path, group: _Group) -> list[Path]:
    """Paths of files with the names of a group, from the campaign's folder."""
    there = folder / group.folder
    if not there.is_dir():
        return []
    return sorted(Path(group.folder) / entry.name for entry in there.iterdir() if re.fullmatch(group.name, entry.name))


def _reason_to_stay(folder: Path, path: Path, group: _Group, brought: Sequence[Path]) -> str | None:
    """Why a file stays; None: it may go."""
    whole = folder / path
    if any((folder / part).is_symlink() for part in (path, *list(path.parents)[:-1])):
        return "a link, or behind one"
    facts = whole.lstat()
    if not stat.S_ISREG(facts.st_mode):
        return "no file"
    if _inside(whole, brought):
        return "it lies where people write, or somebody brought it"
    made = [folder / name for name in group.made]
    if any(not product.exists() for product in (*made, *(folder / name for name in group.after))):
        return "the campaign has not come so far that nothing needs it"
    if any(_time(product) < facts.st_mtime_ns for product in made):
        return "younger than what was made from it, which is to be made again"
    try:
        sidecar = read_sidecar(sidecar_path(whole))
    except InputError:
        return "no sidecar says how to make it again"
    content = sidecar.content
    if sidecar.is_folder or (content.bytes, content.mtime_ns) != (facts.st_size, facts.st_mtime_ns):
        return "changed since it was made"
    return None


def _time(product: Path) -> int:
    """When a product was finished, ns; of a folder, when its latest file was."""
    if not product.is_dir():
        return product.stat().st_mtime_ns
    return max((file.stat().st_mtime_ns for file in product.iterdir()), default=product.stat().st_mtime_ns)


def _inside(path: Path, places: Sequence[Path]) -> bool:
    return any(path.is_relative_to(place) for place in places)


def _unlink(folder: Path, path: Path) -> bool:
    """Removes a file without following a link on the way, also one that was put there a moment ago."""
    with ExitStack() as opened:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        opened.callback(os.close, place)
        try:
            for part in path.parent.parts:
                place = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
                opened.callback(os.close, place)
            os.unlink(path.name, dir_fd=place)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise InputError(
                folder / path, f"cannot be removed ({error.strerror})", "make its folder writable"
            ) from error
    return True
