"""Scenes to 8-bit tiles: the checked catalogue, the campaign's scaling, the composites of each year."""
