"""A campaign on disk, as small as a site can be made of: slumps in a grid of places, two years of images, decisions."""

import json
import os

import geopandas as gpd
import numpy as np
import shapely
import yaml
from rasterio.transform import from_origin

from slumpmap.config import read_config
from slumpmap.grid import Grid
from slumpmap.raster import write_mosaic, write_raster
from slumpmap.site.build import build_site
from slumpmap.site.ground import write_ground
from slumpmap.site.sheets import write_sheets
from slumpmap.vector import write_layer

CRS = "EPSG:32646"
X0, Y0 = 500_000.0, 3_844_000.0
TILE_PX = 256
YEARS = (2018, 2019)
STEP_M = 120.0
# What a careless or hostile file may hold.
NASTY = "<img src=x onerror=\"document.title='broken'\">"
COMMENT = "</script><script>document.title='broken'</script>"


def squares(count):
    """Squares in a grid of places, their sides growing from 24 m; the eleventh place is left out."""
    columns = int(np.ceil(np.sqrt(count)))
    shapes = []
    for number in range(count):
        x, y = X0 + STEP_M * (number % columns + 1), Y0 - STEP_M * (number // columns + 1)
        half = 12 + 18 * number / count
        shapes.append(shapely.box(x - half, y - half, x + half, y + half))
    return shapes


def inventory_of(shapes, ids=None):
    """An inventory with the columns that a site needs, and two that only its writer knows."""
    count = len(shapes)
    number = np.arange(count)
    return gpd.GeoDataFrame(
        {
            "id": ids or [f"s{n:04d}" for n in number],
            "iteration_found": number % 3,
            "lon": 93.0,
            "lat": 34.7,
            "area_ha": [shape.area / 1e4 for shape in shapes],
            "perimeter_m": [shape.length for shape in shapes],
            "circularity": np.pi / 4,
            "probability": np.where(number % 3 == 0, None, np.where(number % 2, "high", "low")),
            "initiation": np.where(number % 4, "2018-2019", "before 2018"),
            "near_road": number < 4,
            "road_distance_m": 100.0 * number,
            "elevation_mean": 4500.0 + number,
            "elevation_min": 4490.0 + number,
            "elevation_max": 4510.0 + number,
            "slope_mean": 5.0 + number / count,
            "aspect_mean": 10.0,
            "aspect_concentration": 0.9,
            "aspect_class": np.where(number % 2, "N", "SW"),
            "vegetation": None,
            "note": "",
            "visited": number % 2 == 0,
        },
        geometry=shapes,
        crs=CRS,
    )


class Campaign:
    """The files of a campaign; `build` makes its site."""

    def __init__(self, folder, count=12, ids=None, tiles=(3, 2), **config):
        self.folder = folder
        self.results = folder / "results" / "toy"
        columns, rows = tiles
        side = TILE_PX * 6.0
        self.bounds = [X0, Y0 - rows * side, X0 + columns * side, Y0]
        self.shapes = squares(count)
        self.inventory = inventory_of(self.shapes, ids)
        settings = {
            "campaign": "toy",
            "data": str(folder),
            "results": str(folder / "results"),
            "inputs": {
                "catalogue": "scenes.gpkg",
                "positives": "positives.gpkg",
                "dem": "dem.tif",
                "roads": "roads.gpkg",
            },
            "grid": {"crs": CRS, "resolution": 6.0, "tile_px": TILE_PX, "bounds": self.bounds},
            "imagery": {"years": list(YEARS), "mapping_year": 2019, "months": [7], "max_cloud": 0.3},
            "review": {
                "mode": "people",
                "reviewers": ["anna", "ben"],
                "adjudicator": "chen",
                "decisions": str(folder / "decisions"),
            },
        }
        self.config_file = folder / "campaign.yaml"
        self.config_file.write_text(yaml.safe_dump(settings | config))
        self.config = read_config(self.config_file)
        self.grid = Grid.over(shapely.box(*self.bounds), CRS, 6.0, TILE_PX)
        self._bring()
        self._map()

    @property
    def page(self):
        return self.results / "report" / "index.html"

    def _bring(self):
        """The user's files."""
        write_layer(gpd.GeoDataFrame({"id": [1]}, geometry=self.shapes[:1], crs=CRS), self.folder / "positives.gpkg")
        west, south, _, north = self.bounds
        road = shapely.LineString([(west + 700, south - 500), (west + 700, north + 500)])
        write_layer(gpd.GeoDataFrame(geometry=[road], crs=CRS), self.folder / "roads.gpkg")
        elevation = np.fromfunction(lambda row, column: 4500 + 3 * row + 20 * np.sin(column / 5), (180, 240))
        place = from_origin(X0 - 900, Y0 + 900, 30, 30)
        write_raster(self.folder / "dem.tif", elevation.astype(np.float32), place, CRS, -9999)

    def _map(self):
        """What the workflow has made."""
        (self.results / "inputs").mkdir(parents=True)
        (self.results / "inputs" / "grid.json").write_text(self.grid.to_json())
        (self.results / "inventory").mkdir()
        write_layer(self.inventory, self.results / "inventory" / "inventory.gpkg")
        for year in YEARS:
            for number, tile in enumerate(self.grid.tiles):
                bands = np.full((3, TILE_PX, TILE_PX), 60 + 20 * (year - 2018) + 5 * number, np.uint8)
                if year == YEARS[0] and number == 0:
                    # The first slump is not seen, its neighbour is.
                    bands[:, :25, :25] = 0
                folder = self.results / "imagery" / str(year)
                write_raster(folder / f"{tile.id}.tif", bands, self.grid.window_transform(tile.window), CRS, 0)
            write_mosaic(self.grid, folder, 3, 0)

    def outcome(self, number, state="decided", new=5):
        """An iteration's outcome, its model's card and its decisions, half of them timed."""
        home = self.results / "iterations" / f"{number:02d}"
        (home / "outcome").mkdir(parents=True)
        counts = {"positives": 4, "negatives": 2, "inferred": 20, "known": 4, "rejected_before": 0, "inspected": 10}
        row = {"iteration": number, "state": state, "waiting_for": {}, "disputed": 0, "new": new, "total": 4 + new}
        (home / "outcome" / "outcome.json").write_text(json.dumps(row | counts))
        card = {"settings": {"architecture": "Net", "encoder": NASTY}, "steps": 9, "seed": 1, "weights": "ab" * 32}
        (home / "model").mkdir()
        (home / "model" / "model.json").write_text(json.dumps(card))
        for name, seconds in (("anna", [10.0, 20.0, 30.0]), ("ben", [None, None, None])):
            rows = {"candidate_id": ["a", "b", "c"], "is_slump": [True, False, True], "seconds": seconds}
            decisions = gpd.GeoDataFrame(rows, geometry=self.shapes[:3], crs=CRS)
            write_layer(decisions, self.folder / "decisions" / f"{number:02d}" / f"{name}.gpkg")

    def benchmark(self, name, seconds, end, **measured):
        """A benchmark file of a job that ended at a time."""
        path = self.results / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        row = {"s": seconds, "h:m:s": "0:00:01", "max_rss": 1024.0} | measured
        path.write_text("\t".join(row) + "\n" + "\t".join(map(str, row.values())) + "\n")
        os.utime(path, (end, end))

    def pictures(self):
        """What the rules site_ground and site_sheets make."""
        mosaic = self.results / "imagery" / "2019" / "mosaic.vrt"
        report = self.page.parent
        write_ground(
            self.grid, self.folder / "dem.tif", mosaic, self.folder / "roads.gpkg", None, 512, report / "ground"
        )
        write_sheets(
            self.results / "inventory" / "inventory.gpkg",
            self.grid,
            self.results / "imagery",
            YEARS,
            64,
            report / "sheets",
        )

    def build(self):
        """Makes the page."""
        build_site(self.config, self.page)
        return self.page

    def data(self):
        """What the page is told."""
        text = (self.page.parent / "site" / "data.js").read_text()
        return json.loads(text.removeprefix("window.slumpmap = ").removesuffix(";\n"))
