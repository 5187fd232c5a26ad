"""More than three faces: a line for each, what they show together, and a page that stays as it is."""

import itertools

import cv2
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

import test_page
from waiting import wait_until

open_page = test_page.open_page  # the fixture

# What moves without anybody's doing, as browsers measure it: https://web.dev/articles/cls
SHIFTS = """() => {
    window.shifts = [];
    new PerformanceObserver((list) => {
        for (const each of list.getEntries()) if (!each.hadRecentInput) window.shifts.push(each.value);
    }).observe({ type: "layout-shift", buffered: true });
}"""
LINES = "() => [...document.querySelectorAll('#faces .lines > li:not(.gone) .number')].map((each) => each.textContent)"
SHARES = "() => [...document.querySelectorAll('#faces .shares .value')].map((each) => parseInt(each.textContent))"
IN_ORDER = """() => [...document.querySelectorAll('#faces .lines > li')]
    .map((each) => [each.getBoundingClientRect().top, Number(each.querySelector('.number').textContent)])
    .sort(([one], [other]) => one - other).map(([, number]) => number)"""
# Shows five faces and then two in a panel, and resolves to how many cards and lines there are.
FIVE_THEN_TWO = """async () => {
    const { FacePanel } = await import("/static/face_panel.js");
    const place = document.getElementById("own-faces");
    const panel = new FacePanel(place);
    const face = { label: "Happy", sure: true, state: "frontal", emotions: { happy: 1 } };
    for (const count of [5, 2]) panel.show(Array.from({ length: count }, (_, index) => ({ ...face, face: index + 1 })));
    return [".cards", ".lines"].map((name) => place.querySelector(name).children.length);
}"""
PEOPLE, RATE, SECONDS = 6, 25, 6


@pytest.fixture(scope="module")
def crowd(astronaut, film, tmp_path_factory):
    """A video of six people, one of whom goes and comes back, in 640×360."""
    face = cv2.resize(astronaut[:220, 110:330], (100, 100))
    images = []
    for frame in range(RATE * SECONDS):
        image = np.full((360, 640, 3), 90, np.uint8)
        for person in range(PEOPLE):
            if person == 5 and RATE * SECONDS // 3 < frame < 2 * RATE * SECONDS // 3:
                continue
            left, top = 5 + 213 * (person % 3) + frame % 25 // 5, 40 + 180 * (person // 3)
            image[top : top + 100, left : left + 100] = face
        images.append(image)
    return film(tmp_path_factory.mktemp("films") / "crowd.mp4", images)


@pytest.fixture
def class_page(serve, open_page, crowd):
    page = open_page(serve(str(crowd)), viewport={"width": 1280, "height": 800}, bypass_csp=True)
    wait_until(lambda: len(page.evaluate(LINES)) >= 5, 30)
    return page


def test_from_the_fourth_face_on_each_has_a_line(class_page):
    page = class_page
    assert page.locator("#faces article").count() == 0
    assert page.evaluate(IN_ORDER) == sorted(page.evaluate(IN_ORDER))
    wait_until(lambda: 97 <= sum(page.evaluate(SHARES)) <= 103)
    assert page.locator("#faces .together canvas").evaluate("(canvas) => canvas.clientHeight") > 40
    line = page.locator("#faces .lines button").first
    line.focus()
    page.keyboard.press("Enter")
    assert line.get_attribute("aria-expanded") == "true"
    page.locator("#faces .lines .face").get_by_role("button", name="This is my resting face").wait_for()
    assert page.locator("#faces .lines .face dt").count() == 7
    wait_until(lambda: page.evaluate(IN_ORDER) == sorted(page.evaluate(IN_ORDER)))
    page.keyboard.press("Enter")
    assert page.locator("#faces .lines .face").count() == 0


def test_a_line_lights_its_box_and_a_box_its_line(class_page):
    page = class_page
    line = page.locator("#faces .lines > li").first
    line.hover()
    page.locator("#lit").wait_for()
    assert "lit" in line.get_attribute("class")
    page.mouse.move(5, 5)
    page.locator("#lit").wait_for(state="hidden")
    picture = page.locator("#picture").bounding_box()
    page.mouse.move(picture["x"] + picture["width"] * 58 / 640, picture["y"] + picture["height"] * 90 / 360)
    page.locator("#lit").wait_for()
    assert page.locator("#faces .lit").count() == 1


@pytest.mark.parametrize(("size", "screens"), [((1280, 800), 2), ((390, 844), 3)])
def test_nothing_moves_when_faces_come_and_go(class_page, size, screens):
    page = class_page
    page.set_viewport_size(dict(zip(("width", "height"), size)))
    page.wait_for_timeout(500)
    page.evaluate(SHIFTS)
    page.evaluate("() => { window.shifts = []; }")  # those of the new size
    page.wait_for_timeout(1000 * SECONDS)
    assert sum(page.evaluate("() => window.shifts")) <= 0.05
    assert page.evaluate("() => document.documentElement.scrollHeight") <= screens * size[1]


def test_axe_finds_nothing_where_there_are_many_faces(class_page):
    for scheme, width in itertools.product(("light", "dark"), (1280, 390)):
        class_page.emulate_media(color_scheme=scheme)
        class_page.set_viewport_size({"width": width, "height": 800})
        assert [each["id"] for each in Axe().run(class_page).response["violations"]] == []


def test_where_nothing_lingers_the_cards_are_back_at_once(serve, open_page, picture):
    page = open_page(serve(str(picture)))
    assert page.evaluate(FIVE_THEN_TWO) == [2, 0]
