"""This browser's own camera: on only when the page says so, and what it says is so."""

import contextlib
import shutil

import pytest

import test_page
from waiting import wait_until
from web.viewers import STALL_TIMEOUT
from web_client import ask

open_page = test_page.open_page  # the fixture

# From here on, cameras are opened once allow() is called, and are kept for the test.
GATE = """() => {
    window.cameras = [];
    window.permission = new Promise((resolve) => { window.allow = resolve; });
    const devices = navigator.mediaDevices;
    const open = devices.getUserMedia.bind(devices);
    window.asked = 0;
    devices.getUserMedia = async (wanted) => {
        window.asked += 1;
        await window.permission;
        const camera = await open(wanted);
        window.cameras.push(camera);
        return camera;
    };
}"""
COUNT = """() => window.cameras.flatMap((camera) => camera.getTracks())
                               .filter((track) => track.readyState === "live").length"""
UNPLUG = """() => {
    const [track] = window.cameras.at(-1).getTracks();
    track.stop();
    track.dispatchEvent(new Event("ended"));
}"""
SET_HIDDEN = """(hidden) => {
    Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture
def page(serve, open_page, picture):
    """The view of this browser's camera, which waits for window.allow()."""
    page = open_page(serve(str(picture)))
    page.get_by_role("tab", name="This browser's camera").click()
    page.evaluate(GATE)
    return page


def start(page):
    page.get_by_role("button", name="Start the camera").click()
    page.evaluate("window.allow()")
    page.wait_for_selector("#own-faces article")


def said(page):
    return page.locator("#own-state").inner_text()


def nothing_is_shown(page):
    """Whether no face and no old frame is on the page."""
    blank = "(canvas) => !canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean)"
    return (
        page.locator("#own-faces article").count() == 0
        and not page.locator("#own-faces .nobody").is_visible()
        and page.locator("#own-boxes").evaluate(blank)
    )


def test_a_double_click_on_start_opens_one_camera_which_stop_turns_off(page):
    page.get_by_role("button", name="Start the camera").dblclick()
    page.get_by_text("If the browser asks, allow it.").wait_for()
    page.evaluate("window.allow()")
    page.get_by_role("button", name="Stop the camera").click()
    page.wait_for_timeout(500)
    assert page.evaluate("window.asked") == 1
    assert page.evaluate(COUNT) == 0
    assert said(page) == "The camera is off."


def test_a_camera_that_is_allowed_after_its_view_was_left_is_turned_off(page):
    page.get_by_role("button", name="Start the camera").click()
    page.get_by_role("tab", name="Live").click()
    page.evaluate("window.allow()")
    page.wait_for_function("() => window.cameras.length === 1")
    wait_until(lambda: page.evaluate(COUNT) == 0)
    page.get_by_role("tab", name="This browser's camera").click()
    assert said(page) == "The camera is off."
    assert page.get_by_role("button", name="Start the camera").is_visible()


def test_of_two_starts_only_the_second_camera_stays_on(page):
    for _ in range(2):
        page.get_by_role("button", name="Start the camera").click()
        page.get_by_role("tab", name="Live").click()
        page.get_by_role("tab", name="This browser's camera").click()
    page.get_by_role("button", name="Start the camera").click()
    page.evaluate("window.allow()")
    page.wait_for_selector("#own-faces article")
    page.wait_for_function("() => window.cameras.length === 3")
    wait_until(lambda: page.evaluate(COUNT) == 1)
    page.get_by_role("button", name="Stop the camera").click()
    assert page.evaluate(COUNT) == 0


def test_an_unplugged_camera_is_told_and_shows_no_old_face(page):
    start(page)
    page.evaluate(UNPLUG)
    page.get_by_text("The camera was unplugged. Plug it in, then start it again.").wait_for()
    assert nothing_is_shown(page)
    page.wait_for_timeout(1500)
    assert "unplugged" in said(page)  # and nothing is counted any more
    assert nothing_is_shown(page)
    assert page.get_by_role("button", name="Start the camera").is_visible()
    start(page)


def test_a_permission_that_is_withdrawn_is_told_as_such(serve, chromium, picture):
    browser = chromium.browser_type.launch(  # the other one allows every camera, whatever happens
        executable_path=shutil.which("chromium"), args=["--use-fake-device-for-media-stream"]
    )
    with contextlib.closing(browser), browser.new_context(permissions=["camera"]) as context:
        page = context.new_page()
        page.goto(serve(str(picture)))
        page.get_by_role("tab", name="This browser's camera").click()
        page.get_by_role("button", name="Start the camera").click()
        page.get_by_text("frames per second. Nothing is saved unless").wait_for()
        context.clear_permissions()
        page.get_by_text("The browser no longer allows the camera.").wait_for()
        assert nothing_is_shown(page)


def test_a_camera_that_the_system_pauses_shows_nothing_until_it_goes_on(page):
    start(page)
    page.evaluate("() => window.cameras[0].getTracks()[0].dispatchEvent(new Event('mute'))")
    page.get_by_text("The browser or the system has paused the camera.").wait_for()
    page.wait_for_timeout(1500)
    assert "paused" in said(page)
    assert nothing_is_shown(page)
    page.evaluate("() => window.cameras[0].getTracks()[0].dispatchEvent(new Event('unmute'))")
    page.wait_for_selector("#own-faces article")
    page.get_by_text("frames per second").wait_for()


def test_a_camera_that_sends_no_more_frames_is_told(page):
    start(page)
    page.evaluate("() => document.getElementById('own-video').pause()")
    page.get_by_text("The camera sends no picture.").wait_for()
    assert nothing_is_shown(page)
    page.evaluate("() => document.getElementById('own-video').play()")
    page.get_by_text("frames per second").wait_for()


def test_a_hidden_page_turns_its_camera_off_until_it_is_seen_again(page):
    start(page)
    page.evaluate(SET_HIDDEN, True)
    assert page.evaluate(COUNT) == 0
    page.evaluate(SET_HIDDEN, False)
    page.wait_for_selector("#own-faces article")
    assert page.evaluate(COUNT) == 1
    page.get_by_role("button", name="Stop the camera").click()
    page.evaluate(SET_HIDDEN, True)
    page.evaluate(SET_HIDDEN, False)
    page.wait_for_timeout(300)
    assert page.evaluate(COUNT) == 0  # it was off


def test_a_page_in_the_back_forward_cache_has_no_camera_and_no_connection(serve, open_page, page):
    show = "(type) => { window.dispatchEvent(new PageTransitionEvent(type, { persisted: true })) }"
    start(page)
    page.evaluate(show, "pagehide")
    assert page.evaluate(COUNT) == 0
    page.evaluate(show, "pageshow")
    page.wait_for_selector("#own-faces article")
    live = open_page(serve("demo"))
    test_page.wait_for_face(live)
    live.wait_for_function("() => document.getElementById('picture').naturalWidth")
    live.evaluate(show, "pagehide")
    address = live.url
    # On a busy machine this can take until the server drops a viewer that reads nothing, after STALL_TIMEOUT.
    wait_until(lambda: ask(address, "/state").json()["viewers"] == 0, seconds=1.5 * STALL_TIMEOUT)
    live.evaluate(show, "pageshow")
    wait_until(lambda: ask(address, "/state").json()["viewers"] == 1)


def test_a_picture_that_cannot_be_played_turns_the_camera_off_and_says_why(page):
    page.evaluate(
        "() => { document.getElementById('own-video').play = () => Promise.reject(new Error('it is not allowed')) }"
    )
    page.get_by_role("button", name="Start the camera").click()
    page.evaluate("window.allow()")
    page.get_by_text("The camera can't be used: it is not allowed").wait_for()
    assert page.evaluate(COUNT) == 0
    assert page.get_by_role("button", name="Start the camera").is_visible()


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_that_comes_after_stop_is_ignored(page, status):
    start(page)
    held = []
    page.route("**/api/frames/*", lambda route: held.append(route))
    wait_until(lambda: page.wait_for_timeout(20) or held)
    page.get_by_role("button", name="Stop the camera").click()
    if status == 200:
        held[0].continue_()
    else:
        held[0].fulfill(status=500, body='{"error": "It failed."}')
    page.wait_for_timeout(1000)
    assert said(page) == "The camera is off."
    assert nothing_is_shown(page)


def test_when_the_server_does_not_answer_no_old_face_stays(page):
    start(page)
    page.route("**/api/frames/*", lambda route: route.abort())
    page.get_by_text("The server is not responding.").wait_for()
    assert nothing_is_shown(page)
    page.unroute("**/api/frames/*")
    page.wait_for_selector("#own-faces article")


def test_no_face_is_said_once_the_camera_has_been_looked_at(page):
    assert page.get_by_text("No face in the picture.").filter(visible=True).count() == 0
    start(page)
    page.route("**/api/frames/*", lambda route: route.fulfill(json={"size": [640, 360], "faces": []}))
    page.locator("#own-faces .nobody").wait_for()
    page.get_by_role("button", name="Stop the camera").click()
    assert not page.locator("#own-faces .nobody").is_visible()


def test_the_camera_is_recorded_with_its_markers_and_gives_a_snapshot(page):
    start(page)
    with page.expect_download() as download:
        page.locator("#own").get_by_role("button", name="Snapshot").click()
    assert download.value.suggested_filename == "snapshot.jpg"
    record = page.locator("#own-record")
    record.click()
    page.locator("#own-record-state").get_by_text("Recording").wait_for()
    page.locator("#own-mark").click()
    page.locator("#own-marker-name").fill("smiles")
    page.keyboard.press("Enter")
    wait_until(lambda: "Markers: smiles." in page.locator("#own-timeline-words").text_content())
    record.click()
    page.get_by_role("button", name="Stop the camera").click()
    page.locator("#own-open-recording").click()
    card = page.locator("#recordings-list article", has_text="a browser's camera")
    card.get_by_text("deleted on").wait_for()
    card.get_by_label("Keep").check()
    card.get_by_text("deleted on").wait_for(state="hidden")
    card.locator(".result video").wait_for(timeout=30_000)
