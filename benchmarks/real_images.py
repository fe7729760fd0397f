"""What a network reaches on real images: trains and scores it on fixed parts, over several seeds.

    python benchmarks/real_images.py --images DIR --masks DIR [--evaluation 0.3] [--validation 0.2] ...
    python benchmarks/real_images.py --scene FILE --truth FILE [--at-least N] [--split west-east | blocks] [--gap PX]
                                     [--experts DIR] ...

Images: pairs of one stem in two folders, any raster that GDAL opens, any bands, size and dtype; a mask is not 0 where
a slump is (`--ignore VALUE`: pixels that count for nothing). Scene: one raster, with outlines in any CRS or a raster
of votes on its grid. Whole images, halves or squares of the scene are set apart for evaluation by the place or by
`--split-seed`, never by the seeds of training, and nothing is tuned on them: the 8-bit scaling (percentiles 1 and 99)
and the network see training pixels only, the temperature follows the validation part.

Each image becomes a tile of a made-up grid of one unit per pixel; windows, training, inference and polygons are the
package's own. Printed are mean, standard deviation, smallest and largest over the seeds, on the evaluation part: IoU
and F1 of pixels, boundary IoU, and of polygons (pixels of probability 0.5 or more, 8-connected, `--min-px` or larger,
cut at the part's edge like those of the truth) precision, recall and F1 where an IoU over 0, 0.4 or 0.5 makes a match
(Huang et al. 2020, doi 10.1016/j.rse.2019.111534), and average precision over the polygons' mean probabilities.

With --experts (a folder of NN/*.shp) each expert is scored like a network against what at least `--at-least` of the
others outlined: what people reach on the same ground.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.features import rasterize
from rasterio.io import DatasetReader
from scipy.ndimage import maximum_filter

from slumpmap.candidates.merge import merge_parts
from slumpmap.candidates.parts import least_value, trace_parts
from slumpmap.errors import InputError
from slumpmap.files import write_json
from slumpmap.grid import HECTARE, Grid, Window, box_area
from slumpmap.imagery.conversion import to_8bit
from slumpmap.imagery.histogram import Histogram
from slumpmap.learning.bundle import BANDS
from slumpmap.learning.inference import infer
from slumpmap.learning.metrics import (
    PixelCounts,
    average_precision,
    boundary_counts,
    iou_average_precision,
    match_objects,
    pixel_counts,
    polygon_scores,
)
from slumpmap.learning.training import train
from slumpmap.learning.windows import BACKGROUND, IGNORE, NEGATIVE, POSITIVE, SLUMP, TRAIN, VALIDATION, positions
from slumpmap.options import validated
from slumpmap.raster import PROBABILITY_NODATA, PROBABILITY_SCALE, write_raster
from slumpmap.settings.learning import InferenceSettings, TrainingSettings, WindowSettings
from slumpmap.vector import read_layer, write_layer

EVALUATION = "evaluation"
# Codes of the parts; 0 is the gap between them.
PARTS = {TRAIN: 1, VALIDATION: 2, EVALUATION: 3}
PERCENTILES, THRESHOLD, IOUS = (1.0, 99.0), 0.5, (0.0, 0.4, 0.5)
# Smallest share of a window, or of what there is to show, that must be known for it to train.
LEAST_KNOWN = 0.25
CRS = "EPSG:32646"
LEAST = least_value(THRESHOLD)
SIDE_FILES = {".xml", ".ovr", ".tfw", ".pgw", ".jgw", ".wld", ".prj", ".json", ".txt", ".csv", ".md"}

Bytes = NDArray[np.uint8]
# By number of picture: 0..254 = probability x 254, 255 where nothing counts.
Maps = dict[int, Bytes]
Scores = dict[str, float | None]


@dataclass(frozen=True)
class Picture:
    """An image with its labels.

    Attributes:
        source: the image's file.
        values: (bands, rows, columns) of any real dtype.
        valid: (rows, columns) whether all bands have data.
        label: (rows, columns) 0 background, 1 slump, 255 not known.
        part: (rows, columns) which part a pixel belongs to, see `PARTS`.
    """

    source: Path
    values: NDArray[Any]
    valid: NDArray[np.bool_]
    label: Bytes
    part: Bytes

    def known(self, part: str) -> NDArray[np.bool_]:
        """(rows, columns) pixels of a part that have data and a label."""
        known: NDArray[np.bool_] = (self.part == PARTS[part]) & self.valid & (self.label != IGNORE)
        return known


@contextmanager
def opened(path: Path) -> Iterator[DatasetReader]:
    """Opens a raster, with a CRS or without; what goes wrong with it in the block is the user's to mend."""
    try:
        with rasterio.open(path) as image:
            yield image
    except RasterioError as error:
        raise InputError(path, f"image cannot be read ({error})", "replace or remove the file") from error


def read_values(path: Path, bands: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """(bands, rows, columns) values, and (rows, columns) where all bands have data."""
    with opened(path) as image:
        if not set(bands) <= set(image.indexes):
            fault = f"has {image.count} bands, not all of {', '.join(map(str, bands))}"
            raise InputError(path, fault, "correct --bands, which count from 1")
        values, valid = image.read(bands), image.read_masks(bands).all(axis=0)
    if values.dtype.kind not in "iuf":
        raise InputError(path, f"holds values of type {values.dtype}", "give integers or floats")
    wide = values.dtype.kind != "f" and values.dtype.itemsize > 2
    known: NDArray[np.bool_] = valid & np.isfinite(values).all(axis=0)
    return values.astype(np.float32) if wide else values, known


def all_bands(path: Path) -> list[int]:
    """Numbers of an image's bands, without a band of transparency."""
    with opened(path) as image:
        kinds = zip(image.indexes, image.colorinterp, strict=True)
        return [number for number, kind in kinds if kind != ColorInterp.alpha]


def by_stem(folder: Path) -> dict[str, Path]:
    """Files of a folder by stem, without GDAL's and ESRI's side files."""
    if not folder.is_dir():
        raise InputError(folder, "no such folder", "correct the path")
    files: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.suffix.lower() in SIDE_FILES or path.name.startswith("."):
            continue
        if path.stem in files:
            raise InputError(path, f"has the stem of {files[path.stem].name}", "keep one file of each stem")
        files[path.stem] = path
    return files


def read_pairs(images: Path, masks: Path, bands: Sequence[int] | None, ignore: int | None) -> list[Picture]:
    """The pairs of two folders, in the order of their names, parts not chosen yet."""
    left, right = by_stem(images), by_stem(masks)
    stems = sorted(left.keys() & right.keys())
    if not stems:
        raise InputError(masks, f"no mask has the stem of an image in {images}", "give pairs such as a.tif and a.png")
    for stem in sorted(left.keys() ^ right.keys()):
        print(f"left out: {(left | right)[stem]} (image without mask, or mask without image)", file=sys.stderr)
    bands = bands or all_bands(left[stems[0]])
    pictures: list[Picture] = []
    seen = np.empty(0)
    for stem in stems:
        values, valid = read_values(left[stem], bands)
        mask = read_values(right[stem], [1])[0][0]
        if mask.shape != valid.shape:
            fault = f"has {mask.shape[0]} x {mask.shape[1]} pixels, its image {valid.shape[0]} x {valid.shape[1]}"
            raise InputError(right[stem], fault, "give the mask in the image's pixels")
        seen = np.union1d(seen, mask)
        if ignore is None and IGNORE in seen and len(seen[seen > 0]) > 1:
            fault = f"255 and other values stand in the masks ({', '.join(f'{value:g}' for value in seen)})"
            raise InputError(right[stem], fault, "say --ignore 255 if 255 is not known, --ignore -1 if it is a slump")
        unknown = (mask == ignore) | ~np.isfinite(mask)
        label = np.where(unknown, IGNORE, np.where(mask != 0, SLUMP, BACKGROUND)).astype(np.uint8)
        pictures.append(Picture(left[stem], values, valid, label, np.zeros_like(label)))
    return pictures


def read_scene(scene: Path, truth: Path, at_least: int, bands: Sequence[int] | None) -> Picture:
    """A scene with labels from polygons or from a raster of votes on its grid."""
    values, valid = read_values(scene, bands or all_bands(scene))
    if not truth.exists():
        raise InputError(truth, "truth is missing", "correct the path or bring the file")
    try:
        with rasterio.open(truth) as votes, rasterio.open(scene) as image:
            if votes.shape != image.shape or not votes.transform.almost_equals(image.transform, 1e-6):
                raise InputError(truth, f"is not on the grid of {scene.name}", "resample it, or give polygons")
            count, there = votes.read(1), votes.read_masks(1) > 0
            # Many declare 0 votes as nodata, which still says that nobody outlined anything.
            label = np.where(there | (count == 0), count >= at_least, IGNORE).astype(np.uint8)
    except RasterioError:
        label = burn_on(scene, truth)
    return Picture(scene, values, valid, label, np.zeros_like(label))


def burn_on(scene: Path, outlines: Path) -> Bytes:
    """(rows, columns) 1 where a pixel's centre lies in one of the polygons, in whatever CRS they are."""
    with rasterio.open(scene) as image:
        if image.crs is None:
            raise InputError(scene, "scene has no CRS", "assign one, or give the truth as a raster of its pixels")
        layer = read_layer(outlines, "outlines", image.crs.to_wkt(), empty_ok=False)
        burnt: Bytes = rasterize(layer.geometry, image.shape, transform=image.transform, dtype="uint8")
    return burnt


def shares(count: int, evaluation: float, validation: float, seed: int) -> Bytes:
    """(count,) part of each of several images or squares, drawn by the seed alone."""
    tested = max(1, round(count * evaluation))
    held_out = round((count - tested) * validation)
    codes = np.repeat([PARTS[EVALUATION], PARTS[VALIDATION], PARTS[TRAIN]], [tested, held_out, count])[:count]
    parts: Bytes = np.empty(count, np.uint8)
    parts[np.random.default_rng([seed, 21]).permutation(count)] = codes
    return parts


def split_pictures(pictures: list[Picture], options: argparse.Namespace) -> list[Picture]:
    """Chooses the parts: of whole images, of squares of a scene, or the west and the east of it."""
    evaluation, validation, seed = options.evaluation, options.validation, options.split_seed
    if options.scene is None:
        codes = shares(len(pictures), evaluation, validation, seed)
        return [replace(p, part=np.full_like(p.part, code)) for p, code in zip(pictures, codes, strict=True)]
    picture = pictures[0]
    rows, columns = picture.part.shape
    if options.split == "west-east":
        part = np.zeros_like(picture.part)
        west = max(0, (columns - options.gap) // 2)
        southern = rows - round(rows * validation)
        part[:southern, :west], part[southern:, :west] = PARTS[TRAIN], PARTS[VALIDATION]
        part[:, west + options.gap :] = PARTS[EVALUATION]
        return [replace(picture, part=part)]
    down, right = -(-rows // options.block_px), -(-columns // options.block_px)
    squares = shares(down * right, evaluation, validation, seed).reshape(down, right)
    part = np.kron(squares, np.ones((options.block_px, options.block_px), np.uint8))[:rows, :columns]
    near = maximum_filter(part == PARTS[EVALUATION], 2 * options.gap + 1)
    return [replace(picture, part=np.where(near & (part != PARTS[EVALUATION]), 0, part).astype(np.uint8))]


def check_parts(pictures: Sequence[Picture]) -> dict[str, dict[str, int]]:
    """Counts images, known pixels and slump pixels of each part; refuses what cannot teach or be scored."""
    counts = {
        part: {
            "images": sum(bool(p.known(part).any()) for p in pictures),
            "pixels": sum(int(p.known(part).sum()) for p in pictures),
            "slump_pixels": sum(int((p.known(part) & (p.label == SLUMP)).sum()) for p in pictures),
        }
        for part in PARTS
    }
    for part in (TRAIN, EVALUATION):
        if not counts[part]["slump_pixels"]:
            fault = f"the {'training' if part == TRAIN else part} part holds no slump"
            raise InputError(pictures[0].source.parent, fault, "give more labelled images, or divide them otherwise")
    return counts


def windows_of(
    image: Bytes, label: Bytes, known: NDArray[np.bool_], size: int, overlap: int
) -> Iterator[tuple[int, int, Bytes]]:
    """First row, first column and (bands + 1, size, size) of windows over the known pixels; the rest is nodata."""
    if not known.any():
        return
    edges = [(size, size), (size, size)]
    shown = np.pad(image * known, [(0, 0), *edges])
    labels = np.pad(np.where(known, label, IGNORE), edges, constant_values=IGNORE)
    layers = np.concatenate([shown, labels[None]]).astype(np.uint8)
    least = LEAST_KNOWN * min(size**2, int(np.count_nonzero(known)))
    (top, bottom), (left, right) = (np.flatnonzero(known.any(axis=axis))[[0, -1]].tolist() for axis in (1, 0))
    for row in positions(top, bottom - top + 1, size, overlap):
        for column in positions(left, right - left + 1, size, overlap):
            cut = layers[:, row + size : row + 2 * size, column + size : column + 2 * size]
            if np.count_nonzero(cut[-1] != IGNORE) >= least:
                yield row, column, cut


class Ground:
    """The pictures on disk as a campaign: one tile each on a made-up grid, one scaling, one training set.

    Args:
        pictures: images, labels and parts.
        folder: where the files go.
        window_px: width of the windows; as many pixels keep the images of neighbouring tiles apart.
        overlap_px: overlap of neighbouring training windows.
    """

    def __init__(self, pictures: Sequence[Picture], folder: Path, window_px: int, overlap_px: int) -> None:
        self.pictures, self.folder, self.window_px, self.overlap_px = pictures, folder, window_px, overlap_px
        side = -(-int(np.max([picture.label.shape for picture in pictures])) // 64) * 64 + window_px
        self.grid = Grid.over(box_area((0.0, -side, side * len(pictures), 0.0)), CRS, 1.0, side)
        self.scaling, self.imagery = folder / "scaling.json", folder / "imagery"
        self.index, self.pixels = folder / "windows.gpkg", folder / "windows.npy"
        self.tested = [n for n, picture in enumerate(pictures) if picture.known(EVALUATION).any()]

    def prepare(self) -> None:
        """Writes scaling, tiles and training windows."""
        counts = Histogram(len(self.pictures[0].values))
        for picture in self.pictures:
            counts.add(picture.values[:, picture.known(TRAIN)])
        low, high = (np.array(counts.percentile(share)) for share in PERCENTILES)
        if flat := [str(n) for n, (one, other) in enumerate(zip(low, high, strict=True), 1) if one >= other]:
            fault = f"chosen band {', '.join(flat)} has one value all over the training part"
            raise InputError(self.pictures[0].source.parent, fault, "leave it out with --bands")
        write_json(self.scaling, {"method": "percentiles", "low": low.tolist(), "high": high.tolist()})
        tiles = [to_8bit(p.values, p.valid, low, high) for p in self.pictures]
        self.write_tiles(self.imagery, dict(enumerate(tiles)), 0)
        self._write_windows(tiles)

    def write_tiles(self, folder: Path, tiles: Maps, nodata: int) -> None:
        """Writes arrays of some pictures, by number, each padded to its tile."""
        for number, values in tiles.items():
            tile, below = self.grid.tiles[number], self.grid.tile_px - np.array(values.shape[-2:])
            margins = [(0, 0)] * (values.ndim - 2) + [(0, int(width)) for width in below]
            padded = np.pad(values, margins, constant_values=nodata)
            write_raster(folder / f"{tile.id}.tif", padded, self.grid.window_transform(tile.window), CRS, nodata)

    def _write_windows(self, tiles: Sequence[Bytes]) -> None:
        """Lays windows over what is known of the training and the validation part."""
        size, rows, stacks = self.window_px, [], []
        for number, (picture, image) in enumerate(zip(self.pictures, tiles, strict=True)):
            for part, overlap in ((TRAIN, self.overlap_px), (VALIDATION, 0)):
                for row, column, cut in windows_of(image, picture.label, picture.known(part), size, overlap):
                    known, slump = (int(np.count_nonzero(flags)) for flags in (cut[-1] != IGNORE, cut[-1] == SLUMP))
                    kind = POSITIVE if slump else NEGATIVE
                    at = column + number * self.grid.tile_px
                    rows.append((f"r{row}_c{at}", row, at, kind, picture.source.stem, part, known / size**2, slump))
                    stacks.append(cut)
        names = ["id", "row", "column", "kind", "source", "split", "valid_share", "slump_px"]
        boxes = [shapely.box(*self.grid.bounds(Window(row, column, size, size))) for _, row, column, *_ in rows]
        write_layer(gpd.GeoDataFrame(rows, columns=names, geometry=boxes, crs=CRS), self.index)
        if not any(row[5] == TRAIN for row in rows):
            fault = f"no window of {size} px holds enough of the training part"
            raise InputError(self.pictures[0].source.parent, fault, "lower --window-px, or divide the images otherwise")
        np.save(self.pixels, np.stack(stacks))

    def probabilities(self, model: Path, settings: InferenceSettings, **where: Any) -> Maps:
        """Maps the pictures that hold something to evaluate."""
        out = model.with_name("probability")
        chosen = [self.grid.tiles[number].id for number in self.tested]
        infer([model], self.imagery, self.grid, out, chosen, settings, self.scaling, **where)
        found = {}
        for number, tile in zip(self.tested, chosen, strict=True):
            rows, columns = self.pictures[number].label.shape
            with rasterio.open(out / f"{tile}.tif") as raster:
                found[number] = self.tested_map(number, raster.read(1)[:rows, :columns] / PROBABILITY_SCALE)
        return found

    def tested_map(self, number: int, probability: NDArray[Any]) -> Bytes:
        """(rows, columns) probabilities or truth of a picture as 0..254, 255 where nothing is evaluated."""
        scaled = np.rint(probability * PROBABILITY_SCALE).astype(np.uint8)
        return np.where(self.pictures[number].known(EVALUATION), scaled, np.uint8(PROBABILITY_NODATA))

    def polygons(self, maps: Maps, folder: Path, min_px: int) -> gpd.GeoDataFrame:
        """The polygons of maps, with their `score`."""
        boxes = [box_area(self.grid.bounds(self.grid.tiles[number].window)) for number in maps]
        grid = replace(self.grid, area=shapely.union_all(boxes))
        self.write_tiles(folder / "map", maps, PROBABILITY_NODATA)
        trace_parts(folder / "map", grid, folder / "parts", [tile.id for tile in grid.tiles], THRESHOLD, 8)
        merge_parts(folder / "parts", grid, folder / "polygons.gpkg", min_px / HECTARE, 8)
        return read_layer(folder / "polygons.gpkg", "polygons")


def scores(
    ground: Ground, maps: Maps, truth: Maps, folder: Path, options: argparse.Namespace, ranked: bool = True
) -> Scores:
    """Compares maps with the truth; polygons are ranked by their probability where they have one."""
    pixels, rims = PixelCounts(), PixelCounts()
    for said, true in zip(maps.values(), truth.values(), strict=True):
        left, right = (np.where(m == PROBABILITY_NODATA, IGNORE, m >= LEAST).astype(np.uint8) for m in (said, true))
        pixels += pixel_counts(left, right)
        rims += boundary_counts(left, right, options.boundary_px)
    drawn = ground.polygons(maps, folder / "mapped", options.min_px)
    true_ones = ground.polygons(truth, folder / "truth", options.min_px)
    match = match_objects(drawn, true_ones)
    found: Scores = {"pixel IoU": pixels.iou, "pixel F1": pixels.f1, "boundary IoU": rims.iou}
    for at in polygon_scores(match.mapped_iou, match.truth_iou, IOUS):
        name = f"at IoU {at.threshold:g}"
        found |= {f"precision {name}": at.precision, f"recall {name}": at.recall, f"F1 {name}": at.f1}
        curve = average_precision(drawn["score"].to_numpy(), drawn, true_ones, at.threshold)
        found[f"AP over probability {name}"] = curve.average_precision if ranked else None
    found["AP over IoU"] = iou_average_precision(match.mapped_iou, match.truth_iou)
    return found | {"polygons mapped": float(len(drawn)), "polygons true": float(len(true_ones))}


def settings_of(options: argparse.Namespace) -> tuple[TrainingSettings, InferenceSettings]:
    """Settings of training and inference, windows a quarter of their width apart.

    Raises:
        InputError: an option that the package refuses.
    """
    texts = {name: str(value) for name, value in vars(options).items()} | {"encoder_weights": options.weights or ""}
    texts["stride_px"] = str(max(16, options.window_px // 4))
    validated(WindowSettings, {name: texts[name] for name in ("window_px", "overlap_px")})
    training = {name: texts[name] for name in ("encoder", "encoder_weights", "batch", "learning_rate")}
    inference = {name: texts[name] for name in ("window_px", "stride_px")}
    return validated(TrainingSettings, dict(training)), validated(InferenceSettings, dict(inference))


def run_seed(ground: Ground, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Trains and maps with one seed; scores and times."""
    folder = ground.folder / f"seed-{seed}"
    settings, inference = settings_of(options)
    count = len(ground.pictures[0].values)
    # Weights of pretraining take the first three for red, green and blue.
    names = (*BANDS, *(f"band {number}" for number in range(len(BANDS) + 1, count + 1)))[:count]
    began = time.monotonic()
    where = {"threads": options.threads, "device": options.device, "bands": names}
    files = ground.index, ground.pixels, folder / "model"
    train(*files, settings, options.steps, seed, ground.grid.resolution, ground.scaling, **where)
    trained = time.monotonic()
    found = ground.probabilities(folder / "model", inference, **where)
    truth = {number: ground.tested_map(number, ground.pictures[number].label == SLUMP) for number in found}
    result = scores(ground, found, truth, folder, options)
    return {"seed": seed, "train_s": trained - began, "infer_s": time.monotonic() - trained, "scores": result}


def run_experts(ground: Ground, options: argparse.Namespace) -> dict[str, Scores]:
    """Scores each expert against what at least so many of the others outlined, by name of the expert's folder."""
    folder, at_least = options.experts, options.at_least
    files = sorted(folder.glob("*/*.shp"))
    if len(files) <= at_least:
        fault = f"holds outlines of {len(files)} experts (NN/*.shp), too few for {at_least} others"
        raise InputError(folder, fault, "correct the path, or lower --at-least")
    drawn = {path: burn_on(ground.pictures[0].source, path) for path in files}
    votes = np.sum(list(drawn.values()), axis=0, dtype=np.int64)
    found = {}
    for path, own in drawn.items():
        said, truth = {0: ground.tested_map(0, own)}, {0: ground.tested_map(0, votes - own >= at_least)}
        name = path.parent.name
        found[name] = scores(ground, said, truth, ground.folder / "experts" / name, options, ranked=False)
    return found


def summary(found: Sequence[Scores]) -> dict[str, Scores]:
    """Mean, standard deviation, smallest, median and largest of each score where it is defined."""
    table: dict[str, Scores] = {}
    for name in found[0] if found else ():
        values = np.array([value for scores in found if (value := scores[name]) is not None])
        low, middle, high = np.quantile(values, [0, 0.5, 1]) if len(values) else [None] * 3
        mean, spread = (values.mean(), values.std(ddof=min(1, len(values) - 1))) if len(values) else (None, None)
        table[name] = {"mean": mean, "sd": spread, "min": low, "median": middle, "max": high}
    return table


def print_table(network: dict[str, Scores], experts: dict[str, Scores]) -> None:
    """Prints the scores, one a line, and the experts' beside."""
    human = ("min", "median", "max") if experts else ()
    names = ["mean", "sd", "min", "max", *(f"expert {key}" for key in human)]
    print("| score | " + " | ".join(names) + " |\n|---|" + "---:|" * len(names))
    for name, row in network.items():
        cells = [row[key] for key in names[:4]] + [experts[name][key] for key in human]
        print(f"| {name} | " + " | ".join("-" if cell is None else f"{cell:.3f}" for cell in cells) + " |")


def whole(text: str) -> int:
    """A number of at least 1, for argparse."""
    if (value := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return value


def share(text: str) -> float:
    """A share that leaves something, for argparse."""
    if not 0 <= (value := float(text)) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to below 1")
    return value


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--images", type=Path, help="folder of images")
    source.add_argument("--scene", type=Path, help="one georeferenced image")
    parser.add_argument("--masks", type=Path, help="folder of masks of the images, by stem")
    parser.add_argument("--ignore", type=int, help="mask value of pixels that count for nothing")
    parser.add_argument("--truth", type=Path, help="outlines in the scene, or a raster of votes on its grid")
    parser.add_argument("--at-least", type=whole, default=1, help="votes from which a pixel is a slump")
    parser.add_argument("--experts", type=Path, help="folder of NN/*.shp, the outlines of single experts in the scene")
    parser.add_argument("--split", choices=["west-east", "blocks"], default="west-east", help="parts of the scene")
    parser.add_argument("--gap", type=int, default=30, help="pixels between training and evaluation in the scene")
    parser.add_argument("--block-px", type=whole, default=256, help="side of the squares of --split blocks")
    parser.add_argument("--evaluation", type=share, default=0.3, help="share of images or squares to evaluate on")
    parser.add_argument("--validation", type=share, default=0.2, help="share of the rest for validation")
    parser.add_argument("--split-seed", type=int, default=1, help="seed by which images or squares are drawn")
    parser.add_argument("--bands", type=whole, nargs="+", help="bands, from 1; default: all but alpha")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="seeds of training")
    parser.add_argument("--steps", type=whole, default=1000, help="training steps")
    parser.add_argument("--encoder", default="tu-mobilenetv3_small_100", help="encoder of the network")
    parser.add_argument("--weights", help="weights of the encoder, by name or file; default: none")
    parser.add_argument("--learning-rate", type=float, default=0.003, help="its highest value")
    parser.add_argument("--batch", type=whole, default=8, help="windows in a step")
    parser.add_argument("--window-px", type=whole, default=256, help="width of a window, a multiple of 16")
    parser.add_argument("--overlap-px", type=whole, help="overlap of training windows; default: half of their width")
    parser.add_argument("--min-px", type=whole, default=1, help="smallest polygon that counts, mapped or true")
    parser.add_argument("--boundary-px", type=whole, default=2, help="distance from outlines, for boundary IoU")
    parser.add_argument("--threads", type=whole, default=2)
    parser.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    parser.add_argument("--work", type=Path, help="folder that keeps what was made on the way")
    parser.add_argument("--json", type=Path, help="file for the scores")
    options = parser.parse_args(given)
    beside = ("masks", "images") if options.images else ("truth", "scene")
    if getattr(options, beside[0]) is None:
        parser.error(f"--{beside[1]} needs --{beside[0]}")
    if options.experts and options.scene is None:
        parser.error("--experts needs --scene")
    if options.gap < 0:
        parser.error("--gap must not be negative")
    if options.overlap_px is None:
        options.overlap_px = options.window_px // 2
    return options


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Does the whole work in a folder."""
    settings_of(options)
    if options.scene is None:
        pictures = read_pairs(options.images, options.masks, options.bands, options.ignore)
    else:
        pictures = [read_scene(options.scene, options.truth, options.at_least, options.bands)]
    pictures = split_pictures(pictures, options)
    counts = check_parts(pictures)
    for part, count in counts.items():
        print(f"{part}: " + ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in count.items()))
    ground = Ground(pictures, folder, options.window_px, options.overlap_px)
    ground.prepare()
    experts = run_experts(ground, options) if options.experts else {}
    seeds = [run_seed(ground, seed, options) for seed in options.seeds]
    network, human = summary([run["scores"] for run in seeds]), summary(list(experts.values()))
    print_table(network, human)
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
    split = {str(p.source): [name for name in PARTS if p.known(name).any()] for p in pictures}
    results = {"seeds": seeds, "summary": network, "experts": experts, "experts_summary": human}
    return {"settings": settings, "split": split, "parts": counts} | results


def main(given: Sequence[str] | None = None) -> None:
    options = arguments(given)
    warnings.simplefilter("ignore", NotGeoreferencedWarning)
    try:
        with tempfile.TemporaryDirectory() as temporary:
            found = measure(options, options.work or Path(temporary))
        if options.json:
            write_json(options.json, found)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
