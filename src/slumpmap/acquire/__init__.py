"""Getting real data in: PlanetScope orders, Sentinel-2, Landsat and elevation models by STAC. Off unless asked for."""
