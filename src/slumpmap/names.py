"""Names of reviewers: they become names of files, so that they must not be anything else."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from slumpmap.errors import InputError

_MOST_LETTERS = 64
# File systems take 255 bytes a name, and what is written beside a decision file has a longer one.
_MOST_BYTES = 192
_PUNCTUATION = " -_."
# Letters, marks that belong to them, decimal digits.
_CATEGORIES = ("L", "M", "Nd")
# Names that Windows keeps for devices, whatever follows after a dot; and what lies beside the decision files.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{name}{digit}" for name in ("com", "lpt") for digit in "0123456789¹²³")}
_RESERVED = _DEVICES | {"history"}


def check_reviewer(name: str) -> str:
    """A reviewer's name that is fit to be the name of a file, in any folder and on any system.

    Letters of any script, digits, and inside also spaces, `-`, `_` and `.`.

    Args:
        name: as given.

    Returns:
        The name in Unicode's composed form (NFC), so that two ways to type it give one file.

    Raises:
        InputError: the name is empty, too long, reserved, or holds or ends in something else.
    """
    composed = unicodedata.normalize("NFC", name)
    fault = _fault(composed)
    if fault is not None:
        shown = f"name {name[:_MOST_LETTERS]!a}"
        remedy = "take letters, digits, and inside spaces, - _ or ., 64 characters at most"
        raise InputError(shown, fault, remedy)
    return composed


def check_different(names: Iterable[str]) -> None:
    """Refuses names that some file system takes for one, such as `Anna` and `anna`.

    Raises:
        InputError: two names are alike.
    """
    seen: set[str] = set()
    for name in names:
        folded = unicodedata.normalize("NFKC", name).casefold()
        if folded in seen:
            raise InputError(name, "two reviewers have this name, but for capital letters", "rename one of them")
        seen.add(folded)


def _fault(name: str) -> str | None:
    """What is wrong with a name, or None."""
    if not name:
        return "the name is empty"
    if len(name) > _MOST_LETTERS or len(name.encode("utf-8", "surrogatepass")) > _MOST_BYTES:
        return f"the name has more than {_MOST_LETTERS} characters or {_MOST_BYTES} bytes"
    wrong = [letter for letter in name if not _is_word(letter) and letter not in _PUNCTUATION]
    if wrong:
        return f"the name holds {wrong[0]!a}"
    if not (_is_word(name[0]) and _is_word(name[-1])) or unicodedata.category(name[0]).startswith("M"):
        return "the name does not begin and end with a letter or digit"
    if ".." in name:
        return "the name holds two dots in a row"
    if name.split(".")[0].rstrip().casefold() in _RESERVED:
        return "the name is reserved"
    return None


def _is_word(letter: str) -> bool:
    return unicodedata.category(letter).startswith(_CATEGORIES)
