"""The committed bundles of the review page and of the report's page are those of their sources."""

import hashlib
import json
import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "slumpmap"
# The review page pins the packages for both.
PACKAGES = SOURCE / "review" / "page"
PAGES = [SOURCE / room / "page" for room in ("review", "site")]

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.parent.name)


def static(page):
    return page.parent / "static"


def hash_of_sources(page):
    """As bundle.mjs takes it."""
    files = [(name, PACKAGES / name) for name in ("bundle.mjs", "package-lock.json")]
    own = ["build.mjs", "index.html", *sorted(f"src/{file.name}" for file in (page / "src").iterdir())]
    digest = hashlib.sha256()
    for name, path in [*files, *((name, page / name) for name in own)]:
        digest.update(f"{name}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


@every_page
def test_the_bundle_is_made_of_the_present_sources(page):
    for name in ("app.js", "app.css"):
        made_of = re.match(r"/\* made by build\.mjs from sources (\w+) \*/", (static(page) / name).read_text())
        assert made_of[1] == hash_of_sources(page), "run `make page`"
    assert (static(page) / "index.html").read_bytes() == (page / "index.html").read_bytes()


@every_page
def test_every_package_is_pinned_and_its_licence_is_shipped(page):
    package = json.loads((PACKAGES / "package.json").read_text())
    every = package["dependencies"] | package["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in every.values())
    licences = (static(page) / "THIRD_PARTY.txt").read_text()
    for name in package["dependencies"]:
        assert f"{name} {package['dependencies'][name]} (" in licences
    assert "GPL" not in licences


@every_page
def test_the_bundle_loads_nothing_from_elsewhere(page):
    """No address of the internet is fetched: those in the bundle are names of licences, namespaces and projections."""
    text = "".join((static(page) / name).read_text() for name in ("app.js", "app.css", "index.html"))
    hosts = set(re.findall(r"https?://([\w.-]+)", text))
    assert hosts <= {"www.w3.org", "www.opengis.net", "openlayers.org", "www.openstreetmap.org"}, hosts
    assert "eval(" not in text
