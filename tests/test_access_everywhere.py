"""Names, tokens and proxies as browsers, scripts and other machines really use them."""

import json
import socket

import pytest

import main
from web import access
from web.server import listen

TOKEN = "a-token-of-the-tests"


@pytest.fixture
def client(watch, clip, make_app):
    """A function that gives a client of an app made with these options."""
    return lambda **options: make_app(watch(str(clip)), **options).test_client()


@pytest.mark.parametrize("host", ["Faces.Example", "FACES.example:5000", "faces.example.", "[::1]", "[::1]:5000"])
def test_a_name_is_the_same_however_it_is_written(client, host):
    page = client(names=[*access.OWN_NAMES, "Faces.example"])
    assert page.get("/state", headers={"Host": host}).status_code == 200
    assert page.get("/state", headers={"Host": f"x{host}"}).status_code == 400
    own = page.post("/settings", json={}, headers={"Host": host, "Origin": f"http://{host}"})
    assert own.status_code == 200


@pytest.mark.parametrize("path", ["/video_feed", "/snapshot.jpg", "/state"])
def test_a_token_in_the_address_is_answered_at_once_but_for_the_page(client, path):
    page = client(token=TOKEN)
    answer = page.get(f"{path}?token={TOKEN}", buffered=False)
    assert answer.status_code == 200
    answer.close()
    assert page.get(f"{path}?token=wrong").status_code == 401
    assert page.post(f"/settings?token={TOKEN}", json={}).status_code == 401


def test_a_browser_without_a_token_sees_a_field_for_it(client):
    page = client(token=TOKEN)
    html = {"Accept": "text/html,*/*"}
    asked = page.get("/", headers=html)
    assert asked.status_code == 401
    assert b'name="token"' in asked.data
    assert b"not the right one" not in asked.data
    assert b"not the right one" in page.get("/?token=wrong", headers=html).data
    assert page.get(f"/?token={TOKEN}", headers=html).status_code == 302
    assert json.loads(page.get("/state", headers={"Accept": "*/*"}).data)  # the cookie is kept


def test_only_a_named_site_may_show_the_picture(client):
    page = client(embed=["https://Site.example/"])
    for path in ("/snapshot.jpg", "/video_feed"):
        for place, policy in {
            "https://site.example/a": "cross-origin",
            "https://evil.example/": "same-origin",
            "http://site.example/": "same-origin",
            None: "same-origin",
        }.items():
            answer = page.get(path, headers={"Referer": place} if place else {}, buffered=False)
            assert answer.headers["Cross-Origin-Resource-Policy"] == policy
            answer.close()
    answer = page.get("/state", headers={"Referer": "https://site.example/a"})
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_a_path_of_a_proxy_is_believed_only_when_asked_to(client):
    forwarded = {
        "Host": "127.0.0.1:5000",
        "X-Forwarded-Host": "faces.example",
        "X-Forwarded-Prefix": "/faces",
        "X-Forwarded-Proto": "https",
    }
    names = [*access.OWN_NAMES, "faces.example"]
    behind = client(names=names, token=TOKEN, behind_proxy=True)
    answer = behind.get(f"/?token={TOKEN}", headers=forwarded)
    assert answer.headers["Location"] == "/faces/"
    assert "Secure" in answer.headers["Set-Cookie"]
    page = behind.get("/", headers=forwarded | {"Cookie": answer.headers["Set-Cookie"].partition(";")[0]})
    assert b'"/faces/static/page.js"' in page.data
    assert b'"/faces/video_feed"' in page.data
    assert behind.get("/state", headers=forwarded | {"X-Forwarded-Host": "evil.example"}).status_code == 400
    origin = forwarded | {"Origin": "https://faces.example", "Authorization": f"Bearer {TOKEN}"}
    assert behind.post("/settings", json={}, headers=origin).status_code == 200
    plain = client(names=names)
    assert b'"/static/page.js"' in plain.get("/", headers=forwarded).data


def test_links_are_those_under_which_the_server_listens():
    def links(host):
        return main.addresses(host, access.names_of(host), 5000, False, "secret")

    assert links("127.0.0.1") == ["http://127.0.0.1:5000/?token=secret"]
    assert links("::1") == ["http://[::1]:5000/?token=secret"]
    assert "http://192.168.0.5:5000/?token=secret" in links("192.168.0.5")
    assert all(link == link.lower() for host in ("::", "0.0.0.0") for link in links(host))


@pytest.mark.parametrize("host", ["::1", "::"])
def test_it_listens_on_ipv6(host):
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    with listen(0, host) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("::1", port), 5):
            pass
        if host == "::":
            with socket.create_connection(("127.0.0.1", port), 5):
                pass
