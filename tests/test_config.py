"""The configuration: refused with one message that names key and remedy."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from slumpmap.config import CandidateSettings, Config, ImagerySettings, check_config, grid_of, read_config, sections
from slumpmap.errors import InputError
from slumpmap.options import as_options, validated
from slumpmap.reference import config_reference

ROOT = Path(__file__).parents[1]
MINIMAL = {
    "campaign": "x",
    "inputs": {"catalogue": "scenes.gpkg", "positives": "slumps.gpkg"},
    "grid": {"crs": "EPSG:32646", "bounds": [0, 0, 3000, 3000]},
}


@pytest.mark.parametrize(
    ("change", "fault", "remedy"),
    [
        ({"candidate": {}}, "unknown key 'candidate'", "'candidates'"),
        ({"candidates": {"treshold": 0.4}}, "unknown key 'candidates.treshold'", "'threshold'"),
        ({"demo": {"sise": "tiny"}}, "unknown key 'demo.sise'", "'size'"),
        ({"candidates": {"threshold": "high"}}, "candidates.threshold", "correct the value"),
        ({"candidates": {"threshold": 1.5}}, "candidates.threshold", "correct the value"),
        ({"imagery": {"years": [2018], "mapping_year": 2019}}, "mapping_year 2019", "correct the value"),
        ({"grid": {"crs": "EPSG:32646"}}, "either `bounds` or `area`", "correct the value"),
        ({"review": {"mode": "simulated"}}, "needs inputs.truth", "correct the value"),
        ({"inputs": {"positives": "a"}}, "'inputs.catalogue' is missing", "add it"),
        ({"inputs": {"catalogue": "a"}}, "either inputs.positives or", "correct the value"),
        ({"inference": {"stride_px": 481}}, "stride_px", "correct the value"),
    ],
)
def test_bad_configuration_is_refused_in_one_message(change, fault, remedy):
    with pytest.raises(InputError) as caught:
        check_config(MINIMAL | change, "campaign.yaml")
    assert str(caught.value).startswith("campaign.yaml: ")
    assert fault in str(caught.value)
    assert remedy.lower() in str(caught.value).lower()


@pytest.mark.parametrize(
    ("crs", "fault"), [("EPSG:4326", "not projected"), ("EPSG:99999999", "unknown CRS"), ("EPSG:2229", "in metres")]
)
def test_unsuitable_crs_is_refused(crs, fault):
    config = check_config(MINIMAL | {"grid": MINIMAL["grid"] | {"crs": crs}})
    with pytest.raises(InputError, match=fault):
        grid_of(config.grid)


def test_unreadable_yaml_is_refused(tmp_path):
    (tmp_path / "broken.yaml").write_text("campaign: [")
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path / "broken.yaml")


@pytest.mark.parametrize("name", ["demo", "tiny", "qtec", "peel"])
def test_shipped_configurations_are_valid(name):
    assert read_config(ROOT / "config" / f"{name}.yaml").campaign == name


def test_paper_parameters_are_those_of_the_paper():
    model = read_config(ROOT / "config" / "qtec.yaml").model
    assert (model.encoder, model.output_stride, model.batch) == ("tu-xception65", 16, 8)
    assert (model.learning_rate, model.poly_power, model.iterations) == (0.007, 0.9, 30000)


def test_reference_of_all_keys_is_up_to_date():
    assert (ROOT / "config" / "README.md").read_text() == config_reference()


def test_every_key_has_a_meaning():
    for model in (Config, *sections().values()):
        for key, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{key}"


def as_texts(model, options):
    words = yaml.safe_load(yaml.dump(options.split()))
    pairs = dict(word.removeprefix("--").split("=", 1) for word in words)
    return {name: pairs.get(name.replace("_", "-"), "").strip("'") for name in model.model_fields}


@given(
    threshold=st.floats(0.01, 0.99),
    mmu_ha=st.floats(0, 10),
    connectivity=st.sampled_from([4, 8]),
)
def test_options_reproduce_settings(threshold, mmu_ha, connectivity):
    settings = CandidateSettings(threshold=threshold, mmu_ha=mmu_ha, connectivity=connectivity)
    assert validated(CandidateSettings, as_texts(CandidateSettings, as_options(settings))) == settings


def test_options_reproduce_lists_and_flags():
    settings = ImagerySettings(years=(2018, 2019), mapping_year=2018, bands=(1, 2, 3), sharpen=True)
    assert validated(ImagerySettings, as_texts(ImagerySettings, as_options(settings))) == settings


def test_bad_option_is_refused_by_its_name():
    with pytest.raises(InputError, match="--threshold"):
        validated(CandidateSettings, {"threshold": "2", "mmu_ha": None, "connectivity": None})
