"""What a page should not do: jump, lie, lose what somebody dropped, or be too small to hit."""

import pytest

import test_page
from test_page import state, wait_for_face
from waiting import wait_until

open_page = test_page.open_page  # the fixture

DROP = """(place) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(9)], "dropped.png", { type: "image/png" }));
    const event = new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: data });
    document.querySelector(place).dispatchEvent(event);
    return event.defaultPrevented;
}"""
SMALL = """() => [...document.querySelectorAll("button, a, input, select, summary")]
    .filter((each) => each.checkVisibility() && !each.classList.contains("unseen"))
    .filter((each) => each.offsetWidth < 24 || each.offsetHeight < 24).map((each) => each.outerHTML)"""
HEADER = "() => document.querySelector('body > header').offsetHeight"


def test_a_setting_touched_while_paused_shows_what_it_changes(serve, open_page, clip):
    page = open_page(serve(str(clip)))
    wait_for_face(page)
    page.get_by_role("button", name="Pause").click()
    page.locator("#settings").get_by_label("Boxes").click()
    page.get_by_role("button", name="Pause").wait_for()
    wait_until(lambda: not state(page)["settings"]["boxes"])
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="the demo").click()
    page.get_by_role("button", name="Pause").wait_for()


def test_where_the_server_has_gone_nothing_looks_live(watch, open_page, clip):
    with test_page.served(watch(str(clip))) as port:
        page = open_page(f"http://127.0.0.1:{port}")
        wait_for_face(page)
    page.get_by_text("The server has stopped.").wait_for()
    assert page.locator("#picture").evaluate("(image) => getComputedStyle(image).visibility") == "hidden"
    assert page.locator("#faces article").count() == 0
    assert page.locator(".figures").inner_text().strip() == ""


@pytest.mark.parametrize("place", ["h1", "#drop"])
def test_a_file_dropped_anywhere_is_analysed(serve, open_page, clip, place):
    page = open_page(serve(str(clip)))
    wait_for_face(page)
    assert page.evaluate(DROP, place)
    page.locator("#uploads").get_by_role("heading", name="dropped.png").wait_for()
    assert page.get_by_role("tab", name="Pictures and videos").get_attribute("aria-selected") == "true"


def test_a_picture_that_stands_still_has_no_timeline(serve, open_page, picture):
    page = open_page(serve(str(picture)))
    wait_for_face(page)
    page.locator("#over-time").wait_for(state="hidden")
    page.get_by_role("button", name="the demo").click()
    page.locator("#over-time").wait_for()


def test_the_notice_on_the_missing_webcam_goes_with_the_demo(serve, open_page, picture):
    address = serve("demo", note="No webcam found. The demo plays instead.")
    page, other = open_page(address), open_page(address)
    page.get_by_text("No webcam found.").wait_for()
    page.get_by_role("button", name="Use this browser's camera").click()
    page.get_by_role("button", name="Stop the camera").wait_for()
    page.get_by_role("tab", name="Live").click()
    other.get_by_label("Address of a network camera").fill(f"{serve(str(picture))}/video_feed")
    other.get_by_role("button", name="Watch").click()
    page.get_by_text("No webcam found.").wait_for(state="hidden")
    page.reload()
    page.get_by_text("Watching").wait_for()
    assert page.get_by_text("No webcam found.").is_hidden()
    page.get_by_role("button", name="the demo").click()
    page.get_by_text("No webcam found.").wait_for()
    page.get_by_role("button", name="Stay with the demo").click()
    page.get_by_text("No webcam found.").wait_for(state="hidden")


def test_the_button_for_the_full_screen_says_what_it_does(serve, open_page, clip):
    page = open_page(serve(str(clip)))
    wait_for_face(page)
    page.get_by_role("button", name="Full screen", exact=True).click()
    page.get_by_role("button", name="Leave full screen").click()
    page.get_by_role("button", name="Full screen", exact=True).wait_for()


@pytest.mark.parametrize("size", [(1280, 800), (390, 844), (844, 390)])
def test_controls_are_large_enough_and_the_header_keeps_its_height(serve, open_page, clip, size):
    page = open_page(serve(str(clip)), viewport=dict(zip(("width", "height"), size)))
    before = page.evaluate(HEADER)
    wait_for_face(page)
    for tab in page.get_by_role("tab").all():
        tab.click()
        assert page.evaluate(HEADER) == before
        assert page.evaluate(SMALL) == []
    page.get_by_role("tab", name="Live").click()
    page.get_by_role("button", name="Record", exact=True).click()
    page.locator("#recording").wait_for()
    assert page.evaluate(HEADER) == before
    page.evaluate("() => window.scrollTo(0, 0)")
    for name in ("pause", "snapshot", "full"):
        button = page.locator(f"#{name}").bounding_box()
        assert button["y"] + button["height"] <= size[1]  # can be pressed without scrolling


def test_an_address_of_another_kind_is_refused_in_plain_words(serve, open_page, clip):
    page = open_page(serve(str(clip)))
    page.get_by_label("Address of a network camera").fill("ftp://192.168.0.20/live")
    page.get_by_role("button", name="Watch").click()
    page.get_by_text("This can't be watched. Give an address that begins with http://").wait_for()


def test_a_portrait_camera_has_a_portrait_box_and_can_be_chosen(serve, open_page, clip):
    page = open_page(serve(str(clip)))
    page.add_init_script(PORTRAIT)
    page.reload()
    page.get_by_role("tab", name="This browser's camera").click()
    page.get_by_role("button", name="Start the camera").click()
    page.get_by_label("Camera", exact=True).wait_for()
    wait_until(lambda: page.locator("#own-boxes").evaluate("(canvas) => canvas.height") == 640)
    box = page.locator("#own-stage .overlaid").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(360 / 640, abs=0.01)
    assert page.get_by_label("Camera", exact=True).locator("option").all_inner_texts() == ["Front", "Back"]
    page.get_by_label("Camera", exact=True).select_option("Back")
    wait_until(lambda: page.evaluate("() => window.asked.at(-1).deviceId?.exact") == "b")


# A canvas as a phone's camera, and two devices.
PORTRAIT = """
const canvas = Object.assign(document.createElement("canvas"), { width: 720, height: 1280 });
const context = canvas.getContext("2d");
setInterval(() => { context.fillStyle = `hsl(${Math.random()}turn 50% 50%)`; context.fillRect(0, 0, 720, 1280); }, 50);
window.asked = [];
navigator.mediaDevices.getUserMedia = async ({ video }) => {
    window.asked.push(video);
    return canvas.captureStream(20);
};
navigator.mediaDevices.enumerateDevices = async () => [
    { kind: "videoinput", deviceId: "f", label: "Front" }, { kind: "videoinput", deviceId: "b", label: "Back" },
];
"""
