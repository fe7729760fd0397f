"""Versions of what computes, and the commit of the checkout."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import slumpmap

# Libraries whose version can change a result.
_LIBRARIES = (
    "geopandas", "h5netcdf", "matplotlib", "numba", "numpy", "openvino", "pandas", "PIL", "pyarrow", "pyogrio",
    "pyproj", "rasterio", "scipy", "segmentation_models_pytorch", "shapely", "sklearn", "timm", "torch",
)  # fmt: skip


def software() -> dict[str, Any]:
    """Versions of slumpmap, Python, and the libraries that this process has loaded; the machine's kind; the commit."""
    loaded = {name: sys.modules[name] for name in _LIBRARIES if name in sys.modules}
    versions = {name: str(getattr(module, "__version__", "unknown")) for name, module in loaded.items()}
    if "rasterio" in loaded:
        versions["gdal"] = str(loaded["rasterio"].__gdal_version__)
    return {
        "slumpmap": slumpmap.__version__,
        "python": platform.python_version(),
        "libraries": versions,
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}",
        "git": git_commit(Path(slumpmap.__file__).parent),
    }


def git_commit(folder: Path) -> dict[str, Any] | None:
    """`commit` of the checkout that holds the package, and whether tracked files were `changed` since; or None.

    None too where git is missing, or where the folder only happens to lie in another project's checkout.
    """
    try:
        listed = _git(folder, "ls-files", "--error-unmatch", "__init__.py")
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "changed": bool(changed)} if listed else None


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        # Jobs ask at the same time, and a person may be committing: leave the lock of the index alone.
        env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        encoding="utf-8",
    )
    return done.stdout.strip()
