"""Layers that come from the scenes beside red, green and blue: near infrared and a vegetation index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from slumpmap.grid import Window
from slumpmap.imagery.composite import Composer
from slumpmap.imagery.conversion import sharpen
from slumpmap.imagery.resampling import Conversion

# Where red and near infrared lie among the bands that are read (red, green, blue, near infrared).
_RED, _NIR = 0, 3
# The vegetation index has one mapping for all campaigns: -1 becomes 1, 0 becomes 128, 1 becomes 255.
_NDVI_RANGE = -1.0, 1.0


def ndvi(red: NDArray[Any], nir: NDArray[Any]) -> NDArray[np.float32]:
    """Normalised difference vegetation index (nir - red) / (nir + red).

    Source: Rouse et al. (1974, Monitoring vegetation systems in the Great Plains with ERTS, NASA SP-351, 309-317).

    Args:
        red: scene values of any real dtype, proportional to reflectance.
        nir: the same of near infrared, of the same shape.

    Returns:
        float32 of that shape, -1..1; 0 where the sum is not positive, as some corrected scenes have it in shadow.
    """
    below, above = np.asarray(red, np.float32), np.asarray(nir, np.float32)
    total = above + below
    index = np.divide(above - below, total, out=np.zeros_like(total), where=total > 0)
    return np.asarray(np.clip(index, -1.0, 1.0))


def spectral_layers(
    composer: Composer,
    window: Window,
    names: Sequence[str],
    range_8bit: tuple[NDArray[np.float64], NDArray[np.float64]],
    sharpened: bool,
) -> dict[str, NDArray[np.uint8]]:
    """Layers of a window, each pixel from the scene that gives its red, green and blue.

    Near infrared is made as red, green and blue are. The vegetation index is taken of the scene's own pixels, then
    brought to the grid as a band is, and never sharpened.

    Args:
        composer: the year's scenes, near infrared being the fourth band that is read.
        window: grid pixels.
        names: `nir`, `ndvi` or both.
        range_8bit: (4,) values of the bands that become 1, and those that become 255.
        sharpened: whether near infrared is sharpened.

    Returns:
        Name to (height, width) uint8; 0 where the tile is nodata, else 1..255.
    """
    ends = {"nir": (range_8bit[0][_NIR], range_8bit[1][_NIR]), "ndvi": _NDVI_RANGE}
    low, high = np.array([ends[name] for name in names], np.float64).T
    conversion = Conversion(lambda values: np.stack([_pick(values, name) for name in names]), low, high)
    if not sharpened:
        return dict(zip(names, composer.compose(window, conversion)[0], strict=True))
    wider = dict(zip(names, composer.compose(window.grow(1), conversion)[0], strict=True))
    return {name: sharpen(band[None])[0] if name == "nir" else band[1:-1, 1:-1] for name, band in wider.items()}


def _pick(values: NDArray[Any], name: str) -> NDArray[Any]:
    """A layer of the bands that were read."""
    return values[_NIR] if name == "nir" else ndvi(values[_RED], values[_NIR])
