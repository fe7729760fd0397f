"""Run by QGIS's own Python: opens a project and files by themselves, and says as JSON what it sees.

Usage: open_in_qgis.py PROJECT REPORT PICTURES [FILE ...]
"""

import json
import os
import sys

from qgis.core import (
    QgsApplication,
    QgsLayerTreeModel,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsProject,
    QgsRasterLayer,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QSize


def picture(project, theme, path):
    """Draws what a theme shows where the map starts; returns the errors of drawing."""
    root = project.layerTreeRoot()
    project.mapThemeCollection().applyTheme(theme, root, QgsLayerTreeModel(root))
    settings = QgsMapSettings()
    settings.setLayers([node.layer() for node in root.findLayers() if node.isVisible()])
    settings.setDestinationCrs(project.crs())
    settings.setOutputSize(QSize(600, 520))
    settings.setExtent(project.viewSettings().defaultViewExtent())
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    job.renderedImage().save(path)
    return [error.message for error in job.errors()]


def alone(file):
    """How a file looks that is opened by itself."""
    layer = QgsRasterLayer(file, "alone") if file.endswith((".tif", ".vrt")) else QgsVectorLayer(file, "alone", "ogr")
    symbols = layer.renderer().symbols if isinstance(layer, QgsVectorLayer) else None
    return {
        "valid": layer.isValid(),
        "renderer": layer.renderer().type(),
        "legend": [item.label() for item in layer.renderer().legendSymbolItems()] if symbols else [],
    }


def main():
    file, report, pictures, *files = sys.argv[1:]
    application = QgsApplication([], True)
    application.initQgis()
    project = QgsProject.instance()
    opened = project.read(file)
    root = project.layerTreeRoot()
    seen = {
        "opened": opened,
        "title": project.title(),
        "crs": project.crs().authid(),
        "groups": {group.name(): [child.name() for child in group.children()] for group in root.children()},
        "layers": {
            layer.name(): {
                "valid": layer.isValid(),
                "crs": layer.crs().authid(),
                "renderer": layer.renderer().type() if layer.renderer() else None,
                "count": layer.featureCount() if isinstance(layer, QgsVectorLayer) else None,
            }
            for layer in project.mapLayers().values()
        },
        "visible": [node.layer().name() for node in root.findLayers() if node.isVisible()],
        "alone": {name: alone(name) for name in files},
        "errors": {},
    }
    for number, theme in enumerate(sorted(project.mapThemeCollection().mapThemes())):
        seen["errors"][theme] = picture(project, theme, os.path.join(pictures, f"{number:02d}.png"))  # noqa: PTH118
    with open(report, "w", encoding="utf-8") as target:  # noqa: PTH123
        json.dump(seen, target, indent=1)
    project.clear()
    # QGIS's own shutdown is not what is tested.
    sys.stdout.flush()
    os._exit(0)


main()
