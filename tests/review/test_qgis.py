"""The way through QGIS: what goes out comes back unchanged, edits come back whole, nothing is lost."""

import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
import shapely
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from room_maker import CRS, X0, Y0, Campaign, square

from slumpmap.cli import app
from slumpmap.config import Config
from slumpmap.errors import InputError
from slumpmap.raster import open_raster, write_raster
from slumpmap.review.decisions import BOOLEANS, read_decisions, read_rows, undecided
from slumpmap.review.handing import hand_in, take_in
from slumpmap.review.opinion import Opinion
from slumpmap.review.qgis.bring_back import bring_back, summary
from slumpmap.review.qgis.desk import desk_of
from slumpmap.review.qgis.export import export_review
from slumpmap.review.qgis.rows import digests, settled
from slumpmap.review.room import Room
from slumpmap.vector import load_layer, read_layer, write_layer

CENTRES = [(120, 120), (330, 140), (600, 300), (900, 500), (1200, 600)]
A, B, C, D, E = (f"01-c{number:04d}" for number in range(5))
LINE = shapely.LineString([(X0 + 100, Y0 - 100), (X0 + 120, Y0 - 95), (X0 + 140, Y0 - 100)])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A campaign that waits for people, made once; tests work on copies of its few changing files."""
    return Campaign(tmp_path_factory.mktemp("made"), CENTRES)


@pytest.fixture(scope="module")
def sent(made, tmp_path_factory):
    """Anna's decisions, one of each kind, and what is exported of them: made once, copied by many tests."""
    folder = tmp_path_factory.mktemp("sent")
    rows = undecided(made.candidates).set_index("candidate_id")
    rows.loc[A, ["is_slump", "probability", "initiation"]] = [True, "high", "before 2017"]
    rows.loc[A, ["headwall", "headwall_highest", "seconds"]] = [LINE.wkt, True, 12.5]
    rows.loc[B, ["is_slump", "reason", "use_as_negative", "note"]] = [False, "pit", True, "a pit, I think"]
    rows.loc[C, "unsure"] = True
    rows.loc[[A, B, C], "decided_at"] = "2024-05-01T10:00:00+00:00"
    file = folder / "decisions" / "01" / "anna.gpkg"
    write_layer(rows.reset_index(), file)
    review = made.config.review.model_copy(update={"decisions": folder / "decisions"})
    config = made.config.model_copy(update={"review": review})
    return rows, file, export_review(desk_of(config, 1, "anna"), folder / "out").candidates


@pytest.fixture
def toy(made, sent, tmp_path):
    """The campaign with a folder of decisions of its own."""

    class Toy:
        config: Config = made.config.model_copy(
            update={"review": made.config.review.model_copy(update={"decisions": tmp_path / "decisions"})}
        )
        candidates = made.candidates
        folder = tmp_path

        def desk(self, reviewer="anna"):
            return desk_of(self.config, 1, reviewer)

        def export(self, name="out", reviewer="anna"):
            return export_review(self.desk(reviewer), tmp_path / name).candidates

        def bring(self, file, reviewer="anna", **options):
            return bring_back(self.desk(reviewer), file, **options)

        def file(self, reviewer="anna"):
            return tmp_path / "decisions" / "01" / f"{reviewer}.gpkg"

        def rows(self, reviewer="anna"):
            return read_rows(self.file(reviewer), self.candidates)

        def decide(self, reviewer="anna"):
            """A decision file with one of each kind, and a headwall."""
            self.file(reviewer).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(sent[1], self.file(reviewer))
            return sent[0]

        def sent(self):
            """The decisions of `decide`, and what is exported of them."""
            self.decide()
            return Path(shutil.copy(sent[2], tmp_path))

    return Toy()


def edit(path, *changes, lines=None):
    """Saves the file as another program would: all layers written anew.

    Args:
        changes: (candidate, column, value).
        lines: candidate to line: the headwalls, in place of those that are there.
    """
    layer = load_layer(path, "candidates", "candidates")
    walls = load_layer(path, "headwalls", "headwalls")
    for name, column, value in changes:
        row = layer.index[layer["candidate_id"] == name][0]
        if column == "geometry":
            layer.loc[[row], "geometry"] = gpd.GeoSeries([value], index=[row], crs=layer.crs)
        else:
            layer[column] = layer[column].astype(object)
            layer.loc[row, column] = value
    for column in set(BOOLEANS) & set(layer.columns):
        values = [None if pd.isna(v) else v if isinstance(v, str) else bool(v) for v in layer[column]]
        texts = any(isinstance(value, str) for value in values)
        layer[column] = pd.Series(list(map(str, values)), dtype=object) if texts else pd.array(values, dtype="boolean")
        layer[column] = layer[column].replace("None", "") if texts else layer[column]
    if lines is not None:
        walls = gpd.GeoDataFrame({"candidate_id": list(lines)}, geometry=list(lines.values()), crs=walls.crs)
    path.unlink()
    for name, table in (("candidates", layer), ("headwalls", walls)):
        kind = "Unknown" if name == "candidates" else "LineString"
        pyogrio.write_dataframe(table, path, layer=name, driver="GPKG", geometry_type=kind)


def same_rows(one, other):
    """Asserts that two decision files say the same of every candidate, feature for feature."""
    assert list(one.index) == list(other.index)
    for column in one.columns.drop("geometry"):
        left, right = (table[column].astype(object).where(table[column].notna(), None) for table in (one, other))
        assert list(left) == list(right), column
    assert shapely.equals(one.geometry.to_numpy(), other.geometry.to_numpy()).all()


# -- the folder ------------------------------------------------------------------------------------------------------


def test_folder_holds_all_candidates_with_the_decisions_so_far(toy):
    toy.decide()
    package = toy.export()
    layer = load_layer(package, "candidates", "candidates").set_index("candidate_id")
    assert sorted(layer.index) == [A, B, C, D, E] and list(layer["rank"]) == [1, 2, 3, 4, 5]
    assert layer.loc[A, "is_slump"] == True and layer.loc[B, "is_slump"] == False  # noqa: E712
    assert pd.isna(layer.loc[C, "is_slump"]) and pd.isna(layer.loc[D, "is_slump"])
    assert layer.loc[B, "reason"] == "pit" and bool(layer.loc[C, "unsure"])
    walls = load_layer(package, "headwalls", "headwalls")
    assert list(walls["candidate_id"]) == [A] and walls.geometry[0].equals(LINE)
    assert not {"score", "expected", "status"} & set(layer.columns)
    assert {path.name for path in package.parent.iterdir()} == {
        package.name, "around.gpkg", "imagery", "review.qgz", "README.txt",
    }  # fmt: skip


def test_candidates_come_in_the_order_of_the_queue(made, toy, tmp_path):
    queue = read_layer(made.iteration / "review" / "queue.gpkg", "queue")
    turned = tmp_path / "results" / "toy"
    shutil.copytree(made.config.folder, turned)
    queue["rank"] = [5, 4, 3, 2, 1]
    write_layer(queue, turned / "iterations" / "01" / "review" / "queue.gpkg")
    toy.config = toy.config.model_copy(update={"results": tmp_path / "results"})
    layer = load_layer(toy.export(), "candidates", "candidates")
    assert list(layer["candidate_id"]) == [E, D, C, B, A]
    write_layer(queue[1:], turned / "iterations" / "01" / "review" / "queue.gpkg")
    with pytest.raises(InputError, match="not made of the present candidates"):
        toy.export("stale")


def test_mosaic_of_a_year_shows_the_tiles_where_they_are(made, toy):
    package = toy.export()
    with open_raster(package.parent / "imagery" / "2018.vrt") as mosaic:
        assert (mosaic.count, mosaic.nodata, mosaic.crs) == (3, 0, rasterio.crs.CRS.from_epsg(32646))
        assert tuple(mosaic.transform)[:6] == tuple(made.grid.transform)[:6]
        whole = mosaic.read()
    for tile in made.grid.tiles:
        part = tile.window
        with open_raster(made.config.folder / "imagery" / "2018" / f"{tile.id}.tif") as source:
            expected = source.read()
        here = whole[:, part.row : part.row + part.height, part.column : part.column + part.width]
        assert np.array_equal(here, expected)


def project_of(package):
    """The project's document."""
    with zipfile.ZipFile(package.parent / "review.qgz") as archive:
        assert archive.namelist() == ["review.qgs"]
        return ElementTree.fromstring(archive.read("review.qgs"))


def test_every_path_of_the_project_is_relative_and_leads_to_a_file(toy):
    package = toy.export()
    root = project_of(package)
    sources = [node.text for node in root.iter("datasource")]
    assert len(sources) == 9
    for source in sources:
        assert source.startswith(("./", "../"))
        assert (package.parent / source.split("|")[0]).exists()
    assert root.find("properties/Paths/Absolute").text == "false"
    with zipfile.ZipFile(package.parent / "review.qgz") as archive:
        assert str(toy.folder).encode() not in archive.read("review.qgs")


def test_the_whole_folder_can_move_with_the_campaign(made, toy, tmp_path):
    shutil.copytree(made.folder, tmp_path / "one" / "campaign")
    config = toy.config.model_copy(
        update={"results": tmp_path / "one/campaign/results", "data": tmp_path / "one/campaign"}
    )
    toy.config = config
    package = export_review(toy.desk(), tmp_path / "one" / "anna").candidates
    shutil.move(tmp_path / "one", tmp_path / "two")
    moved = tmp_path / "two" / "anna"
    for source in project_of(moved / package.name).iter("datasource"):
        assert (moved / source.text.split("|")[0]).exists()
    with open_raster(moved / "imagery" / "2019.vrt") as mosaic:
        assert mosaic.read(1).max() > 100


def test_ids_of_the_project_belong_together(toy):
    root = project_of(toy.export())
    layers = [node.text for node in root.iterfind("projectlayers/maplayer/id")]
    assert len(set(layers)) == len(layers) == 9
    assert {node.get("id") for node in root.iter("layer-tree-layer")} == set(layers)
    themes = {theme.get("name"): {node.get("id") for node in theme} for theme in root.iter("visibility-preset")}
    assert set(themes) == {"2017", "2018", "2019", "Relief"}
    years = {name: [key for key in keys if key.startswith("year_")] for name, keys in themes.items()}
    for year in ("2017", "2018", "2019"):
        assert len(years[year]) == 1 and years[year][0].startswith(f"year_{year}_")
    assert set().union(*themes.values()) <= set(layers)
    extent = root.find("mapcanvas/extent")
    view = shapely.box(*(float(extent.find(name).text) for name in ("xmin", "ymin", "xmax", "ymax")))
    assert view.contains(toy.candidates.geometry[0]) and not view.contains(toy.candidates.geometry[4])


def test_export_is_equal_to_the_byte(toy):
    first, second = toy.export("one"), toy.export("two")
    for name in (first.name, "around.gpkg", "review.qgz", "README.txt", "imagery/2019.vrt"):
        assert (first.parent / name).read_bytes() == (second.parent / name).read_bytes(), name


def test_styles_lie_in_the_geopackage_and_columns_are_explained(toy):
    package = toy.export()
    with closing(sqlite3.connect(package)) as sql:
        styles = dict(sql.execute("SELECT f_table_name, styleQML FROM layer_styles WHERE useAsDefault"))
        hints = dict(
            sql.execute("SELECT column_name, description FROM gpkg_data_columns WHERE table_name='candidates'")
        )
        kinds = dict(sql.execute("SELECT table_name, data_type FROM gpkg_contents"))
        assert sql.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert sql.execute("PRAGMA user_version").fetchone() == (10200,)
    assert set(styles) == {"candidates", "headwalls"}
    assert kinds == {"candidates": "features", "headwalls": "features", "layer_styles": "attributes"}
    assert "highest ground" in hints["headwall_highest"] and "upslope" not in hints["colour_differs"]
    form = ElementTree.fromstring(styles["candidates"].split("\n", 1)[1])
    widgets = {
        node.get("name"): node.find("editWidget").get("type") for node in form.iterfind("fieldConfiguration/field")
    }
    assert {name for name, kind in widgets.items() if kind == "CheckBox"} == set(BOOLEANS) - {"is_slump"}
    assert {name for name, kind in widgets.items() if kind == "ValueMap"} == {
        "is_slump", "probability", "initiation", "reason",
    }  # fmt: skip
    locked = {node.get("name") for node in form.iterfind("editable/field") if node.get("editable") == "0"}
    assert {"candidate_id", "area_ha", "exported", "export_for"} <= locked
    table = pyogrio.read_info(package, layer="candidates")["fields"]
    places = {node.get("field"): int(node.get("index")) for node in form.iterfind("aliases/alias")}
    assert [places[name] for name in table] == list(range(1, len(table) + 1))


def test_export_does_not_write_over_an_earlier_one(toy):
    package = toy.export()
    before = package.read_bytes()
    with pytest.raises(InputError, match="may hold edits"):
        toy.export()
    assert package.read_bytes() == before


def test_export_of_what_is_not_there_is_refused(toy, tmp_path):
    with pytest.raises(InputError, match="not there yet"):
        export_review(desk_of(toy.config, 2, "anna"), tmp_path / "x")
    with pytest.raises(InputError, match="not known yet what is disputed"):
        toy.export(reviewer="chen")
    with pytest.raises(InputError, match=r"nobody of this name.*anna, ben, chen"):
        toy.desk("eve")
    with pytest.raises(InputError, match="holds '/'"):
        toy.desk("../anna")


def test_further_images_are_shown_with_their_own_range(made, toy):
    values = np.linspace(0, 5000, 64 * 64).reshape(64, 64).astype(np.float32)
    write_raster(made.folder / "uav.tif", np.stack([values] * 4), made.grid.transform, CRS, nodata=-1)
    image = {"name": "UAV", "path": made.folder / "uav.tif", "date": "2020-08-14"}
    toy.config = Config.model_validate(toy.config.model_dump() | {"images": [image]})
    root = project_of(toy.export())
    layer = next(node for node in root.iter("maplayer") if node.find("layername").text == "UAV 2020-08-14")
    renderer = layer.find("pipe/rasterrenderer")
    assert (renderer.get("redBand"), renderer.get("blueBand")) == ("1", "3")
    assert float(renderer.find("redContrastEnhancement/minValue").text) == pytest.approx(100, abs=5)
    assert float(renderer.find("redContrastEnhancement/maxValue").text) == pytest.approx(4900, abs=5)
    assert "UAV 2020-08-14" in {node.get("name") for node in root.iter("visibility-preset")}


# -- back again ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decided", [False, True])
def test_without_an_edit_nothing_changes(toy, decided):
    if decided:
        toy.decide()
    before = toy.file().read_bytes() if decided else None
    package = toy.export()
    brought = toy.bring(package)
    assert (brought.new, brought.changed, brought.taken_back, brought.edited) == ([], [], [], [])
    assert brought.same == 5 and brought.written is None
    assert (toy.file().read_bytes() if toy.file().exists() else None) == before
    assert not (toy.file().parent / "history").exists()


def test_edits_come_back_and_the_rest_stays_feature_for_feature(toy):
    before = toy.decide()
    package = toy.sent()
    drawn = square(620, 310, 80)
    edit(
        package,
        (B, "is_slump", True), (B, "probability", "medium"),
        (C, "unsure", False), (C, "is_slump", False), (C, "reason", "shadow"), (C, "geometry", drawn),
        (D, "is_slump", True), (D, "probability", "low"), (D, "colour_differs", True), (D, "note", " Größe? "),
        lines={A: LINE, D: shapely.LineString([(X0 + 880, Y0 - 480), (X0 + 920, Y0 - 480)])},
    )  # fmt: skip
    brought = toy.bring(package)
    assert (brought.new, brought.changed, brought.taken_back, brought.edited) == ([D], [B, C], [], [])
    rows = toy.rows()
    same_rows(rows.loc[[A, E]], before.loc[[A, E], rows.columns])
    assert rows.loc[B, "probability"] == "medium" and pd.isna(rows.loc[B, "reason"])
    assert not rows.loc[B, "use_as_negative"] and rows.loc[B, "note"] == "a pit, I think"
    assert rows.loc[C, "geometry"].equals(drawn) and rows.loc[C, "reason"] == "shadow" and not rows.loc[C, "unsure"]
    assert bool(rows.loc[D, "colour_differs"]) and pd.isna(rows.loc[D, "headwall_highest"])
    assert rows.loc[D, "note"] == "Größe?" and rows.loc[D, "headwall"].startswith("LINESTRING")
    assert rows.loc[A, "decided_at"] == "2024-05-01T10:00:00+00:00" and rows.loc[A, "seconds"] == 12.5
    assert rows.loc[D, "decided_at"] > "2026"
    assert list(read_decisions(toy.file(), toy.candidates).index) == [A, B, C, D]


def test_what_is_emptied_is_taken_back(toy):
    package = toy.sent()
    edit(package, (A, "is_slump", None), (C, "unsure", False), lines={})
    brought = toy.bring(package)
    assert brought.taken_back == [A, C]
    rows = toy.rows()
    assert pd.isna(rows.loc[A, "is_slump"]) and rows.loc[A, ["headwall", "decided_at"]].isna().all()


def test_what_does_not_go_with_the_verdict_is_dropped(toy):
    """A form hides the boxes of another verdict; what stands in them stays in the file."""
    package = toy.sent()
    edit(package, (A, "is_slump", False), (B, "is_slump", True), (B, "probability", "low"), (E, "probability", "high"))
    brought = toy.bring(package)
    assert (brought.new, brought.changed, brought.same) == ([], [A, B], 3)
    rows = toy.rows()
    assert rows.loc[A, ["probability", "initiation", "headwall"]].isna().all()
    assert pd.isna(rows.loc[B, "reason"]) and not rows.loc[B, "use_as_negative"] and pd.isna(rows.loc[E, "probability"])


def test_a_headwall_alone_is_an_edit(toy):
    package = toy.sent()
    edit(package, lines={A: LINE.reverse()})
    assert toy.bring(package).edited == []
    moved = shapely.LineString([*LINE.coords, (X0 + 150, Y0 - 105)])
    edit(package, lines={A: moved})
    assert toy.bring(package).edited == [A]
    assert shapely.from_wkt(toy.rows().loc[A, "headwall"]).equals(moved)


def test_what_was_there_is_kept_and_the_folder_can_be_edited_further(toy):
    package = toy.sent()
    first = toy.file().read_bytes()
    edit(package, (D, "is_slump", False))
    one = toy.bring(package)
    assert one.saved.read_bytes() == first
    second = toy.file().read_bytes()
    # The same folder again: what was brought in already is no conflict, and can be changed and taken back.
    assert toy.bring(package).written is None
    edit(package, (D, "is_slump", True), (D, "probability", "high"), (E, "is_slump", False))
    two = toy.bring(package)
    assert (two.new, two.changed) == ([E], [D])
    assert two.saved.read_bytes() == second
    edit(package, (D, "is_slump", None), (D, "probability", None))
    assert toy.bring(package).taken_back == [D]
    kept = sorted((toy.file().parent / "history").glob("anna.*.gpkg"))
    assert len(kept) == 3 and kept[:2] == [one.saved, two.saved]
    assert all(path.stem.split(".")[1].startswith("20") for path in kept)


def test_a_dry_run_writes_nothing(toy):
    package = toy.sent()
    before = toy.file().read_bytes()
    edit(package, (D, "is_slump", False))
    assert toy.bring(package, dry_run=True).new == [D]
    assert toy.file().read_bytes() == before and not (toy.file().parent / "history").exists()


def change_on_the_page(toy, *changes):
    rows = toy.rows()
    for name, column, value in changes:
        rows.loc[name, column] = value
    write_layer(rows.reset_index(), toy.file())


def test_conflict_is_refused_and_nothing_is_lost(toy):
    package = toy.sent()
    edit(package, (D, "is_slump", False))
    change_on_the_page(toy, (E, "is_slump", False))
    before = toy.file().read_bytes()
    with pytest.raises(InputError, match=rf"changed since the export: {E}\..*--merge"):
        toy.bring(package)
    assert toy.file().read_bytes() == before


def test_merge_takes_what_was_edited_and_leaves_what_is_newer(toy):
    package = toy.sent()
    edit(package, (A, "probability", "low"), (D, "is_slump", False))
    change_on_the_page(toy, (A, "probability", "medium"), (E, "is_slump", False), (B, "note", "newer"))
    brought = toy.bring(package, merge=True)
    assert (brought.new, brought.edited) == ([D], [A])
    assert (brought.kept, brought.overruled) == ([B, E], [A])
    rows = toy.rows()
    assert rows.loc[A, "probability"] == "low" and rows.loc[B, "note"] == "newer"
    assert not rows.loc[D, "is_slump"] and not rows.loc[E, "is_slump"]
    assert f"2 left as they are now, since they changed after the export ({B}, {E})" in summary(brought)


def test_equal_changes_on_both_sides_are_no_conflict(toy):
    package = toy.sent()
    edit(package, (D, "is_slump", False))
    change_on_the_page(toy, (D, "is_slump", False))
    assert toy.bring(package).same == 5


def test_decision_file_that_vanished_is_a_conflict(toy):
    toy.decide()
    package = toy.export()
    toy.file().unlink()
    with pytest.raises(InputError, match="changed since the export"):
        toy.bring(package)


def test_rows_that_are_missing_stay_as_they_are(toy):
    before = toy.decide()
    package = toy.sent()
    layer = load_layer(package, "candidates", "candidates")
    some = toy.folder / "some.gpkg"
    part = layer[layer["candidate_id"].isin([A, E])].assign(is_slump=pd.array([True, False], "boolean"))
    pyogrio.write_dataframe(part, some)
    brought = toy.bring(some)
    assert (brought.new, brought.absent) == ([E], 3)
    same_rows(toy.rows().loc[[A, B, C, D]], before.loc[[A, B, C, D], toy.rows().columns])


# -- what other programs save ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "booleans"),
    [
        (".gpkg", "boolean"), (".gpkg", "integer"), (".gpkg", "capital"), (".parquet", "boolean"),
        (".shp", "boolean"), (".shp", "integer"), (".shp", "letter"), (".geojson", "boolean"), (".geojson", "text"),
    ],
)  # fmt: skip
def test_files_of_other_programs(toy, suffix, booleans):
    before = toy.decide()
    layer = load_layer(toy.sent(), "candidates", "candidates")
    layer["is_slump"] = layer["is_slump"].astype("boolean")
    layer.loc[layer["candidate_id"] == D, "is_slump"] = False
    words = {"text": ("false", "true"), "capital": ("False", "True"), "letter": ("f", "t"), "integer": (0, 1)}
    for column in BOOLEANS:
        values = layer[column].astype("boolean")
        if booleans in words:
            texts = [None if pd.isna(value) else words[booleans][int(value)] for value in values]
            layer[column] = pd.array(texts, dtype="Int64") if booleans == "integer" else pd.Series(texts, dtype=object)
        else:
            layer[column] = values
    path = toy.folder / f"saved{suffix}"
    if suffix == ".parquet":
        layer.to_parquet(path)
    else:
        pyogrio.write_dataframe(layer, path)
    brought = toy.bring(path)
    assert (brought.new, brought.changed, brought.edited) == ([D], [], [])
    rows = toy.rows()
    same_rows(rows.loc[[A, B, C, E]], before.loc[[A, B, C, E], rows.columns])


def test_shapefile_that_cut_a_note_is_refused(toy):
    package = toy.sent()
    edit(package, (D, "note", "ü" * 200))
    path = toy.folder / "saved.shp"
    pyogrio.write_dataframe(load_layer(package, "candidates", "candidates"), path, encoding="UTF-8")
    with pytest.raises(InputError, match=f"cut off the note of '{D}'"):
        toy.bring(path)


def test_another_crs_comes_home(toy):
    toy.decide()
    package = toy.export()
    moved = shapely.transform(toy.candidates.geometry[3], lambda xy: xy + 12.0)
    edit(package, (D, "is_slump", False), (D, "geometry", moved))
    path = toy.folder / "saved.gpkg"
    pyogrio.write_dataframe(load_layer(package, "candidates", "candidates").to_crs(32647), path)
    brought = toy.bring(path)
    assert brought.new == [D] and brought.written
    assert shapely.hausdorff_distance(toy.rows().loc[D, "geometry"], moved) < 0.01
    assert toy.rows().crs == CRS


def test_decision_file_filled_in_by_hand_is_taken(toy):
    rows = undecided(toy.candidates)
    rows.loc[1, ["is_slump", "probability"]] = [True, "High"]
    plain = rows[["candidate_id", "is_slump", "probability", "initiation", "use_as_negative", "geometry"]]
    write_layer(plain, toy.folder / "by_hand.gpkg")
    brought = toy.bring(toy.folder / "by_hand.gpkg")
    assert (brought.new, brought.same) == ([B], 4)
    assert toy.rows().loc[B, "probability"] == "high"
    # A plain file does not say what was edited: where it differs from what was decided meanwhile, it must be said.
    rows.loc[2, ["is_slump", "probability"]] = [True, "low"]
    write_layer(rows.drop(index=1), toy.folder / "more.gpkg")
    assert toy.bring(toy.folder / "more.gpkg").new == [C]
    with pytest.raises(InputError, match="--merge"):
        toy.bring(toy.folder / "by_hand.gpkg", "anna")


def test_split_candidates_become_parts_of_one_boundary(toy):
    package = toy.export()
    edit(package, (A, "is_slump", True), (A, "probability", "high"))
    layer = load_layer(package, "candidates", "candidates")
    west, south, east, north = layer.geometry[0].bounds
    halves = [shapely.box(west, south, west + 20, north), shapely.box(west + 20, south, east, north)]
    split = pd.concat([layer, layer.iloc[[0]]], ignore_index=True)
    split.geometry = [halves[0], *layer.geometry[1:], halves[1]]
    path = toy.folder / "split.gpkg"
    pyogrio.write_dataframe(gpd.GeoDataFrame(split, crs=layer.crs), path)
    brought = toy.bring(path)
    assert (brought.new, brought.joined) == ([A], [A])
    parts = shapely.get_parts(toy.rows().loc[A, "geometry"])
    assert [part.area for part in parts] == pytest.approx([half.area for half in halves], rel=0.01)
    assert toy.rows().loc[A, "geometry"].is_valid


# -- what is refused -------------------------------------------------------------------------------------------------

BOW = shapely.Polygon([(X0 + 90, Y0 - 90), (X0 + 150, Y0 - 150), (X0 + 150, Y0 - 90), (X0 + 90, Y0 - 150)])
SLUMP = ((D, "is_slump", True), (D, "probability", "high"))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ([(D, "is_slump", True)], f"{D}: a slump needs a probability"),
        ([*SLUMP[:1], (D, "probability", "sure")], f"{D}: a slump needs a probability"),
        ([*SLUMP, (D, "initiation", "long ago")], f"{D}: initiation is 'long ago', none of before 2017"),
        ([(D, "is_slump", False), (D, "reason", "a cow")], f"{D}: reason is 'a cow', none of drained_pond"),
        ([(D, "is_slump", False), (D, "unsure", True)], f"{D}: unsure, and a verdict"),
        ([(D, "is_slump", False), (D, "note", "x" * 2001)], f"{D}: the note has more than 2000"),
        ([*SLUMP, (D, "geometry", BOW)], f"{D}: the boundary is not valid .Self-intersection"),
        ([*SLUMP, (D, "geometry", shapely.Polygon())], f"{D}: the boundary is empty"),
        ([*SLUMP, (D, "geometry", None)], f"{D}: the boundary is empty"),
        ([*SLUMP, (D, "geometry", shapely.Point(X0, Y0))], f"{D}: the boundary is a Point, not a polygon"),
        ([*SLUMP, (D, "geometry", square(120, 3000, 50))], f"{D}: the boundary reaches more than 750 m beyond"),
        ([(D, "is_slump", "perhaps")], f"is_slump of '{D}' is 'perhaps'"),
        ([(D, "candidate_id", "01-z")], "candidate '01-z' was not to be inspected by anna in iteration 1"),
        ([(D, "candidate_id", None)], "row 4 has no candidate_id"),
        ([(D, "candidate_id", " ")], "row 4 has no candidate_id"),
        ([(D, "candidate_id", A)], f"candidate '{A}' has several rows"),
        ([(D, "export_for", "toy 01 ben")], "exported for 'toy 01 ben', not for 'toy 01 anna'"),
    ],
)
def test_faulty_edits_are_refused_and_change_nothing(toy, changes, fault):
    package = toy.sent()
    before = toy.file().read_bytes()
    edit(package, *changes)
    with pytest.raises(InputError, match=fault) as caught:
        toy.bring(package)
    assert str(package) in str(caught.value)
    assert toy.file().read_bytes() == before
    assert {path.name for path in toy.file().parent.iterdir()} == {"anna.gpkg", ".anna.lock"}


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ({"01-z": LINE}, "no candidate '01-z' for a headwall"),
        ({None: LINE}, "headwall has no candidate_id"),
        ({A: shapely.transform(LINE, lambda xy: xy + 5000)}, f"{A}: the headwall reaches more than 750 m"),
    ],
)
def test_faulty_headwalls_are_refused(toy, lines, fault):
    package = toy.sent()
    edit(package, lines=lines)
    with pytest.raises(InputError, match=fault):
        toy.bring(package)


def test_headwall_in_pieces_is_joined_and_two_are_refused(toy):
    toy.decide()
    package = toy.export()
    corners = list(LINE.coords)
    walls = gpd.GeoDataFrame(
        {"candidate_id": [A, A]},
        geometry=[shapely.LineString(corners[1:]), shapely.LineString(corners[:2])],
        crs=CRS,
    )
    pyogrio.write_dataframe(walls, package, layer="headwalls")
    assert toy.bring(package).same == 5
    walls.loc[[1], "geometry"] = shapely.transform(walls.geometry[1], lambda xy: xy - 3)
    pyogrio.write_dataframe(walls, package, layer="headwalls")
    with pytest.raises(InputError, match=f"headwall of candidate '{A}' is not one line"):
        toy.bring(package)


def test_all_faults_are_told_at_once(toy):
    package = toy.export()
    edit(package, (A, "is_slump", True), (B, "is_slump", True), (C, "geometry", BOW))
    told = f"3 rows are at fault: {A}: a slump needs.*; {B}: .*; {C}: the boundary is not"
    with pytest.raises(InputError, match=told):
        toy.bring(package)


def test_what_was_not_edited_is_not_judged(toy):
    """An old decision may hold what would be refused today; it is no reason to refuse today's work."""
    rows = toy.decide()
    rows.loc[A, "initiation"] = "in the days of our fathers"
    write_layer(rows.reset_index(), toy.file())
    package = toy.export()
    edit(package, (D, "is_slump", False), (A, "probability", "low"))
    assert toy.bring(package).edited == [A]
    assert toy.rows().loc[A, "initiation"] == "in the days of our fathers"


def test_small_and_distant_boundaries_are_counted(toy):
    package = toy.export()
    tiny, beside = square(120, 120, 20), square(330, 220, 60)
    edit(
        package,
        (A, "is_slump", True), (A, "probability", "low"), (A, "geometry", tiny),
        (B, "is_slump", True), (B, "probability", "low"), (B, "geometry", beside),
        (C, "is_slump", False), (C, "geometry", square(600, 300, 20)),
    )  # fmt: skip
    brought = toy.bring(package)
    assert (brought.small, brought.apart) == ([A], [B])
    assert "minimum mapping unit" in summary(brought)


def test_other_peoples_files_and_the_decision_file_itself_are_refused(toy):
    toy.decide("ben")
    package = toy.export(reviewer="ben")
    with pytest.raises(InputError, match="exported for 'toy 01 ben'"):
        toy.bring(package)
    with pytest.raises(InputError, match="the decision file itself"):
        toy.bring(toy.file("ben"), "ben")


def test_files_that_are_none_are_refused(toy):
    (toy.folder / "text.gpkg").write_text("hello")
    with pytest.raises(InputError, match="cannot be read"):
        toy.bring(toy.folder / "text.gpkg")
    with pytest.raises(InputError, match="is missing"):
        toy.bring(toy.folder / "nothing.gpkg")
    package = toy.export()
    layer = load_layer(package, "candidates", "candidates")
    pyogrio.write_dataframe(layer.drop(columns="probability"), toy.folder / "lacks.gpkg")
    with pytest.raises(InputError, match="lacks the column probability"):
        toy.bring(toy.folder / "lacks.gpkg")
    two = toy.folder / "two.gpkg"
    for name in ("one", "other"):
        pyogrio.write_dataframe(layer, two, layer=name)
    with pytest.raises(InputError, match="2 layers with geometries and none is named candidates"):
        toy.bring(two)


# -- with the page ---------------------------------------------------------------------------------------------------


def test_page_takes_over_what_was_brought_back_and_keeps_the_rest(made, toy):
    made.render()
    with Room(toy.config, 1, "anna") as room:
        room.store.enter("tab", True)
        items = {state.candidate: state.item for state in room.states()}
        room.store.decide("a", "tab", items[A], 0, 3.0, Opinion(verdict="slump", probability="high"))
        hand_in(room)
        with pytest.raises(InputError, match="at work in another process"):
            toy.export("while_open")
    package = toy.export()
    edit(package, (D, "is_slump", False), (D, "reason", "cloud"), (E, "is_slump", True), (E, "probability", "low"))
    with Room(toy.config, 1, "anna") as room, pytest.raises(InputError, match="at work in another process"):
        toy.bring(package)
    toy.bring(package)
    with Room(toy.config, 1, "anna") as room:
        assert take_in(room) == 2
        said = {state.candidate: state.opinion for state in room.states()}
        assert said[A].verdict == "slump" and said[D].reason == "cloud" and said[E].probability == "low"
        hand_in(room)
    # What the page hands in says the same, so that going on in QGIS is no conflict.
    edit(package, (B, "is_slump", False))
    assert toy.bring(package).new == [B]


@pytest.mark.parametrize("name", ["Zoë Müller-Lüdenscheidt", "夏 志華", "o.b_1"])
def test_names_of_all_scripts_name_files(toy, name):
    review = toy.config.review.model_dump() | {"reviewers": [name, "ben"]}
    toy.config = Config.model_validate(toy.config.model_dump() | {"review": review})
    package = toy.export(reviewer=name)
    assert package.name == f"candidates_01_{name}.gpkg"
    assert all((package.parent / node.text.split("|")[0]).exists() for node in project_of(package).iter("datasource"))
    edit(package, (A, "is_slump", False))
    assert toy.bring(package, name).written == toy.file(name)
    edit(package, (B, "is_slump", False))
    assert toy.bring(package, name).saved.parent == toy.file(name).parent / "history"


def test_adjudicator_gets_the_disputed_only_and_must_decide(made, toy, tmp_path):
    shutil.copytree(made.config.folder, tmp_path / "results" / "toy")
    toy.config = toy.config.model_copy(update={"results": tmp_path / "results"})
    disputed = undecided(toy.candidates.iloc[[1, 3]])
    write_layer(disputed, tmp_path / "results" / "toy" / "iterations" / "01" / "outcome" / "disputed.gpkg")
    package = toy.export(reviewer="chen")
    assert list(load_layer(package, "candidates", "candidates")["candidate_id"]) == [B, D]
    edit(package, (B, "unsure", True))
    with pytest.raises(InputError, match="the adjudicator must decide"):
        toy.bring(package, "chen")
    edit(package, (B, "unsure", False), (B, "is_slump", False))
    assert toy.bring(package, "chen").new == [B]


# -- properties ------------------------------------------------------------------------------------------------------

coordinate = st.integers(0, 300_000).map(lambda value: value / 1000)
boxes = st.builds(lambda x, y, w, h: shapely.box(X0 + x, Y0 - y, X0 + x + 10 + w, Y0 - y + 10 + h), *[coordinate] * 4)


@st.composite
def rows_of(draw):
    """A decision row that may hold anything its columns can hold."""
    shapes = draw(st.lists(boxes, min_size=1, max_size=3))
    united = shapely.union_all(shapes)
    row = undecided(gpd.GeoDataFrame({"id": ["a"]}, geometry=[united], crs=CRS)).set_index("candidate_id")
    verdict = draw(st.sampled_from([True, False, None]))
    row["is_slump"] = pd.array([verdict], dtype="boolean")
    row["unsure"] = pd.array([verdict is None and draw(st.booleans())], dtype="boolean")
    row["probability"] = [draw(st.sampled_from(["high", "medium", "low"]))]
    row["initiation"] = [draw(st.sampled_from(["before 2016", None]))]
    row["reason"] = [draw(st.sampled_from(["pit", "cloud", None]))]
    row["use_as_negative"] = pd.array([draw(st.booleans())], dtype="boolean")
    row["note"] = [draw(st.one_of(st.none(), st.text(st.characters(exclude_categories=["C"]), max_size=20)))]
    for column in ("headwall_highest", "colour_differs"):
        row[column] = pd.array([draw(st.sampled_from([True, False, None]))], dtype="boolean")
    return row


def turned(shape, by):
    """The same polygons with rings that begin elsewhere and run the other way, and parts in another order."""
    parts = []
    for part in shapely.get_parts(shape)[::-1]:
        corners = list(part.exterior.coords)[:-1]
        corners = (corners[by % len(corners) :] + corners[: by % len(corners)])[::-1]
        parts.append(shapely.Polygon(corners, [list(ring.coords)[::-1] for ring in part.interiors]))
    return shapely.MultiPolygon(parts)


@settings(max_examples=60)
@given(rows_of(), st.integers(0, 10))
def test_mark_depends_on_content_and_not_on_the_order_of_corners(row, by):
    mark = digests(row).iloc[0]
    other = row.set_geometry(gpd.GeoSeries([turned(row.geometry.iloc[0], by)], index=row.index, crs=row.crs))
    assert digests(other).iloc[0].equals(mark)
    assert digests(settled(row)).iloc[0].equals(mark)
    nudged = row.set_geometry(row.translate(0.002, 0))
    assert digests(nudged).iloc[0]["row"] != mark["row"]
    noted = row.assign(note="something else entirely, and longer")
    assert digests(noted).iloc[0]["row"] != mark["row"]
    undone = row.assign(is_slump=pd.array([None if row["is_slump"].notna().iloc[0] else False], dtype="boolean"))
    assert digests(undone).iloc[0]["row"] != mark["row"]


@settings(max_examples=40)
@given(rows_of())
def test_mark_survives_geopackage_and_parquet(tmp_path_factory, row):
    folder = tmp_path_factory.mktemp("rows")
    mark = digests(row).iloc[0]
    candidates = gpd.GeoDataFrame({"id": ["a"]}, geometry=row.geometry.to_numpy(), crs=CRS)
    for name in ("row.gpkg", "row.parquet"):
        if name.endswith("parquet"):
            row.reset_index().to_parquet(folder / name)
        else:
            write_layer(row.reset_index(), folder / name)
        assert digests(read_rows(folder / name, candidates)).iloc[0].equals(mark), name


# -- commands --------------------------------------------------------------------------------------------------------


def test_commands(made, tmp_path):
    values = yaml.safe_load(made.path.read_text())
    values["review"]["decisions"] = str(tmp_path / "decisions")
    config = tmp_path / "campaign.yaml"
    config.write_text(yaml.safe_dump(values))
    common = ["--campaign", str(config), "--iteration", "1", "--reviewer", "anna"]
    done = CliRunner().invoke(app, ["review-export", *common, "--out", str(tmp_path / "out")], catch_exceptions=False)
    assert done.exit_code == 0 and "5 candidates, 5 of them open" in done.output
    package = tmp_path / "out" / "candidates_01_anna.gpkg"
    assert "review-import --campaign CONFIG --iteration 1" in (tmp_path / "out" / "README.txt").read_text()
    edit(package, (A, "is_slump", False))
    done = CliRunner().invoke(app, ["review-import", *common, "--dry-run", str(package)], catch_exceptions=False)
    assert f"1 new verdicts ({A})" in done.output and "Nothing was written" in done.output
    done = CliRunner().invoke(app, ["review-import", *common, str(package)], catch_exceptions=False)
    assert f"Written: {tmp_path / 'decisions' / '01' / 'anna.gpkg'}" in done.output
    decided = read_decisions(tmp_path / "decisions" / "01" / "anna.gpkg", made.candidates)
    assert list(decided.index) == [A] and not decided.loc[A, "is_slump"]
