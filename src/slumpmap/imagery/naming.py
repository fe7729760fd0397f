"""What the names and tags of scene files say: the date of acquisition, the mask that belongs to a scene."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from glob import escape
from pathlib import Path

from slumpmap.errors import InputError

# A date of eight digits, with or without a time of six: 20190721_041233, 20210821T210019, 20210721; or 2019-07-21.
_DATE = re.compile(r"(?<!\d)((?:19|20)\d{6})(?:[_T-]?(\d{6}))?(?!\d)")
_DASHED = re.compile(r"(?<!\d)((?:19|20)\d\d)-(\d\d)-(\d\d)(?!\d)")
# 20190721_041233_37_1057_3B_AnalyticMS_SR_8b_clip, 4657223_2019-07-21_RE5_3A_Analytic_SR.
_PRODUCT = re.compile(r"_(?P<level>\d[A-Z])_Analytic(MS)?(?P<rest>(_[A-Za-z0-9]+)*)$")
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
    for day, time in _DATE.findall(_DASHED.sub(r"\1\2\3", path.stem)):
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


@dataclass(frozen=True)
class PlanetName:
    """What the name of a scene says that Planet delivered.

    Args:
        item: id of the item.
        level: `3B` orthorectified, `1B` basic: as the sensor saw it.
        product: `analytic_sr`, `analytic_8b_sr`, `analytic`, `analytic_8b`.
        tools: what was done on ordering, such as `clip`, `harmonized`.
    """

    item: str
    level: str
    product: str
    tools: tuple[str, ...]


def planet_name(path: Path) -> PlanetName | None:
    """What the name of a scene says, if it is one of Planet's analytic products."""
    found = _PRODUCT.search(path.stem)
    if found is None:
        return None
    words = [word for word in found["rest"].split("_") if word]
    product = "".join(["analytic", *(f"_{word.lower()}" for word in ("8b", "SR") if word in words)])
    tools = tuple(word for word in words if word not in ("8b", "SR"))
    return PlanetName(path.stem[: found.start()], found["level"], product, tools)


def udm_of(scene: Path) -> Path | None:
    """The UDM2 mask that lies beside a scene by the naming of Planet's products, if any.

    Where the clipped and the whole mask lie there, the one that was treated as the scene was.
    """
    name = planet_name(scene)
    prefix = scene.stem if name is None else f"{name.item}_{name.level}"
    clipped = name is not None and "clip" in name.tools
    masks = [mask for mask in scene.parent.glob(f"{escape(prefix)}_udm2*") if mask.suffix.lower() in _SUFFIXES]
    return min(masks, key=lambda mask: (mask.stem.endswith("_clip") != clipped, mask.name), default=None)
