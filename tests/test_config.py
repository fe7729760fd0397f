"""The configuration: refused with one message that names key and remedy."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from slumpmap.config import Config, check_config, grid_of, read_config, sections
from slumpmap.errors import InputError
from slumpmap.options import as_options, validated
from slumpmap.recipes import RECIPES
from slumpmap.reference import config_reference
from slumpmap.settings.candidates import CandidateSettings
from slumpmap.settings.imagery import ImagerySettings, LayerSettings

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
        ({"candidates": {"thresholdd": 0.4}}, "unknown key 'candidates.thresholdd'", "'threshold'"),
        ({"demo": {"sizze": "tiny"}}, "unknown key 'demo.sizze'", "'size'"),
        ({"candidates": {"threshold": "high"}}, "candidates.threshold", "correct the value"),
        ({"candidates": {"threshold": 1.5}}, "candidates.threshold", "correct the value"),
        ({"imagery": {"years": [2018], "mapping_year": 2019}}, "mapping_year 2019", "correct the value"),
        ({"grid": {"crs": "EPSG:32646"}}, "either `bounds` or `area`", "correct the value"),
        ({"review": {"mode": "simulated"}}, "needs inputs.truth", "correct the value"),
        ({"inputs": {"positives": "a"}}, "'inputs.catalogue' is missing", "correct the value"),
        ({"inputs": {"dem": "a"}}, "or analysis.inventory", "correct the value"),
        ({"analysis": {"thin_km": -1}}, "analysis.thin_km", "correct the value"),
        ({"inputs": {"catalogue": "a"}}, "either inputs.positives or", "correct the value"),
        ({"inputs": {"catalogue": "a", "soil": "b"}}, "inputs.soil and inputs.soil_legend go together", "correct the"),
        ({"arts": {"region": "here", "source": "PlanetScope"}}, "'arts.creator' is missing", "add it"),
        ({"inference": {"stride_px": 481}}, "stride_px", "correct the value"),
        ({"imagery": {"layers": ["ndvi"]}}, "layer ndvi needs nir_band", "correct the value"),
        ({"imagery": {"layers": ["nir"]}}, "layer nir needs nir_band", "correct the value"),
        ({"imagery": {"layers": ["ndvi"], "nir_band": 3}}, "first of bands, which must be red", "correct the value"),
        ({"imagery": {"layers": ["nir", "nir"], "nir_band": 4}}, "names a layer twice", "correct the value"),
        ({"imagery": {"layers": ["slope"]}}, "layer slope of imagery.layers needs inputs.dem", "correct the value"),
        ({"imagery": {"layers": ["hillshade"]}}, "layer hillshade of imagery.layers needs", "correct the value"),
        ({"imagery": {"layers": ["ndwi"]}}, "'imagery.layers.0' = 'ndwi'", "correct the value"),
        ({"imagery": {"nir_band": 0}}, "'imagery.nir_band' = 0", "correct the value"),
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


def test_bands_of_the_network():
    imagery = {"layers": ["slope", "ndvi"], "nir_band": 4}
    config = check_config(MINIMAL | {"inputs": MINIMAL["inputs"] | {"dem": "dem.tif"}, "imagery": imagery})
    assert config.imagery.band_names == ("red", "green", "blue", "slope", "ndvi")
    assert config.imagery.bands_read == (3, 2, 1, 4)
    plain = check_config(MINIMAL).imagery
    assert (plain.band_names, plain.bands_read) == (("red", "green", "blue"), (3, 2, 1))


@pytest.mark.parametrize("layers", [(), ("nir",), ("slope", "nir", "hillshade", "ndvi")])
def test_options_reproduce_layers(layers):
    settings = LayerSettings(layers=layers, nir_band=4 if layers else None)
    assert validated(LayerSettings, as_texts(LayerSettings, as_options(settings))) == settings


def test_bad_option_is_refused_by_its_name():
    with pytest.raises(InputError, match="--threshold"):
        validated(CandidateSettings, {"threshold": "2", "mmu_ha": None, "connectivity": None})


def test_recipe_of_the_paper():
    """Every parameter that Huang et al. (2020) and Xia et al. (2022) give, and what the configuration says wins."""
    config = check_config(MINIMAL | {"recipe": "xia2022", "model": {"batch": 4}})
    model, windows, inference = config.model, config.windows, config.inference
    assert (model.architecture, model.encoder, model.encoder_weights) == ("DeepLabV3Plus", "tu-xception65", "imagenet")
    assert (model.output_stride, model.atrous_rates, model.iterations) == (16, (6, 12, 18), 30000)
    assert (model.optimizer, model.learning_rate, model.schedule, model.poly_power) == ("sgd", 0.007, "poly", 0.9)
    assert (model.loss, model.augment) == ("cross_entropy", ("blur", "crop", "scale"))
    assert model.augment_positives_only and model.freeze_batch_norm and not model.ema and not model.evaluate_every
    assert (windows.window_px, windows.window_px - windows.overlap_px, windows.buffer_m) == (480, 160, 300)
    assert (inference.window_px, inference.stride_px, inference.fusion) == (480, 160, "or")
    assert config.candidates.threshold == 0.5
    assert model.batch == 4
    assert check_config(MINIMAL | {"recipe": "xia2022"}).model.batch == 8
    assert check_config(MINIMAL).inference.fusion == "blend"


def test_unknown_recipe_is_refused():
    with pytest.raises(InputError, match=r"key 'recipe' = 'xia': .*'xia2022'"):
        check_config(MINIMAL | {"recipe": "xia"})


def test_recipes_name_keys_that_exist():
    for name, changed in RECIPES.items():
        for section, keys in changed.items():
            assert set(keys) <= set(sections()[section].model_fields), (name, section)


def test_layers_and_an_inventory_are_a_configuration_that_maps_nothing():
    grid = {"crs": "EPSG:32646", "bounds": [0, 0, 3000, 3000]}
    config = check_config({"campaign": "x", "inputs": {}, "grid": grid, "analysis": {"inventory": "theirs.shp"}})
    assert not config.maps
    with pytest.raises(InputError, match=r"file of analysis\.inventory is missing"):
        config.check_files()
    assert check_config(MINIMAL).maps
