"""Links of the documents lead somewhere, and pictures say what they show."""

import re
from urllib.parse import unquote, urlsplit

import pytest
from documents import ROOT, Link, anchor, anchors, links, made_pages, pages

PLACEHOLDERS = re.compile(r"example\.(com|org|net)|localhost|127\.0\.0\.1|your-|<[a-z]+>|OWNER|TODO|xxx", re.IGNORECASE)
OUTSIDE = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)
# Pages that the site makes from files elsewhere.
MADE = {ROOT / "docs" / page: ROOT / source for source, page in made_pages().items()}


def faults(page, text):
    """What is wrong with the links of a page, in words."""
    for link in links(text):
        if OUTSIDE.match(link.target):
            if urlsplit(link.target).scheme != "https" or PLACEHOLDERS.search(link.target):
                yield f"{link.target}: no address of the web that can be meant"
            continue
        path, _, fragment = link.target.partition("#")
        target = (page.parent / unquote(path)).resolve() if path else page
        target = MADE.get(target, target)
        if not target.is_relative_to(ROOT):
            yield f"{link.target}: outside the repository"
        elif not target.exists():
            yield f"{link.target}: no such file"
        elif fragment and target.suffix == ".md" and fragment not in anchors(target.read_text()):
            yield f"{link.target}: no such heading"
        if link.picture and (len(link.text.split()) < 5 or re.search(r"\.(png|jpg|svg|webp)", link.text)):
            yield f"{link.target}: the alt text {link.text!r} does not say what the picture shows"


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert list(faults(page, page.read_text())) == []


def test_there_are_pages_links_and_pictures_to_look_at():
    found = [link for page in pages() for link in links(page.read_text())]
    assert len(pages()) > 15
    assert len(found) > 30
    assert sum(link.picture for link in found) >= 3


@pytest.mark.parametrize(
    "text",
    [
        "[page](docs/none.md)",
        "[heading](README.md#none)",
        "[here](#none)",
        "[outside](../elsewhere.md)",
        "[plain](http://doi.org/10.5194/essd)",
        "[later](https://example.org/)",
        "[later](https://github.com/OWNER/slumpmap)",
        "![picture](docs/images/review_page.png)",
        "![](docs/images/review_page.png)",
        "![a map of the slumps in review_page.png](docs/images/review_page.png)",
        "![a map of the slumps found](docs/images/none.png)",
        '<img src="docs/images/review_page.png">',
        '<a href="docs/none.md">page</a>',
        "[![picture](docs/images/review_page.png)](README.md)",
        "[page]\n\n[page]: docs/none.md",
    ],
)
def test_a_fault_is_found(text):
    assert len(list(faults(ROOT / "README.md", text))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "[page](docs/review.md) and [its heading](README.md#quick-start)",
        "[here](#notes)",
        "[paper](https://doi.org/10.5194/essd-14-3875-2022)",
        "![the page on which people review slumps](docs/images/review_page.png)",
        "`[code](none.md)`",
        "```\n[code](none.md)\n```",
    ],
)
def test_a_good_link_is_none(text):
    page = ROOT / "README.md"
    assert list(faults(page, text)) == []


def test_picture_within_a_link_is_seen_as_both():
    found = list(links("[![the map of the slumps found](map.png)](report.md)"))
    assert [(link.target, link.picture) for link in found] == [("report.md", False), ("map.png", True)]
    assert found[1] == Link("the map of the slumps found", "map.png", True)


@pytest.mark.parametrize(
    ("heading", "name"),
    [
        ("Quick start", "quick-start"),
        ("What is `TPI`, and why?", "what-is-tpi-and-why"),
        ("Slope & aspect", "slope--aspect"),
        ("The [paper](https://doi.org/x)", "the-paper"),
    ],
)
def test_anchor_of_a_heading(heading, name):
    assert anchor(heading) == name


def test_headings_of_one_name_are_counted():
    assert anchors("# Data\n\n## Data\n\n```\n# no heading\n```\n") == {"data", "data-1"}
