"""Takes an edited file back: all of it is checked first, only what was edited changes, what was there is kept."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import geopandas as gpd
import pandas as pd

from slumpmap.errors import InputError
from slumpmap.files import atomic, read_json, write_json
from slumpmap.review.decisions import COLUMNS, read_decisions, undecided
from slumpmap.review.qgis.checks import check_rows, small_slumps
from slumpmap.review.qgis.desk import Desk
from slumpmap.review.qgis.edited import Edited, read_edited
from slumpmap.review.qgis.rows import FACTS, digests, settled, verdicts
from slumpmap.vector import write_layer

_MOST_NAMES = 10


@dataclass(frozen=True)
class Brought:
    """What an import changed; candidates are named in their order.

    Args:
        new: those that were open and have a verdict now.
        changed: those whose verdict is another now.
        taken_back: those that had a verdict and are open now.
        edited: those whose verdict is the same, but not the rest: boundary, headwall, probability, note.
        same: number of rows of the file that change nothing.
        absent: number of candidates that are not in the file; they stay as they are.
        kept: those that were left alone in the file and changed since the export: what is newer stays.
        overruled: those that were edited in the file and changed since the export too: the file counts.
        joined: those of several rows, which became parts of one boundary.
        small: slumps with a part below the minimum mapping unit.
        apart: those whose boundary does not touch the candidate any more.
        written: the decision file; None where nothing changed, or nothing was to be written.
        saved: copy of the decision file that was replaced; None where there was none.
    """

    new: list[str]
    changed: list[str]
    taken_back: list[str]
    edited: list[str]
    same: int
    absent: int
    kept: list[str]
    overruled: list[str]
    joined: list[str]
    small: list[str]
    apart: list[str]
    written: Path | None = None
    saved: Path | None = None


def bring_back(desk: Desk, file: Path, merge: bool = False, dry_run: bool = False) -> Brought:
    """Takes what was edited in a file over into the reviewer's decision file.

    Each row of the file knows what it was when it was exported. A row that is still that was not edited, and never
    changes anything. Where the decision file itself changed since the export (on the page, or by another import), the
    import is refused, unless the two are to be merged. A decision file that is replaced is kept beside, in `history`.

    Args:
        desk: whose review.
        file: the GeoPackage of the export, or its rows as any program saved them.
        merge: takes what was edited and leaves the rest as it is now, also where that changed since the export.
        dry_run: writes nothing.

    Returns:
        What changes.

    Raises:
        InputError: the file is not of this desk, anything in what was edited is refused, there are conflicts, or the
            reviewer is at work on the page.
    """
    if desk.decision_file.exists() and Path(file).resolve() == desk.decision_file.resolve():
        raise InputError(
            file, "this is the decision file itself", "edit a folder made by slumpmap review-export instead"
        )
    with desk.held():
        now = desk.rows()
        edited = read_edited(desk, Path(file), now)
        marks = _marks(desk, edited, now)
        differs, touched, moved = (
            marks["edited"] != marks["now"],
            marks["edited"] != marks["base"],
            marks["now"] != marks["base"],
        )
        applied = marks.index[differs & touched]
        apart = check_rows(desk, Path(file), edited.rows.loc[applied])
        conflicts = list(marks.index[differs & moved])
        if conflicts and not merge:
            raise InputError(
                file,
                f"the decision file changed since the export: {_named(conflicts)}",
                "export again; or give --merge, which takes what was edited and leaves the rest as it is now",
            )
        result = _applied(now, edited.rows.loc[applied])
        brought = Brought(
            *_by_change(verdicts(now.loc[applied]), verdicts(result.loc[applied])),
            same=int((~(differs & touched)).sum()),
            absent=len(now) - len(marks),
            kept=list(marks.index[differs & moved & ~touched]),
            overruled=list(marks.index[differs & moved & touched]),
            joined=edited.joined,
            small=small_slumps(desk, result.loc[applied]),
            apart=apart,
        )
        if dry_run or not len(applied):
            return brought
        saved = _write(desk, result)
        _remember(desk, marks)
        return Brought(**(vars(brought) | {"written": desk.decision_file, "saved": saved}))


def _by_change(before: pd.Series, after: pd.Series) -> tuple[list[str], list[str], list[str], list[str]]:
    """Candidates that got a verdict, changed it, lost it, or keep it and differ otherwise, by their verdicts."""
    had, has = before != "open", after != "open"
    kinds = (~had & has, had & has & (before != after), had & ~has, before == after)
    new, changed, taken_back, edited = (list(before.index[kind]) for kind in kinds)
    return new, changed, taken_back, edited


def _marks(desk: Desk, edited: Edited, now: gpd.GeoDataFrame) -> pd.DataFrame:
    """What identifies each row: in the file (`edited`), in the decision file (`now`), before it was edited (`base`).

    What a row was before is what it says itself (`exported`); what it said at the last import, if it was imported
    since; or the candidate that nobody has touched, where it says nothing.
    """
    rows = edited.rows
    marks = pd.DataFrame({"edited": _mark(digests(rows)), "now": _mark(digests(now.loc[rows.index]))})
    marks["exported"] = rows["exported"]
    untouched = undecided(desk.candidates).set_index("candidate_id").loc[rows.index]
    memory = read_json(_memory(desk)) if _memory(desk).exists() else {}
    last = [memory.get(name, {}).get(mark, mark) for name, mark in marks["exported"].items()]
    marks["base"] = pd.Series(last, rows.index, dtype=object).fillna(_mark(digests(untouched)))
    if not edited.headwalls:
        said_of_rows, headwalls_now = marks["base"].str.split().str[0], marks["now"].str.split().str[1]
        marks["base"] = said_of_rows + " " + headwalls_now
    return marks


def _mark(parts: pd.DataFrame) -> pd.Series:
    return parts["row"] + " " + parts["headwall"]


def _applied(now: gpd.GeoDataFrame, edited: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The rows as they are now, with the edited ones in place of theirs."""
    result, edited = now.copy(), settled(edited)
    columns = [*FACTS, "headwall"]
    result.loc[edited.index, columns] = edited[columns].astype(object)
    geometry = result.geometry.to_numpy().copy()
    geometry[result.index.get_indexer(edited.index)] = edited.geometry.to_numpy()
    result = result.set_geometry(gpd.GeoSeries(geometry, index=result.index, crs=now.crs))
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    result.loc[edited.index, "decided_at"] = [None if verdict == "open" else time for verdict in verdicts(edited)]
    return result


def _write(desk: Desk, rows: gpd.GeoDataFrame) -> Path | None:
    """Writes the decision file once it is known to be one, and keeps what was there; returns that copy."""
    saved: list[Path] = []

    def check_and_save(file: Path) -> None:
        read_decisions(file, desk.to_inspect)
        if desk.decision_file.exists():
            saved.append(_save(desk))

    write_layer(rows.reset_index(names="candidate_id")[[*COLUMNS, "geometry"]], desk.decision_file, check_and_save)
    return saved[0] if saved else None


def _save(desk: Desk) -> Path:
    """Copies the decision file into the history, under a name that nothing has yet."""
    while True:
        time = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
        copy = desk.history / f"{desk.reviewer}.{time}.gpkg"
        if not copy.exists():
            break
    with atomic(copy) as temporary:
        shutil.copyfile(desk.decision_file, temporary)
    return copy


def _memory(desk: Desk) -> Path:
    """Where it is remembered what exported rows said when they were last imported."""
    return desk.history / f"{desk.reviewer}.imported.json"


def _remember(desk: Desk, marks: pd.DataFrame) -> None:
    """Notes what the rows said, so that the same folder can be edited further and imported again."""
    path = _memory(desk)
    memory = read_json(path) if path.exists() else {}
    for row in marks[marks["exported"].notna() & (marks["edited"] != marks["base"])].itertuples():
        memory.setdefault(row.Index, {})[row.exported] = row.edited
    write_json(path, memory)


def summary(brought: Brought) -> str:
    """What an import changes, for people."""
    counted = [
        ("new verdicts", brought.new),
        ("changed verdicts", brought.changed),
        ("verdicts taken back", brought.taken_back),
        ("edited, with the same verdict", brought.edited),
        ("left as they are now, since they changed after the export", brought.kept),
        ("changed after the export too; the file counts", brought.overruled),
        ("split, and joined to one boundary of several parts", brought.joined),
        ("warning: slumps with a part below the minimum mapping unit", brought.small),
        ("warning: boundaries beside their candidate", brought.apart),
    ]
    lines = [f"{len(names):6d} {what}{f' ({_named(names)})' if names else ''}" for what, names in counted[:4]]
    lines += [f"{brought.same:6d} not changed"]
    lines += [f"{len(names):6d} {what} ({_named(names)})" for what, names in counted[4:] if names]
    if brought.absent:
        lines.append(f"{brought.absent:6d} candidates are not in the file; they stay as they are")
    return "\n".join(lines)


def _named(names: list[str]) -> str:
    """The first names of a list, and how many there are more."""
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
