"""A session in QGIS, run by QGIS's own Python: opens an exported folder, looks at it, edits it as a person would.

usage: qgis_session.py FOLDER LAYER_FILE REPORT.json PICTURE.png [edit]
"""

import json
import os
import sys

os.environ["QT_QPA_PLATFORM"] = "offscreen"

from qgis.core import (  # type: ignore[import-not-found]
    Qgis,
    QgsApplication,
    QgsGeometry,
    QgsLayerTreeModel,
    QgsMapRendererSequentialJob,
    QgsMapSettings,
    QgsPointXY,
    QgsProject,
    QgsVectorLayer,
    QgsVectorLayerUtils,
)
from qgis.gui import QgsAttributeForm, QgsGui, QgsMapCanvas  # type: ignore[import-not-found]
from qgis.PyQt.QtCore import QSize, Qt  # type: ignore[import-not-found]
from qgis.PyQt.QtWidgets import QComboBox, QGroupBox  # type: ignore[import-not-found]


def open_project(folder):
    project = QgsProject.instance()
    canvas = QgsMapCanvas()
    canvas.setObjectName("theMapCanvas")
    assert project.read(f"{folder}/review.qgz")
    return project, canvas


def seen(project, canvas):
    """What the project is, layer by layer."""
    extent = canvas.extent()
    return {
        "version": Qgis.QGIS_VERSION,
        "crs": project.crs().authid(),
        "topological": project.topologicalEditing(),
        "snapping": project.snappingConfig().enabled(),
        "extent": [extent.xMinimum(), extent.yMinimum(), extent.xMaximum(), extent.yMaximum()],
        "groups": {
            group.name(): [child.name() for child in group.children()] for group in project.layerTreeRoot().children()
        },
        "layers": {
            layer.name(): {
                "valid": layer.isValid(),
                "crs": layer.crs().authid(),
                "locked": bool(getattr(layer, "readOnly", lambda: False)()),
                "count": layer.featureCount() if hasattr(layer, "featureCount") else None,
            }
            for layer in project.mapLayers().values()
        },
    }


def shown_by_themes(project):
    """Names of the layers that each theme shows."""
    root = project.layerTreeRoot()
    model = QgsLayerTreeModel(root)
    shown = {}
    for theme in project.mapThemeCollection().mapThemes():
        project.mapThemeCollection().applyTheme(theme, root, model)
        shown[theme] = sorted(node.layer().name() for node in root.findLayers() if node.isVisible())
    return shown


def picture(project, theme, path):
    """Draws what a theme shows where the map starts."""
    root = project.layerTreeRoot()
    project.mapThemeCollection().applyTheme(theme, root, QgsLayerTreeModel(root))
    settings = QgsMapSettings()
    settings.setLayers([node.layer() for node in root.findLayers() if node.isVisible()])
    settings.setDestinationCrs(project.crs())
    settings.setOutputSize(QSize(660, 660))
    settings.setOutputDpi(96)
    settings.setExtent(project.viewSettings().defaultViewExtent())
    job = QgsMapRendererSequentialJob(settings)
    job.start()
    job.waitForFinished()
    assert job.renderedImage().save(path)
    return {"errors": [error.message for error in job.errors()], "labels": len(job.takeLabelingResults().allLabels())}


def boxes_of(form):
    """Titles of the boxes that the form shows now."""
    return sorted(box.title() for box in form.findChildren(QGroupBox) if box.isVisible())


def form_of(layer, name):
    feature = next(layer.getFeatures(f"\"candidate_id\" = '{name}'"))
    form = QgsAttributeForm(layer, feature)
    form.show()
    QgsApplication.processEvents()
    return feature.id(), form


def widgets(layer):
    """Editors of the form: kind, choices, whether they can be changed, rule."""
    fields = layer.fields()
    found = {}
    for place, field in enumerate(fields):
        setup = layer.editorWidgetSetup(place)
        found[field.name()] = {
            "kind": setup.type(),
            "title": layer.attributeDisplayName(place),
            "choices": [next(iter(choice)) for choice in setup.config().get("map", [])],
            "locked": layer.editFormConfig().readOnly(place),
            "rule": layer.constraintDescription(place),
        }
    return found


def combo_choices(form):
    """Choices of the drop-down lists on the screen."""
    boxes = [box for box in form.findChildren(QComboBox) if box.findText("Please select") < 0]
    return [[box.itemText(place) for place in range(box.count())] for box in boxes]


def edit(layer, headwalls):
    """A reviewer's work: forms, a boundary, a split, a headwall."""
    report = {}
    assert layer.startEditing() and headwalls.startEditing()
    number, form = form_of(layer, "01-c0000")
    report["choices"] = combo_choices(form)
    report["boxes"] = {"open": boxes_of(form)}
    form.changeAttribute("is_slump", 1)
    report["boxes"]["slump"] = boxes_of(form)
    form.save()
    report["slump_without_probability"] = layer.getFeature(number)["is_slump"] == 1
    form.changeAttribute("probability", "medium")
    form.changeAttribute("colour_differs", True)
    form.save()
    number, form = form_of(layer, "01-c0001")
    form.changeAttribute("is_slump", 0)
    report["boxes"]["reject"] = boxes_of(form)
    form.changeAttribute("reason", "pit")
    form.changeAttribute("use_as_negative", True)
    form.changeAttribute("note", "Größe?\nzweite Zeile")
    form.save()
    number, form = form_of(layer, "01-c0002")
    form.changeAttribute("unsure", True)
    form.save()
    # Looked at, and left with OK.
    form_of(layer, "01-c0003")[1].save()
    moved = next(layer.getFeatures("\"candidate_id\" = '01-c0000'"))
    shape = moved.geometry()
    shape.translate(6, 3)
    layer.changeGeometry(moved.id(), shape)
    number, form = form_of(layer, "01-c0004")
    form.changeAttribute("is_slump", 1)
    form.changeAttribute("probability", "low")
    form.save()
    box = layer.getFeature(number).geometry().boundingBox()
    middle = box.center().x()
    cut = [QgsPointXY(middle, box.yMinimum() - 10), QgsPointXY(middle, box.yMaximum() + 10)]
    layer.selectByIds([number])
    report["split"] = int(layer.splitFeatures(cut, False))
    near = moved.geometry().boundingBox()
    line = QgsGeometry.fromPolylineXY(
        [QgsPointXY(near.xMinimum(), near.yMaximum()), QgsPointXY(near.xMaximum(), near.yMaximum() + 2)]
    )
    headwall = QgsVectorLayerUtils.createFeature(headwalls, line)
    report["headwall_of"] = headwall["candidate_id"]
    headwalls.addFeature(headwall)
    report["committed"] = [layer.commitChanges(), headwalls.commitChanges(), layer.commitErrors()]
    return report


def main():
    folder, file, report_file, picture_file = sys.argv[1:5]
    application = QgsApplication([], True)
    application.setAttribute(Qt.AA_ShareOpenGLContexts)
    application.initQgis()
    QgsGui.editorWidgetRegistry().initEditors()
    project, canvas = open_project(folder)
    layer = project.mapLayersByName("Candidates")[0]
    # Added by itself, the layer takes the style from inside the file.
    alone = QgsVectorLayer(f"{folder}/{file}|layername=candidates", "alone", "ogr")
    report = seen(project, canvas) | {
        "themes": shown_by_themes(project),
        "picture": picture(project, "2019", picture_file),
        "widgets": widgets(layer),
        "alone": {"renderer": alone.renderer().type(), "widgets": widgets(alone)},
        "areas": {feature["candidate_id"]: feature["area_ha"] for feature in layer.getFeatures()},
    }
    if "edit" in sys.argv:
        report["edit"] = edit(layer, project.mapLayersByName("Headwalls")[0])
    with open(report_file, "w", encoding="utf-8") as target:  # noqa: PTH123
        json.dump(report, target)
    project.clear()
    # QGIS's own shutdown is not what is tested.
    sys.stdout.flush()
    os._exit(0)


main()
