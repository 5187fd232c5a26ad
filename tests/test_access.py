"""The rows of the design's table on security, each as a test, over real sockets."""

import http.client
import http.server
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from urllib.parse import urlsplit

import pytest

from paths import ROOT
from web import access, server

TOKEN = "a-token-of-the-tests"
JSON = {"Content-Type": "application/json"}


def ask(address, path, method="GET", body=None, context=None, **headers):
    """The response to a request, read to its end: (status, headers, body)."""
    place = urlsplit(address)
    if place.scheme == "https":
        connection = http.client.HTTPSConnection(place.netloc, timeout=10, context=context)
    else:
        connection = http.client.HTTPConnection(place.netloc, timeout=10)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    return response.status, response.headers, response.read()


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
        status, headers, body = ask(address, path, method)
        if path == "/healthz":
            assert status == 200
        else:
            assert (path, status) == (path, 401)
            assert headers["WWW-Authenticate"] == "Bearer"
            assert "Open the link" in json.loads(body)["error"]


def create_rules(address):
    document = json.loads(ask(address, "/openapi.json", Authorization=f"Bearer {TOKEN}")[2])
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
    assert ask(address, f"//elsewhere.example/?token={TOKEN}")[1]["Location"] == "/elsewhere.example/"
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
        status, _, body = ask(address, path, method, "{}", Origin=origin, **JSON)
        assert status == 403
        assert "own page" in json.loads(body)["error"]


@pytest.mark.parametrize(
    "address", ["/etc/passwd", "file:///etc/passwd", "concat:a|b", "subfile:x", "data:x", "demo.mp4"]
)
def test_an_address_to_watch_is_never_a_path(serve, clip, address):
    page = serve(str(clip))
    status, _, body = ask(page, "/source", "POST", json.dumps({"source": address}), **JSON)
    assert status == 400
    assert "http, https or rtsp" in json.loads(body)["error"]
    assert json.loads(ask(page, "/state")[2])["source"] == clip.name


def test_a_playlist_from_elsewhere_reads_no_file_of_this_machine(serve, clip):
    class Playlist(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.apple.mpegurl")
            self.end_headers()
            self.wfile.write(f"#EXTM3U\n#EXTINF:2,\nfile://{clip}\n#EXT-X-ENDLIST\n".encode())

        def log_message(self, *arguments):
            pass

    elsewhere = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Playlist)
    threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
    page = serve("demo")
    source = f"http://127.0.0.1:{elsewhere.server_port}/list.m3u8"
    ask(page, "/source", "POST", json.dumps({"source": source}), **JSON)
    end = time.monotonic() + 20
    while "gives no picture" not in (json.loads(ask(page, "/state")[2])["problem"] or ""):
        ask(page, "/snapshot.jpg")
        assert time.monotonic() < end
    elsewhere.shutdown()
    elsewhere.server_close()


def test_over_tls_the_page_works_and_its_cookie_is_secure(serve, clip, certificate):
    address = serve(str(clip), token=TOKEN, tls=server.load_certificate(*certificate))
    context = ssl.create_default_context(cafile=certificate[0])
    silent = socket.create_connection(("127.0.0.1", urlsplit(address).port))  # which begins no handshake
    _, headers, _ = ask(address, f"/?token={TOKEN}", context=context)
    assert "Secure" in headers["Set-Cookie"]
    cookie = headers["Set-Cookie"].partition(";")[0]
    connection = http.client.HTTPSConnection(urlsplit(address).netloc, timeout=10, context=context)
    connection.request("GET", "/video_feed", headers={"Cookie": cookie})
    response = connection.getresponse()
    for _ in range(5):
        assert response.readline() == b"--frame\r\n"
        part = http.client.parse_headers(response)
        assert response.read(int(part["Content-Length"])).startswith(b"\xff\xd8")
        response.readline()
    assert json.loads(ask(address, "/state", context=context, Cookie=cookie)[2])["viewers"] == 1
    silent.close()


def test_a_certificate_that_cannot_be_used_is_one_sentence(tmp_path):
    (tmp_path / "certificate.pem").write_text("none")
    with pytest.raises(server.CertificateError, match="cannot be used for TLS"):
        server.load_certificate(tmp_path / "certificate.pem", None)


def test_listening_elsewhere_prints_links_with_a_token(tmp_path, clip):
    command = [sys.executable, str(ROOT / "main.py"), str(clip), "--no-browser", "--port", "0", "--host", "0.0.0.0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(tmp_path)})
    try:
        link = urlsplit(re.search(r"http://\S+", process.stdout.readline())[0])
        another = urlsplit(re.search(r"http://\S+", process.stdout.readline())[0])
        assert another.hostname != link.hostname
        assert another.query == link.query
        address = f"http://127.0.0.1:{link.port}"
        assert link.query.startswith("token=")
        assert len(link.query) > 30
        assert ask(address, "/state")[0] == 401
        assert ask(address, f"/?{link.query}")[0] == 302
        assert ask(address, "/state", Authorization=f"Bearer {link.query[6:]}")[0] == 200
        assert len(list(tmp_path.glob("expressions-*"))) == 1
        process.send_signal(signal.SIGINT if sys.platform == "win32" else signal.SIGTERM)
        process.wait(5)
        assert list(tmp_path.glob("expressions-*")) == []
    finally:
        process.kill()
        process.communicate()


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
