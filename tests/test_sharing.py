"""With the watch token people see the page, the picture and its faces, and neither change nor read anything else."""

import json
import re
from contextlib import contextmanager
from urllib.parse import urlsplit

import numpy as np
import pytest

from paths import OPENAPI
from test_recordings import store
from vision.opencv import cv2
from waiting import wait_until
from web import access
from web_client import ask, opened_events

TOKEN, WATCH = "a-token-of-the-tests", "a-watch-token-of-the-tests"
NAMES = [*access.OWN_NAMES, "192.168.0.5", "faces.example"]
ALLOWED = {"/", "/video_feed", "/events", "/snapshot.jpg", "/static/page.js", "/healthz"}
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
ROUTES = [*json.loads(OPENAPI.read_text(encoding="utf-8"))["paths"], "/", "/static/page.js", "/nowhere"]
HTML = {"Accept": "text/html,*/*"}
TOLD = {"source", "fps", "waiting", "problem", "steering", "watching", "recording", "time", "delay", "size", "faces"}


@pytest.fixture
def client(watch, clip, recordings, make_app):
    """A function that gives a client of an app with both tokens; it stores no cookies of its own accord."""

    def start(source=clip, **options):
        tokens = {"names": NAMES, "token": TOKEN, "watch_token": WATCH, "recordings_folder": recordings.folder}
        return make_app(watch(str(source)), **tokens | options).test_client(use_cookies=False)

    return start


def status(client, path, method="GET", **options):
    """An answer's status; its body, which may have no end, is not read."""
    answer = client.open(path, method=method, buffered=False, **options)
    answer.close()
    return answer.status_code


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


@contextmanager
def events(address, token):
    """The events as they come, as dicts."""
    with opened_events(address, Authorization=f"Bearer {token}") as stream:
        yield map(json.loads, stream)


@pytest.mark.parametrize("headers", [bearer(WATCH), {"Cookie": f"watch_={WATCH}"}, {"Cookie": f"token_={WATCH}"}])
def test_the_watch_token_is_for_watching_alone(client, recordings, headers):
    page, id = client(), store(recordings)
    assert len(ROUTES) > 30
    for route in ROUTES:
        path = re.sub(r"{\w+}", "video.mp4", route.replace("{id}", id).replace("{page}", "camera"))
        for method in METHODS:
            found = status(page, path, method, headers=headers, json={} if method in ("POST", "PUT", "PATCH") else None)
            if route == "/healthz":
                assert found == (200 if method in ("GET", "HEAD", "OPTIONS") else 405)
            else:
                expected = 200 if route in ALLOWED and method in ("GET", "HEAD") else 403
                assert (method, path, found) == (method, path, expected)
    refused = page.get(f"/recordings/{id}/video.mp4", headers=headers)
    assert refused.get_json() == {"error": "With this link you can only watch."}


def test_in_an_address_the_watch_token_is_for_reading(client):
    page = client()
    for path in ALLOWED - {"/", "/healthz"}:
        assert status(page, f"{path}?token={WATCH}") == 200
    for path in ("/state", "/recordings", "/metrics", "/openapi.json", "/share.svg", "/video_feed/"):
        assert status(page, f"{path}?token={WATCH}") == 403
    for path in ("/settings", "/", "/video_feed"):
        assert status(page, f"{path}?token={WATCH}", "POST", json={}) == 401


@pytest.mark.parametrize("wrong", ["wrong", "", WATCH[:-1], WATCH + "x", "ünïcode"])
def test_a_wrong_token_is_none(client, wrong):
    page = client()
    assert status(page, "/snapshot.jpg", query_string={"token": wrong}) == 401
    assert status(page, "/", query_string={"token": wrong}) == 401
    assert status(page, "/snapshot.jpg", headers={"Cookie": f"watch_={wrong}".encode().decode("latin1")}) == 401


def test_without_a_watch_token_there_is_no_such_way_in(client):
    page = client(watch_token=None)
    assert status(page, f"/snapshot.jpg?token={WATCH}") == 401
    assert status(page, "/snapshot.jpg?token=") == status(page, "/snapshot.jpg", headers={"Cookie": "watch_="}) == 401
    assert b'id="share"' not in page.get("/", headers=bearer(TOKEN)).data
    assert page.get("/share.svg", headers=bearer(TOKEN)).status_code == 404


@pytest.mark.parametrize(
    "forged",
    [
        {"Origin": "http://localhost"},
        {"Origin": "null"},
        {"Origin": "http://elsewhere.example"},
        {"X-HTTP-Method-Override": "GET"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Prefix": "/video_feed"},
        {"X-Original-URL": "/snapshot.jpg"},
    ],
)
def test_nothing_that_a_watcher_claims_lets_them_change_anything(client, forged):
    page = client(behind_proxy=True)
    for path in ("/settings", "/source", "/recording", "/markers", "/api/frames/x"):
        assert status(page, path, "POST", json={"mirror": True}, headers=bearer(WATCH) | forged) == 403
    settings = page.get("/state", headers=bearer(TOKEN)).get_json()["settings"]
    assert settings["mirror"] is False


def test_the_link_leads_to_the_watchers_page_and_the_full_token_goes_before(client):
    page = client()
    answer = page.get(f"/?token={WATCH}", headers=HTML)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    cookie, *attributes = answer.headers["Set-Cookie"].split("; ")
    assert cookie == f"watch_={WATCH}"
    assert {"HttpOnly", "SameSite=Lax"} <= set(attributes)
    watched = page.get("/", headers=HTML | {"Cookie": cookie}).data
    assert b"Faces in this picture are analysed" in watched
    assert b'id="settings"' not in watched
    assert b"Recordings" not in watched
    for both in ({"Cookie": f"{cookie}; token_={TOKEN}"}, {"Cookie": cookie} | bearer(TOKEN)):
        assert b'id="settings"' in page.get("/", headers=both).data
        assert page.post("/settings", json={"mirror": False}, headers=both).status_code == 200
        assert page.get(f"/recordings?token={WATCH}", headers=both).status_code == 200


def test_watchers_are_told_what_their_page_shows_and_no_more(serve, clip, recordings):
    address = serve(str(clip), token=TOKEN, watch_token=WATCH, recordings_folder=recordings.folder)
    begun = ask(address, "/recording", "POST", "{}", Authorization=f"Bearer {TOKEN}", Content_Type="application/json")
    with events(address, WATCH) as told:
        event = next(event for event in told if event["recording"]["status"] == "recording" and event["faces"])
    assert set(event) == TOLD
    assert set(event["recording"]) == {"status", "seconds"}
    for secret in (begun.json()["id"], str(clip.parent), str(recordings.folder), "127.0.0.1", TOKEN):
        assert secret not in json.dumps(event)


def test_watchers_are_not_told_where_a_missing_file_is(serve, tmp_path):
    address = serve(str(tmp_path / "gone.mp4"), token=TOKEN, watch_token=WATCH)
    with events(address, TOKEN) as told:
        assert str(tmp_path) in next(event["problem"] for event in told if event["problem"])
    with events(address, WATCH) as told:
        event = next(event for event in told if event["problem"])
    assert event["problem"] == "The source gives no picture."
    assert str(tmp_path) not in json.dumps(event)


def test_everyone_is_told_how_many_steer_and_how_many_watch(serve, clip):
    address = serve(str(clip), token=TOKEN, watch_token=WATCH)

    def counts(stream):
        event = next(stream)
        return event["steering"], event["watching"]

    with events(address, TOKEN) as steered, events(address, WATCH) as watched:
        with events(address, WATCH) as more:
            for stream in (steered, watched, more):
                wait_until(lambda stream=stream: counts(stream) == (1, 2))
        for stream in (steered, watched):
            wait_until(lambda stream=stream: counts(stream) == (1, 1))
        state = ask(address, "/state", Authorization=f"Bearer {TOKEN}").json()
        assert (state["steering"], state["watching"], state["viewers"]) == (1, 1, 2)


def draw(svg):
    """The picture of a QR code that an SVG draws with lines, as a phone sees it."""
    size = int(re.search(r'viewBox="0 0 (\d+) \1"', svg)[1])
    image = np.full((size, size), 255, np.uint8)
    x = y = 0.0
    for command, first, second in re.findall(r"([Mmh])(-?[\d.]+)(?: (-?[\d.]+))?", re.findall(r' d="([^"]+)"', svg)[1]):
        if command == "h":
            image[int(y), int(x) : int(x + float(first))] = 0
            x += float(first)
        else:
            x, y = (float(first), float(second)) if command == "M" else (x + float(first), y + float(second))
    return cv2.resize(image, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)


@pytest.mark.parametrize(
    ("host", "proxy", "link"),
    [
        ("127.0.0.1:5000", {}, "http://192.168.0.5:5000/"),
        ("faces.example:5000", {}, "http://faces.example:5000/"),
        (
            "127.0.0.1:5000",
            {"X-Forwarded-Host": "faces.example", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/faces"},
            "https://faces.example/faces/",
        ),
    ],
)
def test_the_page_of_those_who_steer_has_the_link_and_its_qr_code(client, host, proxy, link):
    page = client(behind_proxy=bool(proxy))
    headers, base = bearer(TOKEN) | proxy, f"http://{host}"
    shown = re.search(r'id="watch-link"[^>]* value="([^"]+)"', page.get("/", headers=headers, base_url=base).text)[1]
    assert shown == f"{link}?token={WATCH}"
    answer = page.get("/share.svg", headers=headers, base_url=base)
    assert answer.mimetype == "image/svg+xml"
    read, *_ = cv2.QRCodeDetector().detectAndDecode(draw(answer.text))
    assert read == shown
    path = urlsplit(shown)
    assert page.get(f"/?{path.query}", base_url=base).status_code == 302


def test_through_a_tunnel_the_link_has_the_servers_own_port(serve, clip):
    address = serve(str(clip), names=NAMES, token=TOKEN, watch_token=WATCH)
    page = ask(address, "/", Authorization=f"Bearer {TOKEN}", Host="localhost:6000").body.decode()
    assert f'value="http://192.168.0.5:{urlsplit(address).port}/?token={WATCH}"' in page


def test_the_program_prints_a_link_for_others(launch, clip):
    program = launch(clip, "--host", "0.0.0.0")
    address = program.address
    full = re.search(r"token=(\S+)", program.lines[-1])[1]
    link = next(found for line in program.process.stdout if (found := re.search(r"Others can watch on (\S+)", line)))[1]
    assert urlsplit(link).hostname != "127.0.0.1"
    token = urlsplit(link).query.removeprefix("token=")
    assert len(token) > 30
    assert token != full
    assert ask(address, f"/snapshot.jpg?token={token}").status == 200
    assert ask(address, f"/state?token={token}").status == 403
