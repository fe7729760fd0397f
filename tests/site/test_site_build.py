"""What the site is told: slumps, pictures, cost, provenance, and what is not there."""

import csv
import hashlib
import json
import shutil

import numpy as np
import pytest
import shapely
from click.testing import CliRunner
from PIL import Image
from site_maker import CRS, NASTY, STEP_M, X0, Y0, Campaign, inventory_of, squares

from slumpmap.cli import app
from slumpmap.errors import InputError
from slumpmap.site.build import STATIC
from slumpmap.site.cost import job_costs, review_rates
from slumpmap.site.slumps import slump_data


@pytest.fixture
def campaign(tmp_path):
    return Campaign(tmp_path)


def column(data, name):
    at = [shown["name"] for shown in data["slumps"]["columns"]].index(name)
    return [row[at] for row in data["slumps"]["rows"]]


def described(data, name):
    return next(shown for shown in data["slumps"]["columns"] if shown["name"] == name)


def test_slumps_keep_their_values_and_outlines(campaign):
    data = {"slumps": slump_data(campaign.inventory, campaign.grid)}
    assert column(data, "id") == list(campaign.inventory["id"])
    assert column(data, "area_ha") == pytest.approx(campaign.inventory["area_ha"], abs=0.005)
    assert column(data, "near_road")[3:5] == [True, False]
    assert column(data, "probability")[:3] == [None, "high", "low"]
    assert column(data, "iteration_found")[:4] == ["0", "1", "2", "0"]
    for rings, shape in zip(data["slumps"]["shapes"], campaign.shapes, strict=True):
        points = np.array(rings[0][0]).reshape(-1, 2) / 10 + data["slumps"]["origin"]
        assert shapely.Polygon(points).equals_exact(shape, 0.05)


def test_classes_are_listed_in_an_order_that_says_something(campaign):
    data = {"slumps": slump_data(campaign.inventory, campaign.grid)}
    assert described(data, "probability")["values"] == ["high", "low"]
    assert described(data, "initiation")["values"] == ["before 2018", "2018-2019"]
    assert described(data, "iteration_found")["values"] == ["0", "1", "2"]
    assert described(data, "aspect_class")["values"] == ["N", "SW"]


def test_a_column_without_values_is_said_to_be_absent_and_unknown_ones_are_shown(campaign):
    data = {"slumps": slump_data(campaign.inventory, campaign.grid)}
    assert data["slumps"]["absent"] == ["Vegetation"]
    assert described(data, "visited")["kind"] == "flag"
    assert described(data, "note")["group"] == "Further"


def test_holes_and_parts_stay_apart(campaign):
    ring = squares(1)[0].buffer(30).difference(squares(1)[0])
    two = shapely.MultiPolygon([ring, shapely.box(X0 + 500, Y0 - 500, X0 + 530, Y0 - 470)])
    (parts,) = slump_data(inventory_of([two]), campaign.grid)["shapes"]
    assert [len(rings) for rings in parts] == [2, 1]


def test_other_coordinates_are_brought_to_the_grid(campaign):
    data = slump_data(campaign.inventory.to_crs("EPSG:4326"), campaign.grid)
    here = slump_data(campaign.inventory, campaign.grid)
    for there, rings in zip(data["shapes"], here["shapes"], strict=True):
        assert np.abs(np.array(there[0][0]) - rings[0][0]).max() <= 1


def test_a_sheet_shows_each_year_and_whether_it_shows_the_slump(campaign):
    campaign.pictures()
    index = json.loads((campaign.page.parent / "sheets" / "sheets.json").read_text())
    first, second = index["sheets"][0], index["sheets"][1]
    assert [frame["state"] for frame in first["frames"]] == ["missing", "seen"]
    assert [frame["state"] for frame in second["frames"]] == ["seen", "seen"]
    west, south, east, north = first["bounds"]
    assert (east - west, north - south) == (north - south, 2 * (12 + 300))
    assert shapely.box(west, south, east, north).centroid.distance(campaign.shapes[0].centroid) < 6
    strip = np.asarray(Image.open(campaign.page.parent / "sheets" / second["file"]))
    assert strip.shape == (64, 2 * 64, 3)
    # The years are 20 grey levels apart and the later one is on the right.
    here = strip[20:60, 20:60].mean(), strip[20:60, 84:124].mean()
    assert here[1] - here[0] == pytest.approx(20, abs=3)


def test_pictures_of_the_ground_are_bounded_and_lie_where_they_say(campaign):
    campaign.pictures()
    ground = campaign.page.parent / "ground"
    index = json.loads((ground / "ground.json").read_text())
    for name in ("relief", "image"):
        picture = Image.open(ground / f"{name}.webp")
        west, south, east, north = index["pictures"][name]["bounds"]
        assert max(picture.size) <= 513
        assert (east - west) / picture.width == pytest.approx((north - south) / picture.height)
        assert (west, north) == (index["bounds"][0], index["bounds"][3])
    image = np.asarray(Image.open(ground / "image.webp"))
    scale = index["pictures"]["image"]["pixel_m"]
    margin = round((X0 - index["bounds"][0]) / scale)
    # Transparent beyond the area, opaque inside; the second tile is brighter than the first.
    assert image[0, 0, 3] == 0 and image[margin + 60, margin + 60, 3] == 255
    half = round(256 * 6 / scale)
    assert image[margin + 60, margin + half + 60, 0] - int(image[margin + 60, margin + 60, 0]) == pytest.approx(
        5, abs=2
    )
    road = np.array(index["lines"]["roads"][0]).reshape(-1, 2)
    assert set(road[:, 0]) == {X0 + 700}
    assert road[:, 1].min() == pytest.approx(index["bounds"][1], abs=1)


def test_everything_missing_is_said_and_nothing_else_fails(campaign):
    campaign.build()
    data = campaign.data()
    said = " ".join(data["absent"])
    for what in ("summary.json", "site_ground", "site_sheets", "missing", "analysis", "benchmarks", "catalogue"):
        assert what in said
    assert data["cost"] == {"jobs": None, "review": []}
    assert data["provenance"]["models"] == []
    assert [row["file"] for row in data["downloads"]] == ["site/files/inventory/inventory.gpkg"]
    assert (campaign.page.parent / "site/files/inventory/inventory.gpkg").exists()


def test_without_inventory_or_grid_it_is_refused(campaign):
    (campaign.results / "inventory" / "inventory.gpkg").unlink()
    with pytest.raises(InputError, match=r"inventory.gpkg"):
        campaign.build()
    assert not campaign.page.exists()
    assert not (campaign.page.parent / "site").exists()
    (campaign.results / "inputs" / "grid.json").unlink()
    with pytest.raises(InputError, match=r"grid.json"):
        campaign.build()


def test_a_campaign_that_maps_nothing_shows_the_given_inventory(tmp_path):
    campaign = Campaign(tmp_path, inputs={"dem": "dem.tif"}, analysis={"inventory": "positives.gpkg"})
    given = campaign.results / "analysis" / "given"
    given.mkdir(parents=True)
    shutil.move(campaign.results / "inventory" / "inventory.gpkg", given / "inventory.gpkg")
    campaign.build()
    assert len(campaign.data()["slumps"]["rows"]) == 12
    assert not campaign.data()["maps"]


def test_building_again_leaves_no_file_of_before(campaign):
    campaign.build()
    old = campaign.page.parent / "site" / "files" / "old.txt"
    old.write_text("old")
    first = (campaign.page.parent / "site" / "data.js").read_bytes()
    campaign.build()
    assert not old.exists()
    assert (campaign.page.parent / "site" / "data.js").read_bytes() == first
    assert not list(campaign.page.parent.glob(".site*"))


def test_analysis_is_taken_in_where_it_is(campaign):
    own = campaign.results / "analysis" / "own"
    (own / "figures").mkdir(parents=True)
    (own / "results.md").write_text(f"# Results\n{NASTY}\n")
    for name in ("fig10_other", "fig06a_area-histogram", "overview"):
        Image.new("RGB", (4, 4)).save(own / "figures" / f"{name}.png")
    (own / "figures" / "fig06a_area-histogram.pdf").write_bytes(b"%PDF")
    with (own / "selection.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([["factor", "ratio"], *([f"a,{n}", n] for n in range(500))])
    (own / "a_table.csv").write_text("only,a,header\n")
    campaign.build()
    (study,) = campaign.data()["analysis"]
    assert study["words"] == f"# Results\n{NASTY}\n"
    assert [figure["title"] for figure in study["figures"]] == ["Fig. 6a area histogram", "Fig. 10 other", "Overview"]
    pdfs = [figure["pdf"] is not None for figure in study["figures"]]
    assert pdfs == [True, False, False]
    table, other = study["tables"]
    assert (table["title"], other["title"], other["rows"]) == ("Selection ratios", "A table", [])
    assert table["header"] == ["factor", "ratio"] and table["rows"][1] == ["a,1", "1"]
    assert (len(table["rows"]), table["left_out"]) == (400, 100)
    for file in [table["file"], *(figure["png"] for figure in study["figures"])]:
        assert (campaign.page.parent / file).exists()


def test_cost_adds_up_what_jobs_and_people_took(campaign):
    campaign.outcome(1)
    campaign.benchmark("01/infer_000", 30.0, 1000, io_in=512.0, io_out="-", cpu_time=50.0)
    campaign.benchmark("01/infer_001", 60.0, 1000, io_in=512.0, io_out=1024.0, cpu_time=70.0)
    campaign.benchmark("map", 6.0, 1200)
    jobs = job_costs(campaign.results / "benchmarks")
    # 30 s lie within 60 s, and 6 s beside them.
    assert jobs["wall_min"] == pytest.approx(1.1)
    assert (jobs["jobs"], jobs["jobs_min"], jobs["peak_gb"]) == (3, 1.6, 2.0)
    assert (jobs["read_gb"], jobs["written_gb"]) == (1.0, 1.0)
    infer, drawn = jobs["steps"]
    assert (infer["step"], infer["jobs"], infer["minutes"], infer["cpu_min"]) == ("infer", 2, 1.5, 2.0)
    assert (drawn["step"], drawn["cpu_min"], drawn["read_gb"]) == ("map", None, None)
    home = campaign.folder / "decisions" / "01"
    anna, ben = review_rates({(1, name): home / f"{name}.gpkg" for name in ("anna", "ben")})
    # Three candidates in a minute.
    assert (anna["decided"], anna["timed"], anna["per_hour"]) == (3, 3, 180.0)
    assert (ben["decided"], ben["timed"], ben["per_hour"]) == (3, 0, None)


def test_iterations_count_until_one_waits(campaign):
    campaign.outcome(1)
    campaign.outcome(2, state="waiting", new=0)
    campaign.outcome(3)
    campaign.build()
    data = campaign.data()
    assert [row["iteration"] for row in data["provenance"]["models"]] == [1, 2]
    assert {row["iteration"] for row in data["cost"]["review"]} == {1, 2}


def test_inputs_are_known_by_their_hashes_and_settings_by_what_was_changed(campaign):
    (campaign.folder / "roads.gpkg").unlink()
    campaign.build()
    data = campaign.data()
    inputs = {row["key"]: row for row in data["provenance"]["inputs"]}
    dem = campaign.folder / "dem.tif"
    assert inputs["dem"]["sha256"] == hashlib.sha256(dem.read_bytes()).hexdigest()
    assert inputs["dem"]["bytes"] == dem.stat().st_size
    assert inputs["roads"]["sha256"] is None
    settings = {row["key"]: row for row in data["provenance"]["config"]}
    assert settings["grid.crs"] == {"key": "grid.crs", "value": f'"{CRS}"', "changed": True}
    assert not settings["inventory.near_road_m"]["changed"]


def test_the_page_itself_holds_nothing_of_the_data(tmp_path):
    campaign = Campaign(tmp_path, ids=[NASTY, *(f"s{n}" for n in range(11))])
    campaign.build()
    assert campaign.page.read_bytes() == (STATIC / "index.html").read_bytes()


def test_commands_make_all_three_parts(campaign):
    grid, report = str(campaign.results / "inputs" / "grid.json"), campaign.page.parent
    dem, imagery = str(campaign.folder / "dem.tif"), str(campaign.results / "imagery")
    inventory = str(campaign.results / "inventory" / "inventory.gpkg")
    run = CliRunner().invoke
    ground = run(app, ["site-ground", "--grid", grid, "--dem", dem, "--longest", "64", "--out", str(report / "ground")])
    assert ground.exit_code == 0, ground.output
    sheets = ["--inventory", inventory, "--imagery", imagery, "--years", "2019,2018", "--out", str(report / "sheets")]
    assert run(app, ["site-sheets", "--grid", grid, *sheets]).exit_code == 0
    assert run(app, ["site", "--config", str(campaign.config_file)]).exit_code == 0
    by_file = campaign.data()
    assert by_file["sheets"]["years"] == [2018, 2019]
    assert set(by_file["ground"]["pictures"]) == {"relief"}
    # The workflow gives the settings that differ from the defaults.
    settings = campaign.config.model_dump_json(exclude_defaults=True)
    assert run(app, ["site", "--settings", settings, "--out", str(campaign.page)]).exit_code == 0
    assert campaign.data() == by_file
    assert run(app, ["site"]).exit_code == 2
    refused = run(app, ["site", "--settings", "{"])
    assert isinstance(refused.exception, InputError)


def test_places_of_the_maker_lie_on_its_tiles(campaign):
    """The tests above count on it."""
    assert campaign.shapes[0].centroid.equals(shapely.Point(X0 + STEP_M, Y0 - STEP_M))
    assert shapely.box(*campaign.bounds).contains(shapely.union_all(campaign.shapes))
