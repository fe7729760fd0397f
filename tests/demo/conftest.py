"""A tiny corridor, made once for all tests of the room."""

from __future__ import annotations

from pathlib import Path

import pytest

from slumpmap.demo import corridor_size, make_corridor
from slumpmap.demo.corridor import Layout, make_layout

SEED = 1


@pytest.fixture(scope="session")
def corridor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corridor")
    make_corridor(folder, "tiny", SEED, years=[2018, 2019], processes=1)
    return folder


@pytest.fixture(scope="session")
def layout() -> Layout:
    """The demo's layout; no scene is rendered."""
    return make_layout(corridor_size("demo"), SEED)


@pytest.fixture(scope="session")
def tiny() -> Layout:
    return make_layout(corridor_size("tiny"), SEED)
