"""The typed campaign configuration: every key, its type, unit, default and meaning, in one place.

A section of the YAML file is one model below; one workflow step takes the settings of one section as
command-line options (see `slumpmap.options`), so that a changed value re-runs only what depends on it.
Unknown keys are refused with the nearest valid one.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from slumpmap.errors import InputError
from slumpmap.files import read_yaml
from slumpmap.grid import Grid, box_area, check_projected
from slumpmap.recipes import Recipe, with_recipe
from slumpmap.settings.analysis import AnalysisSettings, ArtsSettings, InventorySettings
from slumpmap.settings.base import Count, Settings
from slumpmap.settings.candidates import CandidateSettings, LedgerSettings
from slumpmap.settings.download import FetchSettings
from slumpmap.settings.imagery import TERRAIN_LAYERS, DatedImage, ImagerySettings
from slumpmap.settings.inputs import ConsensusSettings, DemoSettings, GridSettings, InputSettings
from slumpmap.settings.learning import CrossvalSettings, InferenceSettings, ModelSettings, WindowSettings
from slumpmap.settings.review import (
    ChipSettings,
    ExpertSettings,
    GrowthSettings,
    IterationSettings,
    RankingSettings,
    ReviewSettings,
)
from slumpmap.settings.run import RunSettings
from slumpmap.settings.terrain import TerrainSettings
from slumpmap.vector import read_layer


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
