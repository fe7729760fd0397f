"""Numbers in sentences and tables: singular and plural, units, decimals, lists."""

from __future__ import annotations

from collections.abc import Sequence

_UNITS = {"km2": "km²", "kWh m-2": "kWh m⁻²", "1/100 km2": "slumps per 100 km²", "degrees": "°"}


def verb(count: float, one: str, many: str) -> str:
    """The form that goes with a count."""
    return one if count == 1 else many


def counted_words(count: float, noun: str, plural: str | None = None) -> str:
    """A count with its noun: `1 slump`, `1,234 slumps`, `no slumps`."""
    return f"{f'{count:,.0f}' if count else 'no'} {noun if count == 1 else plural or f'{noun}s'}"


def clause(part: float, whole: float, one: str, many: str, rest: str, noun: str = "slump") -> str:
    """What is so of a part of a whole: `12 of 71 slumps (16.9 %) are near`, `no slump is near (n = 71)`.

    Args:
        part: how many.
        whole: of how many; above 0.
        one: verb of one, such as `is`.
        many: verb of several, such as `are`.
        rest: of the clause.
        noun: what is counted.
    """
    if not part:
        return f"no {noun} {one} {rest} (n = {whole:,.0f})"
    if part == whole:
        return f"the only {noun} {one} {rest}" if whole == 1 else f"all {whole:,.0f} {noun}s {many} {rest}"
    share = decimals(100 * part / whole, "%")
    return f"{part:,.0f} of {whole:,.0f} {noun}s ({share}) {verb(part, one, many)} {rest}"


def sentence(text: str) -> str:
    """A text with a capital at its start and a full stop."""
    return f"{text[:1].upper()}{text[1:]}."


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def decimals(value: float, unit: str) -> str:
    """A value with as many digits as its unit deserves, and the unit as a person writes it."""
    size = abs(value)
    if unit in ("slumps", "cells"):
        return counted_words(value, unit.removesuffix("s"))
    if unit in ("m", "kWh m-2"):
        digits = f"{value:.0f}" if size >= 10 else f"{value:.1f}"
    elif unit in ("degrees", "km2", "1/100 km2") and size < 1000:
        digits = f"{value:.1f}"
    elif unit == "%":
        digits = f"{value:.1f}" if size >= 1 or not value else f"{value:.2g}"
    else:
        digits = f"{value:,.0f}" if size >= 1000 else f"{value:.1f}" if size >= 100 else _small(value)
    name = _UNITS.get(unit, unit)
    return f"{digits}{name}" if name == "°" else f"{digits} {name}".rstrip()


def _small(value: float) -> str:
    """Two decimals, or two digits of what is below 1."""
    return f"{value:.2f}" if abs(value) >= 1 or not value else f"{value:.2g}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """A table in Markdown; the first `texts` columns are texts, the others numbers."""
    rule = ["---"] * texts + ["---:"] * (len(head) - texts)
    return "\n".join(f"| {' | '.join(cell(text) for text in row)} |" for row in (head, rule, *rows))


def cell(text: str) -> str:
    """A text that cannot break a table."""
    return text.replace("|", "\\|").replace("\n", " ")
