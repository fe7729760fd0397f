"""What was fetched, from where, with which checksum: one JSON file for each order, scene or DEM tile.

A receipt says that its files are whole here. The next run leaves them alone while they have the size that it says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from slumpmap.acquire.download import Fetched, check_name
from slumpmap.acquire.secrets import redact
from slumpmap.errors import InputError
from slumpmap.files import read_json, write_text

FOLDER = "receipts"


def write_receipt(
    folder: Path, name: str, facts: Mapping[str, Any], files: Sequence[Path], got: Sequence[Fetched]
) -> None:
    """Writes a receipt, `folder/receipts/NAME.json`.

    Args:
        folder: of the files.
        name: of the order or item.
        facts: provider, collection, ids, as JSON values.
        files: what is kept, in `folder`.
        got: what was downloaded, whether or not it is kept.
    """
    import json

    kept = [{"name": path.name, "size": path.stat().st_size} for path in files]
    sources = [
        {
            "file": item.path.name,
            "from": item.source,
            "size": item.size,
            "sha256": item.sha256,
            "verified": item.verified,
        }
        for item in got
    ]
    text = json.dumps({**facts, "files": kept, "downloads": sources}, indent=1, ensure_ascii=False) + "\n"
    write_text(_path(folder, name), redact(text))


def has_receipt(folder: Path, name: str, **facts: Any) -> bool:
    """Whether everything of an order or item is here, and was fetched the same way.

    Args:
        folder: of the files.
        name: of the order or item.
        facts: what the receipt must say.
    """
    try:
        receipt = read_json(_path(folder, name))
        files = [(folder / check_name(entry["name"]), int(entry["size"])) for entry in receipt["files"]]
    except (InputError, KeyError, TypeError, ValueError):
        return False
    same = all(receipt.get(key) == value for key, value in facts.items())
    return same and all(path.is_file() and path.stat().st_size == size for path, size in files)


def _path(folder: Path, name: str) -> Path:
    return folder / FOLDER / f"{check_name(name)}.json"
