"""What mkdocs asks before it builds: pages that are made from the program, and links out of docs/.

The configuration, the commands and the measured figures are made at each build, so that they cannot be stale.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

import click
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
# Files outside docs/ that are pages of the site.
_PAGES = {"config/README.md": "reference/configuration.md", "benchmarks/RESULTS.md": "validation.md"}
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!https?:)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Adds the made pages."""
    for source, page in _PAGES.items():
        text = _redirected((ROOT / source).read_text(), source, page)
        files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, "reference/cli.md", content=command_reference()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turns links to files outside docs/ into links to their pages."""
    made = {*_PAGES.values(), "reference/cli.md"}
    if page.file.src_uri in made:
        return markdown
    return _redirected(markdown, f"docs/{page.file.src_uri}", page.file.src_uri)


def _redirected(markdown: str, source: str, page: str) -> str:
    """Markdown of a file of the repository with the links that it has as a page of the site."""

    def link(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), match[2]))
        if target in _PAGES:
            inside = _PAGES[target]
        elif target.startswith("docs/"):
            inside = target.removeprefix("docs/")
        else:
            return match[0]
        return f"[{match[1]}]({posixpath.relpath(inside, posixpath.dirname(page) or '.')}{match[3] or ''})"

    return _LINK.sub(link, markdown)


def command_reference() -> str:
    """All commands with their help and options, as Markdown."""
    from slumpmap.cli import app

    parts = ["# Commands", "", "Made from the program. `slumpmap COMMAND --help` says the same.", ""]
    for names, command in _commands(app, ("slumpmap",)):
        context = click.Context(command, info_name=" ".join(names))
        parts += [f"## `{' '.join(names)}`", "", "```text", command.get_help(context), "```", ""]
    return "\n".join(parts)


def _commands(group: click.Group, above: tuple[str, ...]) -> list[tuple[tuple[str, ...], click.Command]]:
    found: list[tuple[tuple[str, ...], click.Command]] = []
    for name in sorted(group.commands):
        command, names = group.commands[name], (*above, name)
        found += _commands(command, names) if isinstance(command, click.Group) else [(names, command)]
    return found
