"""Outlines from votes: what enough experts outlined, and nothing of the held-out part among the positives."""

import numpy as np
import pytest
import shapely
from rasterio.transform import from_origin

from slumpmap.consensus import make_consensus
from slumpmap.errors import InputError
from slumpmap.raster import write_raster
from slumpmap.settings.inputs import ConsensusSettings
from slumpmap.vector import read_layer

CRS = "EPSG:32608"
WEST, NORTH = 470000.0, 7550000.0
SETTINGS = ConsensusSettings(
    votes="votes.tif",
    at_least=6,
    training=(WEST, NORTH - 400, WEST + 200, NORTH),
    evaluation=(WEST + 250, NORTH - 400, WEST + 400, NORTH),
)


def votes(path, top=12):
    counts = np.zeros((40, 40), np.uint8)
    counts[5:10, 15:25] = top
    counts[6, 16] = 5
    counts[30:33, 30:33] = min(top, 6)
    write_raster(path, counts, from_origin(WEST, NORTH, 10, 10), CRS)
    return path


def test_layers(tmp_path):
    make_consensus(votes(tmp_path / "votes.tif"), SETTINGS, CRS, tmp_path)
    truth = read_layer(tmp_path / "truth.gpkg", "truth")
    assert sorted(truth.area) == [900, 4900]
    positives = read_layer(tmp_path / "positives.gpkg", "positives")
    # Columns 15 to 19 lie in the training part, less the pixel with five votes.
    assert positives.area.tolist() == [5 * 5 * 100 - 100]
    assert positives.within(shapely.box(*SETTINGS.training)).all()
    assert read_layer(tmp_path / "evaluation_area.gpkg", "area").area.tolist() == [150 * 400]


def test_too_few_votes_and_another_crs_are_refused(tmp_path):
    with pytest.raises(InputError, match="no pixel has 6 votes"):
        make_consensus(votes(tmp_path / "votes.tif", top=5), SETTINGS, CRS, tmp_path / "out")
    with pytest.raises(InputError, match=r"set grid\.crs|Set grid\.crs"):
        make_consensus(votes(tmp_path / "votes.tif"), SETTINGS, "EPSG:32609", tmp_path / "out")
