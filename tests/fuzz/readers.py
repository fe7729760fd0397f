"""Every reader of a file that comes from outside or from an earlier stage: how a good file is made, how it is read.

The reading goes as far as the product does with the file: pixels are read, rows are converted, networks are filled.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely
import torch
from numpy.typing import NDArray
from rasterio.transform import Affine

from slumpmap.candidates.ledger import compare
from slumpmap.candidates.merge import merge_parts
from slumpmap.candidates.parts import trace_parts
from slumpmap.config import grid_of, read_config
from slumpmap.consensus import make_consensus
from slumpmap.figures.curves import precision_recall_plot, reliability_plot, training_curves
from slumpmap.figures.frequencies import classes_of, read_selection
from slumpmap.figures.missing import write_missing
from slumpmap.figures.numbers import read_numbers
from slumpmap.figures.tables import table2
from slumpmap.grid import Grid, Window
from slumpmap.imagery.catalogue import make_catalogue
from slumpmap.imagery.checks import check_scene, cloud_fraction_of, look_at
from slumpmap.imagery.scaling import read_scaling
from slumpmap.imagery.scenes import Scene, SceneReader, read_selected
from slumpmap.intake import check_layers
from slumpmap.inventory.cost import campaign_cost
from slumpmap.inventory.crossval import write_table
from slumpmap.inventory.foreign import import_inventory
from slumpmap.inventory.sampling import bilinear
from slumpmap.inventory.study import read_bins, why_absent
from slumpmap.inventory.zonal import Layer, zonal_statistics
from slumpmap.labels import NEGATIVE_COLUMNS, SLUMP_COLUMNS, all_slumps, first_labels, next_labels
from slumpmap.learning.bundle import ModelCard, describe, load_bundle, read_card, save_bundle
from slumpmap.learning.checkpoints import load_checkpoint, save_checkpoint
from slumpmap.learning.metrics import THRESHOLDS
from slumpmap.learning.network import _smp, build_network
from slumpmap.learning.windows import make_windows, read_windows
from slumpmap.legend import read_legend
from slumpmap.raster import Mosaic, check_whole, open_raster, write_cog, write_mosaic, write_raster
from slumpmap.region.layers import bring_dem, look_at_classes
from slumpmap.review.agreement import agreement_of_files
from slumpmap.review.decisions import read_decisions, undecided
from slumpmap.review.extra import image_of
from slumpmap.review.opinion import Opinion
from slumpmap.review.outlines import outline_agreement, read_outlines
from slumpmap.review.pack import Pack, write_pack
from slumpmap.review.ranking import TRAITS, read_evidence
from slumpmap.review.store import Store
from slumpmap.settings.candidates import CandidateSettings, LedgerSettings
from slumpmap.settings.imagery import CompositeSettings, DatedImage
from slumpmap.settings.inputs import ConsensusSettings, GridSettings
from slumpmap.settings.learning import TrainingSettings, WindowSettings
from slumpmap.settings.review import IterationSettings
from slumpmap.site.build import _Folder, _table
from slumpmap.site.cost import job_costs
from slumpmap.site.provenance import scenes_used
from slumpmap.terrain.dem import open_dem
from slumpmap.vector import LINES, read_layer, write_geojson, write_layer, write_parquet
from slumpmap.yearly import Yearly, read_all_yearly, write_yearly

# Imported once, before any child is forked: it takes seconds, many on a busy machine.
_smp()

ROOT = Path(__file__).parents[2]
CRS = "EPSG:32646"
X, Y = 499_998.0, 3_840_000.0
SIDE = 64
SMALL = TrainingSettings(encoder="tu-mobilenetv3_small_050", encoder_weights=None, batch=2)


@dataclass(frozen=True)
class Reader:
    """A way into slumpmap.

    Attributes:
        name: of the reader.
        file: the file that is mutated, in the folder that `make` fills.
        kind: its format, of `mutate.KINDS`.
        make: fills a folder with good files.
        read: reads the file, in a copy of that folder.
        named: one of these a refusal must mention; by default the file's name.
    """

    name: str
    file: str
    kind: str
    make: Callable[[Path], Any]
    read: Callable[[Path], Any]
    also_named: tuple[str, ...] = ()

    @property
    def named(self) -> tuple[str, ...]:
        """What a message may name, of which one is enough."""
        return (Path(self.file).name, *self.also_named)


# --- good files ------------------------------------------------------------------------------------------------------


def _grid(area: Any = None) -> Grid:
    return Grid.over(area or shapely.box(X, Y - 3 * SIDE, X + 3 * SIDE, Y), CRS, 3.0, SIDE)


def _write_grid(folder: Path) -> None:
    (folder / "grid.json").write_text(_grid().to_json())


def _noise(bands: int, dtype: str = "uint8", low: int = 1, high: int = 255) -> NDArray[Any]:
    return np.random.default_rng(7).integers(low, high, (bands, SIDE, SIDE)).astype(dtype)


def _tiff(path: Path, values: NDArray[Any], nodata: float | None, size: float = 3.0, **options: Any) -> None:
    """A TIFF of blocks of 32 pixels."""
    options = {"tiled": True, "blockxsize": 32, "blockysize": 32} | options
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=len(values),
        height=SIDE,
        width=SIDE,
        dtype=values.dtype,
        crs=CRS,
        transform=Affine(size, 0, X, 0, -size, Y),
        nodata=nodata,
        **options,
    ) as target:
        target.write(values)


def _square(x: float, y: float, side: float = 30.0) -> shapely.Polygon:
    """A square by its distance from the grid's upper left corner, south positive."""
    return shapely.box(X + x, Y - y - side, X + x + side, Y - y)


_SQUARES = [_square(10, 10), _square(70, 10), _square(10, 80), _square(100, 100)]


def _layer(**columns: Any) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(columns, geometry=_SQUARES, crs=CRS)


def _slumps(first: str = "s") -> gpd.GeoDataFrame:
    texts = {"probability": ["high", "medium", None, "low"], "initiation": ["before 2016", None, None, "2017-18"]}
    return _layer(id=[f"{first}{n}" for n in range(4)], iteration_found=[0, 1, 1, 2], **texts, source=["x"] * 4)


def _candidates() -> gpd.GeoDataFrame:
    return _layer(
        id=[f"01-c{n}" for n in range(4)],
        status=["new", "new", "known", "new"],
        score=[0.9, 0.8, 0.7, 0.6],
        score_max=0.95,
        pixels=100,
        area_ha=0.09,
        nodata_share=0.0,
        at_edge=False,
    )


def _rejected() -> gpd.GeoDataFrame:
    return _layer(
        id=[f"r{n}" for n in range(4)],
        iteration=[1, 1, 2, 2],
        score=[0.9, 0.8, 0.7, 0.6],
        use_as_negative=[True, False, True, True],
        is_slump=[False] * 4,
    )


def _lines() -> gpd.GeoDataFrame:
    lines = [shapely.LineString([(X, Y - d), (X + 90, Y - d - 30), (X + 180, Y - d)]) for d in (20, 90, 150)]
    return gpd.GeoDataFrame({"name": ["a", "b", "c"]}, geometry=lines, crs=CRS)


def _decisions() -> gpd.GeoDataFrame:
    rows = undecided(_candidates())
    rows.loc[0, ["is_slump", "probability", "seconds", "headwall"]] = [
        True,
        "high",
        4.0,
        f"LINESTRING ({X} {Y}, {X + 9} {Y})",
    ]
    rows.loc[1, ["is_slump", "use_as_negative", "note"]] = [False, True, "a pit"]
    return rows[rows["candidate_id"] != "01-c2"].reset_index(drop=True)


def _scene(folder: Path) -> None:
    _tiff(folder / "20190801_040000_SR.tif", _noise(4, "uint16", 1, 3000), 0, compress="deflate")
    udm = np.zeros((8, SIDE, SIDE), np.uint8)
    udm[0] = 1
    _tiff(folder / "20190801_040000_udm2.tif", udm, None)


def _catalogue(folder: Path) -> None:
    _scene(folder)
    footprint = shapely.box(X, Y - 3 * SIDE, X + 3 * SIDE, Y)
    rows = {
        "path": ["20190801_040000_SR.tif"],
        "udm": ["20190801_040000_udm2.tif"],
        "acquired": ["2019-08-01T04:00:00Z"],
    }
    write_layer(
        gpd.GeoDataFrame(rows | {"cloud_fraction": [0.1]}, geometry=[footprint], crs=CRS), folder / "scenes.gpkg"
    )


def _checked_catalogue(folder: Path) -> None:
    _catalogue(folder)
    make_catalogue(folder / "scenes.gpkg", _grid(), CompositeSettings(), [2019], folder / "checked.gpkg")


def _card() -> ModelCard:
    return ModelCard(
        settings=SMALL,
        mean=(90.0, 100.0, 80.0),
        std=(20.0, 21.0, 22.0),
        scaling={"low": 0, "high": 3000},
        resolution=3.0,
        window_px=64,
        training_set="abc",
        steps=1,
        seed=1,
        metrics={"validation_iou": None},
        versions={},
    )


def _bundle(folder: Path) -> None:
    torch.manual_seed(3)
    save_bundle(folder, build_network(SMALL, pretrained=False), _card())


def _write_json(name: str, value: Any) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(json.dumps(value)) and None


def _write_csv(name: str, columns: dict[str, Sequence[Any]], sep: str = ",") -> Callable[[Path], None]:
    return lambda folder: pd.DataFrame(columns).to_csv(folder / name, index=False, sep=sep)


def _gpkg(name: str, layer: Callable[[], gpd.GeoDataFrame]) -> Callable[[Path], None]:
    return lambda folder: write_layer(layer(), folder / name)


_CAPTURES = [{"by": ["anna"], "count": 3}, {"by": ["anna", "ben"], "count": 4}]
_OUTCOME = {
    "iteration": 1,
    "state": "decided",
    "positives": 14,
    "negatives": 12,
    "inferred": 90,
    "known": 10,
    "rejected_before": 0,
    "inspected": 76,
    "new": 15,
    "total": 29,
    "known_found_again": 10,
    "captures": _CAPTURES,
    "reviews": {"anna": {"slump": 7, "reject": 60, "unsure": 2}, "ben": {"slump": 8, "reject": 61, "unsure": 0}},
    "waiting_for": {},
}
_EVALUATION = {"truth": 41, "iterations": [{"iteration": n, "recall": 0.3 * n, "precision": 1.0} for n in (0, 1, 2)]}


def _with_outcome(folder: Path) -> None:
    _write_json("outcome.json", _OUTCOME)(folder)
    _write_json("evaluation.json", _EVALUATION)(folder)


def _tiles(bands: int, nodata: int) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        _write_grid(folder)
        grid = _grid()
        tile = grid.tiles[0]
        write_cog(folder / "tiles" / f"{tile.id}.tif", _noise(bands), grid.transform, CRS, nodata)

    return make


def _parts(folder: Path) -> None:
    _tiles(1, 255)(folder)
    settings = CandidateSettings()
    grid = _grid()
    values = np.full((1, SIDE, SIDE), 10, np.uint8)
    values[:, 20:40, 15:30] = 240
    write_cog(folder / "tiles" / f"{grid.tiles[0].id}.tif", values, grid.transform, CRS, 255)
    which = [grid.tiles[0].id]
    trace_parts(folder / "tiles", grid, folder / "parts", which, settings.threshold, settings.connectivity)


def _yearly(folder: Path) -> None:
    window = Window(5, 5, 20, 20)
    place = Yearly.on(_grid(), window, (2017, 2018, 2019), 2019, _noise(3)[:, :20, :20])
    write_yearly(folder / "yearly.zip", [("a", place), ("b", place)])


def _pack(folder: Path) -> None:
    meta = {"frames": [{"file": "frame_00.jpg", "date": "2019-07-01", "state": "clear"}], "size": 20}
    write_pack(folder / "chips.zip", [(name, meta, {"frame_00.jpg": b"x" * 200}) for name in ("a", "b")])


def _training_set(folder: Path) -> None:
    grid = _grid()
    write_cog(folder / "tiles" / f"{grid.tiles[0].id}.tif", _noise(3), grid.transform, CRS, 0)
    write_layer(_slumps()[:1], folder / "positives.gpkg")
    settings = WindowSettings(window_px=32, overlap_px=8, buffer_m=30, block_m=90, validation_share=0.2)
    make_windows(
        folder / "positives.gpkg",
        None,
        folder / "tiles",
        grid,
        settings,
        1,
        folder / "windows.gpkg",
        folder / "windows.npy",
    )


def _store(folder: Path) -> None:
    with Store(folder / "anna.sqlite", "anna") as store:
        store.add_items([("01-c0", False), ("01-c1", False), ("01-c0", True)])
        store.enter("tab", False)
        store.decide("act-1", "tab", 1, 0, 4.5, Opinion(verdict="slump", probability="high"))
        store.decide("act-2", "tab", 2, 0, 2.5, Opinion(verdict="reject", reason="shadow"))
        store._sql.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _desk(folder: Path) -> None:
    """A campaign that waits for people, decisions of one of them, and the same exported for QGIS."""
    from slumpmap.review.qgis.desk import desk_of
    from slumpmap.review.qgis.export import export_review

    (folder / "campaign.yaml").write_text(
        json.dumps(
            {
                "campaign": "toy",
                "data": ".",
                "results": "results",
                "inputs": {"catalogue": "scenes.gpkg", "positives": "positives.gpkg"},
                "grid": {"crs": CRS, "resolution": 3.0, "tile_px": SIDE, "bounds": [X, Y - 3 * SIDE, X + 3 * SIDE, Y]},
                "imagery": {"years": [2017, 2018, 2019], "mapping_year": 2019},
                "review": {
                    "mode": "people",
                    "reviewers": ["anna", "ben"],
                    "adjudicator": "chen",
                    "decisions": "decisions",
                },
            }
        )
    )
    with _inside(folder):
        config = read_config(Path("campaign.yaml"))
        iteration = config.folder / "iterations" / "01"
        write_layer(_candidates(), iteration / "candidates" / "candidates.gpkg")
        write_layer(_slumps(), iteration / "labels" / "positives.gpkg")
        write_layer(_decisions(), Path("decisions") / "01" / "anna.gpkg")
        for year in config.imagery.years:
            write_cog(config.folder / "imagery" / str(year) / "x000_y000.tif", _noise(3), _grid().transform, CRS, 0)
        exported = export_review(desk_of(config, 1, "anna"), Path("out")).candidates
        exported.rename("edited.gpkg")


def _given_shapefile(folder: Path) -> None:
    _slumps()[["id", "geometry"]].to_file(folder / "given.shp")


def _packed_inventory(folder: Path) -> None:
    write_geojson(_slumps(), folder / "inside.geojson")
    with zipfile.ZipFile(folder / "given.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(folder / "inside.geojson", "inside.geojson")
    (folder / "inside.geojson").unlink()


def _table_of_benchmarks(folder: Path) -> None:
    columns = {"s": [12.5, 3.0], "h:m:s": ["0:00:12", "0:00:03"], "max_rss": [800.0, 90.0], "io_in": [1.0, "-"]}
    (folder / "benchmarks").mkdir()
    _write_csv("train.tsv", columns | {"io_out": [2.0, 2.0], "cpu_time": [11.0, 3.0]}, "\t")(folder / "benchmarks")


def _votes(folder: Path) -> None:
    values = np.zeros((1, SIDE, SIDE), np.uint8)
    values[:, 5:12, 5:12] = 7
    values[:, 40:50, 40:50] = 7
    _tiff(folder / "votes.tif", values, None)


_SELECTED = {
    "factor": ["slope", "slope", "vegetation"],
    "class": ["5-10", "10-15", "meadow"],
    "low": [5.0, 10.0, None],
    "high": [10.0, 15.0, None],
    "slump_share": [0.2, 0.6, 0.2],
    "landscape_share": [0.4, 0.3, 0.3],
    "note": [""] * 3,
}
_BINS = {
    "layer": ["slope", "slope", "aspect"],
    "class": ["0-5", "5-10", "N"],
    "low": [0.0, 5.0, None],
    "high": [5.0, 10.0, None],
    "area_km2": [2.0, 3.0, 1.0],
    "share": [0.4, 0.6, 1.0],
}
_NUMBERS = {
    "campaign": "x",
    "study": "own",
    "synthetic": True,
    "near_road_m": 1000.0,
    "numbers": {
        "slumps": {
            "what": "slumps",
            "value": 4.0,
            "unit": "",
            "n": 4,
            "of": "slumps",
            "rests_on": "rows",
            "missing": "",
        },
        "area_total": {
            "what": "area",
            "value": 9.1,
            "unit": "ha",
            "n": 4,
            "of": "slumps",
            "rests_on": "area",
            "missing": "",
        },
    },
}
_COMPARED = {
    "name_a": "own",
    "name_b": "given",
    "zone_km2": 12.0,
    "road_buffer_m": 1000.0,
    "a": {"slumps": 4, "outlines": 5, "counterpart": 3, "only_here": 1, "by_probability": {"low": 1, "medium": 1}},
    "b": {"slumps": 4, "outlines": 4, "counterpart": 3, "only_here": 1},
}
_SCORES = {
    "truth": 9,
    "mapped": 8,
    "ap_huang": 0.5,
    "ap_score": 0.6,
    "pixel_iou": 0.5,
    "pixel_f1": 0.7,
    "boundary_iou": 0.3,
    "polygons": [
        {"threshold": t, "precision": 0.5, "recall": 0.5, "f1": 0.5, "false_negatives": 2} for t in THRESHOLDS
    ],
}


# --- readings --------------------------------------------------------------------------------------------------------


class _inside:  # noqa: N801
    """Works in a folder for a while."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> None:
        import os

        self.before = Path.cwd()
        os.chdir(self.folder)

    def __exit__(self, *error: object) -> None:
        import os

        os.chdir(self.before)


def _read_scene(folder: Path) -> None:
    path, udm = folder / "20190801_040000_SR.tif", folder / "20190801_040000_udm2.tif"
    check_scene(path, udm, 4)
    look_at(path, CRS)
    cloud_fraction_of(udm)
    with SceneReader(Scene("a", path, udm, "2019-08-01", 2019, 0.0, (0.0, 0.0, 1.0, 1.0)), (3, 2, 1)) as reader:
        side = min(reader.dataset.width, reader.dataset.height, SIDE)
        reader.read(rasterio.windows.Window(0, 0, side, side))


def _read_class_raster(folder: Path) -> None:
    check_layers(_grid(), vegetation=folder / "vegetation.tif", vegetation_legend=folder / "legend.csv")
    layer = Layer(folder / "vegetation.tif", "class", (1, 2, 3), "vegetation")
    zonal_statistics(gpd.GeoSeries(_SQUARES, crs=CRS), [layer])


def _read_number_raster(folder: Path) -> None:
    path = folder / "slope.tif"
    zonal_statistics(gpd.GeoSeries(_SQUARES, crs=CRS), [Layer(path, "number", (), "slope")])
    bilinear(path, np.array([X + 10, X + 90]), np.array([Y - 10, Y - 90]), CRS, "slope")


def _read_dem(folder: Path) -> None:
    check_layers(_grid(), dem=folder / "dem.tif")
    with open_dem(folder / "dem.tif") as dem:
        for window in dem.blocks():
            dem.read(window, 2)


def _packed_dem(folder: Path) -> None:
    _tiff(folder / "inside.tif", _noise(1, "float32", 4000, 4900), -9999, 30.0)
    with zipfile.ZipFile(folder / "dem.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(folder / "inside.tif", "N34E093.tif")
    (folder / "inside.tif").unlink()


def _read_packed_dem(folder: Path) -> None:
    (folder / "out").mkdir()
    bring_dem([folder / "dem.zip"], _grid(), folder / "out" / "dem.tif")


def _read_image(folder: Path) -> None:
    image = DatedImage(name="orthophoto", path=folder / "image.tif", date="2018-07-01")
    image_of(image, CRS, (X, Y - 90, X + 90, Y), 30)


def _read_mosaic(bands: int, nodata: int) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        check_whole(folder / "tiles" / "x000_y000.tif", "tile")
        grid = Grid.read(folder / "grid.json")
        with Mosaic(grid, folder / "tiles", bands, nodata) as tiles:
            tiles.read(grid.extent)

    return read


def _read_grid(folder: Path) -> None:
    grid = Grid.read(folder / "grid.json")
    [grid.bounds(tile.window) for tile in grid.tiles]
    _ = grid.extent


def _read_vrt(folder: Path) -> None:
    with open_raster(folder / "tiles" / "mosaic.vrt", "mosaic") as source:
        source.read(window=rasterio.windows.Window(0, 0, 20, 20))


def _read_yaml(folder: Path) -> None:
    config = read_config(folder / "campaign.yaml")
    _ = config.folder, config.maps


def _read_weights(folder: Path) -> None:
    """The bundle as if its maker had written these weights: the hash in the card is theirs."""
    card = json.loads((folder / "model.json").read_text())
    card["weights"] = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    (folder / "model.json").write_text(json.dumps(card))
    load_bundle(folder)


def _read_card(folder: Path) -> None:
    describe(read_card(folder))
    load_bundle(folder, window_px=64, resolution=3.0)


def _read_store(folder: Path) -> None:
    with Store(folder / "anna.sqlite", "anna") as store:
        store.enter("tab-2", True)
        [state.opinion for state in store.states().values()]
        store.state(1)
        store.verdicts()


def _read_pack(folder: Path) -> None:
    with Pack(folder / "chips.zip") as pack:
        for name in pack.candidates():
            for frame in pack.meta(name)["frames"]:
                pack.picture(name, frame["file"])


def _read_edited(folder: Path) -> None:
    from slumpmap.review.qgis.bring_back import bring_back
    from slumpmap.review.qgis.desk import desk_of

    with _inside(folder):
        bring_back(desk_of(read_config(Path("campaign.yaml")), 1, "anna"), Path("edited.gpkg"), dry_run=True)


def _read_ledger(folder: Path) -> None:
    compare(
        folder / "polygons.gpkg",
        folder / "slumps.gpkg",
        folder / "rejected.gpkg",
        2,
        LedgerSettings(),
        folder / "o.gpkg",
    )


def _make_ledger(folder: Path) -> None:
    write_layer(_candidates(), folder / "polygons.gpkg")
    write_layer(_slumps(), folder / "slumps.gpkg")
    write_layer(_rejected(), folder / "rejected.gpkg")


def _make_labels(folder: Path) -> None:
    write_layer(_slumps("p"), folder / "positives.gpkg")
    write_layer(_layer(**{"id": list("abcd"), "iteration_found": 0, "score": 0.5}), folder / "negatives.gpkg")
    write_layer(_slumps("a"), folder / "accepted.gpkg")
    write_layer(_rejected(), folder / "rejected.gpkg")
    assert set(SLUMP_COLUMNS) <= set(_slumps()) and set(NEGATIVE_COLUMNS) == {"id", "iteration_found", "score"}


def _read_labels(folder: Path) -> None:
    layers = [folder / f"{name}.gpkg" for name in ("positives", "negatives", "accepted", "rejected")]
    next_labels(*layers, IterationSettings(), folder / "next")
    all_slumps(layers[0], layers[2], folder / "all.gpkg")


def _import(name: str) -> Callable[[Path], None]:
    return lambda folder: (
        import_inventory(folder / name, folder / "slumps.gpkg", folder / "repairs.csv", target_crs=CRS) and None
    )


def _read_decided(folder: Path) -> None:
    candidates = _candidates()
    read_decisions(folder / "anna.gpkg", candidates[candidates["status"] == "new"])


def _read_agreement(folder: Path) -> None:
    files = {name: folder / f"{name}.gpkg" for name in ("anna", "ben")}
    agreement_of_files(folder / "candidates.gpkg", files)


def _make_agreement(folder: Path) -> None:
    write_layer(_candidates(), folder / "candidates.gpkg")
    for name in ("anna", "ben"):
        write_layer(_decisions(), folder / f"{name}.gpkg")
    _write_csv("anna.repeats.csv", {"candidate_id": ["01-c0"], "verdict": ["slump"], "repeat_verdict": ["reject"]})(
        folder
    )


def _read_checkpoint(folder: Path) -> None:
    """A damaged checkpoint is no refusal: training says so and begins again."""
    load_checkpoint(folder, "mark")


def _make_checkpoint(folder: Path) -> None:
    save_checkpoint(folder, "mark", 3, {"weights": {"a": torch.ones(9)}, "losses": [1.0, 2.0]})


def _encoder(path: Path) -> TrainingSettings:
    return TrainingSettings(encoder="mobilenet_v2", encoder_weights=str(path))


def _make_encoder(folder: Path) -> None:
    torch.manual_seed(3)
    encoder = build_network(_encoder(folder / "encoder.pth"), pretrained=False).encoder
    torch.save({name: value.half() for name, value in encoder.state_dict().items()}, folder / "encoder.pth")


def _make_votes_settings() -> ConsensusSettings:
    half = 3 * SIDE / 2
    west, east = (X, Y - 2 * half, X + half, Y), (X + half, Y - 2 * half, X + 2 * half, Y)
    return ConsensusSettings(votes=Path("votes.tif"), at_least=6, training=west, evaluation=east)


def _site_table(folder: Path) -> None:
    _table(folder / "table1.csv", "own", _Folder(folder, folder / "made"))


def _study_area(name: str) -> Callable[[Path], None]:
    return lambda folder: grid_of(GridSettings(crs=CRS, resolution=3.0, tile_px=SIDE, area=folder / name)) and None


_TRAINING_LOG = {
    "step": [1, 2, 3],
    "loss": [0.9, 0.5, 0.4],
    "learning_rate": [0.1, 0.1, 0.05],
    "validation_loss": [None, 0.6, 0.5],
    "validation_ap": [None, 0.4, 0.6],
}
_RELIABILITY = {
    "low": [0.0, 0.5],
    "high": [0.5, 1.0],
    "count": [50, 40],
    "mean_predicted": [0.2, 0.8],
    "observed_share": [0.1, 0.9],
    "brier_score": [0.1, 0.1],
    "expected_calibration_error": [0.1, 0.1],
}
_LEGEND = {"code": [1, 2, 3], "name": ["meadow", "steppe", "desert, cold"]}


def _class_raster(folder: Path) -> None:
    _tiff(folder / "vegetation.tif", _noise(1, "uint8", 1, 4), 0)
    _write_csv("legend.csv", _LEGEND)(folder)


def _make_mosaic_file(folder: Path) -> None:
    _tiles(3, 0)(folder)
    write_mosaic(_grid(), folder / "tiles", 3, 0)


READERS: tuple[Reader, ...] = (
    # rasters
    Reader("scene", "20190801_040000_SR.tif", "tiff", _scene, _read_scene),
    Reader("udm2", "20190801_040000_udm2.tif", "tiff", _scene, _read_scene),
    Reader(
        "dem", "dem.tif", "tiff", lambda f: _tiff(f / "dem.tif", _noise(1, "float32", 4000, 4900), -9999), _read_dem
    ),
    Reader("packed_dem", "dem.zip", "zip of tiff", _packed_dem, _read_packed_dem),
    Reader(
        "codes",
        "vegetation.tif",
        "tiff",
        _class_raster,
        lambda f: look_at_classes("vegetation", f / "vegetation.tif", f / "legend.csv", _grid(), f),
    ),
    Reader("class_raster", "vegetation.tif", "tiff", _class_raster, _read_class_raster),
    Reader(
        "number_raster",
        "slope.tif",
        "tiff",
        lambda f: write_raster(f / "slope.tif", _noise(1, "float32", 0, 40), _grid().transform, CRS, -1),
        _read_number_raster,
    ),
    Reader("image", "image.tif", "tiff", lambda f: _tiff(f / "image.tif", _noise(3), 0, compress="lzw"), _read_image),
    Reader(
        "votes",
        "votes.tif",
        "tiff",
        _votes,
        lambda f: make_consensus(f / "votes.tif", _make_votes_settings(), CRS, f / "out"),
    ),
    Reader("imagery_tile", "tiles/x000_y000.tif", "tiff", _tiles(3, 0), _read_mosaic(3, 0)),
    Reader("probability_tile", "tiles/x000_y000.tif", "tiff", _tiles(1, 255), _read_mosaic(1, 255)),
    Reader("mosaic_vrt", "tiles/mosaic.vrt", "vrt", _make_mosaic_file, _read_vrt, ("x000_y000.tif",)),
    Reader("yearly", "yearly.zip", "zip of tiff", _yearly, lambda f: list(read_all_yearly(f / "yearly.zip"))),
    # vectors
    Reader(
        "study_area", "area.gpkg", "gpkg", _gpkg("area.gpkg", lambda: _layer(id=list("abcd"))), _study_area("area.gpkg")
    ),
    Reader(
        "study_area_geojson",
        "area.geojson",
        "geojson",
        lambda f: write_geojson(_slumps(), f / "area.geojson"),
        _study_area("area.geojson"),
    ),
    Reader(
        "known_slumps",
        "known.gpkg",
        "gpkg",
        _gpkg("known.gpkg", _slumps),
        lambda f: first_labels(f / "known.gpkg", None, _grid(), f / "labels"),
    ),
    Reader("labels", "positives.gpkg", "gpkg", _make_labels, _read_labels),
    Reader("rejected", "rejected.gpkg", "gpkg", _make_labels, _read_labels),
    Reader(
        "roads",
        "roads.gpkg",
        "gpkg",
        _gpkg("roads.gpkg", _lines),
        lambda f: check_layers(_grid(), roads=f / "roads.gpkg"),
    ),
    Reader(
        "streams",
        "streams.geojson",
        "geojson",
        lambda f: write_geojson(_lines(), f / "streams.geojson"),
        lambda f: read_layer(f / "streams.geojson", "streams", CRS, kinds=LINES),
    ),
    Reader(
        "truth",
        "truth.gpkg",
        "gpkg",
        _gpkg("truth.gpkg", _slumps),
        lambda f: check_layers(_grid(), truth=f / "truth.gpkg", training_area=f / "truth.gpkg"),
    ),
    Reader(
        "scene_catalogue",
        "scenes.gpkg",
        "gpkg",
        _catalogue,
        lambda f: make_catalogue(f / "scenes.gpkg", _grid(), CompositeSettings(), [2019], f / "out.gpkg"),
        ("/work/",),
    ),
    Reader(
        "checked_catalogue",
        "checked.gpkg",
        "gpkg",
        _checked_catalogue,
        lambda f: (read_selected(f / "checked.gpkg"), scenes_used(f / "checked.gpkg")),
    ),
    Reader("ledger", "polygons.gpkg", "gpkg", _make_ledger, _read_ledger),
    Reader("decisions", "anna.gpkg", "gpkg", _gpkg("anna.gpkg", _decisions), _read_decided),
    Reader("repeats", "anna.repeats.csv", "csv", _make_agreement, _read_agreement),
    Reader("qgis_edits", "edited.gpkg", "gpkg", _desk, _read_edited),
    Reader(
        "outlines",
        "ben.gpkg",
        "gpkg",
        lambda f: (write_layer(_slumps(), f / "anna.gpkg"), write_layer(_slumps(), f / "ben.gpkg")),
        lambda f: outline_agreement(read_outlines((f / "anna.gpkg", f / "ben.gpkg"))),
        ("outlines",),
    ),
    Reader(
        "parts",
        "parts/x000_y000.parquet",
        "parquet",
        _parts,
        lambda f: merge_parts(f / "parts", _grid(), f / "out.gpkg", 0.01, 8),
    ),
    Reader(
        "evidence",
        "evidence.parquet",
        "parquet",
        lambda f: pd.DataFrame({"id": ["a", "b"], "status": ["new", "new"]} | dict.fromkeys(TRAITS, 0.5)).to_parquet(
            f / "evidence.parquet"
        ),
        lambda f: read_evidence(f / "evidence.parquet"),
    ),
    # imports
    Reader("import_gpkg", "given.gpkg", "gpkg", _gpkg("given.gpkg", _slumps), _import("given.gpkg")),
    Reader(
        "import_geojson",
        "given.geojson",
        "geojson",
        lambda f: write_geojson(_slumps(), f / "given.geojson"),
        _import("given.geojson"),
    ),
    Reader(
        "import_parquet",
        "given.parquet",
        "parquet",
        lambda f: write_parquet(_slumps(), f / "given.parquet"),
        _import("given.parquet"),
    ),
    Reader("import_shp", "given.shp", "shp", _given_shapefile, _import("given.shp")),
    Reader("import_dbf", "given.dbf", "shp", _given_shapefile, _import("given.shp"), ("given.shp",)),
    Reader("import_zip", "given.zip", "zip of json", _packed_inventory, _import("given.zip")),
    # JSON
    Reader("grid_json", "grid.json", "json", _write_grid, _read_grid),
    Reader(
        "scaling",
        "scaling.json",
        "json",
        _write_json("scaling.json", {"low": [0, 0, 0], "high": [9, 9, 9]}),
        lambda f: read_scaling(f / "scaling.json"),
    ),
    Reader(
        "outcome",
        "outcome.json",
        "json",
        _with_outcome,
        lambda f: (
            table2([f / "outcome.json"], f / "a.csv", f / "a.md"),
            write_missing([f / "outcome.json"], None, None, f / "a.png"),
        ),
    ),
    Reader(
        "evaluation",
        "evaluation.json",
        "json",
        _with_outcome,
        lambda f: table2([f / "outcome.json"], f / "a.csv", f / "a.md", f / "evaluation.json"),
    ),
    Reader(
        "scores",
        "scores.json",
        "json",
        _write_json("scores.json", _SCORES),
        lambda f: write_table([f / "scores.json"], f / "table.csv"),
    ),
    Reader(
        "numbers",
        "summary.json",
        "json",
        _write_json("summary.json", _NUMBERS),
        lambda f: read_numbers(f / "summary.json"),
    ),
    Reader(
        "landscape",
        "landscape.json",
        "json",
        _write_json(
            "landscape.json", {"area_km2": 9.0, "layers": {}, "omissions": [{"layer": "soil", "reason": "not given"}]}
        ),
        lambda f: why_absent(f, "soil"),
    ),
    # tables
    Reader(
        "legend",
        "legend.csv",
        "csv",
        _write_csv("legend.csv", _LEGEND),
        lambda f: read_legend(f / "legend.csv", "soil"),
    ),
    Reader(
        "training_log",
        "log.csv",
        "csv",
        _write_csv("log.csv", _TRAINING_LOG),
        lambda f: training_curves(f / "log.csv", f / "a.png"),
    ),
    Reader(
        "reliability",
        "reliability.csv",
        "csv",
        _write_csv("reliability.csv", _RELIABILITY),
        lambda f: reliability_plot({"a": f / "reliability.csv"}, f / "a.png"),
    ),
    Reader(
        "curve",
        "curve.csv",
        "csv",
        _write_csv("curve.csv", {"score": [0.9, 0.5], "precision": [1.0, 0.5], "recall": [0.4, 0.8]}),
        lambda f: precision_recall_plot({"a": f / "curve.csv"}, f / "a.png", ""),
    ),
    Reader(
        "benchmarks",
        "benchmarks/train.tsv",
        "csv",
        _table_of_benchmarks,
        lambda f: (campaign_cost(f / "benchmarks"), job_costs(f / "benchmarks")),
    ),
    Reader("bins", "bins.csv", "csv", _write_csv("bins.csv", _BINS), lambda f: read_bins(f)),
    Reader(
        "selection",
        "selection.csv",
        "csv",
        _write_csv("selection.csv", _SELECTED),
        lambda f: classes_of(read_selection(f / "selection.csv"), "slope"),
    ),
    Reader("site_table", "table1.csv", "csv", _write_csv("table1.csv", _LEGEND), _site_table),
    # campaigns, models, rooms
    Reader(
        "campaign",
        "campaign.yaml",
        "yaml",
        lambda f: (f / "campaign.yaml").write_text((ROOT / "config" / "tiny.yaml").read_text()),
        _read_yaml,
    ),
    Reader(
        "recipe",
        "campaign.yaml",
        "yaml",
        lambda f: (f / "campaign.yaml").write_text(
            "recipe: xia2022\n" + (ROOT / "config" / "tiny.yaml").read_text().replace("output_stride", "#")
        ),
        _read_yaml,
    ),
    Reader("model_card", "model.json", "json", _bundle, _read_card),
    Reader("weights", "weights.safetensors", "safetensors", _bundle, _read_weights, ("model.json",)),
    Reader(
        "encoder",
        "encoder.pth",
        "torch",
        _make_encoder,
        lambda f: build_network(_encoder(f / "encoder.pth"), pretrained=True),
    ),
    Reader("checkpoint", "last.pt", "torch", _make_checkpoint, _read_checkpoint),
    Reader(
        "training_set",
        "windows.npy",
        "npy",
        _training_set,
        lambda f: read_windows(f / "windows.gpkg", f / "windows.npy"),
    ),
    Reader("pack", "chips.zip", "zip of json", _pack, _read_pack),
    Reader("store", "anna.sqlite", "sqlite", _store, _read_store),
)
