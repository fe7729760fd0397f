"""The site in a real browser, opened from disk: map, filters, list, sheet, links, hostile names, many slumps."""

import json
import shutil
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from site_maker import COMMENT, NASTY, Campaign

from slumpmap.site.ground import write_ground
from slumpmap.vector import write_layer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"),
]
SECONDS = 30_000
NAMES = [f"s{n:04d}" for n in range(10)]
# Ids that an address, a page or a file name could stumble over.
ODD = [NASTY, "/map 50%?&#Ä"]


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        play.selectors.set_test_id_attribute("data-test")
        opened = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A whole campaign's site, moved to another place, as one that was sent."""
    folder = tmp_path_factory.mktemp("made")
    campaign = Campaign(folder, ids=[*NAMES, *ODD])
    for number in (1, 2):
        campaign.outcome(number)
    campaign.benchmark("01/train", 90.0, 1000)
    own = campaign.results / "analysis" / "own"
    own.mkdir(parents=True)
    (own / "results.md").write_text(
        f"# What we found\n\nTwelve **slumps** {NASTY}\n\n{COMMENT}\n\n| a | b |\n|---|--:|\n| {NASTY} | 2 |\n\n"
        "[bad](javascript:alert(1)) ![bad](https://example.org/x.png)\n"
    )
    (own / "selection.csv").write_text("factor,ratio\n<b>x</b>,2\n")
    campaign.pictures()
    campaign.build()
    sent = tmp_path_factory.mktemp("sent") / "a report # 1"
    shutil.move(campaign.page.parent, sent)
    shutil.rmtree(folder)
    return sent


def opened(browser, folder, link="", size=(1366, 768)):
    """A window on the site; whatever it complains of, and every request that leaves the folder, is kept."""
    page = browser.new_context(viewport={"width": size[0], "height": size[1]}).new_page()
    page.set_default_timeout(SECONDS)
    page.complaints = []
    home = folder.as_uri()
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda line: page.complaints.append(line.text))
    page.on("requestfailed", lambda request: page.complaints.append(f"failed: {request.url}"))

    def seen(request):
        if not request.url.startswith((home, "data:")):
            page.complaints.append(f"left the folder: {request.url}")

    page.on("request", seen)
    page.goto(f"{home}/index.html{link}")
    page.locator("main").wait_for()
    return page


def drawn(page):
    page.locator("[data-drawn=yes]").wait_for()


def text(page, name):
    return page.get_by_test_id(name).inner_text()


def wait_until(condition, what):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def place_of(page, campaign_bounds, x, y):
    """Where on the screen a place of the map is, by the picture of the whole area."""
    west, south, east, north = campaign_bounds
    box = page.get_by_test_id("map").bounding_box()
    # The view was fitted to the bounds with 14 pixels on each side.
    scale = max((east - west) / (box["width"] - 28), (north - south) / (box["height"] - 28))
    centre = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    return centre[0] + (x - (west + east) / 2) / scale, centre[1] - (y - (south + north) / 2) / scale


def test_overview_opens_from_disk_with_the_key_numbers(browser, built):
    page = opened(browser, built)
    assert "12" in text(page, "keys") and "slumps" in text(page, "keys")
    assert page.title() == "toy: Overview"
    circles = page.locator(".minimap circle")
    assert circles.count() == 12
    page.get_by_test_id("minimap").click()
    drawn(page)
    assert page.complaints == []


def test_map_is_drawn_and_a_click_on_a_slump_opens_its_sheet(browser, built):
    page = opened(browser, built, "#/map")
    drawn(page)
    shot = page.get_by_test_id("map").screenshot()
    page.get_by_test_id("base-image").click()
    page.wait_for_timeout(300)
    assert page.get_by_test_id("map").screenshot() != shot
    ground = json.loads((built / "ground" / "ground.json").read_text())
    # The last slump of the first row, by its place in the maker: 120 m apart from the grid's corner.
    x, y = place_of(page, ground["bounds"], 500_000 + 4 * 120, 3_844_000 - 120)
    page.mouse.click(x, y)
    wait_until(lambda: page.get_by_test_id("sheet").count(), "sheet")
    assert text(page, "sheet-id") == "s0003"
    assert page.evaluate("location.hash") == "#s0003"
    assert page.locator(".list .chosen").inner_text().startswith("s0003")
    page.keyboard.press("Escape")
    wait_until(lambda: not page.get_by_test_id("sheet").count(), "closed")
    assert page.evaluate("location.hash") == "#/map"
    assert page.complaints == []


def test_filters_change_the_count_and_can_be_taken_back(browser, built):
    page = opened(browser, built, "#/map")
    assert text(page, "count") == "12"
    page.get_by_test_id("filters").click()
    page.get_by_test_id("filter-near_road-yes").check()
    assert text(page, "count") == "4"
    page.get_by_test_id("filter-probability-high").check()
    assert text(page, "count") == "1"
    page.get_by_test_id("filter-probability-not known").check()
    assert text(page, "count") == "3"
    # Numbers beside classes say what choosing them would show.
    assert page.locator("label", has=page.get_by_test_id("filter-probability-low")).inner_text().split() == ["low", "1"]
    page.get_by_test_id("reset").click()
    assert text(page, "count") == "12"
    page.get_by_test_id("filter-elevation_mean-low").fill("4503")
    page.get_by_test_id("filter-elevation_mean-high").fill("4505")
    assert text(page, "count") == "3"
    page.get_by_test_id("find").fill("s0004")
    assert text(page, "count") == "1"
    assert page.get_by_test_id("row").count() == 1
    page.get_by_test_id("find").fill("nowhere")
    assert text(page, "count") == "0" and page.get_by_test_id("row").count() == 0
    assert page.complaints == []


def test_list_sorts_and_keys_walk_it(browser, built):
    page = opened(browser, built, "#/map")
    first = page.get_by_test_id("row").first
    assert "map 50%" in first.inner_text()  # the largest comes first
    page.get_by_test_id("sort-area_ha").click()
    assert first.inner_text().startswith("s0000")
    page.get_by_test_id("list").focus()
    page.keyboard.press("ArrowDown")
    assert text(page, "sheet-id") == "s0000"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert text(page, "sheet-id") == "s0002"
    page.get_by_test_id("sort-probability").click()
    # high before low, unknown last; turned round, unknown is still last.
    assert page.get_by_test_id("row").first.inner_text().split()[2] == "high"
    page.get_by_test_id("sort-probability").click()
    assert page.get_by_test_id("row").first.inner_text().split()[2] == "low"
    assert page.get_by_test_id("row").last.inner_text().split()[-2] == "\u2013"
    page.get_by_test_id("wide").click()
    assert page.get_by_test_id("sort-road_distance_m").is_visible()
    assert page.complaints == []


def test_a_link_addresses_one_slump_and_its_years_play(browser, built):
    page = opened(browser, built, "#s0000")
    assert text(page, "sheet-id") == "s0000"
    assert text(page, "frame").strip() == "2019"
    page.get_by_test_id("year-2018").click()
    assert text(page, "frame").split() == ["2018", "no", "image"]
    page.get_by_test_id("play").click()
    wait_until(lambda: text(page, "frame").strip() == "2019", "plays")
    assert "Area" in text(page, "attributes") and "4,500 m" in text(page, "attributes")
    page.get_by_test_id("enlarge").click()
    assert page.locator("dialog .year").count() == 2
    page.keyboard.press("Escape")
    assert text(page, "sheet-id") == "s0000"
    page.evaluate("location.hash = '#s0007'")
    wait_until(lambda: text(page, "sheet-id") == "s0007", "followed")
    page.evaluate("location.hash = '#nobody'")
    wait_until(lambda: page.get_by_test_id("unknown").count(), "unknown")
    assert "nobody" in text(page, "unknown")
    assert page.complaints == []


@pytest.mark.parametrize("name", ODD)
def test_names_from_files_stay_text_wherever_they_are(browser, built, name):
    page = opened(browser, built, "#/map")
    page.get_by_test_id("find").fill(name)
    page.get_by_test_id("row").click()
    assert text(page, "sheet-id") == name
    link = page.get_by_test_id("sheet-link").get_attribute("href")
    page.get_by_test_id("wide").click()
    for place in ("overview", "iterations", "results", "cost", "provenance", "downloads"):
        page.get_by_test_id(f"nav-{place}").click()
        page.locator(".page").wait_for()
    again = opened(browser, built, link)
    assert text(again, "sheet-id") == name
    for one in (page, again):
        assert one.title() != "broken"
        assert one.locator("img[src=x]").count() == 0
        assert one.complaints == []


def test_results_are_rendered_and_lead_nowhere(browser, built):
    page = opened(browser, built, "#/results")
    prose = page.locator(".prose")
    assert prose.locator("h3").inner_text() == "What we found"
    assert prose.locator("strong").inner_text() == "slumps"
    assert NASTY in prose.inner_text() and COMMENT in prose.inner_text()
    assert prose.locator("img, script, a").count() == 0
    assert prose.locator("td.right").inner_text() == "2"
    page.locator("details.table summary").click()
    assert page.locator("details.table td").first.inner_text() == "<b>x</b>"
    assert page.complaints == []


def test_every_page_shows_and_every_file_it_names_is_there(browser, built):
    page = opened(browser, built)
    found = set()
    for place in ("overview", "map", "iterations", "results", "cost", "provenance", "downloads"):
        page.get_by_test_id(f"nav-{place}").click()
        page.locator("main h1:visible, [data-test=map]:visible").first.wait_for()
        found |= set(page.locator("main a[href]:not([href^='#'])").evaluate_all("all => all.map(one => one.href)"))
    assert any(address.endswith("inventory.gpkg") for address in found)
    assert all(Path(unquote(urlsplit(address).path)).is_file() for address in found)
    page.get_by_test_id("nav-cost").click()
    assert "180" in text(page, "cost") and "1.5 min" in text(page, "cost")
    page.get_by_test_id("nav-provenance").click()
    page.get_by_test_id("every-key").check()
    assert "inventory.near_road_m" in text(page, "config")
    assert page.complaints == []


def test_a_site_with_nothing_but_an_inventory_says_what_is_missing(browser, tmp_path):
    campaign = Campaign(tmp_path)
    campaign.build()
    page = opened(browser, campaign.page.parent)
    page.get_by_test_id("absent").locator("summary").click()
    assert "the slumps' images" in text(page, "absent")
    for place in ("iterations", "results", "cost", "provenance", "downloads", "map"):
        page.get_by_test_id(f"nav-{place}").click()
        page.locator("main h1:visible, [data-test=map]:visible").first.wait_for()
    drawn(page)
    page.get_by_test_id("row").first.click()
    assert "no images of this slump" in text(page, "sheet")
    assert page.complaints == []


def test_an_inventory_without_slumps_still_opens(browser, tmp_path):
    campaign = Campaign(tmp_path)
    write_layer(campaign.inventory.iloc[:0], campaign.results / "inventory" / "inventory.gpkg")
    campaign.pictures()
    campaign.build()
    page = opened(browser, campaign.page.parent)
    page.get_by_test_id("nav-map").click()
    drawn(page)
    page.get_by_test_id("filters").click()
    assert text(page, "count") == "0"
    assert page.complaints == []


def test_a_phone_shows_map_list_and_sheet(browser, built):
    page = opened(browser, built, "#/map", size=(390, 844))
    drawn(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_test_id("row").first.click()
    box = page.get_by_test_id("sheet").bounding_box()
    assert box["width"] == pytest.approx(390, abs=1)
    page.get_by_test_id("close").click()
    assert page.get_by_test_id("map").is_visible()
    for place in ("overview", "cost", "provenance"):
        page.get_by_test_id(f"nav-{place}").click()
        page.locator("main h1").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.complaints == []


def test_two_thousand_slumps_stay_smooth(browser, tmp_path):
    campaign = Campaign(tmp_path, count=2000, tiles=(4, 4))
    # The relief alone: two thousand sheets are drawn one at a time in any case.
    write_ground(campaign.grid, tmp_path / "dem.tif", None, None, None, 1024, campaign.page.parent / "ground")
    campaign.build()
    page = opened(browser, campaign.page.parent, "#/map")
    drawn(page)
    ready = page.evaluate("performance.getEntriesByName('map-drawn')[0].startTime")
    assert page.get_by_test_id("row").count() < 80
    page.get_by_test_id("filters").click()
    slowest = page.evaluate(
        """async () => {
          const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
          const input = document.querySelector('[data-test=filter-elevation_mean-low]');
          const times = [];
          for (const value of [4600, 5000, 5500, 6000, 6400]) {
            const start = performance.now();
            input.value = value;
            input.dispatchEvent(new Event('input', { bubbles: true }));
            await frame();
            times.push(performance.now() - start);
          }
          const list = document.querySelector('[data-test=list]');
          for (let top = 0; top < 3000; top += 300) {
            const start = performance.now();
            list.scrollTop = top;
            await frame();
            times.push(performance.now() - start);
          }
          return Math.max(...times);
        }"""
    )
    print(f"map of 2,000 slumps drawn after {ready:.0f} ms; slowest filter or scroll {slowest:.0f} ms")
    assert text(page, "count") == "100"
    # Generous: a loaded machine without a graphics card.
    assert ready < 8000 and slowest < 1000
    assert page.complaints == []
