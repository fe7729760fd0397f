"""What QGIS reads: projects, styles, and how each product looks. Nothing here reads a product."""
