"""Time-lapse chips: one window, one stretch, the right place, the right words."""

import io
import zipfile

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from room_maker import CRS, X0, Y0, Campaign, candidates_of

from slumpmap.errors import InputError
from slumpmap.grid import Grid
from slumpmap.raster import write_raster
from slumpmap.review.chips import averaged, make_chips, stretch_of, stretched, tiles_of, with_pattern
from slumpmap.review.extra import image_of
from slumpmap.review.pack import Pack
from slumpmap.review.relief import Relief
from slumpmap.settings.imagery import DatedImage
from slumpmap.settings.review import ChipSettings


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    made = Campaign(tmp_path_factory.mktemp("chips"), [(300, 300), (768, 400), (1400, 700)])
    made.render()
    return made


def pack_of(campaign, tile):
    return Pack(campaign.iteration / "review" / "chips" / f"{tile}.zip")


def picture(pack, name, member):
    return np.asarray(Image.open(io.BytesIO(pack.picture(name, member))).convert("RGB")).astype(int)


def entry(campaign, name):
    for path in sorted((campaign.iteration / "review" / "chips").glob("*.zip")):
        with Pack(path) as pack:
            if name in pack.candidates():
                return pack.meta(name)
    raise AssertionError(name)


def test_each_candidate_is_in_the_pack_of_the_tile_that_holds_its_centre(campaign):
    with pack_of(campaign, "x000_y000") as pack:
        assert pack.candidates() == ["01-c0000"]
    with pack_of(campaign, "x001_y000") as pack:
        assert pack.candidates() == ["01-c0001", "01-c0002"]


def test_a_chip_shows_the_box_and_300_m_round_it(campaign):
    meta = entry(campaign, "01-c0000")
    west, south, east, north = meta["bounds"]
    assert (west, north) == pytest.approx((X0 + 300 - 330, Y0 - 300 + 330), abs=3)
    assert east - west == north - south == meta["size"] * meta["resolution"] == pytest.approx(660, abs=6)


def test_the_candidate_lies_where_its_outline_says(campaign):
    """The bright square of the last year, found in the picture, is the outline put through the entry's bounds."""
    with pack_of(campaign, "x000_y000") as pack:
        meta, image = pack.meta("01-c0000"), picture(pack, "01-c0000", "frame_02.jpg")
    rows, columns = np.nonzero(image[..., 0] > 200)
    west, _, _, north = meta["bounds"]
    found = shapely.box(
        west + columns.min() * 3, north - (rows.max() + 1) * 3, west + (columns.max() + 1) * 3, north - rows.min() * 3
    )
    outline = shapely.geometry.shape(meta["outline"])
    assert found.intersection(outline).area / found.union(outline).area > 0.9


def test_all_years_share_one_stretch(campaign):
    """The unchanging ground looks alike in all years, and the candidate brightens."""
    with pack_of(campaign, "x001_y000") as pack:
        frames = [picture(pack, "01-c0002", f"frame_{number:02d}.jpg") for number in range(3)]
    ground = [frame[20:30, 20:30].mean(axis=(0, 1)) for frame in frames]
    assert np.ptp(ground, axis=0).max() < 3
    middle = [frame[108:112, 108:112].mean() for frame in frames]
    assert middle[0] + 30 < middle[1] and middle[1] + 30 < middle[2]


def test_years_say_what_is_missing_and_which_scenes_they_show(campaign):
    frames = entry(campaign, "01-c0000")["frames"]
    assert [frame["label"] for frame in frames] == ["2017", "2018", "2019"]
    assert [frame["state"] for frame in frames] == ["ok", "cloudy", "ok"]
    assert frames[0]["dates"] == ["2017-07-20", "2017-07-15"]
    assert entry(campaign, "01-c0000")["mapping_frame"] == 2


def test_ground_without_any_scene_is_missing_not_cloudy(campaign, tmp_path):
    import geopandas as gpd

    from slumpmap.vector import write_layer

    scenes = gpd.read_file(campaign.config.folder / "inputs" / "scenes.gpkg")
    write_layer(scenes[scenes["year"] != 2018], tmp_path / "scenes.gpkg")
    sources = campaign.sources(catalogue=tmp_path / "scenes.gpkg")
    folder = campaign.iteration
    make_chips(
        folder / "candidates/candidates.gpkg",
        folder / "labels/positives.gpkg",
        None,
        sources,
        ChipSettings(),
        ["x000_y000"],
        tmp_path,
    )
    with Pack(tmp_path / "x000_y000.zip") as pack:
        assert [frame["state"] for frame in pack.meta("01-c0000")["frames"]] == ["ok", "missing", "ok"]


def test_uphill_is_where_the_ground_rises(campaign):
    """The DEM rises by 0.1 eastward: uphill is 90 degrees, not 270, and the slope is that of 0.1."""
    meta = entry(campaign, "01-c0001")
    assert meta["uphill_deg"] == pytest.approx(90, abs=0.5)
    assert meta["slope_deg"] == pytest.approx(np.degrees(np.arctan(0.1)), abs=0.05)
    assert meta["elevation_m"] == pytest.approx(4000 + 0.1 * (768 + 900 - 15), abs=2)


@pytest.mark.parametrize(("east", "north", "uphill"), [(0, 1, 0), (1, 1, 45), (0, -1, 180), (-1, 0, 270)])
def test_uphill_in_all_directions(tmp_path, east, north, uphill):
    y, x = np.mgrid[0:40, 0:40] * 30.0
    write_raster(
        tmp_path / "dem.tif",
        (1000 + 0.2 * (east * x - north * y)).astype(np.float32),
        Grid(CRS, X0, Y0, 30.0, 40, shapely.box(0, 0, 1, 1)).transform,
        CRS,
        nodata=-9999,
    )
    relief = Relief(tmp_path / "dem.tif", CRS, (X0 + 300, Y0 - 900, X0 + 900, Y0 - 300))
    ground = relief.ground((X0 + 500, Y0 - 700, X0 + 600, Y0 - 600))
    assert (ground.uphill_deg - uphill + 180) % 360 - 180 == pytest.approx(0, abs=0.1)


def test_level_ground_has_no_uphill_direction_and_void_ground_nothing(tmp_path):
    elevation = np.full((40, 40), 1000.0, np.float32)
    elevation[:, 30:] = -9999
    transform = Grid(CRS, X0, Y0, 30.0, 40, shapely.box(0, 0, 1, 1)).transform
    write_raster(tmp_path / "dem.tif", elevation, transform, CRS, nodata=-9999)
    relief = Relief(tmp_path / "dem.tif", CRS, (X0, Y0 - 1200, X0 + 1200, Y0))
    assert relief.ground((X0 + 300, Y0 - 400, X0 + 400, Y0 - 300)).uphill_deg is None
    assert relief.ground((X0 + 1050, Y0 - 400, X0 + 1100, Y0 - 300)) is None


def test_relief_has_the_light_on_the_side_of_the_sun(tmp_path):
    """A ridge from south-west to north-east: its north-western flank is the bright one."""
    y, x = np.mgrid[0:60, 0:60] * 30.0
    ridge = 1000 - 0.3 * np.abs(x - y) / np.sqrt(2)
    transform = Grid(CRS, X0, Y0, 30.0, 60, shapely.box(0, 0, 1, 1)).transform
    write_raster(tmp_path / "dem.tif", ridge[:, ::-1].astype(np.float32), transform, CRS, nodata=-9999)
    relief = Relief(tmp_path / "dem.tif", CRS, (X0, Y0 - 1800, X0 + 1800, Y0))
    shade, step = relief.picture((X0 + 300, Y0 - 1500, X0 + 1500, Y0 - 300), 200)
    values = np.asarray(shade).astype(int)
    assert values[30, 30] > values[170, 170] + 100
    assert step in (10.0, 20.0, 50.0)


def test_known_slumps_and_neighbours_are_named_but_not_the_candidate_itself(campaign):
    around = entry(campaign, "01-c0000")["around"]
    assert {(place["kind"], place["id"]) for place in around} >= {("known", "p1"), ("candidate", "01-c0001")}
    assert "01-c0000" not in {place["id"] for place in around}


def test_packs_are_equal_to_the_byte_and_independent_of_the_other_tiles(campaign, tmp_path):
    folder = campaign.iteration
    make_chips(
        folder / "candidates/candidates.gpkg",
        folder / "labels/positives.gpkg",
        None,
        campaign.sources(),
        campaign.config.chips,
        ["x001_y000"],
        tmp_path,
    )
    again = (tmp_path / "x001_y000.zip").read_bytes()
    assert again == (folder / "review/chips/x001_y000.zip").read_bytes()


def test_a_further_image_takes_its_place_among_the_years(campaign, tmp_path):
    """A finer image of another sensor, in its own units and CRS, shows the same square, at its date."""
    values = np.full((3, 400, 400), 2000, np.uint16)
    values[:, 190:210, 190:210] = 9000
    transform = Grid(CRS, X0, Y0 + 0.0, 1.5, 400, shapely.box(0, 0, 1, 1)).transform
    write_raster(tmp_path / "uav.tif", values, transform, CRS, nodata=0)
    image = DatedImage(name="UAV", path=tmp_path / "uav.tif", date="2018-09-01")
    out = tmp_path / "packs"
    folder = campaign.iteration
    make_chips(
        folder / "candidates/candidates.gpkg",
        folder / "labels/positives.gpkg",
        None,
        campaign.sources(images=[image]),
        campaign.config.chips,
        ["x000_y000"],
        out,
    )
    with Pack(out / "x000_y000.zip") as pack:
        meta, shown = pack.meta("01-c0000"), picture(pack, "01-c0000", "frame_02.jpg")
    assert [frame["label"] for frame in meta["frames"]] == ["2017", "2018", "UAV 2018-09-01", "2019"]
    assert meta["mapping_frame"] == 3
    rows, columns = np.nonzero(shown[..., 0] > 200)
    west, _, _, north = meta["bounds"]
    assert west + columns.mean() * 3 == pytest.approx(X0 + 300, abs=4)
    assert north - rows.mean() * 3 == pytest.approx(Y0 - 300, abs=4)


def test_an_image_without_the_bands_that_are_asked_for_is_refused(tmp_path):
    transform = Grid(CRS, X0, Y0, 3.0, 10, shapely.box(0, 0, 1, 1)).transform
    write_raster(tmp_path / "grey.tif", np.ones((10, 10), np.uint8), transform, CRS)
    image = DatedImage(name="grey", path=tmp_path / "grey.tif", date="2018-09-01", bands=(1, 2, 3))
    with pytest.raises(InputError, match="1 bands, not 3"):
        image_of(image, CRS, (X0, Y0 - 30, X0 + 30, Y0), 10)


def test_a_damaged_pack_is_named(campaign, tmp_path):
    path = campaign.iteration / "review/chips/x000_y000.zip"
    (tmp_path / "x.zip").write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"x\.zip.*cannot be read"):
        Pack(tmp_path / "x.zip")
    with Pack(path) as pack, pytest.raises(InputError, match="frame_09"):
        pack.picture("01-c0000", "frame_09.jpg")


def test_pictures_are_stored_so_that_one_is_read_at_once(campaign):
    with zipfile.ZipFile(campaign.iteration / "review/chips/x000_y000.zip") as pack:
        assert {info.compress_type for info in pack.infolist()} == {zipfile.ZIP_STORED}


@given(st.integers(1, 4), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_averaging_is_the_mean_of_valid_pixels(factor, seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 256, (3, 4 * factor, 4 * factor), dtype=np.uint8)
    values[:, rng.random(values.shape[1:]) < 0.3] = 0
    means = averaged(values, factor)
    for row in range(4):
        for column in range(4):
            square = values[:, row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
            valid = square.any(axis=0)
            if 2 * valid.sum() > factor**2:
                assert means[:, row, column] == pytest.approx(square[:, valid].mean(axis=1), abs=0.51)
            else:
                assert not means[:, row, column].any()


def test_the_stretch_leaves_even_ground_even():
    even = np.full((3, 50, 50), 100, np.uint8)
    even[:, ::2] = 102
    low, high = stretch_of([even], (slice(0, 9), slice(0, 9)))
    assert high - low == 30
    assert np.ptp(stretched(even, low, high)[:, 1:, :]) < 25
    assert stretch_of([np.zeros((3, 4, 4), np.uint8)], (slice(1, 2), slice(1, 2))) == (0.0, 255.0)


def test_ground_without_image_gets_a_pattern_and_nothing_else_changes():
    values = np.full((3, 16, 16), 7, np.uint8)
    values[:, :8] = 0
    image = with_pattern(values)
    assert (image[8:] == 7).all()
    assert set(np.unique(image[:8])) == {88, 104}


@given(st.lists(st.tuples(st.floats(0, 1530), st.floats(0, 760)), min_size=1, max_size=20))
@settings(max_examples=40)
def test_every_candidate_belongs_to_exactly_one_tile(centres):
    grid = Grid.over(shapely.box(X0, Y0 - 768, X0 + 1536, Y0), CRS, 3.0, 256)
    names = tiles_of(candidates_of(centres), grid)
    for (x, y), name in zip(centres, names, strict=True):
        tile = grid.tile(name)
        assert (tile.x, tile.y) == ((X0 + x - grid.x0) // 768, (grid.y0 - Y0 + y) // 768)
