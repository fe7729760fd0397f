"""The commented configuration of a new region."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from slumpmap.grid import Grid
from slumpmap.region.scenes import Scenes, Season
from slumpmap.region.wish import Network, Wish

# Scene values of ground: reflectance times 10000 in 16 bit; in 8 bit somebody has stretched them already.
_REFLECTANCE = {"uint16": (0, 3000), "int16": (0, 3000), "uint8": (1, 255)}
# The default blocks of an analysis are for regions of 100 km; smaller ones need at least so many on a side.
_BLOCKS_ON_A_SIDE, _LARGEST_BLOCK_KM = 6, 10.0

_SMALL = """
# Without a GPU: a small network from scratch, minutes on two cores. With a GPU delete these three sections: the
# defaults are the paper's Xception-65 with windows of 480 pixels, started from ImageNet.
windows:
  window_px: 128
  overlap_px: 32

model:
  encoder: tu-mobilenetv3_small_100
  encoder_weights: null
  iterations: 400
  iterations_next: 250
  learning_rate: 0.003

inference:
  window_px: 128
  stride_px: 96
  batch: 16
"""
_LARGE = """
# Xception-65 from ImageNet, 30,000 steps of 8 windows of 480 pixels: hours on a GPU, weeks without one.
# `encoder_weights` needs the internet once; a local file is fine too.
model:
  encoder: tu-xception65
  encoder_weights: imagenet
"""


def config_text(
    wish: Wish,
    scenes: Scenes,
    found: Sequence[Season],
    season: Season,
    grid: Grid,
    files: Mapping[str, str],
    data: Path,
) -> str:
    """The YAML of the campaign, with a comment where a user may want something else.

    Args:
        wish: what the user said.
        scenes: of the region.
        found: years with scenes.
        season: the mapping year's.
        grid: the campaign's.
        files: keys of `inputs` and their files, from `data` if not absolute.
        data: folder of the campaign's files.
    """
    network: Network = wish.network or "small"
    inputs = "".join(f"  {key}: {_value(path)}\n" for key, path in files.items())
    return (
        f"# Campaign {wish.name}, written by `slumpmap new`. All keys: config/README.md.\n"
        f"campaign: {wish.name}\nseed: 1\ndata: {_value(str(data))}\n\n"
        f"# Paths count from `data`. Change a file, run snakemake again, and what depends on it is made anew.\n"
        f"inputs:\n{inputs}\n"
        f"{_grid(grid, data)}\n{_imagery(wish, scenes, found, season)}{_LARGE if network == 'large' else _SMALL}"
        f"{_review(wish)}\n{_analysis(grid)}"
    )


def _value(value: Any) -> str:
    """A value as YAML writes it on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")


def _grid(grid: Grid, data: Path) -> str:
    area = _value(os.fspath(data / "area.gpkg"))
    return f"grid:\n  crs: {grid.crs}\n  resolution: {grid.resolution:g}\n  area: {area}\n  tile_px: {grid.tile_px}\n"


def _imagery(wish: Wish, scenes: Scenes, found: Sequence[Season], season: Season) -> str:
    years = _value([each.year for each in found])
    lines = [
        "imagery:",
        f"  years: {years}",
        "  # Networks learn, and slumps are mapped, on this year; the others are for the eyes of the reviewers.",
        f"  mapping_year: {season.year}",
        f"  months: {_value(list(wish.months))}",
        f"  max_cloud: {wish.max_cloud:g}",
        "  # Numbers of the red, green and blue band"
        + ("." if scenes.bands_are_known else ": a guess, please look at a scene."),
        f"  bands: {_value(list(scenes.rgb))}",
    ]
    if scenes.near_infrared is not None:
        lines += [
            f"  # nir_band: {scenes.near_infrared}",
            "  # layers: [nir, ndvi, slope]   # further input of the network",
        ]
    limits = _REFLECTANCE.get(scenes.dtype)
    if limits is None:
        lines += ["  # Values of an unknown scale: darkest and brightest percent of the ground become black and white."]
        lines += ["  scaling: percentiles"]
    else:
        lines += ["  # Scene values that become black and white."]
        lines += [f"  reflectance: {_value(list(limits))}"]
    return "\n".join(lines) + "\n"


def _review(wish: Wish) -> str:
    return (
        "\n# Who decides: each reviewer by himself, the adjudicator where they disagree.\n"
        "# One reviewer is possible too: reviewers: [name]\n"
        f"review:\n  mode: people\n  reviewers: {_value(list(wish.reviewers))}\n"
        f"  adjudicator: {_value(wish.adjudicator)}\n"
        f"  decisions: {_value(f'decisions/{wish.name}')}\n\n"
        "# The loop ends when an iteration finds nothing, or here.\niterations:\n  maximum: 8\n"
    )


def _analysis(grid: Grid) -> str:
    """Blocks that fit the region: an analysis of few blocks has no intervals."""
    west, south, east, north = grid.area.bounds
    shorter_km = min(east - west, north - south) / 1000.0
    block = min(
        _LARGEST_BLOCK_KM, float(np.format_float_positional(shorter_km / _BLOCKS_ON_A_SIDE, 1, fractional=False))
    )
    return (
        "# Neighbours are alike: intervals draw whole blocks, tests take slumps farther apart than `thin_km`.\n"
        f"analysis:\n  block_km: {block:g}\n  thin_km: {min(1.0, block / 2):g}\n"
    )
