"""The player of the page, on recordings that are generated."""

import contextlib
import csv
import json
import re
import shutil
import zipfile

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from benchmarks.page import HEIGHT, WIDTH, served, write_recording
from videos.analysis import EDITS, TABLE, read_table
from videos.edits import from_json
from videos.table import EXPRESSIONS
from waiting import wait_until

OPEN = """async address => {
    document.getElementById("tab-files").click();
    const card = Object.assign(document.createElement("article"), { className: "upload" }); // as the lists have them
    document.getElementById("uploads").append(card);
    await (await import("/static/player.js")).showVideo(card, address);
}"""
# What player_data.js makes of a recording with some edits: the person of each row, people, and person 1's curves.
READ = """async ([address, edits, columns]) => {
    const { Recording } = await import("/static/player_data.js");
    const recording = new Recording(await (await fetch(`${address}/faces.bin`)).arrayBuffer());
    recording.apply(edits);
    const { person, people } = recording;
    const curves = recording.curves(people.find(({ number }) => number === 1), columns);
    return { person: [...person], people: people.map(({ number }) => number), curves };
}"""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """The address of a page that has recordings, and their folder; those here are not to be changed."""
    folder = tmp_path_factory.mktemp("recordings")
    write_recording(folder / "few", 6, 3)
    write_recording(folder / "many", 6, 13)
    write_recording(folder / "without", 6, 2, with_video=False)
    with served(folder) as address:
        yield address, folder


@pytest.fixture
def open_player(chromium, recordings, tmp_path):
    """A function that opens a copy of a recording. Returns the page and the copy's folder."""
    address, folder = recordings
    pages, complaints = [], []

    def start(name, size=(1280, 800), **options):
        copy = folder / f"{tmp_path.name}-{len(pages)}"
        shutil.copytree(folder / name, copy)
        page = chromium.new_page(viewport={"width": size[0], "height": size[1]}, **options)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        pages.append(page)
        page.goto(address, wait_until="domcontentloaded")
        page.wait_for_function("() => !document.getElementById('tab-live').disabled")
        page.evaluate(OPEN, f"recordings/{copy.name}")
        return page, copy

    yield start
    for page in pages:
        page.close()
    assert complaints == []


def edits_of(folder):
    with contextlib.suppress(FileNotFoundError):
        return json.loads((folder / EDITS).read_text())
    return {}


def position(page):
    """Seconds at which the player is."""
    return float(page.locator(".position").inner_text().partition(" ")[0].partition(":")[2])


def wait_for_position(page, seconds):
    wait_until(lambda: abs(position(page) - seconds) < 0.006)


def place_at(page, seconds, of=6):
    """Where a moment lies on the time axis, in pixels of the page."""
    page.locator(".axis").scroll_into_view_if_needed()
    box = page.locator(".over").bounding_box()
    return box["x"] + box["width"] * seconds / of, box["y"] + 40


def drag(page, begin, end):
    page.mouse.move(*place_at(page, begin))
    page.mouse.down()
    page.mouse.move(*place_at(page, end), steps=3)
    page.mouse.up()


def table_of(page):
    """The rows of the table that is downloaded."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Table", exact=True).click()
    with open(download.value.path(), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_people_and_curves_are_those_of_the_table(open_player, recordings):
    page, folder = open_player("few")
    edits = {"merged": {"3": 1}, "left_out": [2]}
    address = f"/recordings/{folder.name}"
    whole, _ = read_table(folder / TABLE)
    found = from_json(edits).apply(whole)
    read = page.evaluate(READ, [address, edits, 1000])
    assert [number for number in read["person"] if number] == found.numbers.tolist()
    assert read["people"] == [1, 2]
    own = found.of(found.numbers == 1)
    times, *curves = read["curves"]
    rows = np.searchsorted(times, own.times)
    for index in range(7):
        drawn = [np.nan if curves[index][row] is None else curves[index][row] for row in rows]
        expected = np.where(own.turned_away, np.nan, own.smoothed[:, index])
        assert np.allclose(drawn, expected, atol=5e-5, equal_nan=True)
    _, *curves = page.evaluate(READ, [address, edits, 10])["curves"]
    own = own.classified()
    columns = (own.times / 6 * 10).astype(int)
    for column, drawn in enumerate(zip(*curves)):
        there = own.smoothed[columns == column]
        assert (drawn[0] is not None) == bool(len(there))
        assert not len(there) or np.allclose(drawn, there.mean(axis=0), atol=1e-4)


def test_the_read_out_says_what_the_table_does(open_player):
    page, folder = open_player("few")
    with open(folder / TABLE, newline="", encoding="utf-8") as file:
        rows = {(float(row["time"]), row["face"]): row for row in csv.DictReader(file)}
    page.locator(".whose").select_option("2")
    times = [time for (time, face), row in rows.items() if face == "2" and row["label"]]
    for time in times[10::40]:
        page.mouse.move(*place_at(page, time + 0.01))
        page.locator(".read-at").get_by_text(f"0:0{time:.2f}").wait_for()
        row = rows[time, "2"]
        values = page.locator(".readout .value").all_inner_texts()
        assert values == [f"{100 * float(row[f'{name}_smooth']):.2f}\u00a0%" for name in EXPRESSIONS]


def test_keys_and_dragging_move_through_the_recording(open_player):
    page, _ = open_player("few")
    video = page.locator(".player video")
    for key, seconds in [
        ("ArrowRight", 1),
        (".", 1 + 1 / 30),
        ("Shift+ArrowRight", 1 + 11 / 30),
        (",", 1 + 10 / 30),
        ("Shift+ArrowLeft", 1),
        ("End", 6 - 1 / 30),
        ("ArrowLeft", 5 - 1 / 30),
        ("Home", 0),
    ]:
        page.keyboard.press(key)
        wait_for_position(page, seconds)
    wait_until(lambda: video.evaluate("video => video.currentTime") < 0.1)
    drag(page, 1, 4)
    wait_until(lambda: abs(position(page) - 4) < 0.05)
    wait_until(lambda: abs(video.evaluate("video => video.currentTime") - 4) < 0.1)
    assert float(page.get_by_role("slider").get_attribute("aria-valuenow")) == pytest.approx(4, abs=0.1)
    page.get_by_label("Speed").select_option("4")
    page.get_by_label("Speed").focus()
    page.keyboard.press("?")
    assert page.get_by_role("dialog").count() == 0
    page.get_by_role("slider").focus()
    page.keyboard.press(" ")
    page.get_by_role("button", name="Pause").wait_for()
    wait_until(lambda: video.evaluate("video => video.ended"))
    page.keyboard.press("?")
    page.get_by_role("dialog").get_by_text("Ten frames back, forward").wait_for()
    page.keyboard.press("Escape")


def test_markers_and_spans_are_in_the_edits_and_the_table(open_player):
    page, folder = open_player("few")
    page.keyboard.press("ArrowRight")
    wait_for_position(page, 1)
    page.keyboard.press("m")
    page.keyboard.type("m, laughs?")  # no key of these is one of the player's
    page.keyboard.press("Enter")
    page.keyboard.down("Shift")
    drag(page, 2, 3)
    page.keyboard.up("Shift")
    page.get_by_role("button", name="Leave out from here").click()
    page.keyboard.press("Shift+ArrowLeft")
    wait_for_position(page, 2 / 3)
    page.get_by_role("button", name="to here").click()
    wait_until(lambda: len(edits_of(folder).get("excluded", [])) == 2)
    page.get_by_role("button", name="Bring back 0:00.67 to 0:01.00").click()
    page.get_by_label("Name of the marker at 0:01.00").fill("smiles")
    page.keyboard.press("Enter")
    rows = table_of(page)
    edits = edits_of(folder)
    assert edits["markers"] == [{"time": 1, "name": "smiles"}]
    assert edits["excluded"] == [[pytest.approx(2, abs=0.05), pytest.approx(3, abs=0.05)]]
    assert {row["time"] for row in rows if row["marker"]} == {"1.0"}
    excluded = [float(row["time"]) for row in rows if row["excluded"] == "true"]
    assert (min(excluded), max(excluded)) == (pytest.approx(2, abs=0.1), pytest.approx(3, abs=0.1))
    page.get_by_role("button", name="Delete the marker").click()
    wait_until(lambda: edits_of(folder)["markers"] == [])
    assert page.locator(".marker").count() == 0


def test_people_are_named_merged_and_left_out(open_player):
    page, folder = open_player("few")
    page.get_by_label("Name of face 1").fill("Anna")
    page.get_by_label("Face 3 is the same person as").select_option("1")
    page.get_by_role("button", name="Leave out Face 2").click()
    page.get_by_role("button", name="Undo: with face 3").wait_for()
    wait_until(lambda: page.locator(".now .number").all_inner_texts() == ["Anna"])
    rows = table_of(page)
    assert edits_of(folder) | {"markers": [], "excluded": []} == {
        "names": {"1": "Anna"},
        "merged": {"3": 1},
        "left_out": [2],
        "markers": [],
        "excluded": [],
    }
    assert {(row["face"], row["name"]) for row in rows} == {("1", "Anna")}
    page.get_by_role("button", name="Undo: with face 3").click()
    page.get_by_role("button", name="Bring back Face 2").click()
    wait_until(lambda: edits_of(folder)["merged"] == {} and edits_of(folder)["left_out"] == [])
    assert {row["face"] for row in table_of(page)} == {"1", "2", "3"}


def test_ten_people_are_shown_and_then_more(open_player):
    page, _ = open_player("many")
    strips = page.locator(".strips")
    assert page.locator(".person").count() == 10
    height = strips.bounding_box()["height"]
    page.get_by_role("button", name="Show 3 more (3 left)").click()
    assert page.locator(".person").count() == 13
    assert strips.bounding_box()["height"] == pytest.approx(1.3 * height)
    assert page.get_by_role("button", name="left)").count() == 0


def test_boxes_lie_on_the_faces_and_can_be_hidden(open_player):
    page, _ = open_player("few")
    drawn = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    boxes = page.locator("canvas.boxes")
    wait_until(lambda: boxes.evaluate(drawn))
    assert boxes.evaluate("canvas => [canvas.width, canvas.height]") == [WIDTH, HEIGHT]
    page.locator(".with-boxes").uncheck()
    wait_until(lambda: not boxes.evaluate(drawn))


def test_a_recording_without_a_video_has_all_the_rest(open_player):
    page, _ = open_player("without")
    page.get_by_text("This recording has no video.").wait_for()
    assert page.get_by_role("button", name="Annotated video").count() == 0
    page.keyboard.press(" ")
    wait_until(lambda: position(page) > 0.3)
    page.keyboard.press(" ")
    page.get_by_role("button", name="Play").wait_for()
    page.keyboard.press("End")
    wait_for_position(page, 6)
    with page.expect_download() as download:
        page.get_by_role("button", name="Everything as zip").click()
    assert set(zipfile.ZipFile(download.value.path()).namelist()) == {"table.csv", "timeline.png"}


def test_changes_that_cannot_be_saved_are_sent_with_the_next(open_player):
    page, folder = open_player("few")
    page.route("**/edits", lambda route: route.abort())
    page.get_by_role("button", name="Leave out Face 2").click()
    page.get_by_text("Your changes are not saved: The server is not responding.").wait_for()
    page.get_by_role("button", name="Chart").click()
    page.get_by_text("Chart: The server is not responding.").wait_for()
    page.unroute("**/edits")
    page.get_by_label("Name of face 1").fill("Anna")
    page.keyboard.press("Enter")
    page.get_by_text("Your changes are not saved").wait_for(state="hidden")
    assert (edits_of(folder)["left_out"], edits_of(folder)["names"]) == ([2], {"1": "Anna"})


def test_the_drawn_video_shows_how_far_it_is(open_player):
    page, _ = open_player("few")
    with page.expect_download() as download:
        page.get_by_role("button", name="Annotated video").click()
        page.get_by_text(re.compile(r"Annotated video: \d+\s%")).wait_for()
    assert download.value.suggested_filename == "generated_annotated.mp4"
    page.locator(".making progress").wait_for(state="hidden")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_player(open_player, scheme):
    page, _ = open_player("many", color_scheme=scheme, bypass_csp=True)
    page.keyboard.press("m")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Leave out from here").click()
    page.keyboard.press("End")
    page.get_by_role("button", name="to here").click()
    page.get_by_role("button", name="Leave out Face 2").click()
    found = Axe().run(page, context=".player").response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


@pytest.mark.parametrize("size", [(390, 844), (844, 390), (1280, 800), (1920, 1080)])
def test_the_player_fits(open_player, size):
    page, _ = open_player("few", size)
    page.get_by_label("Name of face 1").fill("A name that is so long that it has no room anywhere at all " * 3)
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


def test_boxes_lie_over_the_picture_whatever_its_shape(open_player):
    page, _ = open_player("few", size=(768, 1024))
    page.wait_for_function("() => document.querySelector('.player video').videoWidth > 0")
    place = (
        "(element) => { const { x, y, width, height } = element.getBoundingClientRect(); return [x, y, width, height] }"
    )
    for shape in ("16 / 9", "9 / 16"):
        page.locator(".player .overlaid").evaluate("(element, shape) => { element.style.aspectRatio = shape }", shape)
        video, boxes = (page.locator(f".player {name}").evaluate(place) for name in ("video", ".boxes"))
        assert boxes == video
