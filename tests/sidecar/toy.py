"""A chain of real commands in a folder of its own: slope of an elevation model, grid, labels, a table."""

import os
from pathlib import Path

import geopandas as gpd
import numpy as np
from click.testing import CliRunner
from rasterio.transform import Affine
from shapely.geometry import box

from slumpmap.cli import app
from slumpmap.raster import write_raster
from slumpmap.vector import write_layer

CRS = "EPSG:32646"


def run(*arguments):
    """Runs a command in this process, as it would be on the command line."""
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


class Toy:
    """Inputs that somebody brought, and the commands that make products of them; paths count from the folder."""

    def __init__(self, folder: Path, name: str = "results") -> None:
        self.folder = folder
        self.results = Path(name)
        os.chdir(folder)
        Path("data").mkdir()
        heights = np.add.outer(np.arange(60.0), np.arange(80.0) ** 1.5).astype(np.float32)
        write_raster(Path("data/dem.tif"), heights, Affine(30, 0, 500000, 0, -30, 3840000), CRS)
        self.outlines([box(500300, 3839000, 500400, 3839100), box(501000, 3839300, 501100, 3839400)])

    def outlines(self, shapes):
        """The known slumps, as a person draws them."""
        write_layer(
            gpd.GeoDataFrame({"id": [str(n) for n in range(len(shapes))]}, geometry=shapes, crs=CRS),
            Path("data/positives.gpkg"),
        )

    def grid(self):
        run("grid", f"--crs={CRS}", "--bounds=500000,3838200,502400,3840000", "--out", self.results / "grid.json")

    def slope(self):
        terrain = self.results / "terrain"
        outs = ("--out-aspect", terrain / "aspect.tif", "--out", terrain / "slope.tif")
        run("terrain", "slope", "--dem", "data/dem.tif", *outs)

    def intake(self):
        run("intake", "--grid", self.results / "grid.json", "--positives", "data/positives.gpkg", "--out",
            self.results / "labels")  # fmt: skip

    def ground(self):
        run("site-ground", "--grid", self.results / "grid.json", "--dem", "data/dem.tif", "--longest", "64", "--out",
            self.results / "report" / "ground")  # fmt: skip

    def slumps(self):
        run("slumps", "--positives", self.results / "labels" / "positives.gpkg", "--accepted",
            self.results / "labels" / "positives.gpkg", "--out", self.results / "slumps.gpkg")  # fmt: skip

    def all(self):
        """Everything, once."""
        for make in (self.grid, self.slope, self.intake, self.ground):
            make()
        return self
