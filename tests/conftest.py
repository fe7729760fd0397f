"""What holds for all tests."""

from hypothesis import settings

# A deadline would be a timed assertion, which fails on a busy machine.
settings.register_profile("slumpmap", deadline=None)
settings.load_profile("slumpmap")
