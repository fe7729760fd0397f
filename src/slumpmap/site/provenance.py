"""What the results were made from and with: files and their hashes, models, scenes, versions, the commit."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

import slumpmap
from slumpmap import observed
from slumpmap.config import Config
from slumpmap.files import read_json
from slumpmap.sidecar.digest import known_content
from slumpmap.sidecar.software import git_commit
from slumpmap.vector import open_layer

_PACKAGES = ("numpy", "rasterio", "geopandas", "shapely", "scipy", "scikit-learn", "torch", "snakemake")
_CARD = "model.json"


def input_hashes(config: Config) -> list[dict[str, Any]]:
    """Key, path, bytes and SHA-256 of each input file; hash and size are null where the file is gone.

    Scenes are not among them: they are many and large, and the catalogue names them.
    """
    rows = []
    for key, path in config.input_files():
        if path is None:
            continue
        there = path.is_file()
        observed.read([path])
        rows.append(
            {
                "key": key,
                "path": path.as_posix(),
                "bytes": path.stat().st_size if there else None,
                "sha256": known_content(path).sha256 if there else None,
            }
        )
    return rows


def model_cards(iterations: dict[int, Path]) -> list[dict[str, Any]]:
    """What identifies each network: iteration, name, architecture, encoder, steps, hashes of weights and training set.

    Args:
        iterations: folder of each iteration; those without model give no row.
    """
    rows = []
    for number, folder in sorted(iterations.items()):
        for path in sorted(folder.glob(f"model*/{_CARD}")):
            card = read_json(path)
            settings = card.get("settings", {})
            rows.append(
                {
                    "iteration": number,
                    "network": path.parent.name,
                    "architecture": settings.get("architecture"),
                    "encoder": settings.get("encoder"),
                    "steps": card.get("steps"),
                    "seed": card.get("seed"),
                    "weights": card.get("weights"),
                    "training_set": card.get("training_set"),
                    "versions": card.get("versions", {}),
                }
            )
    return rows


def scenes_used(catalogue: Path) -> dict[str, Any]:
    """The scenes that make the images: `used` (scene, day, cloud share), and `left_out`: how many for which reason.

    Raises:
        InputError: the catalogue is missing or unreadable.
    """
    table = open_layer(catalogue, "scene catalogue")
    chosen = table["selected"].astype(bool)
    used = [
        {"scene": str(row.scene), "day": str(row.acquired)[:10], "cloud": _share(row.cloud_fraction)}
        for row in table[chosen].itertuples()
    ]
    reasons = table.loc[~chosen, "reason"].fillna("").astype(str).value_counts().sort_index()
    return {"used": used, "left_out": {str(name): int(count) for name, count in reasons.items()}}


def _share(value: Any) -> float | None:
    return None if pd.isna(value) else round(float(value), 4)


def software() -> dict[str, Any]:
    """Versions of slumpmap, Python and what computes; the commit of the checkout, null where there is none."""
    return {
        "slumpmap": slumpmap.__version__,
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES if _installed(name)},
        "git": git_commit(Path(slumpmap.__file__).parent),
    }


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
