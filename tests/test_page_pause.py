"""A paused page: what stands there stays, and can be saved."""

import re

import cv2
import numpy as np
import pytest

import test_page
from test_page import difference, picture, state, wait_for_face
from waiting import wait_until

open_page = test_page.open_page  # the fixture

POINTS = (32, 18)  # as of test_page.picture
IS_STREAMING = """() => {
    const { src, naturalWidth } = document.getElementById("picture");
    return src.includes("/video_feed") && naturalWidth;
}"""
HELD = "() => document.getElementById('picture').src.startsWith('blob:') && document.getElementById('picture').complete"
STANDING = """() => [
    document.getElementById("faces").textContent,
    document.getElementById("timeline").toDataURL(),
    document.getElementById("timeline-words").textContent,
]"""


@pytest.fixture(scope="module")
def ramp(film, tmp_path_factory):
    """A video that gets brighter for four seconds, so that each frame tells when it was."""
    images = [np.full((180, 320, 3), 40 + 2 * frame, np.uint8) for frame in range(100)]
    return film(tmp_path_factory.mktemp("films") / "ramp.mp4", images)


def save_snapshot(page):
    with page.expect_download() as download:
        page.get_by_role("link", name="Snapshot").click()
    assert download.value.suggested_filename == "snapshot.jpg"
    return cv2.imread(str(download.value.path()))


def test_a_snapshot_while_paused_is_the_picture_that_stands_there(serve, open_page, ramp):
    page = open_page(serve(str(ramp)))
    page.wait_for_function(IS_STREAMING)
    for _ in range(3):
        page.get_by_role("button", name="Pause").click()
        page.wait_for_function(HELD)
        standing = picture(page)
        page.wait_for_timeout(700)
        assert picture(page) == standing
        saved = save_snapshot(page)
        assert saved.shape == (180, 320, 3)
        assert difference(list(map(int, cv2.resize(saved, POINTS)[:, :, 1].ravel())), standing) < 2
        page.get_by_role("button", name="Resume").click()
        wait_until(lambda standing=standing: picture(page) != standing)
    assert page.locator("#snapshot").get_attribute("href").endswith("/snapshot.jpg")


def test_pausing_holds_what_was_shown_at_that_moment(serve, open_page, ramp):
    page = open_page(serve(str(ramp)))
    page.wait_for_function(IS_STREAMING)
    before, after = page.evaluate(
        """async () => {
            const image = document.getElementById("picture");
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [1, 1];
            const context = canvas.getContext("2d");
            function grey() {
                context.drawImage(image, 0, 0, 1, 1);
                return context.getImageData(0, 0, 1, 1).data[1];
            }
            const before = grey();
            document.getElementById("pause").click();
            while (!image.src.startsWith("blob:") || !image.naturalWidth) await new Promise(requestAnimationFrame);
            return [before, grey()];
        }"""
    )
    assert abs(before - after) <= 2


def test_while_paused_there_is_no_rate_and_nothing_moves(serve, open_page):
    page = open_page(serve("demo"))
    wait_for_face(page)
    page.locator("#fps:not(:empty)").wait_for()
    page.get_by_role("button", name="Pause").click()
    assert [page.locator(f"#{each}").inner_text() for each in ("fps", "delay", "viewers")] == ["", "", ""]
    standing = page.evaluate(STANDING)
    page.wait_for_timeout(1500)
    assert page.evaluate(STANDING) == standing
    assert page.locator("#fps").inner_text() == ""
    assert state(page)["viewers"] == 0


def test_while_paused_the_page_still_tells_of_what_is_for_everyone(serve, open_page):
    address = serve("demo")
    page, other = open_page(address), open_page(address)
    wait_for_face(page)
    page.get_by_role("button", name="Pause").click()
    other.get_by_role("checkbox", name="Mirror").click()
    page.wait_for_function("() => document.querySelector('[name=mirror]').checked")
    page.get_by_role("button", name="Record").click()
    page.locator("#record-state").get_by_text(re.compile(r"Recording, 0:(0[3-9]|[1-5])")).wait_for()


def test_a_paused_picture_stays_while_its_window_is_hidden(serve, open_page):
    page = open_page(serve("demo"))
    wait_for_face(page)
    page.get_by_role("button", name="Pause").click()
    page.wait_for_function(HELD)
    standing = picture(page)
    page.get_by_role("tab", name="Pictures and videos").click()
    page.get_by_role("tab", name="Live").click()
    assert picture(page) == standing
    assert page.get_by_role("button", name="Resume").is_visible()
