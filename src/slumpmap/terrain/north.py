"""Grid convergence: by how much a projection's north, up the columns, differs from true north."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Proj, Transformer
from rasterio.windows import Window

from slumpmap.terrain.dem import Dem

Floats = NDArray[np.float64]

# PROJ is asked on a lattice of cells; between nodes, convergence is taken as bilinear. On UTM with 30 m cells that
# is right to 1e-6 degrees. The lattice is the raster's own, so that blocks make no seam.
_LATTICE_PX = 64


@dataclass(frozen=True)
class Convergence:
    """Grid convergence over an elevation model; made by `convergence_of`.

    Args:
        nodes: degrees at the corners of every 64th cell, (rows, columns); positive where grid north lies clockwise
            (east) of true north, as PROJ has it; not finite where the projection is not defined.
    """

    nodes: Floats

    def __str__(self) -> str:
        if not self.known:
            return "an unknown convergence"
        return f"the convergence of {self.nodes.min():.2f} to {self.nodes.max():.2f} degrees"

    @property
    def known(self) -> bool:
        """Whether it is known everywhere."""
        return bool(np.isfinite(self.nodes).all())

    def of(self, window: Window) -> Floats:
        """Convergence at the cells' centres of a window, degrees, (height, width)."""
        row = (window.row_off + np.arange(window.height) + 0.5) / _LATTICE_PX
        column = (window.col_off + np.arange(window.width) + 0.5) / _LATTICE_PX
        i, j = row.astype(int), column.astype(int)
        f, g = (row - i)[:, None], column - j
        upper = self.nodes[i][:, j] * (1 - g) + self.nodes[i][:, j + 1] * g
        lower = self.nodes[i + 1][:, j] * (1 - g) + self.nodes[i + 1][:, j + 1] * g
        return np.asarray(upper * (1 - f) + lower * f)


def convergence_of(dem: Dem) -> Convergence:
    """Grid convergence of a DEM's projection, by PROJ's `proj_factors`; 0 in a geographic CRS."""
    height, width = dem.dataset.shape
    rows = np.arange(-(-height // _LATTICE_PX) + 1) * _LATTICE_PX
    columns = np.arange(-(-width // _LATTICE_PX) + 1) * _LATTICE_PX
    if dem.geographic:
        return Convergence(np.zeros((rows.size, columns.size)))
    transform = dem.dataset.transform
    x, y = np.meshgrid(transform.c + transform.a * columns, transform.f + transform.e * rows)
    crs = CRS.from_user_input(dem.dataset.crs)
    flat = crs.sub_crs_list[0] if crs.is_compound else crs
    longitude, latitude = Transformer.from_crs(flat, flat.geodetic_crs, always_xy=True).transform(x, y)
    return Convergence(np.asarray(Proj(flat).get_factors(longitude, latitude).meridian_convergence))
