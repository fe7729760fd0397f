"""Draws the map of the house from the imports of its modules: which room uses which.

`python benchmarks/house.py` writes docs/images/house.svg and docs/house.md; a test says when they are stale.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "slumpmap"
PICTURE = ROOT / "docs" / "images" / "house.svg"
TABLE = ROOT / "docs" / "house.md"

# Modules at the top of the package, by what their names begin with.
COMMANDS, BASE = "commands", "base"

Graph = Mapping[str, set[str]]


def modules(source: Path = SOURCE) -> dict[str, Path]:
    """Dotted names of all modules of the package and their files."""
    found = {}
    for path in sorted(source.rglob("*.py")):
        parts = [source.name, *path.relative_to(source).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(known: Mapping[str, Path], lazy: bool = True) -> dict[str, set[str]]:
    """Which modules of the package each one imports.

    Args:
        known: modules and their files.
        lazy: whether imports inside functions count; they are not run when the module is loaded.
    """
    return {name: set(_imported(name, path, known, lazy)) - {name} for name, path in known.items()}


def _imported(name: str, path: Path, known: Mapping[str, Path], lazy: bool) -> Iterator[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in _nodes(ast.parse(path.read_text()), lazy):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                # `from package import module` names the module, `from module import thing` the module too.
                full = f"{base}.{alias.name}"
                if full in known or base in known:
                    yield full if full in known else base


def _nodes(tree: ast.AST, lazy: bool) -> Iterator[ast.AST]:
    """All nodes; without the insides of functions and of `if TYPE_CHECKING` unless `lazy`."""
    for node in ast.iter_child_nodes(tree):
        if not lazy and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if not lazy and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        yield from _nodes(node, lazy)


def cycle(graph: Graph) -> list[str] | None:
    """Names along a circle of imports, the first one again at the end; None where there is no circle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return None


def room(module: str) -> str:
    """The room of a module: its folder, or what modules at the top are together."""
    parts = module.split(".")[1:]
    if len(parts) > 1 or (parts and (SOURCE / parts[0]).is_dir()):
        return parts[0]
    return COMMANDS if parts and (parts[0].startswith("cli") or parts[0] == "__main__") else BASE


def rooms(graph: Graph) -> dict[str, Counter[str]]:
    """For each room, the rooms that it uses and by how many imports of modules."""
    used: dict[str, Counter[str]] = {room(name): Counter() for name in graph}
    for name, others in graph.items():
        used[room(name)].update(room(other) for other in others if room(other) != room(name))
    return used


def picture(used: Mapping[str, Counter[str]], sizes: Mapping[str, int]) -> str:
    """A square matrix as SVG: a row uses a column, darker the more imports."""
    order = _order(used)
    cell, left, top = 34, 120, 100
    side = cell * len(order)
    most = max((count for row in used.values() for count in row.values()), default=1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + side + 10} {top + side + 10}" '
        'font-family="sans-serif" font-size="13">',
        "<title>Which room of slumpmap imports which</title>",
        f'<rect width="{left + side + 10}" height="{top + side + 10}" fill="#fff"/>',
    ]
    for i, name in enumerate(order):
        middle = i * cell + cell / 2
        parts.append(f'<text x="{left - 8}" y="{top + middle + 4:g}" text-anchor="end">{escape(name)}</text>')
        at = f"{left + middle + 4:g} {top - 8}"
        parts.append(f'<text transform="translate({at}) rotate(-60)">{escape(name)}</text>')
        for j, other in enumerate(order):
            count = used[name][other]
            x, y = left + j * cell, top + i * cell
            share = 0.15 + 0.6 * count / most if count else 0.0
            fill = f'fill="#0b6e69" fill-opacity="{share:.2f}"' if name != other else 'fill="#ddd"'
            parts.append(f'<rect x="{x}" y="{y}" width="{cell}" height="{cell}" stroke="#ccc" {fill}/>')
            if label := sizes[name] if name == other else count:
                parts.append(f'<text x="{x + cell / 2:g}" y="{y + 22}" text-anchor="middle">{label}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _order(used: Mapping[str, Counter[str]]) -> list[str]:
    """Rooms, those that use most others first."""
    return sorted(used, key=lambda name: (sum(name in row for row in used.values()) - len(used[name]), name))


def table(graph: Graph, known: Mapping[str, Path]) -> str:
    """The rooms in words: modules and what they use; as Markdown."""
    used = rooms(graph)
    lines = [
        "# The map of the house",
        "",
        "Made from the imports by `python benchmarks/house.py`; a test says when it is stale. Do not edit it.",
        "",
        "![Matrix of rooms: each row imports the coloured columns, and the number in a cell counts the imports]"
        "(images/house.svg)",
        "",
        "A row imports the coloured columns; the number counts imports from module to module, those inside functions\n"
        "too. On the diagonal stands the number of modules.",
        "",
        "| room | modules | uses |",
        "|---|---:|---|",
    ]
    for name in _order(used):
        size = sum(room(module) == name for module in known)
        lines.append(f"| `{name}` | {size} | {', '.join(sorted(used[name])) or '-'} |")
    return "\n".join(lines) + "\n"


def drawn() -> dict[Path, str]:
    """The files of the map and what belongs into them."""
    known = modules()
    graph = imports(known)
    sizes = Counter(map(room, known))
    return {PICTURE: picture(rooms(graph), sizes), TABLE: table(graph, known)}


if __name__ == "__main__":
    for path, text in drawn().items():
        path.write_text(text)
