"""The providers' stand-in, and a key that is no key."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from providers import KEY, Providers, running


@pytest.fixture
def world() -> Iterator[Providers]:
    with running() as providers:
        yield providers


@pytest.fixture(autouse=True)
def no_pace_of_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's ten requests in a second beside our own rate, which is tested, would only cost time."""
    monkeypatch.setattr("planet.http.RATE_LIMIT", 0)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("PL_API_KEY", KEY)
    return KEY
