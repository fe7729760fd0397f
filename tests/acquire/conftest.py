"""The providers' stand-in, and a key that is no key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from providers import KEY, Providers, running


@pytest.fixture
def world() -> Iterator[Providers]:
    with running() as providers:
        yield providers


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PL_API_KEY", KEY)
    return KEY
