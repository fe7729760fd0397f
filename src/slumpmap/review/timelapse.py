"""Time-lapse as files: an animation a candidate and contact sheets, for looking without the page and for sending.

The paper's reviewers worked with such animations (Xia et al. 2022, section 2.3.3).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely
from PIL import Image, ImageDraw, ImageFont

from slumpmap import observed
from slumpmap.errors import InputError
from slumpmap.files import atomic
from slumpmap.progress import Progress
from slumpmap.review.pack import Pack
from slumpmap.vector import read_layer

Kind = Literal["webp", "gif", "sheets"]

_SIDE = 480
_FRAME_MS = 900
_SHEET_SIDE, _SHEET_GAP, _SHEET_HEAD, _SHEET_ROWS = 240, 6, 26, 8
_INK, _PAPER, _MARK = (255, 255, 255), (24, 24, 24), (240, 150, 40)
_STATES = {"partly": "partly seen", "cloudy": "cloud", "missing": "no image"}
_FONT, _SMALL = ImageFont.load_default(18), ImageFont.load_default(14)


def make_files(packs: Path, queue: Path, kinds: Sequence[Kind], out: Path) -> None:
    """Writes animations (`<candidate>.webp` or `.gif`) and contact sheets (`sheet_001.jpg`, ...).

    Args:
        packs: folder of the packs of pictures.
        queue: the candidates to inspect, with `id`, `rank`; sheets are in its order.
        kinds: what to make.
        out: folder.

    Raises:
        InputError: a pack or the queue is missing or unreadable, or lacks a candidate.
    """
    layer = read_layer(queue, "queue of candidates", columns=("id", "rank"), unique="id")
    names = list(layer.sort_values("rank")["id"])
    home = _homes(packs)
    lacking = [name for name in names if name not in home]
    if lacking:
        raise InputError(packs, f"there are no pictures of {lacking[0]}", "remove the folder and run snakemake again")
    out.mkdir(parents=True, exist_ok=True)
    animations = [kind for kind in kinds if kind != "sheets"]
    progress = Progress("time-lapse", len(names), "candidates")
    for first in range(0, len(names), _SHEET_ROWS):
        rows = []
        for number, name in enumerate(names[first : first + _SHEET_ROWS], first + 1):
            with Pack(home[name]) as pack:
                meta = pack.meta(name)
                frames = [Image.open(io.BytesIO(pack.picture(name, frame["file"]))) for frame in meta["frames"]]
            for kind in animations:
                write_animation(out / f"{name}.{kind}", frames, meta)
            rows.append((number, frames, meta))
            progress.update(number)
        if "sheets" in kinds:
            _save(out / f"sheet_{first // _SHEET_ROWS + 1:03d}.jpg", contact_sheet(rows))
    observed.wrote_folder(out)


def _homes(packs: Path) -> dict[str, Path]:
    """The pack of each candidate."""

    def pairs() -> Iterator[tuple[str, Path]]:
        for path in sorted(packs.glob("*.zip")):
            with Pack(path) as pack:
                yield from ((name, path) for name in pack.candidates())

    return dict(pairs())


def write_animation(path: Path, frames: Sequence[Image.Image], meta: Mapping[str, Any]) -> None:
    """Writes an animated WebP or GIF (by the suffix) atomically: the dates, a scale bar, corners round the candidate.

    Args:
        path: file to write.
        frames: pictures of one size.
        meta: entry of the pack.
    """
    pictures = [_animated(frame, meta, number) for number, frame in enumerate(frames)]
    options: dict[str, Any] = {"quality": 80, "method": 2}
    if path.suffix == ".gif":
        # One palette for all dates: colours must not change where the ground did not. By itself Pillow would search
        # one for each date, which takes ten times as long.
        together = Image.fromarray(np.vstack([np.asarray(picture)[::4, ::4] for picture in pictures]))
        palette = together.quantize(256, Image.Quantize.MEDIANCUT)
        pictures = [picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for picture in pictures]
        options = {"optimize": False, "disposal": 1}
    with atomic(path) as temporary:
        pictures[0].save(temporary, save_all=True, append_images=pictures[1:], duration=_FRAME_MS, loop=0, **options)


def _animated(frame: Image.Image, meta: Mapping[str, Any], number: int) -> Image.Image:
    picture = frame.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    _corners(draw, meta)
    _caption(draw, (10, 8), _label(meta["frames"][number]), _FONT)
    _scale_bar(draw, meta, _SIDE, _FONT)
    return picture


def contact_sheet(rows: Sequence[tuple[int, Sequence[Image.Image], Mapping[str, Any]]]) -> Image.Image:
    """A page of candidates: a row each, a column a date, the outline in the mapping year.

    Args:
        rows: number in the queue, frames and entry of the pack of each candidate.
    """
    step = _SHEET_SIDE + _SHEET_GAP
    columns = max(len(frames) for _, frames, _ in rows)
    height = len(rows) * (step + _SHEET_HEAD) + _SHEET_GAP
    page = Image.new("RGB", (columns * step + _SHEET_GAP, height), _PAPER)
    draw = ImageDraw.Draw(page)
    for row, (number, frames, meta) in enumerate(rows):
        top = row * (step + _SHEET_HEAD) + _SHEET_GAP
        text = f"{number}   {meta['id']}   {meta['area_ha']:.2f} ha"
        draw.text((_SHEET_GAP, top + 4), text, fill=_INK, font=_SMALL)
        for column, frame in enumerate(frames):
            picture = frame.convert("RGB").resize((_SHEET_SIDE, _SHEET_SIDE), Image.Resampling.BICUBIC)
            inner = ImageDraw.Draw(picture)
            if column == meta["mapping_frame"]:
                _outline(inner, meta, _SHEET_SIDE)
            _caption(inner, (6, 4), _label(meta["frames"][column]), _SMALL)
            if column == 0:
                _scale_bar(inner, meta, _SHEET_SIDE, _SMALL)
            page.paste(picture, (_SHEET_GAP + column * step, top + _SHEET_HEAD))
    return page


def _label(frame: Mapping[str, Any]) -> str:
    days = ", ".join(frame["dates"]) if frame["dates"] else ""
    state = _STATES.get(frame["state"])
    return "  ".join(filter(None, (frame["label"], days if days != frame["date"] else "", state)))


def _to_pixels(meta: Mapping[str, Any], side: int, xy: np.ndarray) -> np.ndarray:
    """(points, 2) map coordinates as columns and rows of a picture of `side` pixels."""
    west, south, east, north = meta["bounds"]
    return np.column_stack([(xy[:, 0] - west) / (east - west), (north - xy[:, 1]) / (north - south)]) * side


def _outline(draw: ImageDraw.ImageDraw, meta: Mapping[str, Any], side: int) -> None:
    for part in shapely.get_parts(_shape(meta)):
        for ring in (part.exterior, *part.interiors):
            points = _to_pixels(meta, side, shapely.get_coordinates(ring))
            draw.line([tuple(point) for point in points.tolist()], fill=_MARK, width=1)


def _corners(draw: ImageDraw.ImageDraw, meta: Mapping[str, Any]) -> None:
    """Corners of a box round the candidate: an outline would hide the headwall."""
    west, south, east, north = _shape(meta).bounds
    (left, top), (right, bottom) = _to_pixels(meta, _SIDE, np.array([(west, north), (east, south)])).tolist()
    left, top, right, bottom, arm = left - 8, top - 8, right + 8, bottom + 8, 14
    for x, y, across, down in ((left, top, 1, 1), (right, top, -1, 1), (left, bottom, 1, -1), (right, bottom, -1, -1)):
        draw.line([(x + across * arm, y), (x, y), (x, y + down * arm)], fill=_MARK, width=2)


def _shape(meta: Mapping[str, Any]) -> shapely.Geometry:
    return shapely.geometry.shape(meta["outline"])


def _caption(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, font: ImageFont.ImageFont | Any) -> None:
    draw.text(place, text, fill=_INK, font=font, stroke_width=2, stroke_fill=(0, 0, 0))


def _scale_bar(draw: ImageDraw.ImageDraw, meta: Mapping[str, Any], side: int, font: Any) -> None:
    """A bar of a round length in the lower left corner."""
    west, _, east, _ = meta["bounds"]
    length = max(step for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000) if step <= (east - west) / 3)
    pixels = length / (east - west) * side
    x, y = 10, side - 12
    draw.line([(x, y), (x + pixels, y)], fill=(0, 0, 0), width=5)
    draw.line([(x, y), (x + pixels, y)], fill=_INK, width=3)
    _caption(draw, (x, y - 24), f"{length} m", font)


def _save(path: Path, page: Image.Image) -> None:
    with atomic(path) as temporary:
        page.save(temporary, quality=88)
