"""What the page says and does when connections end, are refused or go through a proxy."""

import contextlib
import re
import socket
import socketserver
import struct
import threading
import time
from concurrent.futures import Future

import cv2
import numpy as np
import pytest

import camera
import test_page
from camera import VideoCamera
from test_page import difference, picture, served, wait_for_face
from waiting import wait_until
from web import live_routes
from web_client import ask

open_page = test_page.open_page  # the fixture

GONE = "The server has stopped."
NEW_LINK = "The program was restarted with a new link; open the link that it printed, or ask for it again."


class Proxy(socketserver.ThreadingTCPServer):
    """Passes requests on to a server, under a prefix where there is one, and ends or refuses some of them."""

    daemon_threads, block_on_close = True, False

    def __init__(self, port, prefix=""):
        super().__init__(("127.0.0.1", 0), Passage)
        self.server_port, self.prefix = port, prefix
        self.requests = []  # their paths
        self.open = []  # (path, client, server), of those that have not ended
        self.refused = {}  # by path: the answer
        self.is_held = set()  # paths whose answers stand still
        self.address = f"http://127.0.0.1:{self.server_address[1]}{prefix}"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def end(self, path, reset=False):
        """End the answers to a path that are being sent. reset: in the middle, as when a machine fails."""
        for each, client, server in list(self.open):
            if each == path:
                if reset:
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.close()
                else:
                    with contextlib.suppress(OSError):
                        client.shutdown(socket.SHUT_WR)
                with contextlib.suppress(OSError):
                    server.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.shutdown()
        for path, _, _ in list(self.open):
            self.end(path)
        wait_until(lambda: not self.open)
        self.server_close()


class Passage(socketserver.StreamRequestHandler):
    """One request; the server answers one for each connection."""

    def handle(self):
        proxy = self.server
        request = self.rfile.readline()
        if not request:
            return
        method, target, version = request.decode().split()
        headers = [line for line in iter(self.rfile.readline, b"\r\n") if not line.lower().startswith(b"connection")]
        length = sum(int(line.split(b":")[1]) for line in headers if line.lower().startswith(b"content-length"))
        body = self.rfile.read(length)
        target = target.removeprefix(proxy.prefix)
        path = target.partition("?")[0]
        proxy.requests.append(path)
        if path in proxy.refused:
            self.wfile.write(proxy.refused[path])
            return
        with socket.create_connection(("127.0.0.1", proxy.server_port)) as server:
            proxy.open.append((path, self.connection, server))
            head = [f"{method} {target} {version}\r\n".encode(), *headers]
            if proxy.prefix:
                head.append(f"X-Forwarded-Prefix: {proxy.prefix}\r\n".encode())
            with contextlib.suppress(OSError):
                server.sendall(b"".join([*head, b"\r\n", body]))
                while data := server.recv(1 << 16):
                    while path in proxy.is_held:
                        time.sleep(0.02)
                    self.connection.sendall(data)
            proxy.open.remove((path, self.connection, server))


@pytest.fixture
def pass_through():
    """A function that starts a Proxy in front of an address."""
    proxies = []

    def start(address, prefix=""):
        proxies.append(Proxy(int(address.rpartition(":")[2]), prefix))
        return proxies[-1]

    yield start
    for proxy in proxies:
        proxy.close()


def is_moving(page, seconds=0.5):
    before = picture(page)
    page.wait_for_timeout(1000 * seconds)
    return difference(before, picture(page)) > 0


def test_a_picture_whose_connection_ends_comes_back_by_itself(serve, open_page, pass_through):
    proxy = pass_through(serve("demo"))
    page = open_page(proxy.address)
    wait_for_face(page)
    wait_until(lambda: is_moving(page))
    for reset in (False, True):
        asked = proxy.requests.count("/video_feed")
        proxy.end("/video_feed", reset)
        wait_until(lambda asked=asked: proxy.requests.count("/video_feed") > asked)
        wait_until(lambda: is_moving(page))
    assert proxy.requests.count("/events") == 1
    assert not page.get_by_text(GONE).is_visible()


def test_a_picture_whose_connection_stands_still_is_requested_anew(serve, open_page, pass_through):
    proxy = pass_through(serve("demo"))
    page = open_page(proxy.address)
    wait_for_face(page)
    wait_until(lambda: is_moving(page))
    proxy.is_held.add("/video_feed")
    wait_until(lambda: proxy.requests.count("/video_feed") > 1)
    proxy.is_held.clear()
    wait_until(lambda: is_moving(page))


def test_a_picture_that_stands_still_is_not_requested_anew(serve, open_page, pass_through, picture):
    proxy = pass_through(serve(str(picture)))
    page = open_page(proxy.address)
    wait_for_face(page)
    page.wait_for_timeout(8000)
    assert proxy.requests.count("/video_feed") == 1


def test_a_film_that_stands_still_is_requested_anew_less_and_less(serve, open_page, pass_through, film, tmp_path):
    images = [np.full((120, 160, 3), 90, np.uint8)] * 50
    proxy = pass_through(serve(str(film(tmp_path / "still.mp4", images))))
    page = open_page(proxy.address)
    page.locator("#fps:not(:empty)").wait_for()
    page.wait_for_timeout(15_000)
    assert proxy.requests.count("/video_feed") <= 3  # after about 4 and 7 seconds


def test_when_only_the_events_end_they_are_requested_anew_without_a_word(serve, open_page, pass_through):
    proxy = pass_through(serve("demo"))
    page = open_page(proxy.address)
    wait_for_face(page)
    page.wait_for_timeout(2500)
    page.evaluate(
        """() => {
            window.said = false;
            new MutationObserver(() => { window.said ||= !document.getElementById("gone").hidden; })
                .observe(document.getElementById("gone"), { attributes: true });
        }"""
    )
    proxy.end("/events")
    wait_until(lambda: proxy.requests.count("/events") == 2)
    page.locator("#fps:not(:empty)").wait_for()
    page.wait_for_timeout(500)
    assert not page.evaluate("window.said")


def test_after_a_restart_with_a_token_the_page_says_which_link_to_open(watch, chromium, clip):
    with chromium.new_context() as browser:
        page = browser.new_page()
        with served(watch(str(clip)), token="first") as port:
            page.goto(f"http://127.0.0.1:{port}/?token=first")
            wait_for_face(page)
        page.get_by_text(GONE).wait_for()
        with served(watch(str(clip)), port, token="second"):
            page.get_by_text(NEW_LINK).wait_for()
            assert not page.get_by_text(GONE).is_visible()
            assert page.locator("#fps").inner_text() == ""
            browser.new_page().goto(f"http://127.0.0.1:{port}/?token=second")
            page.get_by_text(NEW_LINK).wait_for(state="hidden")
            wait_for_face(page)


def test_one_window_too_many_says_so_until_there_is_room(serve, open_page, clip, monkeypatch):
    address = serve(str(clip))
    monkeypatch.setattr(live_routes, "MAX_VIEWERS", 0)
    page = open_page(address)
    page.get_by_text("Too many viewers; try again in a moment.").filter(visible=True).wait_for()
    monkeypatch.undo()
    wait_for_face(page)
    wait_until(lambda: is_moving(page))
    assert page.get_by_text("Too many viewers").count() == 0


def test_a_picture_that_is_refused_is_explained(serve, open_page, pass_through, clip):
    proxy = pass_through(serve(str(clip)))
    sentence = b'{"error": "Too many viewers; try again in a moment."}'
    proxy.refused["/video_feed"] = b"HTTP/1.0 503 Busy\r\nContent-Type: application/json\r\n\r\n" + sentence
    page = open_page(proxy.address)
    page.get_by_text("Too many viewers; try again in a moment.").wait_for()
    wait_for_face(page)
    proxy.refused.clear()
    page.get_by_text("Too many viewers").wait_for(state="hidden")
    wait_until(lambda: is_moving(page))


def test_a_proxy_without_its_server_is_a_server_that_has_stopped(serve, open_page, pass_through, clip):
    proxy = pass_through(serve(str(clip)))
    page = open_page(proxy.address)
    wait_for_face(page)
    proxy.refused["/events"] = b"HTTP/1.0 502 Bad Gateway\r\nContent-Type: text/html\r\n\r\n<h1>Bad Gateway</h1>"
    proxy.end("/events")
    page.get_by_text(GONE).wait_for()


def test_events_that_stand_still_are_told(serve, open_page, pass_through, clip):
    proxy = pass_through(serve(str(clip)))
    page = open_page(proxy.address)
    wait_for_face(page)
    proxy.is_held.add("/events")
    page.get_by_text("The server is not responding.").wait_for()
    assert page.locator("#faces article").count() == 0
    proxy.is_held.clear()
    wait_for_face(page)


def test_nothing_that_is_tried_hides_that_the_server_has_gone(watch, open_page, clip):
    with served(watch(str(clip))) as port:
        page = open_page(f"http://127.0.0.1:{port}")
        wait_for_face(page)
    gone = page.get_by_text(GONE)
    gone.wait_for()
    assert page.locator("#faces article").count() == 0
    page.get_by_role("checkbox", name="Mirror").click()
    page.locator("#settings-problem").get_by_text("The server is not responding.").wait_for()
    assert not page.get_by_role("checkbox", name="Mirror").is_checked()
    page.get_by_role("button", name="Record").click()
    page.locator("#record-problem").get_by_text("The server is not responding.").wait_for()
    page.get_by_role("button", name="the demo").click()
    page.locator("#choose-problem").get_by_text("The server is not responding.").wait_for()
    page.get_by_role("tab", name="Pictures and videos").click()
    assert not gone.is_visible()
    page.get_by_role("tab", name="Live").click()
    gone.wait_for()
    assert page.get_by_role("button", name="the demo").is_visible()
    page.get_by_role("button", name="Pause").click()
    gone.wait_for()
    page.get_by_role("button", name="Resume").click()
    page.wait_for_timeout(500)
    assert gone.is_visible()
    with served(watch(str(clip)), port):
        gone.wait_for(state="hidden")
        wait_for_face(page)
        assert page.get_by_text("The server is not responding.").count() == 0


def test_the_live_views_notices_stay_in_it(open_page, clip):
    with served(VideoCamera(str(clip), Future()), note="No webcam found. The demo plays instead.") as port:
        page = open_page(f"http://127.0.0.1:{port}")
        preparing = page.get_by_text("The network is being prepared")
        preparing.wait_for()
        note = page.get_by_text("No webcam found.")
        assert note.is_visible()
        for tab in ("This browser's camera", "Pictures and videos"):
            page.get_by_role("tab", name=tab).click()
            assert not preparing.is_visible()
            assert not note.is_visible()
            assert page.get_by_text("No face in the picture.").filter(visible=True).count() == 0
        page.get_by_role("tab", name="Live").click()
        preparing.wait_for()


def test_what_failed_in_the_program_is_told_while_it_lasts(serve, open_page, clip, monkeypatch):
    page = open_page(serve(str(clip)))
    wait_for_face(page)
    with monkeypatch.context() as patch:
        patch.setattr(camera, "FAULT_TOLD", 2.0)

        def fail(*_, **__):
            raise ZeroDivisionError

        patch.setattr(camera, "draw_on_planes", fail)
        notice = page.get_by_role("status").get_by_text("Something in the program failed")
        notice.wait_for()
    notice.wait_for(state="hidden")


def test_what_a_proxy_refuses_to_pass_on_is_explained(serve, open_page, pass_through, clip, picture):
    proxy = pass_through(serve(str(clip)))
    for path in ("/api/predict", "/videos"):
        proxy.refused[path] = b"HTTP/1.0 413 Too Large\r\nContent-Type: text/html\r\n\r\n<h1>Too Large</h1>"
    page = open_page(proxy.address)
    page.get_by_role("tab", name="Pictures and videos").click()
    for count, file in enumerate((picture, clip), start=1):
        page.set_input_files("#choose-files", str(file))
        wait_until(lambda count=count: page.locator(".upload").get_by_text("too large for the proxy").count() == count)


def test_the_page_works_under_a_path_of_a_proxy(serve, open_page, pass_through, clip, astronaut, tmp_path):
    address = serve(str(clip), behind_proxy=True)
    proxy = pass_through(address, "/faces")
    assert re.search('src="/faces/', ask(proxy.address, "/faces/").body.decode())
    image = tmp_path / "astronaut.png"
    cv2.imwrite(str(image), astronaut)
    asked = []
    page = open_page("about:blank")
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{proxy.address}/", wait_until="commit")
    wait_for_face(page)
    wait_until(lambda: is_moving(page))
    page.get_by_role("checkbox", name="Mirror").click()
    wait_until(lambda: ask(address, "/state").json()["settings"]["mirror"])
    page.get_by_role("button", name="the demo").click()
    page.get_by_role("button", name="Record", exact=True).click()
    page.get_by_text("Recording, 0:01").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Open the recording").click()
    page.wait_for_function("() => document.querySelector('#recordings video')?.duration > 0.5", timeout=60_000)
    with page.expect_download():
        page.locator("#recordings").get_by_role("button", name="Chart").click()
    page.get_by_role("tab", name="This browser's camera").click()
    page.get_by_role("button", name="Start the camera").click()
    page.wait_for_selector("#own-faces article")
    page.get_by_role("tab", name="Pictures and videos").click()
    page.set_input_files("#choose-files", [str(image), str(clip)])
    page.wait_for_selector(".upload .face")
    page.wait_for_function("() => document.querySelector('.upload video')?.duration > 1", timeout=60_000)
    page.get_by_role("button", name="Remove clip.mp4").click()
    assert [url for url in asked if url.startswith("http") and not url.startswith(f"{proxy.address}/")] == []
    assert not [path for path in proxy.requests if path.startswith("/faces")]
