"""Damaged and hostile files from good ones: blind edits of bytes, and edits that know the format.

A mutation is a function of the good file's bytes and of a random generator, so that its number gives the same file
on any machine. Blind edits mostly stop at a format's first check; those that know the format get behind it.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import sqlite3
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import yaml

Mutator = Callable[[bytes, Random], bytes]

NUMBERS = (0, 1, 2, 3, 7, 8, 255, 256, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**64 - 1)
# Opened by pickle, this would leave a file in the working directory.
SENTINEL = "pwned"
TEXTS = (
    "",
    " ",
    "NA",
    "nan",
    "-",
    "x" * 5000,
    "../../../../tmp/pwned",
    "a\nb\r\nc",
    "\x1b[31mred\x07",
    "$(touch pwned); `touch pwned`",
    "'\"\\",
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "ༀ冻土 żółć 🧊",
    "\u202eevil\u2069",
    "POLYGON ((0 0, 1 1",
    "2019-13-45",
    "1e999",
    "9" * 5000,
    "EPSG:999999",
)


def _nested(depth: int, kind: type) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value] if kind is list else {"a": value}
    return value


class _Evil:
    """An object whose unpickling runs a command."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        import os

        return os.system, (f"touch {SENTINEL}",)


# --- blind -----------------------------------------------------------------------------------------------------------


def flip_bits(data: bytes, rng: Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16, 64))):
        if out:
            out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def flip_early_bits(data: bytes, rng: Random) -> bytes:
    """Flips bits of the head, where formats keep what they are."""
    head = min(len(data), rng.choice((16, 100, 512)))
    return flip_bits(data[:head], rng) + data[head:]


def truncate(data: bytes, rng: Random) -> bytes:
    return data[: rng.choice((0, 1, 8, len(data) - 1, rng.randrange(len(data) + 1), rng.randrange(len(data) + 1)))]


def lengthen(data: bytes, rng: Random) -> bytes:
    return data + rng.choice((bytes(1), bytes(5000), rng.randbytes(700), data))


def overwrite(data: bytes, rng: Random) -> bytes:
    length = rng.choice((1, 4, 16, 256, 4096))
    at = rng.randrange(max(len(data) - length, 1))
    new = rng.choice((bytes(length), b"\xff" * length, rng.randbytes(length)))
    return data[:at] + new + data[at + length :]


def splice(data: bytes, rng: Random) -> bytes:
    """Copies one piece of the file over another."""
    length = rng.choice((4, 32, 512, 4096))
    source, target = (rng.randrange(max(len(data) - length, 1)) for _ in range(2))
    return data[:target] + data[source : source + length] + data[target + length :]


def double_chunk(data: bytes, rng: Random) -> bytes:
    length = rng.choice((1, 4, 32, 512, 4096))
    at = rng.randrange(max(len(data) - length, 1))
    return data[: at + length] + data[at:]


def drop_chunk(data: bytes, rng: Random) -> bytes:
    length = rng.choice((1, 4, 32, 512, 4096))
    at = rng.randrange(max(len(data) - length, 1))
    return data[:at] + data[at + length :]


def edit_length(data: bytes, rng: Random) -> bytes:
    """Writes a telling number where one may stand: 16, 32 or 64 bits, either order, aligned."""
    size, code = rng.choice(((2, "H"), (4, "I"), (8, "Q")))
    places = max(min(len(data), rng.choice((64, 512, len(data)))) // size, 1)
    at = rng.randrange(places) * size
    number = rng.choice(NUMBERS) % 2 ** (8 * size)
    return data[:at] + struct.pack(rng.choice("<>") + code, number) + data[at + size :]


BLIND: tuple[Mutator, ...] = (
    flip_bits,
    flip_early_bits,
    truncate,
    lengthen,
    overwrite,
    splice,
    double_chunk,
    drop_chunk,
    edit_length,
)


# --- TIFF ------------------------------------------------------------------------------------------------------------

# Width, height, bits, compression, strip and tile sizes and places, bands, planes, predictor, format, geo keys, nodata.
_TAGS = (256, 257, 258, 259, 262, 273, 277, 278, 279, 284, 317, 322, 323, 324, 325, 339, 33550, 33922, 34735, 34736)


def edit_tag(data: bytes, rng: Random) -> bytes:
    """Edits type, count or value of an entry in a directory of a TIFF; one that is told from others by its tag."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 16 or struct.unpack(order + "H", data[2:4])[0] != 42:
        return edit_length(data, rng)
    out = bytearray(data)
    places: dict[int, int] = {}
    at = struct.unpack(order + "I", data[4:8])[0]
    for _ in range(8):
        if not 0 < at < len(data) - 2:
            break
        count = struct.unpack(order + "H", data[at : at + 2])[0]
        for number in range(count):
            entry = at + 2 + 12 * number
            if entry + 12 <= len(data):
                places.setdefault(struct.unpack(order + "H", data[entry : entry + 2])[0], entry)
        end = at + 2 + 12 * count
        at = struct.unpack(order + "I", data[end : end + 4])[0] if end + 4 <= len(data) else 0
    chosen = [places[tag] for tag in _TAGS if tag in places] or list(places.values())
    for entry in rng.sample(chosen, min(len(chosen), rng.choice((1, 1, 2)))):
        part, code = rng.choice(((2, "H"), (4, "I"), (8, "I"), (8, "I"), (8, "I"), (8, "H")))
        number = rng.choice((*NUMBERS, 100_000, 30_000, 34_712, 50_001, 5, 6)) % 2 ** (16 if code == "H" else 32)
        out[entry + part : entry + part + struct.calcsize(code)] = struct.pack(order + code, number)
    return bytes(out)


# --- trees: JSON, GeoJSON, YAML ---------------------------------------------------------------------------------------


def _places(tree: Any, limit: int = 400) -> list[tuple[Any, Any]]:
    """Containers with a key of each value in them."""
    found: list[tuple[Any, Any]] = []
    stack = [tree]
    while stack and len(found) < limit:
        node = stack.pop()
        keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
        for key in keys:
            found.append((node, key))
            stack.append(node[key])
    return found


def _odd(rng: Random) -> Any:
    """A value that is seldom meant."""
    return rng.choice(
        (
            lambda: None,
            lambda: rng.choice((True, False)),
            lambda: rng.choice((0, -1, 1, 0.5, -0.0, 10**30, 2**63, 1e308)),
            lambda: rng.choice((math.nan, math.inf, -math.inf)),
            lambda: rng.choice(TEXTS),
            lambda: rng.choice(TEXTS),
            lambda: rng.choice(([], {}, [[]], [None], {"": {}}, [1, "a"], {"type": "Polygon"})),
            lambda: _nested(rng.choice((3, 60, 400)), rng.choice((list, dict))),
        )
    )()


def change_tree(tree: Any, rng: Random) -> Any:
    """Changes one to three values or keys of a tree, in place where it can."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = _places(tree)
        if not places or rng.random() < 0.03:
            return _odd(rng)
        node, key = rng.choice(places)
        act = rng.choice(("replace", "replace", "replace", "drop", "rename", "swap", "copy"))
        if act == "drop":
            del node[key]
        elif act == "rename" and isinstance(node, dict):
            node[rng.choice((*TEXTS, f"{key}x"))] = node.pop(key)
        elif act == "swap":
            other, place = rng.choice(places)
            node[key] = json.loads(json.dumps(other[place], default=str))
        elif act == "copy" and isinstance(node, list):
            node.extend([node[key]] * rng.choice((1, 50)))
        else:
            node[key] = _odd(rng)
    return tree


def json_tree(data: bytes, rng: Random) -> bytes:
    text = json.dumps(change_tree(json.loads(data), rng), ensure_ascii=rng.random() < 0.5)
    return text.encode("utf-8", "surrogatepass")


def json_text(data: bytes, rng: Random) -> bytes:
    """Edits the text of a JSON file, or puts another in its place."""
    whole = (
        b"",
        b"null",
        b"[]",
        b"{}",
        b"1e99999",
        b'"' + b"a" * 100_000 + b'"',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b"[" * 3000 + b"]" * 3000,
        b"9" * 20_000,
        b"\xef\xbb\xbf" + data,
        data.decode().encode("utf-16"),
        data.replace(b'"', b"'", 3),
        data.replace(b":", b": NaN, ", 1),
        data.replace(b",", b",,", 1),
    )
    return rng.choice(whole)


def yaml_tree(data: bytes, rng: Random) -> bytes:
    return yaml.safe_dump(change_tree(yaml.safe_load(data), rng), allow_unicode=True, sort_keys=False).encode()


_BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
_MERGED = "m0: &m0 {k: 1}\n" + "".join(f"m{n}: &m{n} {{<<: [*m{n - 1}, *m{n - 1}]}}\n" for n in range(1, 40))


def yaml_text(data: bytes, rng: Random) -> bytes:
    """Adds or puts in place what YAML allows and a configuration never needs."""
    text = data.decode("utf-8", "replace")
    lines = text.splitlines()
    number = rng.randrange(len(lines))
    key = lines[number].split(":")[0]
    lines[number] = (
        key + ": " + rng.choice((*TEXTS[:14], "2019-13-45", "!!python/object/apply:os.system [touch pwned]"))
    )
    whole = (
        _BOMB + text,
        _MERGED + text,
        text + f"\ninputs: {'[' * 3000}{']' * 3000}\n",
        text + "\nx: " + "{a: " * 2000 + "\n",
        text + "\ncampaign: !!python/object/apply:os.system ['touch pwned']\n",
        text + "\ncampaign: !!binary '%%%'\n",
        text + "\nseed: " + "9" * 6000 + "\n",
        text + "\nseed: 2019-13-45\nimagery: {years: [0o9, 0x, 1:99:99]}\n",
        "&a [*a]\n",
        "campaign: &a {b: *a}\n" + text,
        "grid: &a\n  bounds: &b [*a, *b]\n",
        "? [a, b]\n: c\n" + text,
        text.replace(":", ":\t", 3),
        "\ufeff" + text,
        "--- a\n--- b\n",
        text + "\x00",
        "%YAML 9.9\n---\n" + text,
        "\n".join(lines),
        "\n".join(lines),
        "\n".join(lines[:number]),
        "- " * 3000,
    )
    return rng.choice(whole).encode("utf-8", "surrogatepass")


# --- tables ----------------------------------------------------------------------------------------------------------


def csv_cells(data: bytes, rng: Random) -> bytes:
    """Changes cells, columns and rows of a table."""
    text = data.decode()
    mark = "\t" if "\t" in text else ","
    rows = [line.split(mark) for line in text.splitlines()] or [[""]]
    for _ in range(rng.choice((1, 1, 2, 4))):
        row = rng.choice(rows)
        act = rng.choice(("cell", "cell", "cell", "column", "row", "double", "quote", "nul"))
        if act == "cell" and row:
            row[rng.randrange(len(row))] = rng.choice((*TEXTS, "1e400", "-1", "inf", "1;2", "True"))
        elif act == "column":
            place = rng.randrange(max(len(rows[0]), 1))
            for each in rows:
                del each[place : place + 1]
        elif act == "row":
            rows.append([rng.choice(TEXTS)] * rng.choice((1, 2, 500)))
        elif act == "double":
            rows.extend([list(row)] * rng.choice((1, 40)))
        elif act == "quote" and row:
            row[0] = '"' + row[0]
        elif row:
            row[-1] += "\x00"
    out = "\n".join(mark.join(row) for row in rows).encode("utf-8", "surrogatepass")
    return rng.choice((out, out, out, out, b"", b"\n", text.encode("utf-16"), out + b"\xff\xfe\x80", b'"'))


# --- ZIP: packs, yearly probabilities, weights, packed inventories ----------------------------------------------------


def zip_members(data: bytes, rng: Random, inner: Mutator = flip_bits) -> bytes:
    """Edits what a ZIP holds: a member's content, name, presence; a bomb among them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    place = rng.randrange(len(members))
    name, content = members[place]
    act = rng.choice(("content", "content", "content", "drop", "rename", "double", "bomb", "empty", "none", "big"))
    kind = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    if act == "content":
        members[place] = (name, rng.choice((inner, *BLIND))(content, rng))
    elif act == "drop":
        del members[place]
    elif act == "rename":
        new = rng.choice(("../../pwned", "/tmp/pwned", f"{name}/../x", name.upper(), "a" * 300, "\x00", "ä\n.tif", ""))
        members[place] = (new, content)
    elif act == "double":
        members.append((name, rng.randbytes(50)))
    elif act == "bomb":
        members[place], kind = (name, bytes(400_000_000)), zipfile.ZIP_DEFLATED
    elif act == "empty":
        members[place] = (name, b"")
    elif act == "none":
        members = []
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", kind, compresslevel=1) as archive:
        for entry, value in members:
            archive.writestr(zipfile.ZipInfo(entry), value, kind)
    changed = out.getvalue()
    if act == "big":  # a directory that promises more than there is
        at = changed.rfind(b"PK\x01\x02")
        size = struct.pack("<I", rng.choice(NUMBERS) % 2**32)
        changed = changed[: at + 24] + size + changed[at + 28 :]
    return changed


def zip_of(inner: Mutator) -> Mutator:
    """Edits of a ZIP whose members have a known format."""
    return lambda data, rng: zip_members(data, rng, inner)


def evil_pickle(data: bytes, rng: Random) -> bytes:
    """A weight file whose pickle would run a command: bare, or inside the ZIP that torch writes."""
    payload = pickle.dumps(_Evil(), protocol=rng.choice((2, 4)))
    if rng.random() < 0.5:
        return payload
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(out, "w") as target:
        for info in archive.infolist():
            target.writestr(info.filename, payload if info.filename.endswith(".pkl") else archive.read(info))
    return out.getvalue()


# --- GeoPackage and other SQLite --------------------------------------------------------------------------------------


def sqlite_content(data: bytes, rng: Random) -> bytes:
    """Changes tables and cells of an SQLite file that stays sound: geometries, texts, types, catalogues."""
    with tempfile.NamedTemporaryFile(suffix=".db") as handle:
        Path(handle.name).write_bytes(data)
        sql = sqlite3.connect(handle.name, isolation_level=None)
        try:
            sql.execute("PRAGMA journal_mode = MEMORY")
            sql.execute("PRAGMA synchronous = OFF")
            names = [row[0] for row in sql.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
            sql.execute("PRAGMA writable_schema = ON")
            for name in [*sql.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")]:
                sql.execute(f'DROP TRIGGER "{name[0]}"')
            for _ in range(rng.choice((1, 1, 2))):
                _change_table(sql, rng.choice(names), rng)
        except sqlite3.DatabaseError:
            pass  # an edit that SQLite refuses is none
        finally:
            sql.close()
        return Path(handle.name).read_bytes()


def _change_table(sql: sqlite3.Connection, table: str, rng: Random) -> None:
    columns = [row[1] for row in sql.execute(f'PRAGMA table_info("{table}")')]
    if not columns or rng.random() < 0.05:
        sql.execute(f'DROP TABLE "{table}"')
        return
    column = rng.choice(columns)
    rows = [*sql.execute(f'SELECT rowid, "{column}" FROM "{table}" ORDER BY rowid')]
    if not rows or rng.random() < 0.08:
        sql.execute(f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "{column}_x"')
        return
    row, value = rng.choice(rows)
    if isinstance(value, bytes) and rng.random() < 0.8:
        new: Any = rng.choice((*BLIND, geometry_numbers, geometry_numbers))(value, rng)
    else:
        new = rng.choice((None, *TEXTS, *TEXTS, 0, -1, 2**62, 1e308, math.inf, rng.randbytes(9), b""))
    where = "" if rng.random() < 0.2 else f" WHERE rowid = {row}"
    sql.execute(f'UPDATE "{table}" SET "{column}" = ?{where}', (new,))


def geometry_numbers(data: bytes, rng: Random) -> bytes:
    """Puts odd coordinates into the geometry of a GeoPackage."""
    if len(data) < 24:
        return data
    places = (len(data) - 8) // 8
    at = len(data) - 8 * rng.randint(1, max(places - 1, 1))
    number = rng.choice((math.nan, math.inf, -math.inf, 1e308, -1e300, 0.0, 5e-324, 1e20))
    return data[:at] + struct.pack("<d", number) + data[at + 8 :]


# --- arrays and weights -----------------------------------------------------------------------------------------------


def header_of_array(data: bytes, rng: Random) -> bytes:
    """Changes what a .npy says of itself."""
    head, body = data[10:128], data[128:]
    edits = (
        head.replace(b"|u1", rng.choice((b"|O", b"<f8", b"|u9", b"<U99999999"))),
        head.replace(b"(", rng.choice((b"(999999999999, ", b"(-1, ", b"(0, ", b"(1e9, ", b"(" * 50))),
        head.replace(b"{", b"__import__('os').system('touch pwned') or {"),
        head.replace(b"False", b"True"),
        b"{" * len(head),
    )
    return data[:10] + rng.choice(edits)[: len(head)].ljust(len(head)) + body


def header_of_safetensors(data: bytes, rng: Random) -> bytes:
    """Changes the JSON in front of the tensors, and its length."""
    length = struct.unpack("<Q", data[:8])[0]
    tree, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    text = json.dumps(change_tree(tree, rng)).encode()
    size = rng.choice((len(text), len(text), len(text), 0, 1, 2**40, 2**64 - 1, len(data)))
    return struct.pack("<Q", size) + text + body


KINDS: dict[str, tuple[Mutator, ...]] = {
    "tiff": (*BLIND, *(edit_tag,) * 9),
    "vrt": BLIND,
    "gpkg": (*BLIND, *(sqlite_content,) * 9),
    "sqlite": (*BLIND, *(sqlite_content,) * 9),
    "geojson": (*BLIND[:4], json_text, *(json_tree,) * 8),
    "json": (*BLIND[:4], *(json_text,) * 2, *(json_tree,) * 8),
    "yaml": (*BLIND[:4], *(yaml_text,) * 5, *(yaml_tree,) * 6),
    "csv": (*BLIND, *(csv_cells,) * 9),
    "parquet": BLIND,
    "shp": BLIND,
    "zip": (*BLIND, *(zip_members,) * 6),
    "zip of tiff": (*BLIND, *(zip_of(edit_tag),) * 9),
    "zip of json": (*BLIND, *(zip_of(json_text),) * 2, *(zip_of(json_tree),) * 5),
    "torch": (*BLIND, *(zip_members,) * 5, *(evil_pickle,) * 3),
    "safetensors": (*BLIND, *(header_of_safetensors,) * 7),
    "npy": (*BLIND, *(header_of_array,) * 5),
}


def mutated(data: bytes, kind: str, name: str, number: int) -> tuple[bytes, str]:
    """The file of a case: its bytes, and the names of the edits that made it.

    Args:
        data: the good file.
        kind: its format, one of `KINDS`.
        name: the reader that it is for.
        number: of the case; name and number decide the file.
    """
    rng = Random(f"{name} {number}")
    edits = [rng.choice(KINDS[kind])]
    if rng.random() < 0.1:
        edits.append(rng.choice(BLIND))
    for edit in edits:
        try:
            data = edit(data, rng) if data else data
        except (ValueError, KeyError, IndexError, struct.error, zipfile.BadZipFile, RecursionError, yaml.YAMLError):
            data = flip_bits(data, rng)  # the format is gone already, after an edit before
    return data, " + ".join(getattr(edit, "__name__", "edit") for edit in edits)
