"""The review in QGIS: a folder with project, forms and images goes out, the edited GeoPackage comes back."""
