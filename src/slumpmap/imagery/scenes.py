"""A scene as the later steps see it: what the catalogue says of it, and its pixels with their validity."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.windows import Window as RasterWindow

from slumpmap.raster import opened, reading
from slumpmap.vector import read_layer

# Bands of a UDM2 file: 1 = clear (1 where clear), 8 = unusable (a bit for each reason, 0 where usable).
UDM_CLEAR, UDM_UNUSABLE = 1, 8
UDM_BLACKFILL = 1
# Columns of the checked catalogue that say how far a raster reaches.
BOUNDS = ("west", "south", "east", "north")

_RESTORE = "restore it, then run the workflow again"


@dataclass(frozen=True)
class Scene:
    """A scene that was selected.

    Args:
        name: stem of the file.
        path: the file.
        udm: its UDM2 mask, if any.
        acquired: time of acquisition, ISO 8601, UTC.
        year: year of acquisition.
        cloud_fraction: share of its valid pixels that is not clear, 0..1.
        bounds: west, south, east, north of its raster in the grid's CRS, metres.
    """

    name: str
    path: Path
    udm: Path | None
    acquired: str
    year: int
    cloud_fraction: float
    bounds: tuple[float, float, float, float]


def read_selected(catalogue: Path) -> list[Scene]:
    """The selected scenes of a checked catalogue, clearest first, then oldest, then by name.

    Raises:
        InputError: the file is missing or is no checked catalogue.
    """
    columns = ("scene", "path", "udm", "acquired", "year", "cloud_fraction", "selected", *BOUNDS)
    layer = read_layer(catalogue, "checked scene catalogue", columns=columns)
    folder = catalogue.absolute().parent

    def file(text: str) -> Path:
        return Path(os.path.normpath(folder / text))

    scenes = [
        Scene(
            row.scene,
            file(row.path),
            file(row.udm) if row.udm else None,
            row.acquired,
            row.year,
            row.cloud_fraction,
            (row.west, row.south, row.east, row.north),
        )
        for row in layer[layer["selected"].astype(bool)].itertuples()
    ]
    return sorted(scenes, key=lambda scene: (scene.cloud_fraction, scene.acquired, scene.name, scene.path))


def is_clear(udm: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which pixels a UDM2 calls usable.

    Args:
        udm: (2, rows, columns), bands `UDM_CLEAR` and `UDM_UNUSABLE`.

    Returns:
        (rows, columns) bool.
    """
    return np.asarray((udm[0] == 1) & (udm[1] == 0), np.bool_)


def has_value(values: NDArray[Any], nodata: float | None) -> NDArray[np.bool_]:
    """Which pixels have a finite value that is not nodata in every band.

    Args:
        values: (bands, rows, columns).
        nodata: the declared nodata value; NaN needs no comparison, as no NaN is a value.

    Returns:
        (rows, columns) bool.
    """
    valid = np.ones(values.shape[1:], np.bool_)
    for band in values:
        if band.dtype.kind == "f":
            valid &= np.isfinite(band)
        if nodata is not None and np.isfinite(nodata):
            valid &= band != np.array(nodata).astype(band.dtype)
    return valid


class SceneReader:
    """Reads the mapped bands of a scene and tells usable pixels from others; a context manager.

    Args:
        scene: the scene.
        bands: band numbers (from 1), in the order in which they are read.
    """

    def __init__(self, scene: Scene, bands: tuple[int, ...]) -> None:
        self.scene = scene
        self._bands = list(bands)
        self.dataset = opened(scene.path, "scene", _RESTORE)
        self._udm = None if scene.udm is None else opened(scene.udm, "UDM2 mask", _RESTORE)

    def __enter__(self) -> SceneReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the files."""
        self.dataset.close()
        if self._udm is not None:
            self._udm.close()

    def read(self, window: RasterWindow) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Reads a window of the scene's own pixels, which must lie inside the raster.

        Returns:
            (bands, rows, columns) values in the file's dtype, and (rows, columns) bool: has a value in each
            band, and is clear by the mask.

        Raises:
            InputError: the file is damaged.
        """
        with reading(self.scene.path, "scene or its mask", "copy or download it again"):
            values = self.dataset.read(self._bands, window=window)
            usable = has_value(values, self.dataset.nodata)
            if MaskFlags.per_dataset in self.dataset.mask_flag_enums[0]:
                usable &= self.dataset.read_masks(1, window=window) > 0
            if self._udm is not None:
                usable &= is_clear(self._udm.read([UDM_CLEAR, UDM_UNUSABLE], window=window))
        return values, usable
