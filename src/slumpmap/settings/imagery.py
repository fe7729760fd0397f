"""Sections of scenes, tiles and the further layers of the network's input."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from slumpmap.settings.base import Settings, Share

Layer = Literal["nir", "ndvi", "slope", "hillshade"]
SPECTRAL_LAYERS: tuple[Layer, ...] = ("nir", "ndvi")
TERRAIN_LAYERS: tuple[Layer, ...] = ("slope", "hillshade")


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


class DatedImage(Settings):
    """A further dated image that reviewers see beside the campaign's years: any raster with a CRS."""

    name: str = Field(min_length=1, max_length=40, description="what it is called on the page, such as `UAV`")
    path: Path = Field(description="the raster; a relative path counts from `data`")
    date: datetime.date = Field(description="day of acquisition, YYYY-MM-DD")
    bands: tuple[int, int, int] | tuple[int] | None = Field(
        None,
        description="band numbers of red, green, blue, or of one grey band; null: the first three, or the only one",
    )
