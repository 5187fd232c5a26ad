"""Uploads on the page: how far they are, trying again, what a reload leaves; a picture's lines, labels and files."""

import json
import threading

import numpy as np
import pytest

import test_page
from camera import VideoCamera
from vision.opencv import cv2
from vision.source import SourceError
from waiting import wait_until
from web import video_queue

open_page = test_page.open_page  # the fixture

NAMES = "() => [...document.querySelectorAll('.upload header h3')].map((each) => each.textContent)"
IS_KEPT = """async () => {
    const { storedPicture } = await import("/static/picture_store.js");
    return Boolean(await storedPicture(JSON.parse(sessionStorage.getItem("uploads"))[0]));
}"""
ASKS_BEFORE_CLOSING = "() => !window.dispatchEvent(new Event('beforeunload', { cancelable: true }))"
# What Progress says of shares, at their times.
TOLD = """async (shares) => {
    const { Progress } = await import("/static/progress.js");
    const progress = new Progress();
    return shares.map(([time, share]) => progress.tell(share, time));
}"""
# The rectangles behind the labels that drawBoxes draws into a picture.
LABELS = """async ([faces, width, height]) => {
    const { drawBoxes } = await import("/static/boxes.js");
    const context = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
    const drawn = [];
    context.fillRect = (...rectangle) => drawn.push(rectangle);
    drawBoxes(context, faces);
    return drawn;
}"""
PIXELS = """(canvas) => [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]
                            .reduce((sum, value, index) => (sum * 31 + value * (index % 251)) % 1000003, 0)"""


def open_files(page):
    page.get_by_role("tab", name="Pictures and videos").click()
    return page


@pytest.fixture(scope="module")
def address(model, picture):
    with test_page.served(VideoCamera(str(picture), model)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def page(address, open_page):
    return open_files(open_page(address))


@pytest.fixture
def couple(astronaut, tmp_path):
    """A photo of 2000×400 pixels with two faces, wider than the page shows pictures."""
    path = tmp_path / "photo.jpg"
    face = cv2.resize(astronaut[:250, 100:350], (400, 400))
    cv2.imwrite(str(path), np.hstack([face, np.full((400, 1200, 3), 128, np.uint8), face]))
    return path


def test_the_time_left_comes_after_two_seconds_and_does_not_jump(page):
    steady = page.evaluate(TOLD, [[time, time / 50] for time in range(51)])
    assert steady[:3] == ["0\u00a0%", "2\u00a0%", "4\u00a0%, about 50 seconds left"]
    assert steady[25] == "50\u00a0%, about 30 seconds left"
    assert steady[48:] == ["96\u00a0%, a few seconds left", "98\u00a0%, a few seconds left", "100\u00a0%"]
    leaps = page.evaluate(TOLD, [[time / 2, (time // 10 * 10) / 1200] for time in range(600)])
    left = [int(words.split()[3]) for words in leaps if "minutes left" in words]
    assert len(left) == 590
    assert left == sorted(left, reverse=True)
    assert (left[0], left[-1]) == (10, 5)
    slower = page.evaluate(TOLD, [[time, min(time / 100, 0.4 + time / 500)] for time in range(150)])
    assert slower[49].endswith("about 50 seconds left")
    assert slower[149] == "69\u00a0%, about 2 minutes left"  # 155 seconds, as it is now
    assert len({words.partition(",")[2] for words in slower[50:]}) <= 4
    again = page.evaluate(TOLD, [[0, 0.0], [3, 0.5], [4, 0.0], [5, 0.1]])  # from the beginning again
    assert again[1:] == ["50\u00a0%, a few seconds left", "0\u00a0%", "10\u00a0%"]


def test_labels_stay_in_the_picture_and_apart(page):
    rng = np.random.default_rng(0)
    emotions = dict.fromkeys(("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"), 0.1)

    def labels(boxes, width, height):
        faces = [
            {
                "face": number,
                "box": box,
                "label": "Surprise",
                "sure": True,
                "emotions": emotions,
                "angle": 25 * (number % 2),
            }
            for number, box in enumerate(boxes, 1)
        ]
        drawn = np.array(page.evaluate(LABELS, [faces, width, height]))
        assert len(drawn) == len(boxes)
        (left, top), (right, bottom) = drawn[:, :2].T, (drawn[:, :2] + drawn[:, 2:]).T
        assert min(left.min(), top.min()) >= 0
        assert right.max() <= width
        assert bottom.max() <= height
        for index in range(len(boxes)):
            over = (left < right[index]) & (left[index] < right) & (top < bottom[index]) & (top[index] < bottom)
            assert over.sum() == 1  # with itself
        return drawn.tolist()

    (alone,) = labels([[200, 200, 100, 100]], 640, 480)
    assert alone[:2] == pytest.approx([200, 200 - alone[3]], abs=40)  # above its box, which is tilted
    labels([[-20, -10, 90, 90], [560, 0, 100, 100], [600, 400, 60, 100], [0, 0, 640, 480]], 640, 480)
    labels([[200, 200, 100, 100]] * 12, 640, 480)
    labels([[2, 2, 36, 36]], 40, 40)
    crowd = np.c_[rng.integers(0, 600, (40, 2)), np.full((40, 2), 30)].tolist()
    assert labels(crowd, 640, 640) == labels(crowd, 640, 640)


def test_what_failed_can_be_tried_again_where_that_can_help(page, picture):
    answers = [
        (503, "There are too many videos already; try again later."),
        (415, "This file can't be read as a video."),
    ]

    def answer(route):
        status, error = answers.pop(0)
        route.fulfill(status=status, json={"error": error})

    page.route("**/videos?name=*", answer)
    upload = {"name": "clip.mp4", "mimeType": "video/mp4", "buffer": b"x" * 100}
    page.set_input_files("#choose-files", upload)
    page.get_by_text("There are too many videos").wait_for()
    page.get_by_role("button", name="Try again with clip.mp4").click()
    page.get_by_text("This file can't be read as a video.").wait_for()
    assert page.get_by_role("button", name="Try again with clip.mp4").count() == 0
    page.route("**/api/predict", lambda route: route.abort())
    page.set_input_files("#choose-files", str(picture))
    page.get_by_text("The server is not responding.").wait_for()
    page.unroute("**/api/predict")
    page.get_by_role("button", name="Try again with astronaut.png").focus()
    page.keyboard.press("Enter")
    page.get_by_text("1 face").wait_for()


def test_a_close_asks_first_only_while_something_is_sent_or_waits(page):
    held = []
    page.route("**/videos?name=*", lambda route: held.append(route))
    assert not page.evaluate(ASKS_BEFORE_CLOSING)
    page.set_input_files("#choose-files", [{"name": name, "mimeType": "video/mp4", "buffer": b"x"} for name in "ab"])
    wait_until(lambda: page.evaluate("() => document.querySelectorAll('.upload').length") == 2 and held)
    assert page.evaluate(ASKS_BEFORE_CLOSING)
    held.pop().fulfill(status=415, json={"error": "No video."})
    page.get_by_text("No video.").wait_for()
    assert page.evaluate(ASKS_BEFORE_CLOSING)  # the other one
    page.get_by_role("button", name="Remove b").click()
    assert not page.evaluate(ASKS_BEFORE_CLOSING)
    assert page.evaluate("() => document.activeElement.getAttribute('aria-label')") == "Remove a"


def test_a_reload_leaves_the_browsers_uploads_and_sends_nothing_twice(page, open_page, picture, clip, monkeypatch):
    fails, tries = threading.Event(), []

    def analyse(*_, wanted, report):
        tries.append(True)
        report(0.4)
        wait_until(lambda: fails.is_set() or not wanted())
        fails.clear()
        raise SourceError("The disk is full.")

    monkeypatch.setattr(video_queue, "run_in_child", analyse)
    sent = []
    page.on("request", lambda request: request.method == "POST" and sent.append(request.url))
    page.set_input_files("#choose-files", str(picture))
    page.get_by_text("1 face").wait_for()
    page.set_input_files("#choose-files", str(clip))
    page.get_by_text("Analysing, 40 %").wait_for()
    later = {"name": "later.png", "mimeType": "image/png", "buffer": picture.read_bytes()}
    page.set_input_files("#choose-files", later)
    wait_until(lambda: page.get_by_text("1 face").count() == 2 and page.evaluate(IS_KEPT))
    assert len(sent) == 3
    page.reload(wait_until="domcontentloaded")
    open_files(page)
    page.get_by_text("Analysing, 40 %").wait_for()
    assert page.evaluate(NAMES) == ["later.png", "clip.mp4", "astronaut.png"]
    assert page.locator(".upload .label").all_inner_texts() == ["Happy", "Happy"]
    assert len(sent) == 3
    other = open_files(open_page(page.url))  # another browser, as to its cookies
    assert other.evaluate("async () => (await fetch('videos')).json()") == {"videos": []}
    fails.set()
    page.get_by_text("The disk is full.").wait_for()
    page.get_by_role("button", name="Try again with clip.mp4").click()
    page.get_by_text("Analysing, 40 %").wait_for()
    assert len(tries) == 2
    page.get_by_role("button", name="Remove later.png").click()
    page.get_by_role("button", name="Remove clip.mp4").click()
    wait_until(lambda: page.evaluate("async () => (await (await fetch('videos')).json()).videos.length") == 0)
    page.reload(wait_until="domcontentloaded")
    open_files(page)
    page.wait_for_selector(".upload .face")
    assert page.evaluate(NAMES) == ["astronaut.png"]
    page.add_init_script("Date.now = () => new Date().getTime() + 24 * 3600 * 1000")  # a day later
    page.reload(wait_until="domcontentloaded")
    with page.expect_response("**/videos"):
        open_files(page)
    page.wait_for_function("() => sessionStorage.getItem('uploads') === '[]'")
    assert page.evaluate(NAMES) == []


def saved(page, button):
    """The name and content of the file that a button saves."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    with open(download.value.path(), "rb") as file:
        return download.value.suggested_filename, file.read()


def test_a_line_lights_its_box_and_a_box_its_line_and_both_are_saved(address, open_page, couple):
    page = open_files(open_page(address, viewport={"width": 390, "height": 844}))
    page.set_input_files("#choose-files", str(couple))
    page.get_by_text("2 faces").wait_for()
    canvas, lines = page.locator(".upload figure canvas"), page.locator(".upload .face")
    lit = page.locator(".upload .lit")
    unlit = canvas.evaluate(PIXELS)
    page.locator(".save-json").focus()
    page.keyboard.press("Tab")
    assert lit.evaluate("(line) => line === document.activeElement")
    first = canvas.evaluate(PIXELS)
    page.keyboard.press("Tab")
    assert len({unlit, first, canvas.evaluate(PIXELS)}) == 3
    page.evaluate("() => document.activeElement.blur()")
    assert canvas.evaluate(PIXELS) == unlit
    lines.first.hover()
    assert canvas.evaluate(PIXELS) == first
    box = json.loads(saved(page, "Save JSON")[1])["faces"][1]["box"]
    place = canvas.bounding_box()
    scale = place["width"] / 2000
    at = {"x": scale * (box[0] + box[2] / 2), "y": scale * (box[1] + box[3] / 2)}
    canvas.hover(position=at)
    assert lit.locator(".number").inner_text() == "2"
    canvas.hover(position={"x": place["width"] / 2, "y": 2})
    assert lit.count() == 0
    touch = {"pointerType": "touch", "clientX": place["x"] + at["x"], "clientY": canvas.bounding_box()["y"] + at["y"]}
    canvas.dispatch_event("pointerdown", touch)
    canvas.dispatch_event("pointerleave", touch)
    assert lit.locator(".number").inner_text() == "2"
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    check_files(page, couple)


def check_files(page, couple):
    name, content = saved(page, "Save picture")
    assert name == "photo_annotated.jpg"
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (400, 2000, 3)
    change = np.abs(image.astype(int) - cv2.imread(str(couple))).max(axis=2)
    name, content = saved(page, "Save JSON")
    assert name == "photo.json"
    answer = json.loads(content)
    assert (answer["name"], answer["size"], len(answer["faces"])) == ("photo.jpg", [2000, 400], 2)
    for face in answer["faces"]:
        x, y, width, height = face["box"]
        assert change[y + height, x : x + width].mean() > 60  # the box's lower edge
        assert change[y + 30 : y + height - 30, x + 30 : x + width - 30].mean() < 20
