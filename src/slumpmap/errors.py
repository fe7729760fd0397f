"""Errors that are the user's to mend: one message, naming file, fault and remedy."""

from __future__ import annotations

import re
from os import PathLike

# A library's own message may quote the file that it chokes on.
_MOST_LETTERS = 500
# What a terminal obeys or hides: control characters, marks of writing direction, halves of surrogate pairs.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class InputError(Exception):
    """A file or an option that slumpmap refuses, with what is wrong and what to do about it.

    The message is one line of plain characters, whatever a file's name or content is.

    Args:
        source: the file (or config key, or option) at fault.
        fault: what is wrong, in one clause without a full stop; a long one is cut in the message.
        remedy: what the user can do, in one clause without a full stop.
    """

    def __init__(self, source: str | PathLike[str], fault: str, remedy: str) -> None:
        self.source = str(source)
        self.fault = fault
        self.remedy = remedy
        super().__init__(
            f"{_plain(self.source)}: {_shortened(_plain(fault))}. {_plain(remedy[:1].upper() + remedy[1:])}."
        )

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        # Lets the message cross a process pool: the default pickling would pass one argument.
        return type(self), (self.source, self.fault, self.remedy)


def _plain(text: str) -> str:
    """A text on one line; what cannot be seen is written as Python writes it."""
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], re.sub(r"[ \t]*[\r\n]+\s*", " ", text.strip()))


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_LETTERS else f"{text[: _MOST_LETTERS // 2]} ... {text[-_MOST_LETTERS // 3 :]}"
