"""The page of those who only watch, and the link to it on the page of those who steer."""

import contextlib

import pytest
from axe_playwright_python.sync_playwright import Axe

import test_page
from test_page import difference, picture, wait_for_face
from test_sharing import NAMES, TOKEN, WATCH
from waiting import wait_until
from web_client import ask

open_page = test_page.open_page  # the fixture
JSON = {"Authorization": f"Bearer {TOKEN}", "Content_Type": "application/json"}


@pytest.fixture
def shared(serve):
    """A function that serves a source with both tokens and gives the address."""

    def start(source="demo", **access):
        return serve(str(source), **{"names": NAMES, "token": TOKEN, "watch_token": WATCH} | access)

    return start


def audience(page):
    return page.locator("#viewers").inner_text()


def test_a_watcher_sees_picture_faces_and_how_many_watch_and_no_controls(shared, open_page):
    address = shared()
    watcher = open_page("about:blank")
    refused = []
    watcher.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    watcher.goto(f"{address}/?token={WATCH}", wait_until="domcontentloaded")
    watcher.get_by_text("Happy").filter(visible=True).first.wait_for(timeout=20_000)
    before = picture(watcher)
    wait_until(lambda: difference(before, picture(watcher)) > 0.2)
    assert watcher.get_by_text("Faces in this picture are analysed.").is_visible()
    wait_until(lambda: audience(watcher) == "0 steer, 1 watches")
    steerer = open_page(f"{address}/?token={TOKEN}")
    for page in (watcher, steerer):
        wait_until(lambda page=page: audience(page) == "1 steers, 1 watches")
    assert watcher.locator("button:not(#full), input, select, form, [role=tab]").count() == 0
    ask(address, "/recording", "POST", "{}", **JSON)
    watcher.get_by_text("Recording 0:").wait_for()
    assert "token" not in watcher.url
    assert refused == []
    steerer.close()
    wait_until(lambda: audience(watcher) == "0 steer, 1 watches")


def test_axe_finds_nothing_on_the_watchers_page_and_nothing_runs_over_the_edge(shared, open_page, tmp_path):
    page = open_page(f"{shared()}/?token={WATCH}", bypass_csp=True)
    page.locator("#faces article").first.wait_for()
    nothing = open_page(f"{shared(tmp_path / 'gone.mp4')}/?token={WATCH}", bypass_csp=True)
    nothing.get_by_text("The source gives no picture.").wait_for(timeout=20_000)
    for each in (page, nothing):
        for width, height in ((1280, 800), (390, 844)):
            each.set_viewport_size({"width": width, "height": height})
            wait_until(lambda page=each: page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))
            for scheme in ("light", "dark"):
                each.emulate_media(color_scheme=scheme)
                assert [found["id"] for found in Axe().run(each).response["violations"]] == []
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Snapshot"


@pytest.mark.parametrize("host", ["127.0.0.1", "faces.example"])  # the latter without https, so without a clipboard
def test_the_link_can_be_copied_and_its_code_is_seen(shared, chromium, host):
    address = shared().replace("127.0.0.1", host)
    with contextlib.closing(chromium.new_context(bypass_csp=True)) as browser:
        page = browser.new_page()
        page.goto(f"{address}/?token={TOKEN}", wait_until="domcontentloaded")
        wait_for_face(page)
        page.locator("#share").scroll_into_view_if_needed()
        page.wait_for_function("() => document.querySelector('.qr').naturalWidth > 0")
        page.get_by_role("button", name="Copy").click()
        page.get_by_text("Copied.").wait_for()
        page.get_by_label("Address of a network camera").focus()
        page.keyboard.press("Control+V")
        pasted = page.get_by_label("Address of a network camera").input_value()
        assert pasted == page.get_by_label("Link for others").input_value()
        assert pasted.endswith(f"/?token={WATCH}")
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            assert Axe().run(page, context="#share").response["violations"] == []


def test_who_tries_the_link_in_the_browser_that_steers_goes_on_steering(shared, chromium):
    address = shared()
    with contextlib.closing(chromium.new_context()) as browser:
        complaints = []
        browser.on("weberror", lambda error: complaints.append(str(error.error)))
        watcher, steerer = browser.new_page(), browser.new_page()
        watcher.goto(f"{address}/?token={WATCH}", wait_until="domcontentloaded")
        watcher.locator("#faces article").first.wait_for()
        steerer.goto(f"{address}/?token={TOKEN}", wait_until="domcontentloaded")
        wait_for_face(steerer)
        steerer.get_by_role("checkbox", name="Mirror").click()
        wait_until(lambda: ask(address, "/state", **JSON).json()["settings"]["mirror"])
        watcher.reload()
        wait_for_face(watcher)
        assert complaints == []
