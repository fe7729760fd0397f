"""Numbers in sentences: singular and plural, units, lists."""

from __future__ import annotations

from collections.abc import Sequence


def verb(count: float, one: str, many: str) -> str:
    """The form that goes with a count."""
    return one if count == 1 else many


def counted_words(count: float, noun: str, plural: str | None = None) -> str:
    """A count with its noun: `1 slump`, `1,234 slumps`, `no slumps`."""
    return f"{f'{count:,.0f}' if count else 'no'} {noun if count == 1 else plural or f'{noun}s'}"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
