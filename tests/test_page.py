import contextlib
import json
import threading
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from test_recordings import store
from videos.analysis import EDITS
from videos.edits import read_edits
from waiting import wait_until
from web.app import close_app, create_app
from web.server import create_server, listen

# Answers that take a moment are asked for with `wait_until`: `wait_for_function` takes a promise for true.
SNAPSHOT_SIZE = "async () => (await (await fetch('/snapshot.jpg')).blob()).size"
STATUS = "async address => (await fetch(address)).status"
# The server takes a second to begin a recording.
SLOW_RECORDING = """() => {
    const send = fetch;
    window.fetch = async (address, options) => {
        if (address === "recording") await new Promise((resolve) => setTimeout(resolve, 1000));
        return send(address, options);
    };
}"""


@pytest.fixture
def open_page(chromium):
    """A function that opens an address in a new page; what the page complains of fails the test."""
    pages, complaints = [], []

    def start(address, **options):
        page = chromium.new_page(**options)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        pages.append(page)
        page.goto(address, wait_until="domcontentloaded")
        return page

    yield start
    for page in pages:
        page.close()
    assert complaints == []


@contextlib.contextmanager
def served(video, port=0, **access):
    """The port on which a VideoCamera is served until the block ends, as when its program is stopped."""
    with listen(port) as listener:
        server = create_server(create_app(video, **access), listener)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        video.close()
        close_app(server.app)


def state(page):
    return page.evaluate("async () => (await fetch('/state')).json()")


def picture(page):
    """The shown picture's pixels, as a list of greys of 32×18 points."""
    return page.evaluate(
        """() => {
            const canvas = Object.assign(document.createElement("canvas"), { width: 32, height: 18 });
            const context = canvas.getContext("2d");
            context.drawImage(document.getElementById("picture"), 0, 0, 32, 18);
            return [...context.getImageData(0, 0, 32, 18).data].filter((_, index) => index % 4 === 1);
        }"""
    )


def wait_for_face(page):
    page.wait_for_selector("#faces article")


def difference(one, other):
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) / len(one)


def test_the_picture_moves_and_the_bars_follow_the_expression(serve, open_page):
    page = open_page(serve("demo"))
    page.wait_for_function("() => document.querySelector('#faces .label')?.textContent === 'Neutral'", timeout=15_000)
    before = picture(page)
    page.wait_for_function("() => document.querySelector('#faces .label').textContent === 'Happy'", timeout=15_000)
    assert difference(before, picture(page)) > 0.2
    page.wait_for_function("() => document.querySelectorAll('#faces meter')[3].value > 0.7")
    assert page.locator("#faces article").count() == 1
    assert page.locator("#faces dt").all_inner_texts()[3] == "Happy"
    assert page.locator("#faces dd").nth(3).inner_text().endswith("\u00a0%")
    assert "frames per second" in page.locator("#fps").inner_text()
    assert "Face 1:" in page.locator("#timeline-words").inner_text()


def test_a_still_picture_shows_with_its_face(serve, open_page, picture):
    page = open_page(serve(str(picture)))
    page.wait_for_function("() => document.getElementById('picture').naturalWidth === 240")
    wait_for_face(page)
    assert page.locator("#faces .label").inner_text() == "Happy"


def test_settings_change_the_picture_for_all(serve, open_page, picture):
    address = serve(str(picture))
    page, other = open_page(address), open_page(address)
    wait_for_face(page)
    for name in ("Labels", "Boxes", "Mirror"):
        before = page.evaluate(SNAPSHOT_SIZE)
        page.locator("#settings").get_by_label(name).click()
        wait_until(lambda before=before: page.evaluate(SNAPSHOT_SIZE) != before)
    expected = {"mirror": True, "boxes": False, "labels": False, "adapt": True, "hide": False}
    wait_until(lambda: state(page)["settings"] == expected)
    other.wait_for_function("() => document.querySelector('[name=mirror]').checked")


def test_a_face_can_be_said_to_be_at_rest(serve, open_page):
    page = open_page(serve("demo"))
    wait_for_face(page)
    page.get_by_role("button", name="This is my resting face").first.click()
    page.get_by_text("Adapted to this resting face").wait_for(timeout=20_000)
    page.get_by_label("Adapt to faces").click()
    page.get_by_text("Adapted to this resting face").wait_for(state="hidden")


def test_pause_holds_picture_and_bars_and_resume_continues(serve, open_page, clip):
    page = open_page(serve(str(clip)))
    wait_for_face(page)
    page.get_by_role("button", name="Pause").focus()
    page.keyboard.press("Enter")
    assert page.get_by_role("button", name="Resume").get_attribute("aria-pressed") == "true"
    wait_until(lambda: state(page)["viewers"] == 0)
    page.wait_for_function(
        """() => {
            const shown = document.getElementById("picture");
            return shown.src.startsWith("blob:") && shown.complete && shown.naturalWidth > 0;
        }"""
    )
    held = picture(page)
    page.wait_for_timeout(500)
    assert picture(page) == held
    page.keyboard.press("Enter")
    wait_until(lambda: state(page)["viewers"] == 1)


def test_a_snapshot_is_a_jpeg_to_keep(serve, open_page, clip):
    page = open_page(serve(str(clip)))
    wait_for_face(page)
    with page.expect_download() as download:
        page.get_by_role("link", name="Snapshot").click()
    assert download.value.suggested_filename == "snapshot.jpg"
    with open(download.value.path(), "rb") as file:
        assert file.read(2) == b"\xff\xd8"


def test_four_open_tabs_work_and_hidden_ones_let_go(serve, open_page, clip):
    address = serve(str(clip))
    pages = [open_page(address) for _ in range(4)]
    for page in pages:
        wait_for_face(page)
    assert state(pages[0])["viewers"] <= 4


def test_nothing_is_asked_of_another_host(serve, open_page, clip, chromium):
    address, asked = serve(str(clip)), []
    page = chromium.new_page()
    page.on("request", lambda request: asked.append(urlsplit(request.url).netloc))
    page.goto(address, wait_until="domcontentloaded")
    wait_for_face(page)
    page.close()
    assert set(asked) == {urlsplit(address).netloc}


def test_the_page_says_that_the_server_has_gone_and_comes_back_with_it(watch, open_page, clip):
    with served(watch(str(clip))) as port:
        page = open_page(f"http://127.0.0.1:{port}")
        wait_for_face(page)
    page.get_by_text("The server has stopped.").wait_for()
    with served(watch(str(clip)), port):
        page.get_by_text("The server has stopped.").wait_for(state="hidden")
        wait_for_face(page)


def test_what_is_watched_can_be_chosen(serve, open_page, clip, picture):
    address, other = serve(str(clip)), serve(str(picture))
    page, another = open_page(address), open_page(address)
    wait_for_face(page)
    page.get_by_role("button", name="the demo").click()
    for each in (page, another):  # it is the same for all
        each.wait_for_function("() => document.getElementById('source').textContent === 'the demo'")
        each.wait_for_function(
            "() => document.querySelector('#faces .label')?.textContent === 'Neutral'", timeout=15_000
        )
    page.get_by_label("Address of a network camera").fill(f"{other}/video_feed")
    page.get_by_role("button", name="Watch").click()
    wait_until(lambda: state(page)["source"] == f"{other}/video_feed")
    page.wait_for_function("() => document.querySelector('#faces .label')?.textContent === 'Happy'", timeout=15_000)
    page.get_by_role("button", name=clip.name).click()
    wait_until(lambda: state(page)["source"] == "clip.mp4")
    page.get_by_label("Address of a network camera").fill("file:///etc/passwd")
    page.get_by_role("button", name="Watch").click()
    page.get_by_text("an address that begins with http://, https:// or rtsp://").wait_for()
    assert state(page)["source"] == "clip.mp4"


def test_this_browsers_camera_is_looked_at_for_its_page_alone(serve, open_page, picture):
    page = open_page(serve(str(picture)))
    page.get_by_role("tab", name="This browser's camera").click()
    page.get_by_role("button", name="Start the camera").click()
    page.wait_for_selector("#own-faces article", timeout=15_000)
    labels = set()
    for _ in range(100):
        labels.add(page.locator("#own-faces .label").first.inner_text())
        if {"Neutral", "Happy"} <= labels:
            break
        page.wait_for_timeout(200)
    assert {"Neutral", "Happy"} <= labels  # the demo's first expressions
    assert "frames per second" in page.locator("#own-state").inner_text()
    assert page.locator("#own-boxes").evaluate("canvas => canvas.width") == 640
    wait_until(lambda: state(page)["viewers"] == 0)
    page.get_by_role("button", name="Stop the camera").click()
    assert page.locator("#own-faces article").count() == 0
    assert page.evaluate("() => document.getElementById('own-video').srcObject") is None


def test_without_https_the_page_says_why_there_is_no_camera(serve, open_page, clip):
    address = serve(str(clip), names=["faces.example"])
    page = open_page(address.replace("127.0.0.1", "faces.example"))
    page.get_by_role("tab", name="This browser's camera").click()
    page.get_by_text("Browsers allow the camera only on https pages and on localhost").wait_for()


def test_an_uploaded_picture_shows_its_faces(serve, open_page, clip, picture):
    page = open_page(serve(str(clip)))
    page.get_by_role("tab", name="Pictures and videos").click()
    page.set_input_files("#choose-files", str(picture))
    page.wait_for_selector(".upload .face")
    assert page.locator(".upload .label").inner_text() == "Happy"
    assert page.locator(".upload figure canvas").evaluate("canvas => [canvas.width, canvas.height]") == [240, 240]
    page.get_by_role("button", name="Remove astronaut.png").click()
    assert page.locator(".upload").count() == 0


def test_uploaded_videos_wait_play_above_their_curves_and_are_removed(serve, open_page, film, astronaut, tmp_path):
    images = [astronaut[:240, 80 - shift : 400 - shift] for shift in range(80)]
    path = film(tmp_path / "a, b.mp4", images)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(path.read_bytes()[:3000])
    text = tmp_path / "text.mp4"
    text.write_text("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n")
    page = open_page(serve("demo"))
    page.get_by_role("tab", name="Pictures and videos").click()
    page.set_input_files("#choose-files", [str(path), str(broken), str(text)])
    page.get_by_text("broken.mp4 is not a video that can be played").wait_for(timeout=60_000)
    page.get_by_text("This file can't be read as a video").wait_for()
    page.wait_for_function("() => document.querySelector('.upload video')?.duration > 3", timeout=60_000)
    timeline = page.get_by_role("slider")
    timeline.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => Math.abs(document.querySelector('.upload video').currentTime - 2) < 0.1")
    wait_until(lambda: abs(float(timeline.get_attribute("aria-valuenow")) - 2) < 0.1)
    box = page.locator(".over").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 5)
    page.wait_for_function("() => Math.abs(document.querySelector('.upload video').currentTime - 1.6) < 0.1")
    assert "Happy 3 s" in page.locator(".upload .seen").inner_text()
    for name, begin in (("Annotated video", b"\0\0\0"), ("Table", b"video,frame"), ("Chart", b"\x89PNG")):
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        with open(download.value.path(), "rb") as file:
            assert file.read(len(begin)) == begin
        assert download.value.suggested_filename.startswith("a_b_")
    with page.expect_request("**/rest") as asked:
        page.get_by_role("button", name="Analyse again with it").click()
    assert asked.value.post_data_json == {"face": 1, "seconds": pytest.approx(1.6, abs=0.1)}
    page.locator(".upload .result:visible video").wait_for(state="hidden")
    page.locator(".upload .result:visible video").wait_for(timeout=60_000)
    address = page.locator(".upload video").get_attribute("src").rpartition("/")[0]
    page.get_by_role("button", name="Remove a, b.mp4").click()
    wait_until(lambda: page.evaluate(STATUS, address) == 404)


def test_a_recording_is_shown_to_everyone_listed_renamed_and_deleted(serve, open_page, clip, recordings):
    address = serve(str(clip), recordings_folder=recordings.folder)
    page, other = open_page(address), open_page(address)
    other.get_by_role("tab", name="Pictures and videos").click()
    wait_for_face(page)
    page.evaluate(SLOW_RECORDING)
    page.get_by_role("button", name="Record", exact=True).click()
    page.keyboard.press("m")
    page.keyboard.type("laughs")
    page.keyboard.press("Enter")
    other.locator("#recording").get_by_text("Recording 0:").wait_for()
    wait_until(lambda: other.title().startswith("● 0:"))
    wait_until(lambda: "Markers: laughs." in page.locator("#timeline-words").text_content())
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Open the recording").click(timeout=30_000)
    card = page.locator("#recordings-list article")
    card.locator(".result video").wait_for()
    assert str(recordings.folder) in page.locator("#recordings").inner_text()
    wait_until(lambda: page.title() == "Live facial expressions")
    card.get_by_role("button", name="Rename").click()
    page.get_by_label("Name", exact=True).fill("Interview")
    page.keyboard.press("Enter")
    card.get_by_role("heading", name="Interview").wait_for()
    [listed] = recordings.list()
    assert listed["title"] == "Interview"
    assert [marker.name for marker in read_edits(recordings.path(listed["id"]) / EDITS).markers] == ["laughs"]
    for answer, left in (("Cancel", 1), ("Delete", 0)):
        card.get_by_role("button", name="Delete", exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name=answer).click()
        wait_until(lambda expected=left: len(recordings.list()) == expected)
    page.get_by_text("There are no recordings yet").wait_for()


def test_everything_can_be_done_with_the_keyboard(serve, open_page, clip, picture):
    page = open_page(serve(str(clip)))
    wait_for_face(page)
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("() => document.activeElement.id || document.activeElement.textContent.trim()"))
    wanted = {"tab-live", "pause", "snapshot", "full", "the demo", "address-text", "Watch", "record", "record-video"}
    assert wanted <= set(reached)
    page.locator("#tab-live").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.id") == "own-start"
    page.locator("#tab-own").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.id") == "choose-files"


def test_axe_finds_nothing_and_nothing_runs_over_the_edge(serve, open_page, clip, picture, recordings):
    store(recordings)
    page = open_page(serve(str(clip), recordings_folder=recordings.folder), bypass_csp=True)
    wait_for_face(page)
    for tab in ("Live", "This browser's camera", "Pictures and videos", "Recordings"):
        page.get_by_role("tab", name=tab).click()
        if tab.startswith("Pictures"):
            page.set_input_files("#choose-files", [str(picture), str(clip)])
            page.wait_for_selector(".upload video", timeout=60_000)
            page.locator(".of-picture .face[tabindex]").focus()  # which lights it
        for width, height in ((1280, 900), (390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            wait_until(lambda: page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth"))
        if tab == "Recordings":
            page.get_by_role("button", name="Delete", exact=True).click()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = Axe().run(page).response["violations"]
            assert [each["id"] for each in found] == []


def test_events_are_json_with_the_faces_as_fer_has_them(serve, open_page, clip):
    page = open_page(serve(str(clip)))
    message = page.evaluate(
        """() => new Promise((resolve) => {
            const events = new EventSource("/events");
            events.onmessage = ({ data }) => { if (JSON.parse(data).faces.length) { events.close(); resolve(data); } };
        })"""
    )
    (face,) = json.loads(message)["faces"]
    assert set(face) >= {"box", "emotions"}
    assert len(face["box"]) == 4
    assert sum(face["emotions"].values()) == pytest.approx(1, abs=0.01)
