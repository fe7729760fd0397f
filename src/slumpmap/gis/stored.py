"""Styles inside a GeoPackage: the table `layer_styles`, from which QGIS takes a layer's style by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

# The time of writing is a fixed one: equal content gives equal bytes.
_NO_TIME = "1970-01-01T00:00:00.000Z"
STYLES = "layer_styles"
_STYLES = f"""
CREATE TABLE {STYLES} (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256), f_geometry_column TEXT(256),
    styleName TEXT(30), styleQML TEXT, styleSLD TEXT, useAsDefault BOOLEAN, description TEXT, owner TEXT(30),
    ui TEXT(30), update_time DATETIME DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change, srs_id)
    VALUES ('{STYLES}', 'attributes', '{STYLES}', '', '{_NO_TIME}', 0);
"""
_HINTS = """
CREATE TABLE gpkg_data_columns (
    table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT, description TEXT, mime_type TEXT,
    constraint_name TEXT, CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name),
    CONSTRAINT gdc_tn UNIQUE (table_name, name)
);
INSERT INTO gpkg_extensions (table_name, column_name, extension_name, definition, scope) VALUES
    ('gpkg_data_columns', NULL, 'gpkg_schema', 'http://www.geopackage.org/spec/#extension_schema', 'read-write');
"""


@dataclass(frozen=True)
class ColumnHint:
    """What is said of a column.

    Args:
        layer: in which it is.
        column: its name.
        title: what people read.
        hint: what it means.
    """

    layer: str
    column: str
    title: str
    hint: str


def store_styles(path: Path, styles: Mapping[str, str]) -> None:
    """Adds to a GeoPackage without styles the one that each layer opens with.

    Args:
        path: the GeoPackage.
        styles: name of the layer to its style document (QML).
    """
    rows = [(name, "geom", f"slumpmap {name}", document, _NO_TIME) for name, document in styles.items()]
    with closing(sqlite3.connect(path)) as sql, sql:
        sql.executescript(_STYLES)
        sql.executemany(
            f"INSERT INTO {STYLES} (f_table_catalog, f_table_schema, f_table_name, f_geometry_column, styleName,"
            " styleQML, styleSLD, useAsDefault, description, owner, update_time)"
            " VALUES ('', '', ?, ?, ?, ?, '', 1, '', '', ?)",
            rows,
        )


def store_hints(path: Path, hints: Iterable[ColumnHint]) -> None:
    """Adds to a GeoPackage without such a table what is said of the columns (the extension `gpkg_schema`)."""
    rows = [(hint.layer, hint.column, hint.column, hint.title, hint.hint) for hint in hints]
    with closing(sqlite3.connect(path)) as sql, sql:
        sql.executescript(_HINTS)
        sql.executemany(
            "INSERT INTO gpkg_data_columns (table_name, column_name, name, title, description) VALUES (?, ?, ?, ?, ?)",
            rows,
        )
