"""The toy campaign, made once."""

from __future__ import annotations

import pytest
from toy_campaign import Toy, make_toy


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    return make_toy(tmp_path_factory.mktemp("toy"))
