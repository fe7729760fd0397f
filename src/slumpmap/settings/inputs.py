"""Sections of what goes in: the synthetic corridor, votes of experts, the user's files, the tile grid."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from slumpmap.settings.base import Bounds, Count, Settings


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
