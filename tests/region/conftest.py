"""What a user would have on the disk, made once: the tiny corridor as delivered."""

from __future__ import annotations

from pathlib import Path

import pytest

from slumpmap.demo import make_delivery

YEARS = (2018, 2019)


@pytest.fixture(scope="session")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("user") / "download"
    make_delivery(folder, "tiny", 1, YEARS, processes=1)
    return folder
