"""What a user says of a region: files and numbers, as they come."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Network = Literal["small", "large"]


@dataclass(frozen=True)
class Wish:
    """What is known of a region before anything was looked at.

    Args:
        name: of the campaign.
        area: study area: a file with polygons, or `west,south,east,north` in degrees.
        scenes: folder of scenes, or a scene catalogue.
        slumps: outlines of known slumps.
        dem: elevation: rasters, ZIP files with such, or folders of either; may be empty.
        lookalikes: outlines of places that are no slumps.
        roads: lines.
        classes: class rasters with their legends, by `vegetation` or `soil`; a legend may be missing.
        years: to map; empty: all that have scenes.
        mapping_year: on which slumps are mapped; None: the best covered.
        months: of acquisition.
        max_cloud: share of a scene, 0..1.
        product: Planet's product, where the folder holds several.
        crs: of all products; None: the UTM zone of the study area.
        resolution: pixel size, metres; None: that of the scenes.
        reviewers: who decides.
        adjudicator: who decides where they disagree.
        network: size of the network; None: by whether this machine has a GPU.
    """

    name: str
    area: str
    scenes: Path
    slumps: Path
    dem: tuple[Path, ...] = ()
    lookalikes: Path | None = None
    roads: Path | None = None
    classes: dict[str, tuple[Path, Path | None]] = field(default_factory=dict)
    years: tuple[int, ...] = ()
    mapping_year: int | None = None
    months: tuple[int, ...] = (7, 8)
    max_cloud: float = 0.3
    product: str | None = None
    crs: str | None = None
    resolution: float | None = None
    reviewers: tuple[str, ...] = ("first", "second")
    adjudicator: str = "third"
    network: Network | None = None


@dataclass(frozen=True)
class Finding:
    """What one layer turned out to be: a row of the table that the user reads.

    Args:
        layer: `scenes`, `DEM`, ...
        source: file or folder, as the user named it.
        crs: as it came, such as `EPSG:32647`.
        cover: share of the study area that it covers, 0..1; None: not a thing that covers.
        said: what it holds, and what the user should know, a line each.
    """

    layer: str
    source: str
    crs: str
    cover: float | None
    said: tuple[str, ...]
