"""What the names and tags of scene files say: the date of acquisition, the mask that belongs to a scene."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from slumpmap.errors import InputError

# A date of eight digits, with or without a time of six: 20190721_041233, 20210821T210019, 20210721.
_DATE = re.compile(r"(?<!\d)((?:19|20)\d{6})(?:[_T-]?(\d{6}))?(?!\d)")
_PRODUCT = "_AnalyticMS"
_MASK = re.compile(r"_(DN_)?udm2?(_|$)", re.IGNORECASE)
_SUFFIXES = {".tif", ".tiff"}


def date_of(path: Path, tag: str | None) -> datetime:
    """The time of acquisition (UTC) of a scene, from its name or else from its TIFF tag.

    The name comes first, because many programs write the time of processing into the tag.

    Args:
        path: the scene.
        tag: its TIFFTAG_DATETIME (`2019:07:21 04:12:33`), if it has one.

    Raises:
        InputError: neither holds a date.
    """
    for day, time in _DATE.findall(path.stem):
        try:
            return datetime.strptime(day + (time or "000000"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            continue
    try:
        return datetime.strptime(tag or "", "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        raise InputError(
            path,
            "scene has no date of acquisition, neither in its name (YYYYMMDD) nor in TIFFTAG_DATETIME",
            "put the date into the name, or give a scene catalogue with the column acquired",
        ) from None


def scenes_in(folder: Path) -> Iterator[Path]:
    """The scene files in a folder and below, by name; masks and hidden files are no scenes."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and not _MASK.search(path.stem):
            yield path


def udm_of(scene: Path) -> Path | None:
    """The UDM2 mask that lies beside a scene by the naming of Planet's products, if any."""
    prefix = scene.stem.split(_PRODUCT)[0]
    for mask in sorted(scene.parent.glob("*_udm2*")):
        if mask.stem.startswith(f"{prefix}_udm2") and mask.suffix.lower() in _SUFFIXES:
            return mask
    return None
