"""The committed bundle of the review page is that of its sources."""

import hashlib
import json
import re
from pathlib import Path

REVIEW = Path(__file__).parents[2] / "src" / "slumpmap" / "review"
PAGE, STATIC = REVIEW / "page", REVIEW / "static"


def hash_of_sources():
    """As build.mjs takes it."""
    names = [
        "build.mjs",
        "index.html",
        "package-lock.json",
        *sorted(f"src/{file.name}" for file in (PAGE / "src").iterdir()),
    ]
    digest = hashlib.sha256()
    for name in names:
        digest.update(f"{name}\n".encode())
        digest.update((PAGE / name).read_bytes())
    return digest.hexdigest()


def test_the_bundle_is_made_of_the_present_sources():
    for name in ("app.js", "app.css"):
        made_of = re.match(r"/\* made by build\.mjs from sources (\w+) \*/", (STATIC / name).read_text())
        assert made_of[1] == hash_of_sources(), "run `make page`"
    assert (STATIC / "index.html").read_bytes() == (PAGE / "index.html").read_bytes()


def test_every_package_is_pinned_and_its_licence_is_shipped():
    package = json.loads((PAGE / "package.json").read_text())
    every = package["dependencies"] | package["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in every.values())
    licences = (STATIC / "THIRD_PARTY.txt").read_text()
    for name in package["dependencies"]:
        assert f"{name} {package['dependencies'][name]} (" in licences
    assert "GPL" not in licences


def test_the_bundle_loads_nothing_from_elsewhere():
    """No address of the internet is fetched: those in the bundle are names of licences, namespaces and projections."""
    text = (STATIC / "app.js").read_text() + (STATIC / "app.css").read_text() + (STATIC / "index.html").read_text()
    hosts = set(re.findall(r"https?://([\w.-]+)", text))
    assert hosts <= {"www.w3.org", "www.opengis.net", "openlayers.org", "www.openstreetmap.org"}, hosts
    assert "eval(" not in text
