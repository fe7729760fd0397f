"""From the elevation model to terrain rasters: slope, aspect and potential incoming solar radiation."""
