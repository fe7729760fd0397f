"""The products for other programs: a project for QGIS, a STAC catalogue for the rasters."""
