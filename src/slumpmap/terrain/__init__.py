"""From the elevation model to terrain rasters: slope and aspect."""
