"""Writers killed at random moments: a name that exists is a file that is whole, with one content."""

import random
import secrets
import subprocess
import sys
import time

import numpy as np
import rasterio

from slumpmap.files import read_json
from slumpmap.vector import read_layer

SEED = secrets.randbelow(10**6)
KILLS = 12
# Writes the same names again and again, each time with other content, and says when it begins.
WRITE = """
import itertools, sys
from pathlib import Path
import geopandas as gpd, numpy as np, shapely
from rasterio.transform import from_origin
from slumpmap.files import write_json
from slumpmap.raster import write_raster
from slumpmap.vector import write_layer
out = Path(sys.argv[1])
print("begun", flush=True)
for turn in itertools.count(1):
    rows = 20 + turn % 5
    write_json(out / "a.json", {"turn": turn, "many": [turn] * 5000})
    boxes = shapely.box(np.arange(rows), 0, np.arange(rows) + 1, 1)
    write_layer(gpd.GeoDataFrame({"id": [turn] * rows}, geometry=boxes, crs="EPSG:32646"), out / "a.gpkg")
    pixels = np.full((300, 300), turn % 250 + 1, np.uint8)
    write_raster(out / "a.tif", pixels, from_origin(500000, 3841000, 3, 3), "EPSG:32646")
"""


def test_what_killed_writers_leave_is_whole(tmp_path):
    chance = random.Random(SEED)
    cut = 0
    for kill in range(KILLS):
        writer = subprocess.Popen([sys.executable, "-c", WRITE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout.readline() == "begun\n"
        time.sleep(chance.uniform(0, 0.25))
        writer.kill()
        writer.wait()
        writer.stdout.close()
        place = f"kill {kill} of seed {SEED}"
        if (tmp_path / "a.json").exists():
            told = read_json(tmp_path / "a.json")
            assert told["many"] == [told["turn"]] * 5000, place
        if (tmp_path / "a.gpkg").exists():
            layer = read_layer(tmp_path / "a.gpkg", "layer")
            assert set(layer["id"]) == {layer["id"][0]} and len(layer) == 20 + layer["id"][0] % 5, place
        if (tmp_path / "a.tif").exists():
            with rasterio.open(tmp_path / "a.tif") as source:
                assert len(np.unique(source.read(1))) == 1, place
        left = [path for path in tmp_path.iterdir() if path.name.startswith(".")]
        cut += bool(left)
        for path in left:
            path.unlink()
    assert (tmp_path / "a.tif").exists()
    print(f"\n{KILLS} writers killed, seed {SEED}: {cut} in the middle of a file, every file whole")
