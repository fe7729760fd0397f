"""The documentation site: built strictly, within the screen of a phone, without the network."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def test_made_pages_hold_what_the_program_says(site):
    commands = (site / "reference" / "cli.html").read_text()
    assert "slumpmap terrain pisr" in commands
    assert "--latitude" in commands or "--dem" in commands
    assert "rejected_share" in (site / "reference" / "configuration.html").read_text()
    assert "Difficulty of the corridor" in (site / "validation.html").read_text()


def test_no_page_loads_anything_from_elsewhere(site):
    for page in site.rglob("*.html"):
        tags = re.findall(r"<(?:script|img|link|iframe)\b[^>]*>", page.read_text())
        loaded = [tag for tag in tags if re.search(r"(?:src|href)=\"?(?:https?:)?//", tag) and "canonical" not in tag]
        assert not loaded, page


def test_every_image_has_a_description():
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for alternative, target in re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", page.read_text()):
            assert len(alternative) > 10, f"{page.name}: {target}"
            assert target.startswith("https:") or (page.parent / target).is_file(), f"{page.name}: {target}"


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)")
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_the_screen_and_ask_the_network_for_nothing(site, width):
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 844})
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        for path in sorted(site.rglob("*.html")):
            page.goto(path.as_uri())
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{path.relative_to(site)}: {wide} px"
        browser.close()
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
