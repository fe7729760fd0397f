"""Sections of the inventory and its study against the landscape."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from slumpmap.settings.base import Metres, Settings


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
