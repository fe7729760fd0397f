"""Decision files: the template people fill in, and every fault that is refused."""

import geopandas as gpd
import pytest
import shapely

from slumpmap.errors import InputError
from slumpmap.review.decisions import read_decisions, undecided, write_template
from slumpmap.vector import read_layer, write_layer

CRS = "EPSG:32646"


@pytest.fixture
def candidates():
    boxes = [shapely.box(x, 0, x + 50, 50) for x in (0, 100, 200)]
    return gpd.GeoDataFrame(
        {"id": ["01-a", "01-b", "01-c"], "status": ["new", "known", "new"], "score": [0.9, 0.8, 0.7]},
        geometry=boxes,
        crs=CRS,
    )


@pytest.fixture
def decided(candidates):
    layer = undecided(candidates[candidates["status"] == "new"])
    layer["is_slump"] = [True, False]
    layer["probability"] = ["high", None]
    return layer


def test_template_holds_new_candidates_undecided(candidates, tmp_path):
    write_layer(candidates, tmp_path / "candidates.gpkg")
    write_template(tmp_path / "candidates.gpkg", tmp_path / "template.gpkg")
    template = read_layer(tmp_path / "template.gpkg", "template")
    assert list(template["candidate_id"]) == ["01-a", "01-c"]
    assert template["is_slump"].isna().all()
    assert read_decisions(tmp_path / "template.gpkg", candidates).empty


def test_decisions_come_back_as_written(candidates, decided, tmp_path):
    write_layer(decided, tmp_path / "first.gpkg")
    back = read_decisions(tmp_path / "first.gpkg", candidates)
    assert back.loc["01-a", "is_slump"] and not back.loc["01-c", "is_slump"]
    assert back.loc["01-a", "probability"] == "high"
    assert back.loc["01-a", "geometry"].equals(candidates.geometry[0])


@pytest.mark.parametrize("values", [["true", "FALSE"], [1, 0], [1.0, 0.0]])
def test_booleans_as_gis_programs_write_them(candidates, decided, tmp_path, values):
    decided["is_slump"] = values
    write_layer(decided, tmp_path / "first.gpkg")
    assert read_decisions(tmp_path / "first.gpkg", candidates)["is_slump"].tolist() == [True, False]


def damaged(decided, kind):
    if kind == "unknown id":
        return decided.replace({"candidate_id": {"01-c": "01-z"}})
    if kind == "two rows":
        return decided.replace({"candidate_id": {"01-c": "01-a"}})
    if kind == "missing column":
        return decided.drop(columns="probability")
    if kind == "no probability":
        return decided.assign(probability=None)
    if kind == "strange boolean":
        return decided.assign(is_slump=["yes", "perhaps"])
    return decided.assign(probability="certain")


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        ("unknown id", "candidate '01-z' was not to be inspected"),
        ("two rows", "several rows with candidate_id '01-a'"),
        ("missing column", "lacks the column probability"),
        ("no probability", "slump '01-a' has no probability"),
        ("strange boolean", "is_slump holds 'yes'"),
        ("strange probability", "has no probability"),
    ],
)
def test_faulty_decision_file_is_refused(candidates, decided, tmp_path, kind, fault):
    path = tmp_path / "first.gpkg"
    write_layer(damaged(decided, kind), path)
    with pytest.raises(InputError, match=fault) as caught:
        read_decisions(path, candidates)
    assert str(path) in str(caught.value)
