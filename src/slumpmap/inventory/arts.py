"""Export in the form of ARTS, the circum-Arctic data set of retrogressive thaw slumps (Yang et al. 2025).

Field names, formats and the rule for ids are those of the data set's repository, github.com/whrc/ARTS:
`Metadata_Format_Summary.csv` (commit b02345e), `Tutorial/dataformatting.py` (commit 35e0e2f) for the ids, and the
column order with `SplitRTS` of the main file 6.0.0 (`Tutorial/minor_dataset_edits.R`).
"""

from __future__ import annotations

import uuid
from datetime import date
from pathlib import Path

import geopandas as gpd
import pandas as pd

from slumpmap.errors import InputError
from slumpmap.grid import HECTARE
from slumpmap.settings.analysis import ArtsSettings
from slumpmap.vector import read_layer, write_geojson, write_layer

REQUIRED = (
    "CentroidLat",
    "CentroidLon",
    "RegionName",
    "CreatorLab",
    "BaseMapDate",
    "BaseMapSource",
    "BaseMapResolution",
    "TrainClass",
    "LabelType",
)
# Filled in by ARTS's own scripts, when a contribution is compared with what is there.
RELATIONS = ("MergedRTS", "SplitRTS", "NewRTS", "StabilizedRTS", "UnknownRelationship", "ContributionDate")
COLUMNS = (*REQUIRED, *RELATIONS, "UID", "BaseMapID", "Area", "Notes")

_NEEDED = ("id", "lon", "lat", "area_ha", "scene_dates")
_DECIMALS = 5


def export_arts(inventory: Path, settings: ArtsSettings, resolution: float, out: Path) -> None:
    """Writes an inventory with ARTS's fields as GeoPackage and, beside it, GeoJSON (`.geojson`), in EPSG:4326.

    `BaseMapDate` is the date of the scenes that show the slump; where there are several, the first and the last.
    `BaseMapID` is the scene where there is one only. `UID` is made as ARTS makes it, so that it stays the same when the
    file is contributed. `Notes` hold the slump's id, and what else the inventory knows of it.

    Args:
        inventory: as `slumpmap.inventory.build.build_inventory` writes it.
        settings: region, creator and source.
        resolution: pixel size of the images, metres.
        out: GeoPackage to write.

    Raises:
        InputError: the inventory lacks a column, a slump has no date or one that is none, or two slumps would
            have the same UID.
    """
    slumps = read_layer(inventory, "inventory", "EPSG:4326", _NEEDED, unique="id")
    dates = _dates(slumps, inventory)
    table = pd.DataFrame(
        {
            "CentroidLat": slumps["lat"].round(_DECIMALS),
            "CentroidLon": slumps["lon"].round(_DECIMALS),
            "RegionName": settings.region,
            "CreatorLab": settings.creator,
            "BaseMapDate": dates,
            "BaseMapSource": settings.source,
            "BaseMapResolution": float(resolution),
            "TrainClass": "Positive",
            "LabelType": "Polygon",
        },
        index=slumps.index,
    )
    table["UID"] = [_uid(row) for row in table[list(REQUIRED)].itertuples(index=False, name=None)]
    twice = table["UID"].duplicated(keep=False)
    if twice.any():
        first, second = slumps.loc[twice, "id"].iloc[:2]
        fault = f"slumps {first!r} and {second!r} have one centre and date, so that ARTS gives them one UID"
        raise InputError(inventory, fault, "keep one of them")
    table["BaseMapID"] = _single(slumps["scenes"]) if "scenes" in slumps else None
    table["Area"] = (slumps["area_ha"] * HECTARE).round(2)
    table["Notes"] = _notes(slumps)
    table = table.assign(**{name: pd.Series(None, index=table.index, dtype=object) for name in RELATIONS})
    layer = gpd.GeoDataFrame(table[list(COLUMNS)], geometry=slumps.geometry.to_numpy(), crs=slumps.crs)
    write_layer(layer, out)
    write_geojson(layer, out.with_suffix(".geojson"))


def _uid(required: tuple[object, ...]) -> str:
    """Name-based UUID (version 5, DNS name space) of the required fields, written one after the other."""
    texts = [f"{value:.0f}" if _is_whole_resolution(n, value) else str(value) for n, value in enumerate(required)]
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, "".join(texts)))


def _is_whole_resolution(place: int, value: object) -> bool:
    """Whether a value is a resolution without decimals, which ARTS writes as a whole number."""
    return REQUIRED[place] == "BaseMapResolution" and isinstance(value, float) and value.is_integer()


def _dates(slumps: gpd.GeoDataFrame, source: Path) -> pd.Series:
    """One date, or the first and the last, comma separated; ISO."""
    texts = slumps["scene_dates"]
    missing = texts.isna() | (texts.astype(str).str.strip() == "")
    if missing.any():
        name = slumps.loc[missing, "id"].iloc[0]
        fault = f"{int(missing.sum())} of {len(slumps)} slumps have no date of the image, the first is {name!r}"
        raise InputError(source, fault, "build the inventory with the catalogue of scenes, or give a column date")
    ranges: dict[str, str] = {}
    for text in texts.unique():
        try:
            days = sorted(date.fromisoformat(part.strip()) for part in str(text).split(","))
        except ValueError as error:
            raise InputError(source, f"{text!r} holds no dates such as 2019-07-28", "correct it") from error
        ranges[text] = ",".join(dict.fromkeys([days[0].isoformat(), days[-1].isoformat()]))
    dates: pd.Series = texts.map(ranges)
    return dates


def _single(scenes: pd.Series) -> pd.Series:
    """The scene where there is one, None elsewhere."""
    one = scenes.notna() & ~scenes.astype(str).str.contains(",")
    return scenes.astype(object).where(one, None)


def _notes(slumps: gpd.GeoDataFrame) -> pd.Series:
    """The slump's id, and what is known of it, in words."""
    texts: pd.Series = "slumpmap id " + slumps["id"].astype(str)
    for column, words in (
        ("probability", "probability {}"),
        ("initiation", "initiation {}"),
        ("iteration_found", "found in iteration {}"),
    ):
        if column in slumps:
            said = slumps[column].map(lambda value, words=words: "; " + words.format(value), na_action="ignore")
            texts = texts + said.astype(object).where(slumps[column].notna(), "")
    return texts.astype(object)
