"""Reads Markdown as far as the tests of the documents need: links, pictures, headings, commands."""

import ast
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAMS = ("slumpmap", "snakemake", "make", "python", "pytest", "bash")


@dataclass(frozen=True)
class Link:
    """Where a document points: `![text](target)` for a picture, `[text](target)` else."""

    text: str
    target: str
    picture: bool


def pages():
    """Every document for people: those of the root, docs/ and benchmarks/."""
    return [
        *sorted(ROOT.glob("*.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
        *sorted((ROOT / "benchmarks").glob("*.md")),
    ]


def made_pages():
    """Pages of the site that are made of files outside docs/, as the hooks of its build say: page by source."""
    hooks = (ROOT / "docs" / "site_hooks.py").read_text()
    pages = ast.literal_eval(re.search(r"^_PAGES = (\{.*?\})$", hooks, re.MULTILINE | re.DOTALL)[1])
    return pages | {"src/slumpmap/cli/__init__.py": "reference/cli.md"}


def prose(text):
    """The text without fenced blocks, in which nothing is a link or a heading."""
    return re.sub(r"^(```|~~~).*?^\1[ \t]*$", "", text, flags=re.MULTILINE | re.DOTALL)


def links(text):
    """Links and pictures of Markdown and of HTML in it, without those that are shown as code."""
    words = re.sub(r"`[^`\n]*`", "`code`", prose(text))
    for mark, shown, target in re.findall(
        r"(!?)\[((?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*)\]\(\s*<?([^)\s>]+)>?[^)]*\)", words
    ):
        yield Link(shown, target, bool(mark))
        if not mark:
            yield from links(shown)
    for tag in re.findall(r"<img\b[^>]*>", words):
        named = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        yield Link(named.get("alt", ""), named.get("src", ""), picture=True)
    for target in re.findall(r'<a\b[^>]*\bhref="([^"]*)"', words):
        yield Link("", target, picture=False)
    for target in re.findall(r"^\[[^\]]+\]:\s*(\S+)", words, re.MULTILINE):
        yield Link("", target, picture=False)


def anchor(heading):
    """The anchor that a heading gets: lower case, spaces as hyphens, of the rest letters, digits and `_`."""
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return "".join(
        "-" if sign == " " else sign for sign in shown if sign in " -_" or unicodedata.category(sign)[0] in "LNM"
    )


def anchors(text):
    """All anchors of a document; a heading that is there again has `-1`, `-2` ... at its end."""
    found, seen = set(re.findall(r'\bid="([^"]+)"', text)), {}
    for heading in re.findall(r"^#{1,6} +(.+?)(?:\s+#+)?$", prose(text), re.MULTILINE):
        own = re.search(r"\{#([\w-]+)\}$", heading)
        name = own[1] if own else anchor(heading)
        count = seen.get(name, 0)
        seen[name] = count + 1
        found.add(f"{name}-{count}" if count else name)
    return found


def blocks(text):
    """The lines of the shell that a document gives in fenced blocks, comments and prompts taken off, lines joined."""
    for language, body in re.findall(r"^```[ \t]*(\w*)[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        lines = [re.sub(r"(^|\s)#\s.*$", "", line).strip() for line in body.replace("\\\n", " ").splitlines()]
        commands = [re.sub(r"\s+", " ", line.removeprefix("$ ")) for line in lines if line]
        if language in {"sh", "bash", "shell", "console"}:
            yield from commands
        elif not language:
            yield from (command for command in commands if command.split()[0] in PROGRAMS)


def inline(text):
    """Commands within sentences: code that begins with a program of ours."""
    found = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", re.sub(r"(?<=\S)\n(?=\S)", " ", prose(text)))
    return [code for code in found if re.match(rf"({'|'.join(PROGRAMS)}) \S", code)]
