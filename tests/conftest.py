"""What holds for all tests."""

from pathlib import Path

import pytest
from hypothesis import settings

# A deadline would be a timed assertion, which fails on a busy machine.
settings.register_profile("slumpmap", deadline=None)
settings.load_profile("slumpmap")

WORKFLOW = Path(__file__).parent / "workflow"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests of the whole workflow first: begun last, they would keep one core busy and the other idle."""
    items.sort(key=lambda item: WORKFLOW not in item.path.parents)
