"""Many windows of one browser, which allows six connections to a server."""

import pytest

import test_page
from test_page import picture, state, wait_for_face
from waiting import wait_until

open_page = test_page.open_page  # the fixture

BARS = "() => [...document.querySelectorAll('#faces meter')].map((bar) => bar.value)"
HAS_STREAM = "() => document.getElementById('picture').src.includes('/video_feed')"
ANSWER_TIME = """async () => {
    const began = performance.now();
    const response = await fetch("settings", { method: "POST", headers: { "Content-Type": "application/json" },
                                               body: JSON.stringify({ labels: true }) });
    return response.ok ? (performance.now() - began) / 1000 : Infinity;
}"""
SET_HIDDEN = """(hidden) => {
    Object.defineProperty(document, "hidden", { get: () => hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""

NO_WORKER = """window.SharedWorker = class extends SharedWorker {
    constructor(_, options) { super("static/no.js", options); }
};"""


@pytest.fixture
def windows(chromium):
    """A browser context, whose pages share what windows of one browser share."""
    with chromium.new_context() as context:
        yield context


def open_window(windows, address):
    page = windows.new_page()
    page.goto(address, wait_until="domcontentloaded")
    return page


def open_one_after_another(windows, address, count):
    """Windows, of which the first have the streams."""
    pages = []
    for _ in range(count):
        pages.append(open_window(windows, address))
        wait_for_face(pages[-1])
    return pages


def moves(page):
    """Whether picture and bars change while one looks."""
    seen, bars = picture(page), page.evaluate(BARS)
    wait_until(lambda: picture(page) != seen, every=0.1)
    return bool(wait_until(lambda: page.evaluate(BARS) != bars, every=0.1))


def with_stream(pages):
    return [page for page in pages if page.evaluate(HAS_STREAM)]


def test_eight_windows_show_what_happens_and_leave_connections_for_settings(serve, windows):
    address = serve("demo")
    pages = [open_window(windows, address) for _ in range(8)]
    for page in pages:
        wait_for_face(page)
    assert all(moves(page) for page in pages)
    assert len(with_stream(pages)) == 3
    assert min(page.evaluate(ANSWER_TIME) for page in pages) < 2
    pages[7].locator("#settings").get_by_label("Mirror").click()
    pages[0].wait_for_function("() => document.querySelector('[name=mirror]').checked")
    first_ones, rest = pages[:5], pages[5:]
    for page in first_ones:
        page.close()
    wait_until(lambda: len(with_stream(rest)) == 3)
    assert all(moves(page) for page in rest)
    wait_until(lambda: state(rest[0])["viewers"] == 3)


def test_a_hidden_window_gives_its_stream_to_another(serve, windows):
    address = serve("demo")
    pages = open_one_after_another(windows, address, 4)
    wait_until(lambda: with_stream(pages) == pages[:3])
    pages[0].evaluate(SET_HIDDEN, True)
    wait_until(lambda: with_stream(pages) == pages[1:])
    assert pages[0].get_attribute("#picture", "src") is None
    pages[0].evaluate(SET_HIDDEN, False)
    wait_until(lambda: picture(pages[0]) and moves(pages[0]))
    assert with_stream(pages) == pages[1:]


def test_a_window_that_hangs_loses_its_stream_to_another(serve, windows):
    address = serve("demo")
    pages = open_one_after_another(windows, address, 4)
    wait_until(lambda: with_stream(pages) == pages[:3])
    dialogs = []
    pages[0].on("dialog", lambda dialog: dialogs.append(dialog))  # and leave it open: the window says nothing any more
    pages[0].evaluate("() => { setTimeout(() => alert('Hello')) }")
    pages[3].wait_for_function(HAS_STREAM, timeout=30_000)
    assert moves(pages[3])
    dialogs[0].accept()
    assert moves(pages[0])


def test_windows_go_on_when_their_shared_worker_dies(serve, windows, chromium):
    address = serve("demo")
    pages = [open_window(windows, address) for _ in range(2)]
    for page in pages:
        wait_for_face(page)
    browser = chromium.new_browser_cdp_session()
    (worker,) = [
        target
        for target in browser.send("Target.getTargets")["targetInfos"]
        if target["type"] == "shared_worker" and target["url"].startswith(address)
    ]
    browser.send("Target.closeTarget", {"targetId": worker["targetId"]})
    bars = [page.evaluate(BARS) for page in pages]
    for page, before in zip(pages, bars, strict=True):
        wait_until(lambda page=page, before=before: page.evaluate(BARS) != before and moves(page))


def test_a_browser_without_shared_workers_has_a_connection_for_each_window(serve, windows):
    address = serve("demo")
    windows.add_init_script("delete window.SharedWorker")
    page = open_window(windows, address)
    wait_for_face(page)
    assert moves(page)
    assert page.evaluate(HAS_STREAM)


def test_a_window_whose_worker_cannot_be_loaded_has_a_connection_of_its_own(serve, windows):
    address = serve("demo")
    windows.add_init_script(NO_WORKER)
    page = open_window(windows, address)
    wait_for_face(page)
    assert moves(page)
