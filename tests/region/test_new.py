"""`slumpmap new`: layers checked and brought into form, a configuration for the workflow, nothing overwritten."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
import yaml
from click.testing import CliRunner, Result
from rasterio.transform import Affine
from shapely.geometry import LineString, Point, box

from slumpmap.cli import app
from slumpmap.config import grid_of, read_config
from slumpmap.demo import corridor_size
from slumpmap.demo.corridor import make_layout
from slumpmap.errors import InputError
from slumpmap.imagery.catalogue import make_catalogue
from slumpmap.intake import check_layers
from slumpmap.plan import Machine, make_plan
from slumpmap.region import make

FILES = {
    "area": "study_area.shp",
    "scenes": "PSScene",
    "slumps": "thaw_slumps.shp",
    "lookalikes": "look_alikes.geojson",
    "roads": "roads.zip",
    "dem": "SRTM",
    "vegetation": "vegetation.tif",
    "vegetation-legend": "vegetation_legend.csv",
    "soil": "soil.tif",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder on a machine without a GPU, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(make, "graphics_cards", list)
    return tmp_path


def new(delivery: Path, *options: str, answers: str = "", leave: tuple[str, ...] = (), **files: Any) -> Result:
    """Runs the command on the delivery's files; `files` take the place of some, `leave` are not given."""
    named = {name: delivery / path for name, path in FILES.items() if name not in leave} | files
    words = [word for name, path in named.items() for word in (f"--{name}", str(path))]
    return CliRunner().invoke(app, ["new", "valley", *words, *options], input=answers)


def made(result: Result) -> str:
    assert result.exception is None, result.exception
    return " ".join(result.output.split())


def refused(result: Result) -> str:
    """The message of a command that left nothing behind."""
    assert isinstance(result.exception, InputError), result.output
    assert not Path("config/valley.yaml").exists()
    assert [path for path in Path().rglob("*") if "valley" in path.name] == []
    return str(result.exception)


@pytest.fixture(scope="module")
def region(delivery: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the command has run with everything there is."""
    folder = tmp_path_factory.mktemp("region")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(make, "graphics_cards", list)
        result = new(delivery)
        (folder / "said.txt").write_text(made(result))
    return folder


def test_table_says_what_each_layer_is(region: Path) -> None:
    said = (region / "said.txt").read_text()
    for part in (
        "study area EPSG:4326 9.72 km2, 6 tiles of 512 pixels of 3 m in EPSG:32646",
        "scenes EPSG:32646 100% scenes: 14 (analytic_sr), 4 bands of uint16, 3 m",
        "2018: 5 cover 100%, 2 more are out of season or too cloudy",
        "slumps are mapped on it",
        "known slumps EPSG:32647 outlines: 5, of",
        "roads EPSG:4326 lines:",
        "vegetation EPSG:32646 100%",
        "no legend: fill in the names in soil_legend.csv",
        "DEM EPSG:4326 100%",
        "Next: slumpmap plan --config config/valley.yaml",
        "Then: snakemake --cores all --configfile config/valley.yaml",
    ):
        assert part in said


def test_configuration_is_one_that_the_workflow_takes(region: Path, here: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(region)
    config = read_config(Path("config/valley.yaml"))
    config.check_files()
    grid, files = grid_of(config.grid), config.input_files()
    assert grid.area.area == pytest.approx(9.72e6, rel=1e-6)
    wanted = ("dem", "roads", "vegetation", "vegetation_legend", "soil", "soil_legend")
    check_layers(grid, **{name: getattr(files, name) for name in wanted})
    assert files.catalogue is not None
    make_catalogue(files.catalogue, grid, config.imagery, config.imagery.years, here / "checked.gpkg")
    checked = gpd.read_file(here / "checked.gpkg", layer="checked")
    assert checked.groupby("year")["selected"].sum().to_dict() == {2018: 5, 2019: 5}
    assert config.imagery.mapping_year == 2019 and config.imagery.bands == (3, 2, 1)
    assert config.review.mode == "people" and config.model.encoder == "tu-mobilenetv3_small_100"
    assert make_plan(config, Machine(2, 8.0)).stages


def test_configuration_is_commented(region: Path) -> None:
    text = (region / "config/valley.yaml").read_text()
    assert text.count("\n#") + text.count("  #") > 8 and "# nir_band: 4" in text
    assert "reflectance: [0, 3000]" in text


def test_layers_are_brought_to_the_grid(region: Path, delivery: Path) -> None:
    slumps = gpd.read_file(region / "data/valley/slumps.gpkg", layer="slumps")
    theirs = gpd.read_file(delivery / "thaw_slumps.shp")
    assert slumps.crs.to_epsg() == 32646
    assert slumps.to_crs(theirs.crs).geometry.geom_equals_exact(theirs.geometry, 0.01).all()
    assert list(slumps["initiation"]) == list(theirs["initiation"])
    dem = make_layout(corridor_size("tiny"), 1).terrain.dem
    with rasterio.open(region / "data/valley/dem.tif") as ours:
        assert ours.crs == "EPSG:32646"
        points = [(500_000 + 130 * n, 3_840_000 + 37 * n) for n in range(20)]
        got = np.array([value[0] for value in ours.sample(points)])
    column, row = ~dem.transform @ tuple(np.array(points).T)
    there = dem.values[row.astype(int), column.astype(int)]
    assert np.abs(got - there).max() < 15 and np.median(np.abs(got - there)) < 3


def test_map_is_a_picture_of_some_colours(region: Path) -> None:
    with rasterio.open(region / "data/valley/overview.png") as picture:
        assert picture.width > 1500
        pixels = picture.read().reshape(picture.count, -1)[:3].T
    colours = {tuple(pixel) for pixel in pixels[::7]}
    assert (0xD5, 0x5E, 0x00) in {tuple(pixel) for pixel in pixels}  # a slump
    assert len(colours) > 100


def test_nothing_but_the_region_is_left(region: Path) -> None:
    assert sorted(path.name for path in (region / "data").iterdir()) == ["valley"]
    assert sorted(path.name for path in (region / "data/valley").iterdir()) == [
        "area.gpkg", "dem.tif", "lookalikes.gpkg", "overview.png", "roads.gpkg", "scenes.gpkg", "slumps.gpkg",
        "soil_legend.csv",
    ]  # fmt: skip


def test_only_what_is_needed(delivery: Path) -> None:
    optional = ("lookalikes", "roads", "dem", "vegetation", "vegetation-legend", "soil")
    said = made(new(delivery, leave=optional))
    assert "no DEM:" in said and "no roads:" in said
    inputs = yaml.safe_load(Path("config/valley.yaml").read_text())["inputs"]
    assert inputs == {"catalogue": "scenes.gpkg", "positives": "slumps.gpkg"}


def test_a_box_in_degrees_is_a_study_area(delivery: Path) -> None:
    made(new(delivery, area="92.995,34.692,93.03,34.715", leave=("dem",)))
    grid = grid_of(read_config(Path("config/valley.yaml")).grid)
    # 0.035 degrees of longitude at 34.7 north and 0.023 of latitude.
    assert grid.area.area / 1e6 == pytest.approx(3.206 * 2.551, rel=0.005)
    assert grid.crs == "EPSG:32646"


def test_given_numbers_are_taken(delivery: Path) -> None:
    options = ("--years", "2018", "--crs", "EPSG:32645", "--resolution", "5", "--max-cloud", "0.2", "--months", "6,7,8")
    people = ("--reviewers", "ann, bo", "--adjudicator", "cy", "--network", "large")
    made(new(delivery, *options, *people, leave=("dem",)))
    config = read_config(Path("config/valley.yaml"))
    assert config.imagery.years == (2018,) and config.imagery.mapping_year == 2018
    assert config.imagery.max_cloud == 0.2 and config.imagery.months == (6, 7, 8)
    assert config.grid.crs == "EPSG:32645" and config.grid.resolution == 5
    assert config.review.reviewers == ("ann", "bo") and config.review.adjudicator == "cy"
    assert config.model.encoder == "tu-xception65"


def test_a_gpu_brings_the_large_network(delivery: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "graphics_cards", lambda: ["NVIDIA something (driver 580)"])
    assert "small network" not in made(new(delivery, leave=("dem",)))
    assert read_config(Path("config/valley.yaml")).model.encoder == "tu-xception65"


def test_what_is_not_given_is_asked(delivery: Path) -> None:
    answers = [str(delivery / FILES[name]) for name in ("area", "scenes", "slumps")] + ["2019"] + [""] * 5
    result = CliRunner().invoke(app, ["new", "valley", "--ask"], input="\n".join(answers) + "\n")
    made(result)
    assert "Study area" in result.output
    assert read_config(Path("config/valley.yaml")).imagery.years == (2019,)


def test_without_a_terminal_nothing_is_asked(delivery: Path) -> None:
    assert "--slumps: is missing" in refused(new(delivery, leave=("slumps",)))


def test_a_catalogue_serves_as_well_as_a_folder(region: Path, delivery: Path) -> None:
    made(new(delivery, scenes=region / "data/valley/scenes.gpkg", leave=("dem",)))
    table = gpd.read_file("data/valley/scenes.gpkg", layer="scenes")
    assert all((Path("data/valley") / path).exists() for path in [*table["path"], *table["udm"]])


def test_nothing_is_overwritten(delivery: Path, here: Path) -> None:
    (here / "config").mkdir()
    (here / "config" / "valley.yaml").write_text("mine")
    assert "already" in str(new(delivery).exception)
    assert (here / "config" / "valley.yaml").read_text() == "mine" and not (here / "data").exists()
    (here / "config" / "valley.yaml").unlink()
    (here / "data" / "valley").mkdir(parents=True)
    (here / "data" / "valley" / "notes.txt").write_text("mine")
    assert "is not empty" in str(new(delivery).exception)
    assert [path.name for path in (here / "data" / "valley").iterdir()] == ["notes.txt"]


def test_names_that_are_no_campaigns_are_refused() -> None:
    result = CliRunner().invoke(app, ["new", "../valley"])
    assert "no name of a campaign" in str(result.exception)


def layer(path: Path, shapes: list[Any], crs: str | None = "EPSG:32646", **columns: Any) -> Path:
    gpd.GeoDataFrame(columns, geometry=shapes, crs=crs).to_file(path)
    return path


SLUMP = box(500_000, 3_840_000, 500_050, 3_840_050)


@pytest.mark.parametrize(
    ("name", "shapes", "crs", "message"),
    [
        ("slumps", [Point(500_000, 3_840_000)], "EPSG:32646", "a geometry that is no Polygon in row 1"),
        ("slumps", [SLUMP], None, "known slumps has no CRS"),
        ("slumps", [SLUMP], "EPSG:32644", "none of 1 known slumps lies in the study area"),
        ("area", [box(0, 0, 1, 1)], "EPSG:4326", "no scene lies in the study area, of months 7, 8"),
        ("area", [LineString([(0, 0), (1, 1)])], "EPSG:4326", "study area has a geometry that is no Polygon"),
        ("roads", [SLUMP], "EPSG:32646", "roads has a geometry that is no LineString"),
    ],
)
def test_layers_that_cannot_be_used_are_refused(
    delivery: Path, here: Path, name: str, shapes: list[Any], crs: str | None, message: str
) -> None:
    assert message in refused(new(delivery, **{name: layer(here / "wrong.gpkg", shapes, crs)}))


def test_repeated_ids_are_refused_now_and_not_in_the_workflow(delivery: Path, here: Path) -> None:
    other = shapely.affinity.translate(SLUMP, 200, 0)
    message = refused(new(delivery, slumps=layer(here / "twice.gpkg", [SLUMP, other], id=["a", "a"])))
    assert "several rows with id 'a'" in message


def test_slumps_elsewhere_are_left_out_and_counted(delivery: Path, here: Path) -> None:
    far = shapely.affinity.translate(SLUMP, 50_000, 0)
    said = made(new(delivery, slumps=layer(here / "some.gpkg", [SLUMP, far]), leave=("dem",)))
    assert "outlines: 1" in said and "1 more lie outside the study area" in said
    assert len(gpd.read_file("data/valley/slumps.gpkg", layer="slumps")) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--years", "2017"), "no scene of 2017 lies in the study area"),
        (("--years", "zwanzig"), "'zwanzig' are no numbers"),
        (("--mapping-year", "2020"), "2020 is not among the years 2018, 2019"),
        (("--crs", "EPSG:4326"), "not projected in metres"),
        (("--area", "95,34,94,35"), "no box in longitude and latitude"),
        (("--reviewers", "ann,ann"), "ann"),
        (("--soil-legend", "x.csv"), "x.csv"),
    ],
)
def test_wishes_that_cannot_be_are_refused(delivery: Path, options: tuple[str, str], message: str) -> None:
    assert message in refused(new(delivery, *options, leave=("dem",)))


def raster(path: Path, values: np.ndarray, crs: str | None = "EPSG:32646") -> Path:
    bands = np.atleast_3d(values.T).T
    with rasterio.open(
        path, "w", driver="GTiff", count=len(bands), height=bands.shape[1], width=bands.shape[2], dtype=bands.dtype,
        crs=crs, transform=Affine(100, 0, 498_000, 0, -100, 3_843_000),
    ) as target:  # fmt: skip
        target.write(bands)
    return path


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("dem", np.ones((4, 60, 60), np.float32), "has 4 bands, and is no elevation model"),
        ("dem", np.full((60, 60), 30_000.0, np.float32), "elevations from 30000 to 30000 m are no land's"),
        ("soil", np.ones((60, 60), np.float32), "values of type float32, which are no classes"),
    ],
)
def test_rasters_that_cannot_be_used_are_refused(
    delivery: Path, here: Path, name: str, values: np.ndarray, message: str
) -> None:
    assert message in refused(new(delivery, **{name: raster(here / "wrong.tif", values)}))


def test_missing_scenes_and_flat_elevation_are_told(delivery: Path, here: Path) -> None:
    assert "no such folder or catalogue of scenes" in refused(new(delivery, scenes=here / "nowhere"))
    assert "hardly any relief" in made(new(delivery, dem=delivery / "vegetation.tif"))


def test_zip_files_without_elevation_are_refused(delivery: Path, here: Path) -> None:
    assert "the ZIP file holds no raster" in refused(new(delivery, dem=delivery / "roads.zip"))
    (here / "half.zip").write_bytes((delivery / "SRTM" / "N34E092.SRTMGL1.hgt.zip").read_bytes()[:5000])
    assert "cannot be unpacked" in refused(new(delivery, dem=here / "half.zip"))
    (here / "empty").mkdir()
    assert "no elevation model" in refused(new(delivery, dem=here / "empty"))


def test_one_tile_of_two_covers_half(delivery: Path) -> None:
    said = made(new(delivery, dem=delivery / "SRTM" / "N34E093.SRTMGL1.hgt.zip"))
    # The corridor reaches from 499.5 to 503.1 km, 93 degrees are at 500 km.
    assert "DEM EPSG:4326 86%" in said and "slumps get no terrain attributes" in said


def test_scenes_of_different_kinds_are_refused(delivery: Path, here: Path) -> None:
    folder = here / "mixed"
    folder.mkdir()
    image = sorted((delivery / "PSScene").glob("2019*_SR.tif"))[0]
    shutil.copy(image, folder)
    with rasterio.open(image) as scene:
        profile, values = scene.profile | {"dtype": "float32"}, scene.read().astype(np.float32)
    with rasterio.open(folder / image.name.replace("2019", "2018"), "w", **profile) as target:
        target.write(values)
    assert "the scenes differ in dtype: 1 with" in refused(new(delivery, scenes=folder))


def test_scenes_of_another_kind_get_bands_that_are_said_to_be_a_guess(delivery: Path, here: Path) -> None:
    folder = here / "others"
    folder.mkdir()
    image = sorted((delivery / "PSScene").glob("20190711*_SR.tif"))[0]
    with rasterio.open(image) as scene:
        profile, values = scene.profile | {"dtype": "uint8", "count": 3}, (scene.read([3, 2, 1]) // 16).astype("uint8")
    with rasterio.open(folder / "20190711_ortho.tif", "w", **profile) as target:
        target.write(values)
    said = made(new(delivery, scenes=folder, leave=("dem",)))
    assert "are taken to be bands 1, 2, 3" in said and "no masks of clouds" in said
    config = read_config(Path("config/valley.yaml"))
    assert config.imagery.bands == (1, 2, 3) and config.imagery.reflectance == (1, 255)
    assert "a guess" in Path("config/valley.yaml").read_text()
