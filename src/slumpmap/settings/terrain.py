"""Sections of what is made from the elevation model."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from slumpmap.settings.base import Metres, Settings


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
