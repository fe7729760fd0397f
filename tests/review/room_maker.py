"""A small campaign with pictures to inspect: two tiles, three years, candidates of known shape and place."""

import geopandas as gpd
import numpy as np
import shapely
import yaml

from slumpmap.config import read_config
from slumpmap.grid import Grid
from slumpmap.raster import RGB_NODATA, write_cog, write_raster
from slumpmap.review.chips import Sources, make_chips
from slumpmap.vector import write_layer

CRS = "EPSG:32646"
X0, Y0 = 500_000.0, 3_844_000.0
TILE_PX = 256
YEARS = (2017, 2018, 2019)


def square(x, y, side):
    """A square by its centre, metres from the grid's upper left corner (south positive)."""
    return shapely.box(X0 + x - side / 2, Y0 - y - side / 2, X0 + x + side / 2, Y0 - y + side / 2)


def candidates_of(centres, side=60.0, iteration=1):
    """Candidates of an iteration, all new, squares at these centres."""
    shapes = [square(x, y, side) for x, y in centres]
    boxes = np.array([shape.bounds for shape in shapes]).reshape(-1, 4)
    return gpd.GeoDataFrame(
        {
            "id": [f"{iteration:02d}-c{number:04d}" for number in range(len(shapes))],
            "score": np.linspace(0.9, 0.4, len(shapes)),
            "score_max": np.linspace(0.95, 0.5, len(shapes)),
            "pixels": [int(shape.area / 9) for shape in shapes],
            "area_ha": [shape.area / 1e4 for shape in shapes],
            "nodata_share": 0.0,
            "at_edge": False,
            "west": boxes[:, 0],
            "south": boxes[:, 1],
            "east": boxes[:, 2],
            "north": boxes[:, 3],
            "status": "new",
            "reason": "",
        },
        geometry=shapes,
        crs=CRS,
    )


class Campaign:
    """The files of a campaign whose first iteration waits for people."""

    def __init__(self, folder, centres, **review):
        self.folder = folder
        bounds = [X0, Y0 - 3 * TILE_PX, X0 + 2 * 3 * TILE_PX, Y0]
        people = {"mode": "people", "reviewers": ["anna", "ben"], "adjudicator": "chen"}
        config = {
            "campaign": "toy",
            "data": str(folder),
            "results": str(folder / "results"),
            "inputs": {"catalogue": "scenes.gpkg", "positives": "positives.gpkg", "dem": "dem.tif"},
            "grid": {"crs": CRS, "resolution": 3.0, "tile_px": TILE_PX, "bounds": bounds},
            "imagery": {"years": list(YEARS), "mapping_year": 2019},
            "review": people | {"decisions": str(folder / "decisions")} | review,
        }
        self.path = folder / "campaign.yaml"
        self.path.write_text(yaml.safe_dump(config))
        self.config = read_config(self.path)
        self.iteration = self.config.folder / "iterations" / "01"
        self.grid = Grid.over(shapely.box(*bounds), CRS, 3.0, TILE_PX)
        self.candidates = candidates_of(centres)
        self._write()

    def _write(self):
        self._images()
        ramp = 4000 + 0.1 * 30 * np.arange(120)[None, :] + np.zeros((120, 1))
        write_raster(
            self.folder / "dem.tif",
            ramp.astype(np.float32),
            Grid(CRS, X0 - 900, Y0 + 900, 30.0, 120, shapely.box(0, 0, 1, 1)).transform,
            CRS,
            nodata=-9999,
        )
        write_layer(self.candidates, self.iteration / "candidates" / "candidates.gpkg")
        known = gpd.GeoDataFrame({"id": ["p1"]}, geometry=[square(200, 120, 40)], crs=CRS)
        write_layer(known, self.iteration / "labels" / "positives.gpkg")
        ranked = self.candidates[["id", "geometry"]].copy()
        ranked["rank"] = np.arange(1, len(ranked) + 1)
        ranked["expected"] = ranked["probability"] = np.linspace(0.8, 0.1, len(ranked))
        ranked["drawn"] = False
        write_layer(ranked, self.iteration / "review" / "queue.gpkg")
        self._scenes()

    def _images(self):
        """Every year is grey 100; the candidates' ground brightens from year to year; 2018 has a hole."""
        for step, year in enumerate(YEARS):
            for tile in self.grid.tiles:
                image = np.full((3, TILE_PX, TILE_PX), 100, np.uint8)
                image[1] = 110
                for shape in self.candidates.geometry:
                    window = self.grid.window_of(shape.bounds)
                    rows = slice(
                        max(window.row - tile.window.row, 0), max(window.row + window.height - tile.window.row, 0)
                    )
                    columns = slice(
                        max(window.column - tile.window.column, 0),
                        max(window.column + window.width - tile.window.column, 0),
                    )
                    image[:, rows, columns] = 130 + 30 * step
                if year == 2018 and tile.x == 0:
                    image[:, :, :128] = 0
                path = self.config.folder / "imagery" / str(year) / f"{tile.id}.tif"
                write_cog(path, image, self.grid.window_transform(tile.window), CRS, RGB_NODATA)

    def _scenes(self):
        everywhere = shapely.box(*self.grid.bounds(self.grid.extent)).buffer(1000)
        scenes = gpd.GeoDataFrame(
            {
                "acquired": [f"{year}-07-{day:02d}T04:00:00+00:00" for year in YEARS for day in (15, 20)],
                "year": np.repeat(YEARS, 2),
                "cloud_fraction": [0.1, 0.0] * 3,
                "reason": [""] * 6,
            },
            geometry=[everywhere] * 6,
            crs=CRS,
        )
        write_layer(scenes, self.config.folder / "inputs" / "scenes.gpkg")

    def sources(self, **changes):
        """What the chips are made of."""
        folders = {year: self.config.folder / "imagery" / str(year) for year in YEARS}
        values = {
            "grid": self.grid,
            "imagery": folders,
            "mapping_year": 2019,
            "catalogue": self.config.folder / "inputs" / "scenes.gpkg",
            "dem": self.folder / "dem.tif",
            "images": [],
        }
        return Sources(**(values | changes))

    def render(self, **changes):
        """Makes the packs of all tiles; returns their folder."""
        out = self.iteration / "review" / "chips"
        make_chips(
            self.iteration / "candidates" / "candidates.gpkg",
            self.iteration / "labels" / "positives.gpkg",
            None,
            self.sources(**changes),
            self.config.chips,
            [tile.id for tile in self.grid.tiles],
            out,
        )
        return out
