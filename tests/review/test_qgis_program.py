"""The exported folder in QGIS itself: it opens, its forms are what was meant, and what is edited there comes back."""

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import shapely
from PIL import Image
from room_maker import Campaign

from slumpmap.review.decisions import read_rows
from slumpmap.review.opinion import REASONS
from slumpmap.review.qgis.bring_back import bring_back
from slumpmap.review.qgis.desk import desk_of
from slumpmap.review.qgis.export import export_review

SESSION = Path(__file__).with_name("qgis_session.py")
A, B, C, D, E = (f"01-c{number:04d}" for number in range(5))


@cache
def qgis_python():
    """A Python that has QGIS, or None; the environment variable QGIS_PYTHON names another than the system's."""
    for name in filter(None, (os.environ.get("QGIS_PYTHON"), "/usr/bin/python3", shutil.which("python3-qgis"))):
        environment = clean_environment()
        found = subprocess.run([name, "-c", "import qgis.core"], capture_output=True, env=environment, check=False)
        if found.returncode == 0:
            return name
    return None


def clean_environment():
    """Without what leads QGIS's Python to our packages."""
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return keep | {"QT_QPA_PLATFORM": "offscreen", "LC_ALL": "C.UTF-8"}


pytestmark = pytest.mark.skipif(qgis_python() is None, reason="needs QGIS and its Python (apt install python3-qgis)")


def session(package, *words):
    """What QGIS says of a folder, and a picture of it."""
    folder = package.parent
    report, picture = folder.parent / "report.json", folder.parent / "map.png"
    command = [qgis_python(), str(SESSION), str(folder), package.name, str(report), str(picture), *words]
    environment = clean_environment() | {"XDG_RUNTIME_DIR": str(folder.parent), "HOME": str(folder.parent)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(report.read_text()), np.asarray(Image.open(picture).convert("RGB")).astype(int)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A campaign, its export, and a session in which it is edited."""
    folder = tmp_path_factory.mktemp("qgis")
    made = Campaign(folder, [(120, 120), (330, 140), (600, 300), (900, 500), (1200, 600)])
    package = export_review(desk_of(made.config, 1, "anna"), folder / "out").candidates
    report, picture = session(package, "edit")
    return made, package, report, picture


def test_project_opens_whole(work):
    made, _, report, _ = work
    assert all(layer["valid"] and layer["crs"] == "EPSG:32646" for layer in report["layers"].values())
    assert report["crs"] == "EPSG:32646" and report["topological"] and report["snapping"]
    assert report["groups"] == {
        "Candidates": ["Headwalls", "Candidates"],
        "Around": ["Known slumps", "Study area", "Contour lines, 5 m"],
        "Images": ["2017", "2018", "2019"],
        "Relief": ["Shaded relief"],
    }
    assert report["layers"]["Candidates"]["count"] == 5 and report["layers"]["Known slumps"]["count"] == 1
    assert {name for name, layer in report["layers"].items() if not layer["locked"]} >= {"Candidates", "Headwalls"}
    assert report["layers"]["Known slumps"]["locked"] and report["layers"]["Study area"]["locked"]
    first = made.candidates.geometry[0]
    assert shapely.box(*report["extent"]).contains(first)
    assert shapely.box(*report["extent"]).area < 3 * first.buffer(300).envelope.area
    assert report["areas"] == {name: pytest.approx(0.36) for name in (A, B, C, D, E)}


def test_a_theme_shows_one_year(work):
    themes = work[2]["themes"]
    common = {"Candidates", "Headwalls", "Known slumps", "Study area"}
    assert {name: set(layers) for name, layers in themes.items()} == {
        "2017": common | {"2017"},
        "2018": common | {"2018"},
        "2019": common | {"2019"},
        "Relief": common | {"Contour lines, 5 m", "Shaded relief"},
    }


def test_form_is_what_was_meant(work):
    report = work[2]
    widgets = report["widgets"]
    assert widgets == report["alone"]["widgets"] and report["alone"]["renderer"] == "categorizedSymbol"
    assert widgets["is_slump"]["choices"] == ["Open", "Slump", "Not a slump"]
    assert widgets["probability"]["choices"] == ["", "High", "Medium", "Low"]
    assert widgets["reason"]["choices"] == ["", *REASONS.values()]
    assert widgets["initiation"]["choices"] == ["", "before 2017", "2017-2018", "2018-2019"]
    boxes = {name for name, widget in widgets.items() if widget["kind"] == "CheckBox"}
    assert boxes == {
        "unsure", "use_as_negative", "headwall_highest", "colour_differs", "headwall_arcuate", "retreats_upslope",
    }  # fmt: skip
    assert {name for name, widget in widgets.items() if widget["kind"] == "Hidden"} == {"exported", "export_for"}
    locked = {name for name, widget in widgets.items() if widget["locked"]}
    assert locked == {"candidate_id", "rank", "area_ha", "exported", "export_for"}
    assert "needs a probability" in widgets["probability"]["rule"]
    # On the screen: the lists of the form are filled with the same choices.
    for name in ("is_slump", "probability", "initiation", "reason"):
        assert widgets[name]["choices"] in report["edit"]["choices"]
    assert not report["edit"]["slump_without_probability"]
    always = {"Candidate", "Verdict", "What it shows (Xia et al. 2022)", "Remarks"}
    shown = {verdict: set(boxes) for verdict, boxes in report["edit"]["boxes"].items()}
    assert shown == {"open": always, "slump": always | {"A slump"}, "reject": always | {"Not a slump"}}


def test_map_shows_outline_image_and_label(work):
    made, _, report, picture = work
    assert report["picture"]["errors"] == [] and report["picture"]["labels"] >= 1
    # The candidate's ground is 190 grey in 2019, the rest (100, 110, 100); its outline is yellow.
    assert np.abs(picture[330, 330] - 190).max() <= 12
    assert (np.abs(picture - np.array([100, 110, 100])).max(axis=2) <= 12).mean() > 0.3
    yellow = np.abs(picture - np.array([240, 228, 66])).max(axis=2) <= 20
    # The map is 660 m wide, the candidate in its middle 60 m; its neighbour and its label lie beside.
    rows, columns = np.nonzero(yellow[260:400, 260:400])
    assert made.candidates.geometry[0].area == 3600
    assert np.ptp(rows) == pytest.approx(61, abs=3) and np.ptp(columns) == pytest.approx(61, abs=3)


def test_work_done_in_qgis_comes_back(work):
    made, package, report, _ = work
    assert report["edit"]["committed"][:2] == [True, True]
    assert report["edit"]["split"] == 0 and report["edit"]["headwall_of"] == A
    brought = bring_back(desk_of(made.config, 1, "anna"), package)
    assert (brought.new, brought.changed, brought.edited, brought.same) == ([A, B, C, E], [], [], 1)
    assert brought.joined == [E]
    rows = read_rows(brought.written, made.candidates)
    own = made.candidates.set_index("id").geometry
    assert rows.loc[A, "is_slump"] and rows.loc[A, "probability"] == "medium"
    assert rows.loc[A, "colour_differs"] and not rows.loc[A, "headwall_arcuate"]
    assert rows.loc[A, "geometry"].equals(shapely.transform(own[A], lambda xy: xy + np.array([6, 3])))
    headwall = shapely.from_wkt(rows.loc[A, "headwall"])
    assert headwall.geom_type == "LineString" and headwall.length == pytest.approx(60, abs=1)
    assert not rows.loc[B, "is_slump"] and rows.loc[B, "reason"] == "pit" and rows.loc[B, "use_as_negative"]
    assert rows.loc[B, "note"] == "Größe?\nzweite Zeile"
    assert rows.loc[C, "unsure"] and pd.isna(rows.loc[C, "is_slump"])
    # Opened and left with OK: nothing was said.
    assert pd.isna(rows.loc[D, "is_slump"]) and pd.isna(rows.loc[D, "headwall_highest"])
    assert rows.loc[D, "geometry"].equals(own[D])
    parts = shapely.get_parts(rows.loc[E, "geometry"])
    assert len(parts) == 2 and sum(part.area for part in parts) == pytest.approx(3600, rel=0.01)
