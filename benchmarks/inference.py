"""Speed of inference, files to files, against a plain loop and against the bare network.

    python benchmarks/inference.py [--encoder resnet18] [--tiles 4] [--tile-px 2048] [--window 480] [--stride 320]
                                   [--repeats 3] [--json FILE]

On the same synthetic tiles, with the same network of random weights, it measures in turn, several times over,
plain: a loop over windows with eager torch in float32, as one would write it at first;
forward: the network alone, on windows that lie in memory, with the back end and precision of slumpmap: the limit;
ours: `slumpmap infer`'s function, from image tiles to probability tiles.
All three compute the same number of windows, and their speed is that of the ground, not of overlapping windows.
The speed of ours counts its start (bundle, conversion of the network), which is measured besides, with no tile to do.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import torch
from numpy.typing import NDArray

from slumpmap.files import write_json
from slumpmap.grid import Grid, Window, box_area
from slumpmap.learning.backends import choose_backend, choose_precision, make_predictor
from slumpmap.learning.bundle import ModelCard, save_bundle
from slumpmap.learning.inference import encode, fusion_weights, infer, lattice, load_mapper
from slumpmap.learning.network import build_network
from slumpmap.raster import PROBABILITY_NODATA, PROBABILITY_SCALE, RGB_NODATA, Mosaic, write_cog
from slumpmap.settings.learning import InferenceSettings, TrainingSettings

RESOLUTION = 3.0
PLAIN_BATCH = 8
# The Qinghai-Tibet corridor of 54,000 km2 at 3 m.
CORRIDOR_PX = 54_000e6 / RESOLUTION**2


@dataclass(frozen=True)
class Case:
    """What is measured: a campaign in a temporary folder."""

    folder: Path
    grid: Grid
    settings: InferenceSettings
    threads: int

    @property
    def imagery(self) -> Path:
        """Folder of the image tiles."""
        return self.folder / "imagery"

    @property
    def model(self) -> Path:
        """Folder of the bundle."""
        return self.folder / "model"

    @property
    def scaling(self) -> Path:
        """The scaling that bundle and images share."""
        return self.folder / "scaling.json"

    @property
    def ground_mpx(self) -> float:
        """Ground that the tiles cover, millions of pixels."""
        return len(self.grid.tiles) * self.grid.tile_px**2 / 1e6

    @property
    def places(self) -> list[tuple[int, int]]:
        """The windows over all tiles; those that tiles share are counted once."""
        bounds = self.grid.extent
        rows = lattice(0, bounds.height, self.settings)
        return [(row, column) for row in rows for column in lattice(0, bounds.width, self.settings)]


def make_case(folder: Path, options: argparse.Namespace) -> Case:
    """Writes image tiles of a soft texture, a scaling and a bundle of random weights."""
    columns = next(n for n in range(int(options.tiles**0.5), 0, -1) if options.tiles % n == 0)
    side = options.tile_px * RESOLUTION
    grid = Grid.over(
        box_area((0, 0, columns * side, options.tiles // columns * side)), "EPSG:32646", RESOLUTION, options.tile_px
    )
    settings = InferenceSettings(
        window_px=options.window,
        stride_px=options.stride,
        batch=options.batch,
        backend=options.backend,
        precision=options.precision,
    )
    case = Case(folder, grid, settings, options.threads)
    rng = np.random.default_rng(1)
    for tile in grid.tiles:
        coarse = rng.integers(40, 200, (3, options.tile_px // 16, options.tile_px // 16))
        texture = coarse.repeat(16, axis=1).repeat(16, axis=2) + rng.integers(0, 16, (3, tile.tile_px, tile.tile_px))
        path, transform = case.imagery / f"{tile.id}.tif", grid.window_transform(tile.window)
        write_cog(path, texture.astype(np.uint8), transform, grid.crs, nodata=RGB_NODATA)
    write_json(case.scaling, {"low": 0, "high": 3000})
    torch.manual_seed(0)
    training = TrainingSettings(encoder=options.encoder, encoder_weights=None)
    card = ModelCard(
        settings=training,
        mean=(120.0, 120.0, 120.0),
        std=(45.0, 45.0, 45.0),
        scaling={"low": 0, "high": 3000},
        resolution=RESOLUTION,
        window_px=options.window,
        training_set="none",
        steps=0,
        seed=0,
        metrics={},
        versions={},
    )
    network = build_network(training, pretrained=False)
    spread_logits(network)
    save_bundle(case.model, network, card)
    return case


def spread_logits(network: torch.nn.Module) -> None:
    """Scales the last layer so that probabilities lie all over 0..1; random weights alone give 0.5 everywhere."""
    last = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)][-1]
    with torch.inference_mode():
        images = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(2))
        scale = 1.0 / float(network.eval()(images).std())
    last.weight.data *= scale


def plain(case: Case, device: torch.device) -> None:
    """A loop over windows with eager torch in float32, batches of 8; writes the tiles at the end."""
    mapper = load_mapper(case.model, case.grid, case.settings, case.scaling).to(device)
    size = case.settings.window_px
    ramp = fusion_weights(case.settings)
    weights, extent = ramp[:, None] * ramp[None, :], case.grid.extent
    total = np.zeros((extent.height + 2 * size, extent.width + 2 * size), dtype=np.float32)
    with Mosaic(case.grid, case.imagery, 3, RGB_NODATA) as mosaic, torch.inference_mode():
        for first in range(0, len(case.places), PLAIN_BATCH):
            chunk = case.places[first : first + PLAIN_BATCH]
            images = np.stack([mosaic.read(Window(r, c, size, size)) for r, c in chunk])
            values = mapper(torch.from_numpy(images).to(device)).cpu().numpy()
            for (row, column), window in zip(chunk, values, strict=True):
                total[row + size : row + 2 * size, column + size : column + 2 * size] += window * weights
        for tile in case.grid.tiles:
            w = tile.window
            part = total[w.row + size : w.row + size + w.height, w.column + size : w.column + size + w.width]
            valid = np.any(mosaic.read(w), axis=0)
            path, transform = case.folder / "plain" / f"{tile.id}.tif", case.grid.window_transform(w)
            write_cog(path, encode(part, valid), transform, case.grid.crs, nodata=PROBABILITY_NODATA)


def forward_loop(case: Case, device: torch.device) -> Callable[[], None]:
    """The network alone, on as many windows as there are, all of the same random values."""
    mapper = load_mapper(case.model, case.grid, case.settings, case.scaling)
    batch, size = case.settings.batch, case.settings.window_px
    images = np.random.default_rng(3).integers(1, 255, (batch, 3, size, size), dtype=np.uint8)
    count = -(-len(case.places) // batch)
    if device.type == "cuda":
        return lambda: forward_cuda(mapper.to(device), images, count, case.settings, device)
    predict = make_predictor([mapper], case.settings, device, case.threads)
    return lambda: [None for _ in predict(images for _ in range(count))].clear()


def forward_cuda(
    mapper: torch.nn.Module, images: NDArray[np.uint8], count: int, settings: InferenceSettings, device: torch.device
) -> None:
    """The network on images that lie in the GPU's memory already."""
    resident = torch.from_numpy(images).to(device).contiguous(memory_format=torch.channels_last)
    half = choose_precision(settings.precision, device) == "bfloat16"
    mapper = mapper.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.inference_mode(), torch.autocast("cuda", torch.bfloat16, enabled=half):
        for _ in range(count):
            mapper(resident)
    torch.cuda.synchronize()


def ours(case: Case, device: torch.device, tile_ids: Sequence[str]) -> None:
    out = case.folder / "ours"
    infer([case.model], case.imagery, case.grid, out, tile_ids, case.settings, case.scaling, case.threads, device.type)


# Alone in a process, which prints its own peak memory.
ALONE = """
import json, resource, sys
from pathlib import Path
import torch
from slumpmap.settings.learning import InferenceSettings
from slumpmap.grid import Grid
from slumpmap.learning.inference import infer
folder, threads, device = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
grid = Grid.read(folder / "grid.json")
settings = InferenceSettings(**json.loads(sys.argv[4]))
ids = [tile.id for tile in grid.tiles]
infer([folder / "model"], folder / "imagery", grid, folder / "alone", ids, settings, folder / "scaling.json", threads,
      device)
gpu = torch.cuda.max_memory_allocated() if device == "cuda" else 0
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, gpu / 2**20)
"""
# A process counts the memory of the one that started it until it runs its own program, so a small one starts it.
STARTER = "import subprocess, sys; sys.exit(subprocess.run(sys.argv[1:]).returncode)"


def peak_mb(case: Case, device: torch.device) -> tuple[float, float]:
    """Peak resident memory of `ours` in a process of its own, and the GPU's, MB."""
    (case.folder / "grid.json").write_text(case.grid.to_json())
    arguments = [case.folder, case.threads, device.type, case.settings.model_dump_json()]
    command = [sys.executable, "-c", STARTER, sys.executable, "-c", ALONE, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    rss, gpu = map(float, done.stdout.split()[-2:])
    return rss, gpu


def differences(case: Case) -> tuple[float, float]:
    """Between what `plain` and `ours` wrote: largest in probability, and share of pixels on two sides of 0.5."""
    worst = changed = 0
    for tile in case.grid.tiles:
        values = []
        for name in ("plain", "ours"):
            with rasterio.open(case.folder / name / f"{tile.id}.tif") as source:
                values.append(source.read(1).astype(int))
        worst = max(worst, int(np.abs(values[0] - values[1]).max()))
        first, second = (value > PROBABILITY_SCALE / 2 for value in values)
        changed += int(np.count_nonzero(first != second))
    return worst / PROBABILITY_SCALE, changed / (1e6 * case.ground_mpx)


def measure(case: Case, device: torch.device, repeats: int) -> dict[str, Any]:
    """The figures of one device, the median of the repeats."""
    runs: dict[str, Callable[[], None]] = {
        "ours": lambda: ours(case, device, [tile.id for tile in case.grid.tiles]),
        "start": lambda: ours(case, device, []),
        "forward": forward_loop(case, device),
        "plain": lambda: plain(case, device),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    speeds = {name: case.ground_mpx / median[name] for name in ("ours", "plain", "forward")}
    rss, gpu = peak_mb(case, device)
    largest, changed = differences(case)
    hour = 3600 * speeds["ours"] * RESOLUTION**2
    figures = {
        **{f"{name}_mpx_s": speed for name, speed in speeds.items()},
        "max_abs_diff": largest,
        "changed_share": changed,
        "peak_rss_mb": rss,
        "ours_to_plain": speeds["ours"] / speeds["plain"],
        "ours_to_forward": speeds["ours"] / speeds["forward"],
        "ours_to_forward_once_started": median["forward"] / (median["ours"] - median["start"]),
        "start_s": median["start"],
        "km2_per_h": hour,
        "seconds": seconds,
        "backend": choose_backend(case.settings.backend, device),
        "precision": choose_precision(case.settings.precision, device),
    }
    if device.type == "cuda":
        figures |= {"peak_gpu_mb": gpu, "corridor_h": CORRIDOR_PX / 1e6 / speeds["ours"] / 3600}
        figures["device"] = torch.cuda.get_device_name()
    return figures


def show(figures: dict[str, Any], kind: str) -> None:
    """Prints the figures of one device."""
    print(f"{kind}: {figures['backend']}, {figures['precision']}")
    for name in ("plain", "forward", "ours"):
        runs = " ".join(f"{seconds:.1f}" for seconds in figures["seconds"][name])
        print(f"  {name:8} {figures[f'{name}_mpx_s']:8.3f} Mpx of ground a second   (s: {runs})")
    print(f"  ours / plain {figures['ours_to_plain']:.2f}, ours / forward {figures['ours_to_forward']:.2f}")
    started = figures["ours_to_forward_once_started"]
    print(f"  start {figures['start_s']:.1f} s, counted in ours; without it ours / forward is {started:.2f}")
    print(f"  largest difference of a probability, ours - plain: {figures['max_abs_diff']:.4f}")
    print(f"  share of pixels that change from one side of 0.5 to the other: {figures['changed_share']:.6f}")
    print(f"  peak memory {figures['peak_rss_mb']:.0f} MB; {figures['km2_per_h']:.0f} km2/h at {RESOLUTION:g} m")
    if kind == "cuda":
        print(f"  {figures['device']}, {figures['peak_gpu_mb']:.0f} MB; 54,000 km2 in {figures['corridor_h']:.2f} h")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--encoder", default="resnet18", help="encoder of the DeepLabV3Plus")
    parser.add_argument("--tiles", type=int, default=4, help="number of tiles")
    parser.add_argument("--tile-px", type=int, default=2048, help="width of a tile, pixels; a multiple of 16")
    parser.add_argument("--window", type=int, default=480, help="width of a window, pixels")
    parser.add_argument("--stride", type=int, default=320, help="distance of neighbouring windows, pixels")
    parser.add_argument("--batch", type=int, default=8, help="windows in a batch")
    parser.add_argument("--backend", default="auto", choices=["auto", "torch", "openvino"])
    parser.add_argument("--precision", default="auto", choices=["auto", "float32", "bfloat16"])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="CPU threads")
    parser.add_argument("--repeats", type=int, default=3, help="repeats, of which the median counts")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    found: dict[str, Any] = {"cpu": None, "cuda": None}
    for kind in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        with tempfile.TemporaryDirectory() as folder:
            found[kind] = measure(make_case(Path(folder), options), torch.device(kind), options.repeats)
        show(found[kind], kind)
    described = {name: getattr(options, name) for name in ("encoder", "tiles", "tile_px", "window", "stride", "batch")}
    versions = {name: version(name) for name in ("torch", "openvino", "numpy", "rasterio")}
    described |= {"threads": options.threads, "processor": platform.processor() or platform.machine()}
    if options.json:
        write_json(options.json, found | described | {"versions": versions})


if __name__ == "__main__":
    main()
