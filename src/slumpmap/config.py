"""The typed campaign configuration: every key, its type, unit, default and meaning, in one place.

A section of the YAML file is one model below; one workflow step takes the settings of one section as
command-line options (see `slumpmap.options`), so that a changed value re-runs only what depends on it.
Unknown keys are refused with the nearest valid one.
"""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from slumpmap.errors import InputError
from slumpmap.files import fault_of_path, read_yaml
from slumpmap.grid import Grid, box_area, check_projected
from slumpmap.names import check_different, check_reviewer
from slumpmap.recipes import Recipe, with_recipe
from slumpmap.vector import read_layer

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Metres = Annotated[float, Field(ge=0.0)]
Count = Annotated[int, Field(ge=0)]
Bounds = tuple[float, float, float, float]
Layer = Literal["nir", "ndvi", "slope", "hillshade"]
SPECTRAL_LAYERS: tuple[Layer, ...] = ("nir", "ndvi")
TERRAIN_LAYERS: tuple[Layer, ...] = ("slope", "hillshade")
# Options reach the models as text, and a literal of integers accepts no text by itself.
_FromText = BeforeValidator(lambda value: int(value) if isinstance(value, str) and value.isdigit() else value)


class Settings(BaseModel):
    """Base of all sections: unknown keys are errors, values never change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="after")
    def _paths_that_every_step_can_take(self) -> Self:
        for name, value in self:
            for path in value if isinstance(value, tuple) else (value,):
                if isinstance(path, Path) and (fault := fault_of_path(path)):
                    raise ValueError(f"the path of {name} {fault}; rename the file or folder")
        return self


class DemoSettings(Settings):
    """The synthetic corridor that stands in for real inputs; its files are made where `inputs` names them."""

    size: Literal["tiny", "demo", "large"] = Field("demo", description="size of the corridor")
    seed: Count = Field(1, description="seed of the corridor: landscape, slumps, clouds")
    area_km2: float | None = Field(None, gt=0, description="area of a `large` corridor, km2")


class ConsensusSettings(Settings):
    """Outlines from the votes of several experts, one part of the scene for training, another for evaluation."""

    votes: Path = Field(description="raster: number of experts who outlined each pixel; counts from `data`")
    at_least: int = Field(6, ge=1, description="votes from which a pixel belongs to a slump")
    training: Bounds = Field(description="west, south, east, north of the training part, in the grid's CRS")
    evaluation: Bounds = Field(description="west, south, east, north of the held-out part, in the grid's CRS")


class InputSettings(Settings):
    """Files that the user brings. Relative paths count from `data`."""

    catalogue: Path | None = Field(
        None, description="scene catalogue, a folder of scenes, or one scene; needed to map slumps"
    )
    positives: Path | None = Field(
        None,
        description="outlines of known slumps; optional columns `id`, `initiation`; needed to map slumps, unless there "
        "is `consensus`",
    )
    negatives: Path | None = Field(None, description="outlines of known look-alikes: polygons; may be left out")
    dem: Path | None = Field(None, description="digital elevation model, metres; terrain attributes need it")
    roads: Path | None = Field(None, description="roads and railways as lines; `near_road` needs it")
    truth: Path | None = Field(
        None,
        description="true outlines of all slumps (synthetic or held out); read by the simulated experts and by "
        "the evaluation, and by nothing else",
    )
    training_area: Path | None = Field(
        None, description="polygon outside of which nothing is used for training; None: no limit"
    )
    evaluation_area: Path | None = Field(
        None, description="polygon in which the evaluation counts; None: the whole study area"
    )
    vegetation: Path | None = Field(None, description="vegetation classes: raster; may be left out")
    vegetation_legend: Path | None = Field(
        None, description="names of the vegetation classes: CSV with the columns `code`, `name`; `vegetation` needs it"
    )
    soil: Path | None = Field(None, description="soil texture classes: raster; may be left out")
    soil_legend: Path | None = Field(
        None, description="names of the soil classes: CSV with the columns `code`, `name`; `soil` needs it"
    )

    @model_validator(mode="after")
    def _classes_have_names(self) -> InputSettings:
        for name in ("vegetation", "soil"):
            if (getattr(self, name) is None) != (getattr(self, f"{name}_legend") is None):
                raise ValueError(f"inputs.{name} and inputs.{name}_legend go together: give both or neither")
        return self


# No login and no query: what a configuration says is copied into reports.
Address = Annotated[str, Field(pattern=r"^https?://[^@?#\s]+$")]


class DownloadSettings(Settings):
    """Patience with servers."""

    parallel: int = Field(4, ge=1, le=16, description="files downloaded at a time")
    requests_per_second: float = Field(5.0, gt=0, description="most requests in a second to a provider")
    attempts: int = Field(8, ge=1, description="tries in a row that may fail before a file is given up")
    wait_s: float = Field(
        2.0, ge=0, description="seconds before the second try; doubles with each, unless the server asks for a time"
    )
    timeout_s: float = Field(60.0, gt=0, description="seconds without an answer after which a connection is lost")


class PlanetSettings(DownloadSettings):
    """PlanetScope."""

    bundle: Literal["analytic_sr_udm2", "analytic_8b_sr_udm2"] = Field(
        "analytic_sr_udm2", description="what Planet delivers: surface reflectance in 4 or 8 bands, with UDM2"
    )
    harmonize: bool = Field(False, description="let Planet bring the values to those of Sentinel-2 (4 bands)")
    order_name: str = Field(
        "slumpmap",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$",
        description="how names of orders begin; an order of the same name is not placed again, so that another "
        "beginning orders (and pays) anew",
    )
    max_scenes: int = Field(
        300, ge=1, description="a search that finds more scenes is refused before anything is ordered"
    )
    poll_s: float = Field(10.0, gt=0, description="seconds between looks at an order")
    patience_h: float = Field(12.0, gt=0, description="hours to wait for an order; the next run goes on with it")
    planet_api: Address = Field("https://api.planet.com", description="address of Planet's APIs")

    @model_validator(mode="after")
    def _harmonize_possible(self) -> Self:
        if self.harmonize and self.bundle != "analytic_sr_udm2":
            raise ValueError("harmonize needs the bundle analytic_sr_udm2")
        return self


class StacSettings(DownloadSettings):
    """A STAC API."""

    stac_api: Address | None = Field(None, description="address of another STAC API with the same collection")
    sign_api: Address | None = Field(
        None, description="address that signs the files of `stac_api`, as Planetary Computer's does; null: none"
    )


class MultispectralSettings(StacSettings):
    """Sentinel-2 or Landsat."""

    max_scenes: int = Field(300, ge=1, description="a search that finds more scenes is refused")


class ElevationSettings(StacSettings):
    """An elevation model."""

    dem_resolution: float = Field(30.0, gt=0, description="cell size of the elevation model, metres")
    dem_margin_km: float = Field(
        12.0, ge=0, description="margin round the study area, km; more than `terrain.halo_km`, from where shadows fall"
    )


class SceneFetchSettings(PlanetSettings, MultispectralSettings):
    """Scenes of a provider."""

    scenes: Literal["planetscope", "sentinel-2", "landsat"] | None = Field(
        None, description="whose scenes make `inputs.catalogue`, for the years, months and clouds of `imagery`"
    )


class FetchSettings(SceneFetchSettings, ElevationSettings):
    """Inputs that are downloaded; without this section nothing goes onto the network."""

    dem: Literal["copernicus", "nasadem"] | None = Field(None, description="which elevation model makes `inputs.dem`")

    @model_validator(mode="after")
    def _something_wanted(self) -> FetchSettings:
        if self.scenes is None and self.dem is None:
            raise ValueError("say what to fetch: `scenes`, `dem`, or both; or leave the section out")
        return self


class GridSettings(Settings):
    """The campaign's tile grid."""

    crs: str = Field(description="projected CRS in metres of every product, such as EPSG:32646")
    resolution: float = Field(3.0, gt=0, description="pixel size, metres")
    tile_px: int = Field(4096, ge=64, description="width and height of a tile, pixels")
    bounds: Bounds | None = Field(None, description="study area as west, south, east, north in `crs`, metres")
    area: Path | None = Field(None, description="study area as polygons in any CRS; either this or `bounds`")

    @model_validator(mode="after")
    def _one_area(self) -> GridSettings:
        if (self.bounds is None) == (self.area is None):
            raise ValueError("give either `bounds` or `area`")
        if self.bounds is not None and not (self.bounds[0] < self.bounds[2] and self.bounds[1] < self.bounds[3]):
            raise ValueError("bounds must be west, south, east, north with west < east and south < north")
        return self


class CompositeSettings(Settings):
    """Which scenes make the image of a year, which of their bands, and how they are brought to the grid."""

    months: tuple[int, ...] = Field((7, 8), min_length=1, description="months of acquisition, 1..12")
    max_cloud: Share = Field(0.3, description="scenes with a larger cloud share are left out")
    bands: tuple[int, int, int] = Field((3, 2, 1), description="band numbers (from 1) of red, green, blue")
    nir_band: int | None = Field(
        None,
        ge=1,
        description="band number of near infrared, which every scene must have then; the layers `nir` and `ndvi` need "
        "it. Pixels without a value there are left out",
    )
    resampling: Literal["nearest", "bilinear", "cubic"] = Field(
        "bilinear", description="how scenes are brought to the grid"
    )
    sharpen: bool = Field(False, description="Laplacian sharpening after the 8-bit conversion")

    @property
    def bands_read(self) -> tuple[int, ...]:
        """Band numbers that are read of a scene: red, green, blue, and near infrared where it is given."""
        return self.bands if self.nir_band is None else (*self.bands, self.nir_band)


class LayerSettings(CompositeSettings):
    """What the network sees beside red, green and blue."""

    layers: tuple[Layer, ...] = Field(
        (),
        description="input of the network beside red, green and blue: near infrared, the vegetation index, and slope "
        "and shaded relief of `inputs.dem`; people see red, green and blue only",
    )

    @property
    def band_names(self) -> tuple[str, ...]:
        """Meaning of the network's input bands, in their order."""
        return "red", "green", "blue", *self.layers

    @model_validator(mode="after")
    def _layers_can_be_made(self) -> Self:
        if len(set(self.layers)) < len(self.layers):
            raise ValueError("layers names a layer twice")
        wanting = [layer for layer in self.layers if layer in SPECTRAL_LAYERS and self.nir_band is None]
        if wanting:
            raise ValueError(f"layer {wanting[0]} needs nir_band, the band number of near infrared")
        if "ndvi" in self.layers and self.nir_band == self.bands[0]:
            raise ValueError("layer ndvi compares nir_band with the first of bands, which must be red")
        return self


class ScalingSettings(Settings):
    """The one linear transformation from scene values to 8 bit, for the whole campaign."""

    scaling: Literal["fixed", "percentiles"] = Field(
        "fixed", description="`fixed`: the values of `reflectance`; `percentiles`: of valid cloud-free pixels"
    )
    reflectance: tuple[float, float] = Field((0.0, 3000.0), description="scene values that become 1 and 255")
    percentiles: tuple[float, float] = Field((1.0, 99.0), description="percentiles that become 1 and 255")


class ImagerySettings(LayerSettings, ScalingSettings):
    """Scenes to 8-bit tiles."""

    years: tuple[int, ...] = Field((2019,), min_length=1, description="years to composite")
    mapping_year: int = Field(2019, description="the year on which the model is trained and slumps are mapped")

    @model_validator(mode="after")
    def _mapping_year_there(self) -> ImagerySettings:
        if self.mapping_year not in self.years:
            raise ValueError(f"mapping_year {self.mapping_year} is not among years")
        return self


class WindowSettings(Settings):
    """Training windows cut around labelled polygons."""

    window_px: int = Field(480, ge=32, description="width of a window, pixels; a multiple of 16, as in inference")
    overlap_px: int = Field(160, ge=0, description="overlap of neighbouring windows, pixels")
    buffer_m: Metres = Field(300.0, description="margin around a polygon's box, metres")
    min_valid: Share = Field(0.6, description="windows with a smaller share of valid pixels are left out")
    block_m: float = Field(2000.0, gt=0, description="side of the spatial blocks of the split, metres")
    validation_share: Share = Field(0.2, description="share of the blocks that is held out for validation")

    @model_validator(mode="after")
    def _overlap_fits(self) -> WindowSettings:
        if self.overlap_px >= self.window_px:
            raise ValueError("overlap_px must be smaller than window_px")
        if self.window_px % 16:
            raise ValueError("window_px must be a multiple of 16, the encoder's stride")
        return self


class NetworkSettings(Settings):
    """The network."""

    architecture: str = Field("DeepLabV3Plus", description="a segmentation-models-pytorch architecture")
    encoder: str = Field("tu-xception65", description="a segmentation-models-pytorch encoder")
    encoder_weights: str | None = Field(
        "imagenet",
        description="pretrained weights by name (needs the network), a local .safetensors, .pth, .pt or .bin file, or "
        "null for none",
    )
    output_stride: Annotated[Literal[8, 16], _FromText] = Field(16, description="output stride of the encoder")
    atrous_rates: tuple[int, int, int] = Field(
        (6, 12, 18), description="dilation of the decoder's atrous convolutions, where the architecture has them"
    )


class TrainingSettings(NetworkSettings):
    """The network and how it is taught."""

    batch: int = Field(8, ge=2, description="windows in a training step, of all GPUs together")
    optimizer: Literal["sgd", "adamw"] = Field("adamw", description="optimizer; sgd has a momentum of 0.9")
    learning_rate: float = Field(0.0003, gt=0, description="highest learning rate")
    schedule: Literal["poly", "cosine"] = Field("poly", description="how the learning rate falls to 0")
    poly_power: float = Field(0.9, ge=0, description="power of the polynomial fall (`poly`)")
    warm_up: Share = Field(0.05, description="share of the steps in which the learning rate climbs from 0")
    weight_decay: float = Field(0.01, ge=0, description="weight decay")
    loss: Literal["cross_entropy", "cross_entropy_dice", "focal", "focal_dice"] = Field(
        "cross_entropy_dice", description="loss; focal has a gamma of 2"
    )
    sampling: Literal["balanced", "uniform"] = Field(
        "balanced", description="windows of a step: by kind as the shares say, or any window as likely as another"
    )
    slump_share: Share = Field(0.5, description="share of windows that hold a slump (`balanced`)")
    hard_share: Share | None = Field(
        None, description="share of windows around negatives (`balanced`); null: as many as there are"
    )
    augment: tuple[Literal["flip", "turn", "light", "blur", "crop", "scale"], ...] = Field(
        ("flip", "turn", "light"),
        description="variations of a window: flips, quarter turns, brightness with contrast and colour, Gaussian "
        "blur (sigma 1 or 2 px), a crop of 10 or 30 px from each side, a scale of 0.75 or 1.25",
    )
    augment_positives_only: bool = Field(False, description="leave windows without slumps as they are")
    freeze_batch_norm: bool = Field(False, description="keep the pretrained statistics and scales of batch norm")
    ema: float = Field(
        0.0, ge=0, lt=1, description="decay of the moving average of the weights that is kept in the end; 0: none"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="arithmetic of training; auto: bfloat16 on GPUs that have it, else float32"
    )
    evaluate_every: Count = Field(
        0, description="steps between evaluations on the held-out blocks, the best of which is kept; 0: none"
    )
    patience: Count = Field(0, description="evaluations without a better one after which training stops; 0: never")
    calibrate: bool = Field(True, description="fit the temperature of the probabilities to the held-out blocks")
    deterministic: bool = Field(True, description="repeatable algorithms only, also where others are faster (GPU)")
    checkpoint_every: int = Field(500, ge=1, description="steps between checkpoints")

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if self.slump_share + (self.hard_share or 0) > 1:
            raise ValueError("slump_share and hard_share must not exceed 1 together")
        return self


class ModelSettings(TrainingSettings):
    """The networks of a campaign."""

    members: int = Field(1, ge=1, le=9, description="networks of the ensemble; their mean probability counts")
    iterations: int = Field(30000, ge=1, description="training steps of the first iteration")
    iterations_next: int = Field(30000, ge=1, description="training steps of each later iteration")
    start_from: Literal["previous", "pretrained"] = Field(
        "previous", description="where a later iteration starts: the last one's weights, or as the first did"
    )


class InferenceSettings(Settings):
    """Sliding-window inference."""

    window_px: int = Field(480, ge=32, description="width of a window, pixels; a multiple of 16")
    stride_px: int = Field(320, ge=16, description="distance of neighbouring windows, pixels")
    batch: int = Field(8, ge=1, description="windows in a batch")
    fusion: Literal["blend", "mean", "or"] = Field(
        "blend",
        description="overlapping windows: weighted to the middle, plain mean, or a slump where any window says so",
    )
    test_time: Literal["none", "flips", "symmetries"] = Field(
        "none", description="mean over a window and its turned copies: none, 4 flips, or all 8 symmetries"
    )
    backend: Literal["auto", "torch", "openvino"] = Field(
        "auto", description="what computes on the CPU; auto: OpenVINO. On a GPU it is always torch"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="arithmetic of inference; auto: bfloat16 where the processor computes with it"
    )

    @model_validator(mode="after")
    def _windows_fit(self) -> InferenceSettings:
        if self.stride_px > self.window_px:
            raise ValueError("stride_px must not be larger than window_px, or pixels would be skipped")
        if self.window_px % 16:
            raise ValueError("window_px must be a multiple of 16, the encoder's stride")
        return self


class CandidateSettings(Settings):
    """Probabilities to polygons."""

    threshold: float = Field(0.5, gt=0, lt=1, description="probability from which a pixel belongs to a candidate")
    mmu_ha: float = Field(0.05, ge=0, description="minimum mapping unit, ha")
    connectivity: Annotated[Literal[4, 8], _FromText] = Field(
        8, description="whether pixels that touch at a corner belong together (8)"
    )


class LedgerSettings(Settings):
    """Which candidates are known, rejected before, or new."""

    known_share: Share = Field(
        0.25,
        description="a candidate shows a slump that is confirmed if confirmed slumps cover at least this share of "
        "it, or one of them lies at least half inside it; it is known ...",
    )
    rim_m: Metres = Field(
        15.0, description="... unless much of it is fresh ground, farther than this from these slumps, metres:"
    )
    fresh_ha: float = Field(0.1, gt=0, description="fresh ground from which it is shown nevertheless, ha")
    rejected_share: Share = Field(
        0.25,
        description="a candidate is a rejected place if rejected ones cover at least this share of its ground "
        "outside confirmed slumps ...",
    )
    growth: float = Field(2.0, ge=1, description="... and it is not this many times as large as what was rejected")


class BoundarySettings(Settings):
    """How several reviewers' boundaries of a slump become one."""

    boundary: Literal["first", "majority"] = Field(
        "first",
        description="boundary of a slump that all reviewers accepted: the first-named reviewer's, or the ground that "
        "more than half of them drew",
    )


class ReviewSettings(BoundarySettings):
    """Who decides, and where the decision files are."""

    mode: Literal["people", "simulated"] = Field("people", description="people write the decisions, or two programs")
    reviewers: tuple[str, ...] = Field(("first", "second"), min_length=1, description="names of the reviewers")
    adjudicator: str = Field("adjudicator", description="who decides where the reviewers disagree")
    decisions: Path = Field(
        Path("decisions"), description="folder of the people's decision files, NN/<reviewer>.gpkg; no rule writes there"
    )
    hide_score: bool = Field(True, description="the page shows the model's score only after the verdict")
    repeat_share: Share = Field(
        0.01, description="share of the candidates that a reviewer is shown twice, unnoticed, to see how steady he is"
    )

    @field_validator("reviewers", "adjudicator")
    @classmethod
    def _names_are_file_names(cls, given: tuple[str, ...] | str) -> tuple[str, ...] | str:
        try:
            return check_reviewer(given) if isinstance(given, str) else tuple(map(check_reviewer, given))
        except InputError as error:
            raise ValueError(f"{error.source}: {error.fault}; {error.remedy}") from error

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        try:
            check_different([*self.reviewers, self.adjudicator])
        except InputError as error:
            raise ValueError(f"{error.source}: {error.fault}") from error
        return self


class DatedImage(Settings):
    """A further dated image that reviewers see beside the campaign's years: any raster with a CRS."""

    name: str = Field(min_length=1, max_length=40, description="what it is called on the page, such as `UAV`")
    path: Path = Field(description="the raster; a relative path counts from `data`")
    date: datetime.date = Field(description="day of acquisition, YYYY-MM-DD")
    bands: tuple[int, int, int] | tuple[int] | None = Field(
        None,
        description="band numbers of red, green, blue, or of one grey band; null: the first three, or the only one",
    )


class ChipSettings(Settings):
    """Pictures of the candidates for inspection."""

    margin_m: Metres = Field(300.0, description="ground shown round a candidate's box, metres")
    context_m: float = Field(1500.0, gt=0, description="width of the wide picture, metres")
    max_px: int = Field(640, ge=64, description="width of a picture, pixels; wider ground is averaged")
    quality: int = Field(90, ge=50, le=100, description="JPEG quality")
    files: tuple[Literal["webp", "gif", "sheets"], ...] = Field(
        ("sheets",),
        description="what is made of the pictures beside the page: an animated WebP or GIF a candidate, contact sheets",
    )


class GrowthSettings(Settings):
    """What is measured of a slump in the images of all years."""

    margin_m: Metres = Field(60.0, description="ground round a candidate's box that is looked at in each year, metres")
    rim_m: Metres = Field(15.0, description="how far outside the reviewed boundary a slump may be found, metres")
    advance_m: Metres = Field(15.0, description="how much farther for each year after the mapping year, metres")
    min_valid: float = Field(0.6, gt=0, le=1, description="share of its ground that a year must show to be measured")

    def reach_m(self, years: int) -> float:
        """How far outside its boundary a slump may be found, so many years after it was drawn, metres."""
        return self.rim_m + self.advance_m * max(years, 0)


class RankingSettings(Settings):
    """The order in which candidates are opened."""

    explore_share: Share = Field(
        0.0,
        description="share of the places in the queue that go to candidates drawn at random from the rest of it, so "
        "that a reviewer who stops early learns without bias what the rest hides; 0.05 draws every 20th. Who opens "
        "all candidates needs none",
    )


class ExpertSettings(Settings):
    """Errors of the simulated experts; the adjudicator makes half as many."""

    miss_rate: Share = Field(0.05, description="share of true slumps that an expert rejects")
    false_accept_rate: Share = Field(0.01, description="share of other candidates that an expert accepts")
    jitter_m: Metres = Field(3.0, description="standard deviation of the drawn boundary, metres")


class IterationSettings(Settings):
    """The loop."""

    maximum: int = Field(8, ge=1, le=99, description="iterations after which the campaign ends in any case")
    new_negatives: Count = Field(20, description="rejected candidates that join the negatives per iteration, at most")
    negative_spacing_m: Metres = Field(500.0, description="distance between new negatives, for diversity, metres")


class DemSettings(Settings):
    """How an elevation model is read."""

    any_elevation: bool = Field(False, description="accept elevations below -500 m or above 9000 m")


class SlopeSettings(DemSettings):
    """Slope and aspect."""

    slope_method: Literal["horn", "zevenbergen_thorne"] = Field("horn", description="finite differences of slopes")
    slope_engine: Literal["auto", "richdem", "numpy"] = Field(
        "auto", description="who computes slopes; auto: richdem (GPL-3.0) where it is installed and serves"
    )
    north: Literal["grid", "true"] = Field(
        "grid", description="what aspect counts from: the columns, or true north, which differs by the convergence"
    )


class PositionSettings(DemSettings):
    """Topographic position."""

    radius_m: Metres = Field(100.0, description="neighbourhood of the topographic position index, metres")


class RadiationSettings(DemSettings):
    """Potential incoming solar radiation (Kumar et al. 1997)."""

    days: str = Field("1-365", description="days of the year to sum over: `172`, `121-243`, `1-59,335-365`")
    atmosphere: Literal["kumar", "none", "saga_height"] = Field(
        "kumar", description="transmittance of the air; none: top of the atmosphere"
    )
    ephemeris: Literal["cooper", "spa"] = Field("cooper", description="where the sun stands; spa: to 0.01 degree")
    pressure: bool = Field(True, description="thinner air higher up, worth 14 % at 4800 m")
    albedo: float = Field(0.2, ge=0, le=1, description="albedo of the ground around")
    geometry: Literal["half_angle", "literal"] = Field(
        "half_angle", description="diffuse and reflected radiation on a slope b: cos2(b/2), or cos2(b)/2"
    )
    shadows: bool = Field(True, description="hills cast shadows")
    halo_km: float = Field(10.0, ge=0, description="distance within which they do, km")
    step_minutes: float = Field(5.0, gt=0, le=120, description="step of the sun's path, minutes")
    sectors: int = Field(32, ge=4, le=360, description="directions in which horizons are traced")

    @field_validator("days")
    @classmethod
    def _days_are_days(cls, text: str) -> str:
        days_of_year(text)
        return text

    @property
    def day_numbers(self) -> tuple[int, ...]:
        """The days of the year, rising."""
        return days_of_year(self.days)


class StreamSettings(DemSettings):
    """The stream network."""

    min_catchment_km2: float = Field(0.9, gt=0, description="catchment from which water is a stream, km2")
    drainage_engine: Literal["numba", "richdem"] = Field("numba", description="who routes the water")


class TerrainSettings(SlopeSettings, PositionSettings, RadiationSettings, StreamSettings):
    """Rasters and lines of the elevation model."""

    products: tuple[Literal["tpi", "pisr", "streams"], ...] = Field(
        ("tpi", "pisr", "streams"), description="what is made beside slope and aspect, where there is a DEM"
    )


def days_of_year(text: str) -> tuple[int, ...]:
    """Days of the year from single ones and ranges, comma separated: `172`, `121-243`, `1-59,335-365`.

    Raises:
        ValueError: something else, or a day that is named twice.
    """
    days: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise ValueError(f"{text!r} names no days of the year, such as 121-243")
        days.extend(range(int(first), int(last or first) + 1))
    if not days or min(days) < 1 or max(days) > 366 or len(set(days)) < len(days):
        raise ValueError(f"{text!r} names no days from 1 to 366, or some twice")
    return tuple(sorted(days))


class CrossvalSettings(Settings):
    """Cross-validation of the model over spatial blocks (`slumpmap crossval`)."""

    folds: int = Field(5, ge=2, le=20, description="parts of the blocks, each of which is tested once")
    iteration: int = Field(1, ge=1, le=99, description="iteration whose labels are divided")
    boundary_m: Metres = Field(15.0, description="width of the rims that the boundary IoU compares, metres")


class InventorySettings(Settings):
    """Attributes of the inventory."""

    area_crs: str | None = Field(None, description="equal-area or UTM CRS in which areas are taken; None: the grid's")
    near_road_m: Metres = Field(500.0, description="centroid distance up to which a slump is near a road, metres")
    adjacent_m: Metres = Field(
        30.0,
        description="outline's distance up to which a slump is adjacent to a stream, metres; 30: a cell of the DEM, to "
        "which the place of a channel is known. `slumpmap terrain stream-sensitivity` shows what other values give",
    )


class ArtsSettings(Settings):
    """What the export for ARTS, the circum-Arctic data set of thaw slumps, says of the whole inventory."""

    region: str = Field(min_length=1, description="RegionName: the geographical region")
    creator: str = Field(min_length=1, description="CreatorLab: who made the inventory, and the organization")
    source: str = Field(min_length=1, description="BaseMapSource: the satellite sensor, such as PlanetScope")


class GivenSettings(Settings):
    """Another person's inventory, to be analysed as the campaign's own."""

    inventory: Path | None = Field(
        None,
        description="another person's inventory, any vector file, which gets the same analysis; counts from `data`. "
        "A configuration that maps nothing needs only this, the grid and layers",
    )
    layer: str | None = Field(None, description="layer of that file, or file in its ZIP, where there are several")
    where: str | None = Field(None, description="rows of that file that count, such as `img_date = '2014-08-08'`")
    columns: tuple[str, ...] = Field(
        (), description="its columns for id, probability, initiation or date, each as `ROLE=NAME`"
    )
    crs_of_file: str | None = Field(None, description="its CRS, if the file has none or a wrong one")
    encoding: str | None = Field(None, description="encoding of its text, such as GB18030")


class BlockSettings(Settings):
    """The squares in which neighbours count as one."""

    block_km: float = Field(
        10.0,
        gt=0,
        description="side of the spatial blocks that intervals draw and folds keep together, km; longer than the "
        "patches in which slumps are alike",
    )


class LandscapeSettings(BlockSettings):
    """What the whole study area is like."""

    points: int = Field(10_000, ge=100, description="random points of the study area: many more than slumps")
    elevation_step_m: float = Field(100.0, gt=0, description="width of the classes of elevation, metres")
    slope_step: float = Field(2.0, gt=0, description="width of the classes of slope, degrees")
    tpi_step_m: float = Field(1.0, gt=0, description="width of the classes of topographic position, metres")
    pisr_step: float = Field(50.0, gt=0, description="width of the classes of radiation, kWh per square metre")


class SelectionSettings(BlockSettings):
    """Selection ratios."""

    repeats: int = Field(2000, ge=100, description="draws of whole blocks behind the interval of a selection ratio")
    level: float = Field(0.9, gt=0, lt=1, description="share of the draws that an interval holds")


class ThinningSettings(Settings):
    """Tests on thinned samples."""

    thin_km: float = Field(1.0, ge=0, description="least distance between the slumps of a tested sample, km")
    samples: int = Field(100, ge=1, description="thinned samples of a test")


class JointSettings(BlockSettings):
    """The joint model of all factors."""

    folds: int = Field(
        5, ge=2, le=20, description="parts of the blocks, each predicted by a model that has not seen it"
    )
    joint_repeats: int = Field(200, ge=20, description="draws of whole blocks behind the joint model's intervals")
    trees: bool = Field(True, description="boosted trees as a second opinion")


class ClusterSettings(Settings):
    """Whether slumps lie in clusters."""

    simulations: int = Field(199, ge=19, description="random patterns to compare with")
    farthest_km: float | None = Field(
        None, gt=0, description="largest distance of Ripley's K, km; None: a quarter of the area's shorter side"
    )


class AnalysisSettings(
    GivenSettings, LandscapeSettings, SelectionSettings, ThinningSettings, JointSettings, ClusterSettings
):
    """Slumps against the landscape: selection, tests, joint model, clusters."""

    published: bool = Field(
        False, description="the given inventory is the published one: each number of the paper is set beside ours"
    )
    zones: Path | None = Field(
        None,
        description="polygons with the column `name`, such as `Beiluhe`, in which slumps are counted; from `data`",
    )


class RunSettings(Settings):
    """How work is cut into jobs."""

    tiles_per_job: int = Field(16, ge=1, description="tiles that one job handles, since starting a job costs seconds")
    tiles_per_inference: int | None = Field(
        None, ge=1, description="the same for inference, which a GPU does far faster than the rest; default: as above"
    )
    torch_threads: int = Field(2, ge=1, description="CPU threads of training and inference; fixed for repeatability")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: CUDA where there is a GPU")
    gpus_per_job: int = Field(
        1, ge=1, description="GPUs that one job of training or inference asks a cluster for, and uses; none for `cpu`"
    )
    keep: Literal["all", "needed", "final"] = Field(
        "needed",
        description="which intermediate files stay when the jobs that read them are done: all; needed: without "
        "training pixels and traced parts, which nobody opens; final: without probability tiles too. "
        "`slumpmap clean` removes them later",
    )
    protect: bool = Field(
        False,
        description="write-protect finished models, so that a run which would train one again is refused: after an "
        "old decision or setting was changed, all later iterations would be trained anew",
    )


class Config(Settings):
    """A whole campaign."""

    campaign: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=100, description="name of the campaign and its folder"
    )
    seed: Count = Field(1, description="seed of every random choice: split, training, simulated experts")
    recipe: Recipe = Field(
        "default",
        description="defaults of `windows`, `model`, `inference` and `candidates`: slumpmap's own, or those of "
        "Xia et al. (2022)",
    )
    data: Path = Field(Path(), description="folder from which relative input paths count")
    results: Path = Field(Path("results"), description="folder of all results")
    demo: DemoSettings | None = Field(None, description="synthetic corridor, for campaigns without real data")
    fetch: FetchSettings | None = Field(
        None, description="inputs that are downloaded, where `inputs` names them; without this section none are"
    )
    consensus: ConsensusSettings | None = Field(None, description="outlines from votes, instead of `positives`")
    inputs: InputSettings = Field(description="files that the user brings")
    grid: GridSettings = Field(description="tile grid")
    imagery: ImagerySettings = Field(ImagerySettings(), description="scenes to 8-bit tiles")
    windows: WindowSettings = Field(WindowSettings(), description="training windows")
    model: ModelSettings = Field(ModelSettings(), description="network and training")
    inference: InferenceSettings = Field(InferenceSettings(), description="inference")
    candidates: CandidateSettings = Field(CandidateSettings(), description="probabilities to polygons")
    ledger: LedgerSettings = Field(LedgerSettings(), description="known, rejected, new")
    review: ReviewSettings = Field(ReviewSettings(), description="who decides")
    chips: ChipSettings = Field(ChipSettings(), description="pictures of the candidates")
    images: tuple[DatedImage, ...] = Field((), description="further dated images shown to reviewers")
    growth: GrowthSettings = Field(GrowthSettings(), description="initiation year and growth")
    ranking: RankingSettings = Field(RankingSettings(), description="order of the inspection")
    experts: ExpertSettings = Field(ExpertSettings(), description="simulated experts")
    iterations: IterationSettings = Field(IterationSettings(), description="the loop")
    terrain: TerrainSettings = Field(TerrainSettings(), description="rasters and lines of the DEM")
    inventory: InventorySettings = Field(InventorySettings(), description="attributes")
    arts: ArtsSettings | None = Field(None, description="export for ARTS; without this section there is none")
    analysis: AnalysisSettings = Field(AnalysisSettings(), description="slumps against the landscape")
    crossval: CrossvalSettings = Field(CrossvalSettings(), description="cross-validation")
    run: RunSettings = Field(RunSettings(), description="jobs")

    @model_validator(mode="before")
    @classmethod
    def _recipe_first(cls, values: Any) -> Any:
        return with_recipe(values) if isinstance(values, Mapping) else values

    @model_validator(mode="after")
    def _sections_agree(self) -> Config:
        if self.review.mode == "simulated" and self.inputs.truth is None:
            raise ValueError("review.mode: simulated needs inputs.truth")
        steep = [layer for layer in self.imagery.layers if layer in TERRAIN_LAYERS]
        if steep and self.inputs.dem is None:
            raise ValueError(f"layer {steep[0]} of imagery.layers needs inputs.dem")
        if self.windows.window_px != self.inference.window_px:
            raise ValueError(
                "windows.window_px and inference.window_px must be equal: a network maps what it was taught"
            )
        self._check_purpose()
        if self.fetch is not None:
            self._check_fetch(self.fetch)
        return self

    def _check_fetch(self, fetch: FetchSettings) -> None:
        """What is fetched has a place in `inputs`, and bands that the campaign reads."""
        if self.demo is not None:
            raise ValueError("the sections demo and fetch exclude each other: both make the inputs")
        catalogue, dem = self.inputs.catalogue, self.inputs.dem
        if fetch.scenes is not None and (catalogue is None or catalogue.suffix != ".gpkg"):
            raise ValueError("fetch.scenes needs inputs.catalogue, the .gpkg that it makes")
        if fetch.dem is not None and (dem is None or dem.suffix not in (".tif", ".tiff")):
            raise ValueError("fetch.dem needs inputs.dem, the .tif that it makes")
        eight = fetch.scenes == "planetscope" and fetch.bundle == "analytic_8b_sr_udm2"
        if eight and self.imagery.bands == (3, 2, 1):
            raise ValueError("8-band scenes have red, green, blue in imagery.bands: [6, 4, 2], near infrared in 8")

    def _check_purpose(self) -> None:
        """A configuration maps slumps, or analyses an inventory, or both."""
        if self.analysis.published and self.analysis.inventory is None:
            raise ValueError("analysis.published is true, but analysis.inventory names no inventory")
        if not self.maps:
            if self.analysis.inventory is None:
                raise ValueError("give inputs.catalogue and inputs.positives to map slumps, or analysis.inventory")
            return
        if self.inputs.catalogue is None:
            raise ValueError("key 'inputs.catalogue' is missing, which mapping needs")
        if (self.inputs.positives is None) == (self.consensus is None):
            raise ValueError("give either inputs.positives or the section consensus")

    @property
    def maps(self) -> bool:
        """Whether slumps are mapped; else an inventory is analysed that others made."""
        return (self.inputs.catalogue, self.inputs.positives, self.consensus) != (None, None, None)

    @property
    def folder(self) -> Path:
        """The campaign's results folder."""
        return self.results / self.campaign

    @property
    def fetched(self) -> tuple[str, ...]:
        """Keys of `inputs` whose files are downloaded."""
        if self.fetch is None:
            return ()
        wanted = {"catalogue": self.fetch.scenes, "dem": self.fetch.dem}
        return tuple(name for name, provider in wanted.items() if provider is not None)

    @property
    def consensus_folder(self) -> Path:
        """Where the layers made from votes lie."""
        return self.folder / "inputs" / "consensus"

    def input_files(self) -> InputSettings:
        """The inputs with `data` put before relative paths, and with the layers that votes give."""
        named = {name: getattr(self.inputs, name) for name in InputSettings.model_fields}
        paths = {name: self.data / path for name, path in named.items() if path is not None}
        if self.consensus is not None:
            made = ("positives", "truth", "training_area", "evaluation_area")
            paths |= {name: self.consensus_folder / f"{name}.gpkg" for name in made}
        return InputSettings(**paths)

    def dated_images(self) -> list[DatedImage]:
        """The further images with `data` put before relative paths."""
        return [image.model_copy(update={"path": self.data / image.path}) for image in self.images]

    def named_files(self) -> dict[str, Path]:
        """The input files that no rule makes, by the key that names them."""
        brought = {} if self.analysis.inventory is None else {"analysis.inventory": self.analysis.inventory}
        if self.analysis.zones is not None:
            brought["analysis.zones"] = self.analysis.zones
        if self.demo is None:
            brought |= {f"inputs.{name}": path for name, path in self.inputs if path is not None}
            brought |= {f"images, {image.name}": image.path for image in self.images}
        for name in self.fetched:
            del brought[f"inputs.{name}"]
        if self.consensus is not None:
            brought["consensus.votes"] = self.consensus.votes
        return {key: self.data / path for key, path in brought.items()}

    def brought_files(self) -> list[Path]:
        """The files that people bring: inputs, and the decisions made so far."""
        decided = sorted(self.review.decisions.glob("*/*.gpkg")) if self.review.mode == "people" else []
        return [*self.named_files().values(), *decided]

    def check_files(self) -> None:
        """Refuses input files that are missing and that no rule makes.

        Raises:
            InputError: the first missing file.
        """
        for key, path in self.named_files().items():
            if not path.exists():
                raise InputError(
                    path,
                    f"file of {key} is missing",
                    "correct the key, or `data`, the folder of the inputs",
                )


def grid_of(settings: GridSettings) -> Grid:
    """The tile grid that a `grid` section describes.

    Raises:
        InputError: unknown or unsuitable CRS, unreadable or empty study area.
    """
    check_projected(settings.crs, "grid.crs")
    if settings.bounds is not None:
        area = box_area(settings.bounds)
    else:
        assert settings.area is not None
        area = read_layer(settings.area, "study area", settings.crs, empty_ok=False).union_all()
    return Grid.over(area, settings.crs, settings.resolution, settings.tile_px, "grid")


def read_config(path: Path) -> Config:
    """Reads a campaign configuration from YAML.

    Raises:
        InputError: unreadable YAML, unknown key, wrong type or value.
    """
    return check_config(read_values(path), str(path))


def read_values(path: Path) -> dict[str, Any]:
    """Reads the mapping of a YAML file, unchecked.

    Raises:
        InputError: the file is missing, unreadable, or holds no mapping.
    """
    values = read_yaml(path, "configuration")
    if not isinstance(values, Mapping):
        raise InputError(path, "configuration is not a mapping of sections", "see config/README.md")
    return dict(values)


def check_config(values: Any, source: str = "config") -> Config:
    """Validates a configuration that is already parsed.

    Args:
        values: the mapping of the YAML file, after command-line overrides.
        source: what to name in messages.

    Raises:
        InputError: unknown key (with the nearest valid one), wrong type or value.
    """
    if not isinstance(values, Mapping):
        raise InputError(source, "configuration is not a mapping of sections", "see config/README.md")
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(source, *_explain(error)) from None


def _explain(error: ValidationError) -> tuple[str, str]:
    """Fault and remedy of the first validation error, in the words of the YAML file."""
    first = error.errors()[0]
    location = [str(part) for part in first["loc"]]
    key = ".".join(location)
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(location[-1], list(_keys_at(location[:-1])), n=1, cutoff=0.0)
        return f"unknown key {key!r}", f"did you mean {near[0]!r}? All keys are in config/README.md"
    if first["type"] == "missing":
        return f"key {key!r} is missing", "add it; all keys are in config/README.md"
    message = first["msg"].removeprefix("Value error, ")
    where = f"key {key!r} = {first['input']!r}: " if key and not isinstance(first["input"], Mapping) else ""
    where = where or (f"section {key!r}: " if key else "")
    return f"{where}{message}", "correct the value; all keys are in config/README.md"


def _keys_at(location: Sequence[str]) -> Iterator[str]:
    """Names of the keys of the section at `location`."""
    model: type[BaseModel] = Config
    for name in location:
        if name.isdigit():  # a place in a list of sections, whose model the list's key gave
            continue
        annotation = model.model_fields[name].annotation
        candidates = [annotation, *get_args(annotation)]
        model = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    yield from model.model_fields


def sections() -> dict[str, type[Settings]]:
    """The sections of the configuration, name to model, in the order of the file."""
    found: dict[str, type[Settings]] = {}
    for name, field in Config.model_fields.items():
        for candidate in (field.annotation, *get_args(field.annotation)):
            if isinstance(candidate, type) and issubclass(candidate, Settings):
                found[name] = candidate
    return found
