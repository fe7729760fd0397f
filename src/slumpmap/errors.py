"""Errors that are the user's to mend: one message, naming file, fault and remedy."""

from __future__ import annotations

from os import PathLike


class InputError(Exception):
    """A file or an option that slumpmap refuses, with what is wrong and what to do about it.

    Args:
        source: the file (or config key, or option) at fault.
        fault: what is wrong, in one clause without a full stop.
        remedy: what the user can do, in one clause without a full stop.
    """

    def __init__(self, source: str | PathLike[str], fault: str, remedy: str) -> None:
        self.source = str(source)
        self.fault = fault
        self.remedy = remedy
        super().__init__(f"{self.source}: {fault}. {remedy[:1].upper()}{remedy[1:]}.")

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        # Lets the message cross a process pool: the default pickling would pass one argument.
        return type(self), (self.source, self.fault, self.remedy)
