import json
import threading
from urllib.parse import urlsplit

import pytest

from main import create_app, create_server, listen


@pytest.fixture
def open_page(chromium):
    """A function that opens an address in a new page; what the page complains of fails the test."""
    pages, complaints = [], []

    def start(address, **options):
        page = chromium.new_page(**options)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        pages.append(page)
        page.goto(address, wait_until="commit")
        return page

    yield start
    for page in pages:
        page.close()
    assert complaints == []


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
    page.wait_for_selector("#faces article", timeout=15_000)


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
    assert page.locator("#faces dd").nth(3).inner_text().endswith(" %")
    assert "frames a second" in page.locator("#fps").inner_text()
    assert "Face 1:" in page.locator("#timeline-words").inner_text()


def test_a_still_picture_shows_within_a_second_with_its_face(serve, open_page, picture):
    page = open_page(serve(str(picture)))
    page.wait_for_function("() => document.getElementById('picture').naturalWidth === 512", timeout=1000)
    wait_for_face(page)
    assert page.locator("#faces .label").inner_text() == "Happy"


def test_settings_change_the_picture_for_all(serve, open_page, picture):
    address = serve(str(picture))
    page, other = open_page(address), open_page(address)
    wait_for_face(page)
    for name in ("Labels", "Boxes", "Mirror"):
        before = page.evaluate("async () => (await (await fetch('/snapshot.jpg')).blob()).size")
        page.get_by_label(name).click()
        page.wait_for_function(
            "async before => (await (await fetch('/snapshot.jpg')).blob()).size !== before", arg=before, timeout=5000
        )
    assert state(page)["settings"] == {"mirror": True, "boxes": False, "labels": False}
    other.wait_for_function("() => document.querySelector('[name=mirror]').checked")


def test_pause_holds_picture_and_bars_and_goes_on(serve, open_page, clip):
    page = open_page(serve(str(clip)))
    wait_for_face(page)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the first control
    assert page.get_by_role("button", name="Go on").get_attribute("aria-pressed") == "true"
    page.wait_for_function("async () => (await (await fetch('/state')).json()).viewers === 0")
    held = picture(page)
    page.wait_for_timeout(500)
    assert picture(page) == held
    page.keyboard.press("Enter")
    page.wait_for_function("async () => (await (await fetch('/state')).json()).viewers === 1")


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
    page.goto(address, wait_until="commit")
    wait_for_face(page)
    page.close()
    assert set(asked) == {urlsplit(address).netloc}


def test_the_page_says_that_the_server_has_gone_and_comes_back_with_it(watch, open_page, clip):
    def serve_on(port):
        server = create_server(create_app(watch(str(clip))), listen(port))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    first = serve_on(0)
    page = open_page(f"http://127.0.0.1:{first.port}")
    wait_for_face(page)
    first.shutdown()
    first.server_close()
    watch.close()
    page.get_by_text("The server has stopped.").wait_for(timeout=10_000)
    second = serve_on(first.port)
    page.get_by_text("The server has stopped.").wait_for(state="hidden", timeout=15_000)
    wait_for_face(page)
    second.shutdown()
    second.server_close()


@pytest.mark.parametrize("size", [(1280, 900), (390, 844)])
def test_nothing_runs_over_the_edge(serve, open_page, clip, size):
    page = open_page(serve(str(clip)), viewport={"width": size[0], "height": size[1]})
    wait_for_face(page)
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


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
