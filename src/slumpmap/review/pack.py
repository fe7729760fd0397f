"""Packs of pictures: one ZIP a tile, a folder a candidate, stored without compression, so that any one is read at once.

| member | what |
|---|---|
| `<candidate>/meta.json` | what is shown: place, size, frames with their dates and states, outlines around |
| `<candidate>/frame_00.jpg` ... | the frames, all of one window, one pixel size and one stretch |
| `<candidate>/context.jpg` | the wide surroundings in the mapping year |
| `<candidate>/relief.jpg` | shaded relief with contour lines, in the frames' window; only where there is a DEM |
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from slumpmap.errors import InputError
from slumpmap.files import atomic, read_member
from slumpmap.records import Record, shaped

# ZIP stores the time of writing; a fixed one keeps equal content equal to the byte.
_EPOCH = (1980, 1, 1, 0, 0, 0)
_META = "meta.json"
_AGAIN = "remove it and run the workflow again"

CONTEXT, RELIEF = "context.jpg", "relief.jpg"


class _Frame(Record):
    """A picture of one year."""

    file: str


class _Meta(Record):
    """meta.json, as far as every reader of it needs it."""

    frames: list[_Frame]


def frame_name(number: int) -> str:
    """The member that holds a frame, counted from 0."""
    return f"frame_{number:02d}.jpg"


def write_pack(path: Path, candidates: Iterable[tuple[str, Mapping[str, Any], Mapping[str, bytes]]]) -> int:
    """Writes a pack atomically, one candidate after the other.

    Args:
        path: the ZIP to make.
        candidates: id, meta and pictures (name to file content) of each.

    Returns:
        Number of candidates.
    """
    count = 0
    with atomic(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as pack:
        for name, meta, pictures in candidates:
            text = json.dumps(meta, ensure_ascii=False, allow_nan=False)
            for member, content in ((_META, text.encode()), *pictures.items()):
                pack.writestr(zipfile.ZipInfo(f"{name}/{member}", _EPOCH), content)
            count += 1
    return count


class Pack:
    """A pack that is open for reading; a context manager, safe for one thread at a time.

    Args:
        path: the ZIP.

    Raises:
        InputError: it is missing or no ZIP.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(path)
        try:
            self._zip = zipfile.ZipFile(self._path)
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(path, f"pictures cannot be read ({error})", _AGAIN) from error

    def __enter__(self) -> Pack:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def candidates(self) -> list[str]:
        """Ids of the candidates in it, in their order."""
        return [name.removesuffix(f"/{_META}") for name in self._zip.namelist() if name.endswith(f"/{_META}")]

    def meta(self, candidate: str) -> dict[str, Any]:
        """What is known of a candidate's pictures.

        Raises:
            InputError: the pack does not hold it, or is damaged.
        """
        try:
            meta = json.loads(self.picture(candidate, _META))
        except (ValueError, RecursionError) as error:
            raise InputError(self._path, f"the entry of {candidate} is damaged ({error})", _AGAIN) from error
        return shaped(meta, _Meta, self._path, f"the entry of {candidate}")

    def picture(self, candidate: str, member: str) -> bytes:
        """A member of a candidate's folder.

        Raises:
            InputError: the pack does not hold it, or is damaged.
        """
        try:
            return read_member(self._zip, f"{candidate}/{member}")
        except (KeyError, OSError, zipfile.BadZipFile) as error:
            raise InputError(self._path, f"{member} of {candidate} cannot be read ({error})", _AGAIN) from error
