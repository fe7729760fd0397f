"""Evidence of whole iterations: independent of tiling and order, at edges, without images, without elevations."""

import math

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.transform import Affine

from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.raster import write_raster
from slumpmap.review.evidence import STATED, Elevations, collect_evidence
from slumpmap.review.traits import MEASURED
from slumpmap.vector import write_layer

CRS = "EPSG:32646"
# Whole multiples of the pixel, so that the grid begins here.
X0, Y0, SIZE, CELL = 499998.0, 3840000.0, 192, 3.0
AREA = shapely.box(X0, Y0 - SIZE * CELL, X0 + SIZE * CELL, Y0)
YEARS = (2018, 2019)


def grid(tile_px=64):
    return Grid.over(AREA, CRS, CELL, tile_px)


def cells(row, column, height, width):
    """A rectangle of whole pixels."""
    west, north = X0 + column * CELL, Y0 - row * CELL
    return shapely.box(west, north - height * CELL, west + width * CELL, north)


def write_tiles(folder, image, of):
    for tile in of.tiles:
        window, values = tile.window, np.zeros((3, of.tile_px, of.tile_px), dtype=np.uint8)
        part = image[:, window.row : window.row + of.tile_px, window.column : window.column + of.tile_px]
        values[:, : part.shape[1], : part.shape[2]] = part
        write_raster(folder / f"{tile.id}.tif", values, of.window_transform(window), CRS, 0)


def candidates(shapes, status="new"):
    count = len(shapes)
    return gpd.GeoDataFrame(
        {
            "id": [f"01-r{number:06d}" for number in range(count)],
            "status": pd.Series([status] * count, dtype=object),
            "score": np.linspace(0.5, 0.9, count),
            "score_max": np.linspace(0.6, 0.95, count),
            "nodata_share": 0.0,
            "covered_by_slumps": 0.0,
            "covered_by_rejected": 0.0,
        },
        geometry=shapes,
        crs=CRS,
    )


@pytest.fixture(scope="module")
def images():
    """Two years of textured ground with bare rectangles in the second; a hole without image in it."""
    rng = np.random.default_rng(5)
    first = rng.integers(80, 100, (3, SIZE, SIZE)).astype(np.uint8)
    second = first.copy()
    for row, column, height, width in BOXES:
        second[0, row : row + height, column : column + width] += 60
    second[:, 150:170, 150:170] = 0
    return {2018: first, 2019: second}


BOXES = [(50, 55, 20, 18), (0, 100, 8, 12), (120, 120, 7, 9), (140, 140, 25, 25), (184, 30, 8, 20), (90, 20, 6, 4)]


@pytest.fixture
def made(tmp_path, images):
    """A function that writes an iteration for a tile size and measures it."""

    def make(tile_px=64, shapes=None, dem=True, years=YEARS, shuffle=None, name="evidence"):
        of = grid(tile_px)
        folder = tmp_path / str(tile_px)
        for year in years:
            if not (folder / str(year)).exists():
                write_tiles(folder / str(year), images[year], of)
        layer = candidates([cells(*box) for box in BOXES] if shapes is None else shapes)
        if shuffle is not None:
            layer = layer.sample(frac=1, random_state=shuffle)
        write_layer(layer, tmp_path / "candidates.gpkg")
        known = gpd.GeoDataFrame({"id": ["s1"]}, geometry=[cells(100, 100, 10, 10)], crs=CRS)
        write_layer(known, tmp_path / "known.gpkg")
        looks = gpd.GeoDataFrame({"id": ["n1", "n2"]}, geometry=[cells(84, 20, 9, 4), cells(80, 20, 12, 4)], crs=CRS)
        write_layer(looks, tmp_path / "negatives.gpkg")
        out = tmp_path / f"{name}.parquet"
        imagery = {year: folder / str(year) for year in years}
        elevations = tmp_path / "dem.tif" if dem else None
        if dem:
            write_plane(elevations, 0.02, 0.1)
        collect_evidence(
            *(tmp_path / f"{layer}.gpkg" for layer in ("candidates", "known", "negatives")),
            *(None, imagery, 2019, elevations, of, out),
        )
        return pd.read_parquet(out).set_index("id")

    return make


def write_plane(path, east, north, cell=30.0, crs=CRS, size=60):
    """An inclined plane around the study area; rise over run eastward and northward."""
    x = np.arange(size) * cell
    values = (4500 + east * x[None, :] - north * x[:, None]).astype(np.float32)
    write_raster(path, values, Affine(cell, 0, X0 - 600, 0, -cell, Y0 + 600), crs, -9999.0)


def test_everything_is_measured(made):
    found = made()
    assert list(found.columns) == ["status", *STATED, *MEASURED]
    inner = found.loc["01-r000000"]
    assert inner["size"] == pytest.approx(math.log(20 * 18 * 9 / 1e4))
    assert inner["solidity"] == pytest.approx(1.0)
    assert inner["newly_bare"] == pytest.approx(1.0, abs=0.02)
    assert inner["slope_deg"] == pytest.approx(math.degrees(math.atan(math.hypot(0.02, 0.1))), abs=1e-3)
    # The ground rises to the north: it faces south.
    assert inner["faces_north"] == pytest.approx(-0.1 / math.hypot(0.02, 0.1), abs=1e-3)
    assert inner["faces_east"] == pytest.approx(-0.02 / math.hypot(0.02, 0.1), abs=1e-3)
    # A plane lies no higher than the plane around, but beside the study area's edge.
    assert inner["height_m"] == pytest.approx(0.0, abs=0.2)


def test_nearness_falls_with_distance(made):
    found = made()
    gap = shapely.distance(cells(*BOXES[2]), cells(100, 100, 10, 10))
    assert found.loc["01-r000002", "near_slump"] == pytest.approx(1 / (1 + gap / 100))
    away = shapely.distance(cells(*BOXES[2]), cells(84, 20, 9, 4))
    assert found.loc["01-r000002", "near_rejected"] == pytest.approx(1 / (1 + away / 100))
    # Three of the six rows of the last one lie on a look-alike; two of them were drawn twice.
    assert found["on_negative"].tolist() == pytest.approx([0, 0, 0, 0, 0, 3 / 6])
    shapes = [cells(*box) for box in BOXES]
    near = [sum(shapely.distance(one, other) <= 150 for other in shapes) for one in shapes]
    assert found["neighbours"].tolist() == pytest.approx(np.log(near))
    assert min(near) == 1 < max(near)


def test_what_lies_at_the_edge_of_the_grid_or_of_the_images_is_measured_on_what_is_there(made):
    found = made()
    for name in ("01-r000001", "01-r000004"):
        assert found.loc[name, "newly_bare"] == pytest.approx(1.0, abs=0.02)
    # 15 of its 25 rows and columns have no image in the mapping year, that is 36 % of it.
    assert found.loc["01-r000003", "valid_years"] == 2.0
    assert found.loc["01-r000003", "newly_bare"] == pytest.approx(1.0, abs=0.02)


def test_a_candidate_without_image_keeps_its_shape_and_ground(made):
    found = made(shapes=[cells(152, 152, 12, 12)])
    row = found.loc["01-r000000"]
    assert row["valid_years"] == 1.0
    assert math.isnan(row["contrast"])
    assert row["slope_deg"] > 5


@given(
    tile_px=st.sampled_from([64, 80, 96, 192, 256]),
    boxes=st.lists(
        st.tuples(st.integers(0, 180), st.integers(0, 180), st.integers(1, 40), st.integers(1, 40)),
        min_size=1,
        max_size=4,
    ),
)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tiles_do_not_matter(made, tile_px, boxes):
    shapes = [
        cells(row, column, min(height, SIZE - row), min(width, SIZE - column)) for row, column, height, width in boxes
    ]
    pd.testing.assert_frame_equal(made(64, shapes), made(tile_px, shapes, name="other"), check_exact=True)


def test_the_order_of_the_rows_does_not_matter(made):
    pd.testing.assert_frame_equal(made(), made(shuffle=3), check_exact=True)


def test_without_elevations_the_rest_is_known(made):
    with_dem, without = made(), made(dem=False)
    assert without["slope_deg"].isna().all()
    assert without["along_slope"].isna().all()
    pd.testing.assert_series_equal(with_dem["newly_bare"], without["newly_bare"])


def test_one_year_knows_no_change(made):
    found = made(years=(2019,))
    assert found["newly_bare"].isna().all()
    assert found["contrast"].notna().any()


def test_no_candidates_make_an_empty_table(made):
    found = made(shapes=[])
    assert len(found) == 0
    assert list(found.columns) == ["status", *STATED, *MEASURED]


def test_a_large_candidate_is_sampled_and_measures_about_the_same(made, monkeypatch):
    whole = made(shapes=[cells(40, 40, 90, 60)])
    monkeypatch.setattr("slumpmap.review.evidence.LARGEST", 60)
    sampled = made(shapes=[cells(40, 40, 90, 60)], name="sampled")
    for name in ("elongation", "brightness", "newly_bare", "slope_deg"):
        assert sampled.loc["01-r000000", name] == pytest.approx(whole.loc["01-r000000", name], abs=0.04), name
    assert (sampled.loc["01-r000000", list(MEASURED)] != whole.loc["01-r000000", list(MEASURED)]).any()


def test_samples_of_a_large_candidate_are_its_own_pixels(made, monkeypatch):
    patches = []
    monkeypatch.setattr("slumpmap.review.evidence.measure", lambda patch: patches.append(patch) or {})
    # Its last row and column are taken.
    shape = cells(41, 42, 86, 59).difference(cells(60, 42, 20, 30))
    made(shapes=[shape])
    monkeypatch.setattr("slumpmap.review.evidence.LARGEST", 50)
    made(shapes=[shape])
    whole, sampled = patches
    assert sampled.cell == 3 * whole.cell
    np.testing.assert_array_equal(sampled.inside, whole.inside[::3, ::3])
    np.testing.assert_array_equal(sampled.images[2019], whole.images[2019][:, ::3, ::3])
    assert np.abs(sampled.depth - whole.depth[::3, ::3]).max() <= sampled.cell


def test_a_thin_candidate_is_not_lost_between_samples(made, monkeypatch):
    monkeypatch.setattr("slumpmap.review.evidence.LARGEST", 60)
    found = made(shapes=[cells(40, 21, 90, 1)])
    assert found.loc["01-r000000", "elongation"] > 0.9


def test_missing_tiles_and_columns_are_refused(made, tmp_path):
    made()
    next((tmp_path / "64" / "2018").glob("*.tif")).unlink()
    with pytest.raises(InputError, match="tile cannot be read"):
        made()
    write_layer(candidates([cells(1, 1, 5, 5)]).drop(columns="score"), tmp_path / "candidates.gpkg")
    layers = tmp_path / "known.gpkg", tmp_path / "negatives.gpkg"
    arguments = (*layers, None, {}, 2019, None, grid(), tmp_path / "out.parquet")
    with pytest.raises(InputError, match="lacks the column score"):
        collect_evidence(tmp_path / "candidates.gpkg", *arguments)


def test_a_hill_stands_above_the_ground_around(tmp_path):
    values = np.full((60, 60), 4500, np.float32)
    values[28:33, 28:33] += 10
    write_raster(tmp_path / "dem.tif", values, Affine(30, 0, X0 - 600, 0, -30, Y0 + 600), CRS, -9999.0)
    hill = shapely.Point(X0 - 600 + 30.5 * 30, Y0 + 600 - 30.5 * 30).buffer(20)
    rise, height = Elevations(tmp_path / "dem.tif", grid()).ground(hill)
    assert math.hypot(*rise) == pytest.approx(0, abs=1e-6)
    # 25 of about 218 cells within 250 m are 10 m higher.
    assert height == pytest.approx(10 * (1 - 25 / 218), abs=0.6)


def test_a_fine_dem_is_averaged_and_one_in_degrees_is_brought_to_the_plane(tmp_path):
    outline = shapely.box(X0 + 250, Y0 - 300, X0 + 300, Y0 - 250)
    write_plane(tmp_path / "fine.tif", 0.05, -0.1, cell=5.0, size=360)
    rise, _ = Elevations(tmp_path / "fine.tif", grid()).ground(outline)
    assert rise == (pytest.approx(0.05, abs=1e-4), pytest.approx(-0.1, abs=1e-4))
    # At the equator of its zone, a degree is the same length both ways within half a percent.
    size, cell = 80, 30 / 111320
    x = np.arange(size) * 30.0
    values = (4500 + 0.05 * x[None, :] + 0.1 * x[:, None]).astype(np.float32)
    write_raster(tmp_path / "degrees.tif", values, Affine(cell, 0, 93.0, 0, -cell, 0.02), "EPSG:4326", -9999.0)
    equator = Grid.over(shapely.box(500300, 500, 501800, 2000), CRS, CELL, 64)
    rise, _ = Elevations(tmp_path / "degrees.tif", equator).ground(shapely.box(501000, 1000, 501050, 1050))
    assert rise == (pytest.approx(0.05, rel=0.02), pytest.approx(-0.1, rel=0.02))
