"""The review page in a real browser: keys, dates, drawing, two windows, a killed server, the adjudicator."""

import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from rasterio.features import rasterize
from room_maker import Campaign

from slumpmap.review.decisions import read_decisions
from slumpmap.review.outcome import make_outcome
from slumpmap.vector import read_layer, write_layer
from slumpmap.yearly import Yearly, write_yearly

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: apt install chromium)"),
]
PLACES = [(150 + 200 * (n % 6), 150 + 220 * (n // 6)) for n in range(12)]
SECONDS = 30_000


class Server:
    """`slumpmap review` in a process of its own."""

    def __init__(self, campaign, reviewer):
        command = [sys.executable, "-m", "slumpmap", "review", "--campaign", str(campaign.path), "--no-browser"]
        self.process = subprocess.Popen(
            [*command, "--iteration", "1", "--reviewer", reviewer], stdout=subprocess.PIPE, text=True
        )
        lines = iter(self.process.stdout.readline, "")
        self.address = next(line.split()[-1] for line in lines if "http://127.0.0.1" in line)

    def kill(self):
        """As a power cut would end it."""
        self.process.kill()
        self.process.wait()

    def stop(self):
        """As Ctrl-C does; returns what it said."""
        self.process.send_signal(signal.SIGINT)
        said = self.process.communicate(timeout=60)[0]
        assert self.process.returncode == 0
        return said


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def campaign(tmp_path):
    made = Campaign(tmp_path, PLACES, repeat_share=0.0)
    made.render()
    return made


@pytest.fixture
def served(campaign):
    """Starts servers; what is still running in the end is killed."""
    started = []

    def start(reviewer="anna"):
        started.append(Server(campaign, reviewer))
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.process.wait()


def visit(browser, server, size=(1366, 768)):
    """A window on the page, with the first candidate shown; whatever the page complains of fails the test."""
    page = browser.new_context(viewport={"width": size[0], "height": size[1]}).new_page()
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda line: page.complaints.append(line.text) if line.type == "error" else None)
    page.on("request", lambda request: page.complaints.append(request.url) if "127.0.0.1" not in request.url else None)
    page.goto(server.address)
    page.get_by_test_id("area").wait_for(timeout=SECONDS)
    return page


def text(page, name):
    return page.get_by_test_id(name).inner_text()


def wait_until(condition, what):
    """Waits for a condition without asking the page to evaluate text, which its policy forbids."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def press(page, *keys):
    """Presses keys, each when the one before has been carried out."""
    for key in keys:
        place = text(page, "place")
        page.keyboard.press(key)
        if key in "ahmlx01234567":
            wait_until(lambda: text(page, "place") != place or page.get_by_test_id("message").count(), key)  # noqa: B023


def saved(page):
    wait_until(lambda: text(page, "saved") == "saved", "saved")


def decided(campaign, reviewer="anna"):
    layer = read_decisions(campaign.folder / f"decisions/01/{reviewer}.gpkg", campaign.candidates)
    return {name[-2:]: row for name, row in layer.iterrows()}


@pytest.fixture(autouse=True, scope="module")
def by_test_id():
    """The page names its parts by data-test."""
    if CHROMIUM:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as play:
            play.selectors.set_test_id_attribute("data-test")
    yield


def test_deciding_with_keys_only(browser, served, campaign):
    server = served()
    page = visit(browser, server)
    assert (text(page, "place"), text(page, "listed"), text(page, "decided")) == ("1", "12", "0")
    assert text(page, "frame").startswith("2019")
    assert page.get_by_test_id("score").count() == 0
    page.keyboard.press("q")
    page.keyboard.press("w")
    page.keyboard.press("e")
    press(page, "a")  # three criteria: medium
    press(page, "5")  # shadow
    page.keyboard.press("n")
    press(page, "x")
    press(page, "0")
    press(page, "l")
    press(page, ".")
    saved(page)
    assert (text(page, "place"), text(page, "decided"), text(page, "slumps")) == ("7", "6", "3")
    page.get_by_test_id("hand-in").click()
    wait_until(lambda: "5 decided, 1 unsure, 6 open" in text(page, "message"), "handed in")
    rows = decided(campaign)
    assert (rows["00"]["probability"], rows["00"]["headwall_arcuate"]) == ("medium", True)
    assert (rows["01"]["reason"], rows["02"]["use_as_negative"]) == ("shadow", True)
    assert rows["03"]["unsure"]
    assert [rows[name]["probability"] for name in ("04", "05")] == ["low", "low"]
    assert rows["00"]["seconds"] > 0
    assert page.complaints == []


def test_dates_play_blink_stand_side_by_side_and_give_way_to_the_relief(browser, served):
    page = visit(browser, served())
    page.keyboard.press("ArrowLeft")
    wait_until(lambda: text(page, "frame").startswith("2018"), "2018")
    assert "cloud" in text(page, "frame")
    page.keyboard.press("Space")
    seen = set()
    wait_until(lambda: seen.add(text(page, "frame")[:4]) or seen >= {"2017", "2018", "2019"}, "all years play")
    page.keyboard.press("Space")
    page.keyboard.press("s")
    assert page.get_by_test_id("frame-other").is_visible()
    page.keyboard.press("s")
    assert not page.get_by_test_id("frame-other").is_visible()
    page.keyboard.press("v")
    wait_until(lambda: "Relief" in text(page, "frame"), "relief")
    turned = page.get_by_test_id("uphill").get_attribute("transform")
    assert float(re.search(r"rotate\(([\d.]+)\)", turned)[1]) == pytest.approx(90, abs=0.5)
    assert page.complaints == []


def test_help_names_the_keys_and_takes_no_verdict(browser, served):
    page = visit(browser, served())
    page.keyboard.press("?")
    assert "reject: shadow" in text(page, "dialog")
    page.keyboard.press("x")
    page.keyboard.press("Escape")
    # The browser tells the page of it in its own time.
    wait_until(lambda: page.get_by_test_id("dialog").count() == 0, "closed")
    assert text(page, "decided") == "0"


def test_a_note_is_typed_without_setting_off_keys(browser, served, campaign):
    server = served()
    page = visit(browser, server)
    page.keyboard.press("/")
    page.keyboard.type("axe 123, Grüße")
    page.keyboard.press("Escape")
    assert (text(page, "place"), text(page, "decided")) == ("1", "0")
    press(page, "x")
    saved(page)
    server.stop()
    assert decided(campaign)["00"]["note"] == "axe 123, Grüße"


def test_what_is_being_written_survives_the_answers_of_the_server(browser, served):
    """The page is drawn anew while it plays, and when an answer comes: a note that is half written stays."""
    page = visit(browser, served())
    held = []
    page.route("**/decision", lambda route: route.continue_() if held else held.append(route))
    page.keyboard.press("Space")
    page.keyboard.press("q")
    page.keyboard.press("/")
    page.keyboard.type("half a no")
    wait_until(lambda: text(page, "saved") == "saving" and held, "the tick is on its way")
    held[0].continue_()
    saved(page)
    shown = text(page, "frame")
    wait_until(lambda: text(page, "frame") != shown, "it plays")
    page.keyboard.type("te")  # codespell:ignore te
    assert page.get_by_test_id("note").input_value() == "half a note"
    page.keyboard.press("Escape")
    saved(page)
    page.keyboard.press("u")
    wait_until(lambda: page.get_by_test_id("note").input_value() == "", "the note is taken back")


def test_a_reload_continues_where_the_reviewer_was(browser, served):
    page = visit(browser, served())
    press(page, "x", "x", "h")
    saved(page)
    page.reload()
    page.get_by_test_id("area").wait_for(timeout=SECONDS)
    assert (text(page, "place"), text(page, "decided")) == ("4", "3")
    assert page.get_by_test_id("taken").count() == 0


def test_undo_shows_the_candidate_again(browser, served):
    page = visit(browser, served())
    press(page, "x", "h")
    page.keyboard.press("u")
    wait_until(lambda: text(page, "place") == "2" and text(page, "verdict") == "open", "taken back")
    page.keyboard.press("u")
    wait_until(lambda: text(page, "place") == "1" and text(page, "verdict") == "open", "taken back")
    assert text(page, "decided") == "0"


def test_filter_order_and_jump(browser, served):
    page = visit(browser, served())
    press(page, "x", "h")
    page.get_by_test_id("filter").select_option("slump")
    wait_until(lambda: text(page, "listed") in ("1", "2"), "slumps only, and the one on the desk")
    page.get_by_test_id("filter").select_option("all")
    page.keyboard.press("j")
    page.get_by_test_id("jump").fill("9")
    page.keyboard.press("Enter")
    wait_until(lambda: text(page, "place") == "9", "jumped")
    page.keyboard.press("p")
    assert page.get_by_test_id("order").input_value() == "place"


def middle_of_the_view(page):
    box = page.locator(".view").first.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, box


def test_a_moved_corner_is_kept_through_a_reload(browser, served, campaign):
    """The candidate is a square of 60 m in the middle of a chip of 660 m, which is as wide as the view."""
    server = served()
    page = visit(browser, server)
    page.keyboard.press("g")
    wait_until(lambda: "0.360 ha" in text(page, "edited-area"), "the candidate's own area")
    x, y, box = middle_of_the_view(page)
    metres = 660 / box["width"]
    page.mouse.move(x + 30 / metres, y - 30 / metres)
    page.mouse.down()
    page.mouse.move(x + 45 / metres, y - 45 / metres, steps=5)
    page.mouse.move(x + 60 / metres, y - 60 / metres, steps=5)
    page.mouse.up()
    # 60 m square with one corner moved by (30, 30): 3600 + 2 * (60 * 30 / 2) square metres.
    wait_until(lambda: abs(float(text(page, "edited-area").split()[0]) - 0.54) < 0.03, text(page, "edited-area"))
    page.keyboard.press("u")
    wait_until(lambda: "0.360 ha" in text(page, "edited-area"), "one step back")
    page.mouse.move(x + 30 / metres, y - 30 / metres)
    page.mouse.down()
    page.mouse.move(x + 60 / metres, y - 60 / metres, steps=8)
    page.mouse.up()
    wait_until(lambda: abs(float(text(page, "edited-area").split()[0]) - 0.54) < 0.03, "moved again")
    page.keyboard.press("Enter")
    press(page, "h")
    saved(page)
    page.reload()
    page.get_by_test_id("area").wait_for(timeout=SECONDS)
    page.keyboard.press("ArrowUp")
    wait_until(lambda: text(page, "place") == "1", "back at the first")
    page.keyboard.press("g")
    wait_until(lambda: abs(float(text(page, "edited-area").split()[0]) - 0.54) < 0.03, "kept")
    page.keyboard.press("Escape")
    server.stop()
    outline = decided(campaign)["00"].geometry
    assert outline.area == pytest.approx(5400, rel=0.05)
    corner = campaign.candidates.geometry[0].bounds
    assert outline.bounds == pytest.approx((corner[0], corner[1], corner[2] + 30, corner[3] + 30), abs=4)
    assert page.complaints == []


def test_a_boundary_that_crosses_itself_is_not_kept_until_it_is_repaired(browser, served):
    page = visit(browser, served())
    page.keyboard.press("g")
    wait_until(lambda: "0.360 ha" in text(page, "edited-area"), "editing")
    page.keyboard.press("r")
    x, y, _ = middle_of_the_view(page)
    for across, down in ((-60, -60), (60, 60), (60, -60)):
        page.mouse.click(x + across, y + down)
    page.mouse.dblclick(x - 60, y + 60)
    page.get_by_test_id("invalid").wait_for(timeout=SECONDS)
    page.keyboard.press("Enter")
    assert "cannot be kept" in text(page, "message")
    page.keyboard.press("f")
    wait_until(lambda: page.get_by_test_id("invalid").count() == 0, "repaired")
    page.keyboard.press("Enter")
    assert page.get_by_test_id("edited-area").count() == 0


def test_a_freehand_headwall(browser, served, campaign):
    server = served()
    page = visit(browser, server)
    page.keyboard.press("d")
    wait_until(lambda: "chosen" in (page.get_by_test_id("tool-headwall").get_attribute("class") or ""), "the tool")
    x, y, _ = middle_of_the_view(page)
    page.mouse.move(x - 40, y - 50)
    page.mouse.down()
    page.mouse.move(x, y - 60, steps=8)
    page.mouse.move(x + 40, y - 50, steps=8)
    page.mouse.up()
    page.keyboard.press("Enter")
    press(page, "h")
    saved(page)
    server.stop()
    assert decided(campaign)["00"]["headwall"].startswith("LINESTRING")


def test_a_second_window_only_shows_until_it_takes_over(browser, served):
    server = served()
    first, second = visit(browser, server), visit(browser, server)
    assert "Another window" in text(second, "taken")
    second.keyboard.press("x")
    assert text(second, "decided") == "0"
    press(first, "x")
    saved(first)
    second.get_by_test_id("take-over").click()
    wait_until(lambda: second.get_by_test_id("taken").count() == 0, "taken over")
    first.keyboard.press("h")
    first.get_by_test_id("taken").wait_for(timeout=SECONDS)
    # What the first wanted to say is not lost: it takes over again and goes on.
    first.get_by_test_id("take-over").click()
    saved(first)
    assert text(first, "decided") == "2"


def test_a_candidate_changed_elsewhere_is_shown_as_it_is_now(browser, served):
    server = served()
    first, second = visit(browser, server), visit(browser, server)
    second.get_by_test_id("take-over").click()
    wait_until(lambda: second.get_by_test_id("taken").count() == 0, "taken over")
    press(second, "x")
    saved(second)
    first.keyboard.press("h")
    first.get_by_test_id("take-over").click()
    first.get_by_test_id("message").wait_for(timeout=SECONDS)
    assert "changed elsewhere" in text(first, "message")
    assert (text(first, "place"), text(first, "verdict")) == ("1", "reject")


def test_a_killed_server_is_noticed_and_the_same_page_goes_on(browser, served, campaign):
    server = served()
    page = visit(browser, server)
    press(page, "x", "x")
    saved(page)
    server.kill()
    page.keyboard.press("h")
    wait_until(lambda: "not saved" in text(page, "saved"), "noticed")
    assert "not saved yet" in text(page, "message")
    again = served()
    assert again.address == server.address
    saved(page)
    press(page, "x")
    saved(page)
    said = again.stop()
    assert "4 decided, 0 unsure, 8 open" in said
    assert [row["probability"] for name, row in sorted(decided(campaign).items())][2] == "high"


def test_reviewer_two_then_the_adjudicator(browser, served, campaign):
    anna, ben = served("anna"), served("ben")
    first, second = visit(browser, anna), visit(browser, ben)
    assert text(second, "decided") == "0"
    for page, keys in ((first, "hhxxxxxxxxxx"), (second, "hxxxxxxxxx0x")):
        press(page, *keys)
        saved(page)
    anna.stop()
    ben.stop()
    folder, decisions = campaign.iteration, campaign.folder / "decisions/01"
    write_layer(campaign.candidates.iloc[:0], folder / "labels/negatives.gpkg")
    files = {name: decisions / f"{name}.gpkg" for name in ("anna", "ben")}

    def count(final):
        labels = folder / "labels"
        make_outcome(
            folder / "candidates/candidates.gpkg",
            labels / "positives.gpkg",
            labels / "negatives.gpkg",
            None,
            files,
            ("chen", final),
            1,
            "first",
            folder / "outcome",
        )
        return read_layer(folder / "outcome/verdicts.gpkg", "verdicts").set_index("candidate_id")

    count(None)
    chen = served("chen")
    page = visit(browser, chen)
    assert (text(page, "listed"), page.get_by_test_id("opinion").count()) == ("2", 2)
    assert "anna slump" in text(page, "opinions")
    page.keyboard.press("Shift+A")
    wait_until(lambda: text(page, "place") == "2", "next")
    page.keyboard.press("0")
    assert text(page, "decided") == "1"  # an adjudicator has no key for unsure
    press(page, "3")
    saved(page)
    chen.stop()
    verdicts = count(decisions / "chen.gpkg")
    assert len(verdicts) == 12
    settled = verdicts[verdicts["settled_by"] == "chen"]["is_slump"]
    assert settled.to_dict() == {"01-c0001": True, "01-c0010": False}


def test_a_decision_file_opens_where_the_page_left_it(browser, served, campaign):
    """Handed in when the server ends, taken in when it starts: QGIS may change it in between."""
    server = served()
    page = visit(browser, server)
    press(page, "x")
    saved(page)
    server.stop()
    path = campaign.folder / "decisions/01/anna.gpkg"
    layer = read_layer(path, "decisions")
    layer["is_slump"], layer["probability"] = [True] + [None] * 11, ["low"] + [None] * 11
    write_layer(layer, path)
    page = visit(browser, served())
    wait_until(lambda: text(page, "slumps") == "1", "taken over from QGIS")


def area_of(page):
    return float(text(page, "edited-area").split()[0])


def test_what_is_ticked_and_drawn_before_the_verdict_is_saved_at_once(browser, served):
    page = visit(browser, served())
    page.keyboard.press("q")
    page.keyboard.press("i")
    page.keyboard.press("g")
    wait_until(lambda: area_of(page) == 0.36, "editing")
    page.keyboard.press("n")
    page.keyboard.press("Shift+ArrowRight")
    wait_until(lambda: area_of(page) != 0.36, "a corner moved by a key")
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    wait_until(lambda: text(page, "place") == "2", "on")
    saved(page)
    page.reload()
    page.get_by_test_id("area").wait_for(timeout=SECONDS)
    assert (text(page, "place"), text(page, "verdict"), text(page, "decided")) == ("1", "open", "0")
    assert page.get_by_test_id("criterion-1").get_attribute("aria-pressed") == "true"
    assert page.get_by_test_id("initiation").input_value() == "before 2017"
    assert "drawn" in text(page, "legend")
    page.keyboard.press("u")
    wait_until(lambda: "drawn" not in text(page, "legend"), "the drawing is taken back")
    page.keyboard.press("u")
    wait_until(lambda: page.get_by_test_id("initiation").input_value() == "", "then the initiation")


def test_a_key_that_is_held_down_judges_one_candidate(browser, served):
    page = visit(browser, served())
    page.keyboard.down("x")
    wait_until(lambda: text(page, "place") == "2", "next")
    for _ in range(5):
        page.keyboard.down("x")
        page.wait_for_timeout(60)
    page.keyboard.up("x")
    assert (text(page, "place"), text(page, "decided")) == ("2", "1")


def test_a_key_belongs_to_the_button_that_has_the_focus(browser, served):
    """Who works without a mouse reaches a button with Tab: Enter presses it, and decides nothing."""
    page = visit(browser, served())
    page.get_by_test_id("help").focus()
    page.keyboard.press("Enter")
    page.get_by_test_id("dialog").wait_for(timeout=SECONDS)
    page.keyboard.press("Escape")
    wait_until(lambda: page.get_by_test_id("dialog").count() == 0, "closed")
    # A click does not leave the focus behind, which would make the button's own of the next Enter.
    page.get_by_test_id("play").click()
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    wait_until(lambda: text(page, "place") == "2", "the key is the page's")
    assert text(page, "slumps") == "1"


def test_capitals_by_caps_lock_are_the_same_keys(browser, served):
    page = visit(browser, served())
    page.locator("body").dispatch_event("keydown", {"key": "X", "code": "KeyX", "bubbles": True})
    wait_until(lambda: text(page, "place") == "2", "rejected")


def test_keys_of_the_browser_judge_nothing(browser, served):
    """Ctrl, Alt and Meta with a digit change tabs."""
    page = visit(browser, served())
    for modifier in ("ctrlKey", "altKey", "metaKey"):
        for key, code in (("1", "Digit1"), ("x", "KeyX"), ("h", "KeyH")):
            event = {"key": key, "code": code, "bubbles": True, modifier: True}
            page.locator("body").dispatch_event("keydown", event)
    assert (text(page, "place"), text(page, "decided")) == ("1", "0")


def test_growth_of_the_slump_decided_just_before_is_shown_and_confirmed(browser, served, campaign):
    """Nothing is there in 2017; all of it from 2018 on."""
    grid, outline = campaign.grid, campaign.candidates.geometry[0]
    window = grid.window_of(outline.buffer(60).bounds)
    seen = rasterize([(outline, 1)], (window.height, window.width), transform=grid.window_transform(window))
    values = np.stack([np.full(seen.shape, 12), np.where(seen, 230, 12), np.where(seen, 230, 12)]).astype(np.uint8)
    place = Yearly.on(grid, window, (2017, 2018, 2019), 2019, values)
    write_yearly(campaign.iteration / "review/yearly/x000_y000.zip", [(campaign.candidates["id"][0], place)])
    page = visit(browser, served())
    press(page, "h")
    wait_until(lambda: page.get_by_test_id("measured-of").count() == 1, "measured")
    assert text(page, "measured-of") == "of 1, just decided"
    assert (text(page, "suggested"), text(page, "confirmed")) == ("2017-2018", "not yet")
    page.keyboard.press("y")
    wait_until(lambda: text(page, "confirmed") == "2017-2018", "confirmed")
    assert text(page, "place") == "2"
    saved(page)
    page.keyboard.press("ArrowUp")
    wait_until(lambda: text(page, "place") == "1", "back")
    assert page.get_by_test_id("initiation").input_value() == "2017-2018"
    press(page, "h")
    wait_until(lambda: page.get_by_test_id("measured-of").count() == 1, "measured again")
    press(page, "x")
    wait_until(lambda: page.get_by_test_id("measured").count() == 0, "until the next verdict")


def test_escape_gives_up_the_line_then_the_tool_then_the_drawing(browser, served):
    page = visit(browser, served())
    page.keyboard.press("g")
    wait_until(lambda: area_of(page) == 0.36, "editing")
    page.keyboard.press("n")
    page.keyboard.press("ArrowUp")
    wait_until(lambda: area_of(page) != 0.36, "moved")
    moved = area_of(page)
    page.keyboard.press("x")
    wait_until(lambda: page.get_by_test_id("tool-split").get_attribute("aria-pressed") == "true", "cutting")
    x, y, _ = middle_of_the_view(page)
    page.mouse.click(x - 90, y)
    page.mouse.move(x + 20, y, steps=3)
    # Nothing else can push what is being drawn off the desk.
    assert page.locator("button.place").is_disabled()
    for tool in ("tool-split", "tool-corners"):
        page.keyboard.press("Escape")
        wait_until(lambda: page.get_by_test_id(tool).get_attribute("aria-pressed") == "true", tool)  # noqa: B023
        assert area_of(page) == moved
    page.keyboard.press("Escape")
    wait_until(lambda: page.get_by_test_id("edited-area").count() == 0, "closed")
    assert "drawn" not in text(page, "legend")


def test_who_leaves_the_page_while_drawing_is_asked_first(browser, served):
    page = visit(browser, served())
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.keyboard.press("g")
    wait_until(lambda: area_of(page) == 0.36, "editing")
    page.close(run_before_unload=True)
    wait_until(lambda: area_of(page) == 0.36 and asked, "asked")
    assert asked == ["beforeunload"]


def test_images_are_looked_at_while_drawing(browser, served):
    """Keys of the images that the drawing does not need itself go on to work."""
    page = visit(browser, served())
    page.keyboard.press("g")
    wait_until(lambda: area_of(page) == 0.36, "editing")
    scale = page.locator(".ol-scale-line-inner").first
    before = scale.inner_text(), scale.bounding_box()["width"]
    page.keyboard.press("+")
    wait_until(lambda: (scale.inner_text(), scale.bounding_box()["width"]) != before, "zoomed")
    page.keyboard.press("v")
    wait_until(lambda: "Relief" in text(page, "frame"), "relief")
    page.keyboard.press("ArrowLeft")
    assert "Relief" in text(page, "frame")  # the arrows move a corner
    page.keyboard.press("?")
    assert "zoom in" in text(page, "dialog") and "next date" not in text(page, "dialog")


def test_a_piece_is_cut_off_and_dropped(browser, served, campaign):
    server = served()
    page = visit(browser, server)
    page.keyboard.press("g")
    wait_until(lambda: area_of(page) == 0.36, "editing")
    page.keyboard.press("x")
    wait_until(lambda: page.get_by_test_id("tool-split").get_attribute("aria-pressed") == "true", "cutting")
    x, y, _ = middle_of_the_view(page)
    page.mouse.click(x - 90, y)
    page.mouse.click(x + 90, y)
    page.keyboard.press("Enter")
    wait_until(lambda: not page.get_by_test_id("tool-drop").is_disabled(), "two pieces")
    page.keyboard.press("k")
    page.mouse.click(x, y - 25)
    wait_until(lambda: area_of(page) == pytest.approx(0.18, abs=0.01), "the northern half is gone")
    page.keyboard.press("u")
    wait_until(lambda: area_of(page) == pytest.approx(0.36, abs=0.01), "and back")
    page.keyboard.press("y")
    wait_until(lambda: area_of(page) == pytest.approx(0.18, abs=0.01), "and gone again")
    page.keyboard.press("Enter")
    press(page, "h")
    saved(page)
    server.stop()
    own, kept = campaign.candidates.geometry[0], decided(campaign)["00"].geometry
    assert kept.bounds[3] == pytest.approx((own.bounds[1] + own.bounds[3]) / 2, abs=2)
    assert kept.bounds[1] == pytest.approx(own.bounds[1], abs=0.01)


def test_a_cut_outlives_the_smoothing_that_was_asked_for_before_it(browser, served):
    """The smoothed boundary arrives after the line is drawn, before its pieces: it must not throw them away."""
    page = visit(browser, served())
    held = []

    def answer(route):
        asked = route.request.post_data_json["operation"]
        if asked == "simplify":
            held.append(route)
            return
        if asked == "split":
            held[0].fulfill(response=held[0].fetch())
        route.continue_()

    page.route("**/geometry", answer)
    page.keyboard.press("g")
    wait_until(lambda: area_of(page) == 0.36 and held, "editing, and smoothing is asked for")
    page.keyboard.press("x")
    wait_until(lambda: page.get_by_test_id("tool-split").get_attribute("aria-pressed") == "true", "cutting")
    x, y, _ = middle_of_the_view(page)
    page.mouse.click(x - 90, y)
    page.mouse.click(x + 90, y)
    page.keyboard.press("Enter")
    wait_until(lambda: not page.get_by_test_id("tool-drop").is_disabled(), "two pieces")


def test_a_cut_that_cuts_nothing_is_told_and_can_be_drawn_again(browser, served):
    page = visit(browser, served())
    page.keyboard.press("g")
    wait_until(lambda: area_of(page) == 0.36, "editing")
    page.keyboard.press("x")
    wait_until(lambda: page.get_by_test_id("tool-split").get_attribute("aria-pressed") == "true", "cutting")
    x, y, _ = middle_of_the_view(page)
    for left in (x, x - 90):
        page.mouse.click(left, y)
        page.mouse.click(x + 90, y)
        assert page.get_by_test_id("tool-split").get_attribute("aria-pressed") == "true"
        page.keyboard.press("Enter")
        if left == x:
            wait_until(lambda: page.get_by_test_id("edit-message").count() == 1, "told")
            assert "from one side to the other" in text(page, "edit-message")
    wait_until(lambda: not page.get_by_test_id("tool-drop").is_disabled(), "two pieces")
    assert page.get_by_test_id("tool-corners").get_attribute("aria-pressed") == "true"


def test_a_boundary_that_was_only_looked_at_stays_the_candidates_own(browser, served, campaign):
    server = served()
    page = visit(browser, server)
    page.keyboard.press("g")
    wait_until(lambda: area_of(page) == 0.36, "editing")
    page.keyboard.press("Enter")
    press(page, "h")
    saved(page)
    server.stop()
    assert decided(campaign)["00"].geometry.equals(campaign.candidates.geometry[0])


def test_a_fault_of_the_server_loses_nothing(browser, served):
    page = visit(browser, served())
    faults = []

    def fail(route):
        faults.append(route.request.post_data_json["act"])
        route.fulfill(status=500, body="Internal Server Error")

    page.route("**/decision", fail)
    press(page, "x")
    wait_until(lambda: "not saved" in text(page, "saved") and len(faults) >= 2, "tried again")
    page.keyboard.press("u")
    page.unroute("**/decision")
    wait_until(lambda: text(page, "saved") == "saved", "saved")
    wait_until(lambda: (text(page, "place"), text(page, "verdict")) == ("1", "open"), "the undo followed in its turn")
    assert len(set(faults)) == 1


def test_a_picture_that_cannot_be_loaded_is_named(browser, served):
    server = served()
    page = browser.new_context(viewport={"width": 1366, "height": 768}).new_page()
    page.route("**/chips/1/0.jpg", lambda route: route.abort())
    page.goto(server.address)
    page.get_by_test_id("area").wait_for(timeout=SECONDS)
    page.keyboard.press("ArrowRight")
    wait_until(lambda: "could not be loaded" in text(page, "frame"), "named")
    page.keyboard.press("ArrowRight")
    wait_until(lambda: "could not" not in text(page, "frame"), "the other dates are there")


def test_the_page_fits_both_screens_without_scrolling(browser, served):
    server = served()
    for size in ((1366, 768), (1920, 1080)):
        page = visit(browser, server, size)
        for name in ("hand-in", "edit", "note", "undo", "play"):
            box = page.get_by_test_id(name).bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= size[0], name
            assert box["y"] >= 0 and box["y"] + box["height"] <= size[1], name
        page.close()


def test_the_store_can_be_read_by_its_owner_only(served, campaign):
    served()
    assert (campaign.folder / "decisions/01/anna.sqlite").stat().st_mode & 0o077 == 0
