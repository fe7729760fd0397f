"""Sections of what is downloaded."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from slumpmap.settings.base import Address, Settings


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
