"""The rows of the design's table on security, each as a test, over real sockets."""

import http.server
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from web import access, server
from web_client import ask, opened, read_parts

TOKEN = "a-token-of-the-tests"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Files of a certificate for 127.0.0.1 and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    names = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-out", names[0], "-keyout", names[1]],
        check=True,
        capture_output=True,
    )
    return names


def test_every_route_but_health_wants_the_token(serve, clip):
    address = serve(str(clip), token=TOKEN)
    rules = create_rules(address)
    assert len(rules) > 15
    for path, method in rules:
        answer = ask(address, path, method)
        if path == "/healthz":
            assert answer.status == 200
        else:
            assert (path, answer.status) == (path, 401)
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert "Open the link" in answer.json()["error"]


def create_rules(address):
    document = ask(address, "/openapi.json", Authorization=f"Bearer {TOKEN}").json()
    paths = [
        (re.sub(r"{\w+}", "x", path), method.upper()) for path, ways in document["paths"].items() for method in ways
    ]
    return [*paths, ("/", "GET"), ("/static/page.js", "GET")]


def test_the_link_sets_a_cookie_and_leaves_the_address_bar(serve, clip):
    address = serve(str(clip), token=TOKEN)
    status, headers, _ = ask(address, f"/?token={TOKEN}")
    assert (status, headers["Location"]) == (302, "/")
    cookie = headers["Set-Cookie"]
    assert cookie.startswith(f"token_{urlsplit(address).port}={TOKEN};")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert ask(address, f"//elsewhere.example/?token={TOKEN}").headers["Location"] is None
    assert ask(address, "/state", Cookie=cookie.partition(";")[0])[0] == 200
    assert ask(address, "/state", Authorization=f"Bearer {TOKEN}")[0] == 200
    for wrong in ("", "wrong", "ünïcode"):
        assert ask(address, f"/?token={wrong.encode().hex()}")[0] == 401
        assert ask(address, "/state", Cookie=f"token_{urlsplit(address).port}={wrong.encode().hex()}")[0] == 401
        assert ask(address, "/state", Authorization=f"Bearer {wrong.encode().hex()}")[0] == 401
    assert ask(address, "/state", Authorization="Basic dXNlcjpwYXNz")[0] == 401


def test_a_foreign_host_is_refused_and_a_name_can_be_added(serve, clip):
    address = serve(str(clip), names=access.OWN_NAMES + ["faces.example"])
    assert ask(address, "/state", Host="rebound.example")[0] == 400
    assert ask(address, "/state", Host="faces.example")[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/settings"), ("POST", "/source"), ("POST", "/recording"), ("DELETE", "/recording"), ("POST", "/videos")],
)
def test_another_sites_page_can_change_nothing(serve, clip, method, path):
    address = serve(str(clip))
    for origin in ("http://elsewhere.example", "null", f"{address}.example"):
        answer = ask(address, path, method, "{}", Origin=origin, **JSON)
        assert answer.status == 403
        assert "own page" in answer.json()["error"]


@pytest.mark.parametrize(
    "address", ["/etc/passwd", "file:///etc/passwd", "concat:a|b", "subfile:x", "data:x", "demo.mp4"]
)
def test_an_address_to_watch_is_never_a_path(serve, clip, address):
    page = serve(str(clip))
    answer = ask(page, "/source", "POST", json.dumps({"source": address}), **JSON)
    assert answer.status == 400
    assert "http://, https:// or rtsp://" in answer.json()["error"]
    assert ask(page, "/state").json()["source"] == clip.name


@contextmanager
def elsewhere(content):
    """A server of another program that answers every request with a playlist; its address."""

    class Playlist(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.apple.mpegurl")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Playlist) as other:
        thread = threading.Thread(target=other.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{other.server_port}"
        finally:
            other.shutdown()
            thread.join()


def test_a_playlist_from_elsewhere_reads_no_file_of_this_machine(serve, clip):
    page = serve("demo")
    with elsewhere(f"#EXTM3U\n#EXTINF:2,\nfile://{clip}\n#EXT-X-ENDLIST\n".encode()) as address:
        answer = ask(page, "/source", "POST", json.dumps({"source": f"{address}/list.m3u8"}), **JSON)
    assert answer.status == 422
    assert address in answer.json()["error"]
    assert ask(page, "/state").json()["source"] == "the demo"


def test_over_tls_the_page_works_and_its_cookie_is_secure(serve, clip, certificate):
    address = serve(str(clip), token=TOKEN, tls=server.load_certificate(*certificate))
    context = ssl.create_default_context(cafile=certificate[0])
    with socket.create_connection(("127.0.0.1", urlsplit(address).port)):  # which begins no handshake
        cookie = ask(address, f"/?token={TOKEN}", context=context).headers["Set-Cookie"]
        assert "Secure" in cookie
        cookie = cookie.partition(";")[0]
        with opened(address, context=context, Cookie=cookie) as feed:
            assert all(body.startswith(b"\xff\xd8") for _, body in read_parts(feed, 5))
            assert ask(address, "/state", context=context, Cookie=cookie).json()["viewers"] == 1


def test_a_certificate_that_cannot_be_used_is_one_sentence(tmp_path):
    (tmp_path / "certificate.pem").write_text("none")
    with pytest.raises(server.CertificateError, match="cannot be used for TLS"):
        server.load_certificate(tmp_path / "certificate.pem", None)


def test_listening_elsewhere_prints_links_with_a_token(launch, tmp_path, clip):
    program = launch(clip, "--host", "0.0.0.0", environment={"TMPDIR": str(tmp_path)})
    address, second = program.address, program.process.stdout.readline()
    link, another = (urlsplit(re.search(r"http://\S+", line)[0]) for line in (program.lines[-1], second))
    assert another.hostname != link.hostname
    assert another.query == link.query
    assert link.query.startswith("token=")
    assert len(link.query) > 30
    assert ask(address, "/state").status == 401
    assert ask(address, f"/?{link.query}").status == 302
    assert ask(address, "/state", Authorization=f"Bearer {link.query[6:]}").status == 200
    assert len(list(tmp_path.glob("expressions-*"))) == 1
    program.process.send_signal(signal.SIGINT if sys.platform == "win32" else signal.SIGTERM)
    assert program.wait()[0] == 0
    assert list(tmp_path.glob("expressions-*")) == []


def test_names_are_those_that_browsers_send():
    assert access.is_loopback("127.0.0.1")
    assert access.is_loopback("localhost")
    assert not access.is_loopback("0.0.0.0")
    assert not access.is_loopback("192.168.0.5")
    assert "192.168.0.5" in access.names_of("192.168.0.5")
    assert "[fe80::1]" in access.names_of("fe80::1")
    assert access.names_of("127.0.0.1") == access.OWN_NAMES


def test_debugging_is_off(serve, clip):
    address = serve(str(clip))
    assert ask(address, "/?__debugger__=yes&cmd=resource&f=debugger.js")[2].startswith(b"<!doctype html>")
    assert ask(address, "/console")[0] == 404
