"""Styles of the layers that are edited: how they are drawn, and the form in which they are filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from slumpmap.gis.looks import CASING, LABELS_TO, ORANGE, PINK, SKY, YELLOW
from slumpmap.gis.xml import (
    NO_VALUE,
    VERSION,
    Options,
    put,
    put_categories,
    put_labels,
    put_option,
    put_single,
    text_of,
)
from slumpmap.review.decisions import CRITERIA_COLUMNS
from slumpmap.review.opinion import CRITERIA, REASONS
from slumpmap.review.qgis.rows import CANDIDATES, EXPORTED, EXPORTED_FOR, RANK

PROBABILITIES = {"high": "High", "medium": "Medium", "low": "Low"}
AREA = "area_ha"
CANDIDATES_TITLE, HEADWALLS_TITLE = "Candidates", "Headwalls"
_COLOURS = {
    "open": ("Open", YELLOW),
    "slump": ("Slump", ORANGE),
    "reject": ("Not a slump", SKY),
    "unsure": ("Unsure", PINK),
}
_SLUMP, _REJECTED = 'coalesce("is_slump" = 1, false)', 'coalesce("is_slump" = 0, false)'
_VERDICT = (
    f"CASE WHEN \"unsure\" THEN 'unsure' WHEN {_SLUMP} THEN 'slump' WHEN {_REJECTED} THEN 'reject' ELSE 'open' END"
)


@dataclass(frozen=True)
class Column:
    """A column of a layer and its place in the form.

    Args:
        name: in the file.
        alias: what people read.
        hint: what is said when the mouse rests on it.
        widget: QGIS's editor; `Hidden`: not in the form.
        options: of the widget.
        editable: whether it can be changed in the form.
        rule: an expression that must hold, and what is said where it does not.
        default: an expression for new features.
    """

    name: str
    alias: str
    hint: str = ""
    widget: str = "TextEdit"
    options: Options = field(default_factory=dict)
    editable: bool = True
    rule: tuple[str, str] | None = None
    default: str = ""


@dataclass(frozen=True)
class Group:
    """A box of the form.

    Args:
        title: what stands above it.
        columns: names of its columns.
        shown_if: an expression; the box is there where it holds. Empty: always.
    """

    title: str
    columns: tuple[str, ...]
    shown_if: str = ""


@dataclass(frozen=True)
class Form:
    """The form of a layer.

    Args:
        columns: in the order of the file.
        groups: from top to bottom.
        computed: columns that are not in the file: name to expression.
        title: an expression that names a feature in lists.
        sort: an expression by which the attribute table is sorted.
    """

    columns: tuple[Column, ...]
    groups: tuple[Group, ...]
    computed: Mapping[str, str] = field(default_factory=dict)
    title: str = ""
    sort: str = ""


_BOX: Options = {"CheckedState": "", "UncheckedState": "", "AllowNullState": True}
_NOT_ASKED = (
    Column(EXPORTED, "As exported", widget="Hidden", editable=False),
    Column(EXPORTED_FOR, "Exported for", widget="Hidden", editable=False),
    Column(AREA, "Area, ha", editable=False),
)


def candidate_form(groups: Sequence[str], area_crs: str | None, crs: str, ranked: bool, adjudicates: bool) -> Form:
    """The form of the candidates.

    Args:
        groups: initiation groups.
        area_crs: CRS in which areas are taken; None: the campaign's.
        crs: the campaign's CRS.
        ranked: whether the candidates have an order.
        adjudicates: whether an adjudicator fills it in, who cannot be unsure.
    """
    shape = "$geometry" if area_crs is None else f"transform($geometry, '{crs}', '{area_crs}')"
    layout = (
        Group("Candidate", ("candidate_id", *((RANK,) if ranked else ()), AREA)),
        Group("Verdict", ("is_slump", "unsure")),
        Group("What it shows (Xia et al. 2022)", CRITERIA_COLUMNS),
        Group("A slump", ("probability", "initiation"), _SLUMP),
        Group("Not a slump", ("reason", "use_as_negative"), _REJECTED),
        Group("Remarks", ("note",)),
    )
    rank = (Column(RANK, "Place in the queue", widget="Range", editable=False),) if ranked else ()
    columns = (Column("candidate_id", "Candidate", editable=False), *rank, *_asked(groups, adjudicates), *_NOT_ASKED)
    title = f"\"candidate_id\" || '  ' || {_VERDICT}"
    sort = f'"{RANK}"' if ranked else '"candidate_id"'
    return Form(columns, layout, {AREA: f"round(area({shape}) / 10000, 4)"}, title, sort)


def _asked(groups: Sequence[str], adjudicates: bool) -> tuple[Column, ...]:
    """What people say of a candidate."""
    two_verdicts = ('NOT ("unsure" AND "is_slump" IS NOT NULL)', "Unsure, and a verdict: set the verdict to Open.")
    final = ('NOT coalesce("unsure", false)', "An adjudicator decides: unsure is not a verdict.")
    unsure = "You cannot tell; the adjudicator decides."
    how_sure = "High: it meets all four criteria (Xia et al. 2022). Medium, low: how sure you are that it is a slump."
    needs_probability = (
        f"NOT {_SLUMP} OR coalesce(\"probability\", '') IN ('high', 'medium', 'low')",
        "A slump needs a probability: high, medium or low.",
    )
    learns = "The next model learns from it that this is no slump."
    return (
        Column("is_slump", "Verdict", "Is it a retrogressive thaw slump?", "ValueMap", _verdicts()),
        Column("unsure", "Unsure", unsure, "CheckBox", _BOX, rule=final if adjudicates else two_verdicts),
        Column("probability", "Probability", how_sure, "ValueMap", _values(PROBABILITIES), rule=needs_probability),
        Column("initiation", "Began", "Between which images it began.", "ValueMap", _values({n: n for n in groups})),
        *(Column(name, CRITERIA[name][0], _sentence(CRITERIA[name][1]), "CheckBox", _BOX) for name in CRITERIA_COLUMNS),
        Column("reason", "What it is instead", widget="ValueMap", options=_values(REASONS)),
        Column("use_as_negative", "Use as negative", learns, "CheckBox", _BOX),
        Column("note", "Note", options={"IsMultiline": True}),
    )


def headwall_form() -> Form:
    """The form of the headwall lines."""
    nearest = f"overlay_nearest('{CANDIDATES_TITLE}', \"candidate_id\")[0]"
    rule = ('"candidate_id" IS NOT NULL', "Which candidate's headwall is it?")
    hint = "The candidate to which the headwall belongs; that nearest to the line is suggested."
    columns = (Column("candidate_id", "Candidate", hint, rule=rule, default=nearest),)
    return Form(columns, (Group("Headwall", ("candidate_id",)),), title='"candidate_id"')


def put_candidate_style(parent: Element, form: Form) -> None:
    """Adds drawing, labels and form of the candidates to a layer or a style."""
    categories = {key: (label, (CASING, (colour, 0.6, "solid"))) for key, (label, colour) in _COLOURS.items()}
    put_categories(parent, "fill", _VERDICT, categories)
    put_labels(parent, '"candidate_id"', "255,255,255,255", LABELS_TO)
    put_form(parent, form)


def put_headwall_style(parent: Element, form: Form) -> None:
    """Adds drawing and form of the headwalls to a layer or a style."""
    put_single(parent, "line", (CASING, ("255,0,120,255", 0.8, "solid")))
    put_form(parent, form)


def style_document(kind: str, form: Form) -> str:
    """A style as QGIS keeps it in a GeoPackage (QML).

    Args:
        kind: `candidates` or `headwalls`.
        form: of that layer.
    """
    labels = 1 if kind == CANDIDATES else 0
    root = Element(
        "qgis", version=VERSION, styleCategories="AllStyleCategories", labelsEnabled=str(labels), readOnly="0"
    )
    (put_candidate_style if kind == CANDIDATES else put_headwall_style)(root, form)
    put(root, "layerGeometryType", 2 if kind == CANDIDATES else 1)
    return text_of(root)


def put_form(parent: Element, form: Form) -> None:
    """Adds widgets, rules, defaults and layout of a form."""
    _put_columns(parent, form)
    computed = put(parent, "expressionfields")
    for name, expression in form.computed.items():
        put(
            computed,
            "field",
            name=name,
            expression=expression,
            type=6,
            typeName="double",
            length=12,
            precision=4,
            subType=0,
            comment="",
        )
    table = put(parent, "attributetableconfig", actionWidgetStyle="dropDown", sortExpression=form.sort, sortOrder=0)
    listed = put(table, "columns")
    for column in form.columns:
        put(listed, "column", type="field", name=column.name, hidden=int(column.widget == "Hidden"), width=-1)
    put(parent, "editorlayout", "tablayout")
    root = put(parent, "attributeEditorForm")
    places = {column.name: place for place, column in enumerate(form.columns, 1)}
    for group in form.groups:
        box = put(
            root,
            "attributeEditorContainer",
            name=group.title,
            groupBox=1,
            columnCount=1,
            showLabel=1,
            visibilityExpressionEnabled=int(bool(group.shown_if)),
            visibilityExpression=group.shown_if,
        )
        for name in group.columns:
            put(box, "attributeEditorField", name=name, index=places[name], showLabel=1)
    put(parent, "previewExpression", form.title)


def _put_columns(parent: Element, form: Form) -> None:
    widgets, names, defaults = (put(parent, tag) for tag in ("fieldConfiguration", "aliases", "defaults"))
    kinds, rules, editable = (put(parent, tag) for tag in ("constraints", "constraintExpressions", "editable"))
    for place, column in enumerate(form.columns, 1):  # the file's own number, `fid`, is column 0
        widget = put(
            put(widgets, "field", name=column.name, configurationFlags="None"), "editWidget", type=column.widget
        )
        put_option(put(widget, "config"), column.options)
        put(names, "alias", field=column.name, index=place, name=column.alias)
        put(defaults, "default", field=column.name, expression=column.default, applyOnUpdate=0)
        put(editable, "field", name=column.name, editable=int(column.editable))
        expression, message = column.rule or ("", "")
        by_expression, hard = 4 * bool(column.rule), int(bool(column.rule))
        put(
            kinds,
            "constraint",
            field=column.name,
            constraints=by_expression,
            exp_strength=hard,
            notnull_strength=0,
            unique_strength=0,
        )
        put(rules, "constraint", field=column.name, exp=expression, desc=message)


def _verdicts() -> Options:
    return {"map": [{"Open": NO_VALUE}, {"Slump": "1"}, {"Not a slump": "0"}]}


def _values(names: Mapping[str, str]) -> Options:
    """A list to choose from, with an empty first line: value to what people read."""
    return {"map": [{"": NO_VALUE}, *({label: value} for value, label in names.items())]}


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
