"""Over a thousand broken requests: none is answered with a 500, none kills the server, and its memory stays."""

import contextlib
import http.client
import json
import random
import re
import socket
from contextlib import closing

import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from program import Program
from vision.opencv import cv2

ENDLESS = {"/video_feed", "/events"}
EXAMPLES = 8  # of each operation in the OpenAPI document; there are some fifty
BROKEN, BROKEN_STREAMS = 1500, 100
GROWTH = 30_000_000  # bytes that the server may take more, once a quarter of them have come
QUERIES = ["?plain=%00", "?name=" + "%ff" * 50, "?name=../../x.mp4", "?" + "&" * 500, "//", "?token=x"]
NAMES = ["source", "video", "mirror", "boxes", "labels", "x", "__proto__"]
VALUES = [
    None,
    True,
    -1,
    1e308,
    "",
    "demo",
    "file:///etc/passwd",
    "http://",
    "http://[",
    [],
    {},
    [[]],
    "\0",
    "a" * 5000,
]
FORM = b'--b\r\nContent-Disposition: form-data; name="x"; filename="y"\r\n\r\n%s\r\n--b--\r\n'
FORMS = ["multipart/form-data; boundary=b", "multipart/form-data", "multipart/x"]
HEADERS = [
    *({"Range": "bytes=-5,9-"}, {"Authorization": "Bearer"}, {"Cookie": "=;;\x01"}, {"X-Forwarded-For": "x" * 2000}),
    *({"Origin": "http://["}, {"Origin": "http://127.0.0.1"}, {"Host": "[::1"}, {"Host": ""}),
    {"Content-Encoding": "gzip"},
]
REFUSED = {400, 404, 405, 409, 411, 413, 415, 416, 501, 503}


@pytest.fixture(scope="module")
def pictures(astronaut):
    face = astronaut[60:200, 150:290]
    return [cv2.imencode(suffix, face)[1].tobytes() for suffix in (".jpg", ".png", ".webp", ".bmp")]


@pytest.fixture(scope="module")
def server(clip, pictures, model):
    """A server in a process of its own, as (port, process); nothing unforeseen happens in it."""
    with Program(clip) as program:
        warm_up(program.port, pictures)
        yield program.port, psutil.Process(program.process.pid)
        program.process.terminate()
        _, _, errors = program.wait()
    assert "Traceback" not in errors, errors


def ask(port, path, method="GET", body=None, headers=None):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": "127.0.0.1", **(headers or {})}.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return response.status, response.read()


def warm_up(port, pictures):
    """Have everything loaded that requests make the server load."""
    for picture in pictures:
        for path in ("/api/predict", "/api/frames/warm-up"):
            status, answer = ask(port, path, "POST", picture, {"Content-Type": "image/jpeg"})
            assert status == 200, answer
    assert ask(port, "/recording", "POST", b"{}")[0] == 201
    assert ask(port, "/recording", "DELETE")[0] == 200
    assert ask(port, "/snapshot.jpg?plain")[0] == 200


def mutate(rng, content):
    content = bytearray(content)
    for _ in range(rng.randint(1, 12)):
        content[rng.randrange(min(len(content), rng.choice((16, 200, len(content)))))] = rng.randrange(256)
    if rng.random() < 0.3:
        del content[rng.randrange(len(content)) :]
    return bytes(content)


def broken_request(rng, pictures, video, document):
    """A (path, method, body, headers) of which something is wrong, mostly."""
    path = rng.choice(sorted(set(document["paths"]) - ENDLESS))
    method = rng.choice([*(each.upper() for each in document["paths"][path]), rng.choice(("PUT", "PATCH", "HEAD"))])
    path = re.sub(r"{\w+}", lambda _: rng.choice(("x", "%00", "..%2f..%2fmain.py", "%ff", "a" * 3000)), path)
    path += rng.choice(QUERIES) if rng.random() < 0.2 else ""
    choice = rng.random()
    if choice < 0.35:
        body, kind = mutate(rng, rng.choice(pictures)), rng.choice(("image/jpeg", "image/png", "image/x", "text/plain"))
    elif choice < 0.5:
        body, kind = mutate(rng, video), "video/mp4"
    elif choice < 0.85:
        body = json.dumps({rng.choice(NAMES): rng.choice(VALUES) for _ in range(rng.randint(0, 3))}).encode()
        body, kind = mutate(rng, body) if rng.random() < 0.5 else body, "application/json"
    else:
        body, kind = mutate(rng, FORM % rng.choice(pictures)), rng.choice(FORMS)
    headers = {"Content-Type": kind}
    if rng.random() < 0.2:
        headers |= rng.choice(HEADERS)
    return path, method, None if method in ("GET", "HEAD") else body, headers


def test_what_the_document_allows_and_forbids(server):
    port, program = server
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")
    checks = [not_a_server_error_but_busy, status_code_conformance, response_schema_conformance]
    tried = set()
    for operation in schema.get_all_operations():
        operation = operation.ok()
        if operation.path in ENDLESS:
            continue
        tried.add((operation.method, operation.path))

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def check(case):
            response = case.call(timeout=30)
            case.validate_response(response, checks=checks)
            if response.status_code == 202:
                ask(port, f"/videos/{response.json()['id']}", "DELETE")

        check()
    assert len(tried) > 15
    assert program.is_running()


def not_a_server_error_but_busy(context, response, case):
    if response.status_code != 503:
        not_a_server_error(context, response, case)


def test_broken_requests(server, pictures, film, astronaut, tmp_path):
    port, program = server
    video = film(tmp_path / "clip.mp4", [astronaut[:240, :320]] * 5).read_bytes()
    document = json.loads(ask(port, "/openapi.json")[1])
    rng, statuses, before = random.Random(0), {}, None
    for count in range(BROKEN):
        if count == BROKEN // 4:
            before = program.memory_info().rss
        path, method, body, headers = broken_request(rng, pictures, video, document)
        try:
            status, answer = ask(port, path, method, body, headers)
        except http.client.BadStatusLine:
            status, answer = 400, b"{}"  # what is no HTTP at all
        statuses[status] = statuses.get(status, 0) + 1
        assert status < 500 or status in REFUSED, (status, method, path, headers, body)
        if status == 202:
            assert ask(port, f"/videos/{json.loads(answer)['id']}", "DELETE")[0] == 204
    assert sum(statuses.get(status, 0) for status in REFUSED) > BROKEN / 3
    assert program.memory_info().rss - before < GROWTH
    assert json.loads(ask(port, "/state")[1])["problem"] is None or ask(port, "/snapshot.jpg")[0] == 200


def test_broken_requests_for_what_does_not_end(server):
    port, program = server
    rng = random.Random(1)
    for _ in range(BROKEN_STREAMS):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as viewer:
            path = rng.choice(sorted(ENDLESS)) + rng.choice(("", "?plain", "?plain=%ff", "?x=" + "y" * 900))
            head = rng.choice(("", "Range: bytes=0-1\r\n", "Connection: keep-alive\r\n", "Upgrade: websocket\r\n"))
            line = f"{rng.choice(('GET', 'HEAD', 'POST'))} {path} HTTP/1.{rng.randint(0, 1)}"
            viewer.sendall(f"{line}\r\nHost: localhost\r\n{head}\r\n".encode()[: rng.choice((10, 40, 5000))])
            if rng.random() < 0.5:
                viewer.settimeout(0.05)
                with contextlib.suppress(TimeoutError):
                    assert not re.match(rb"HTTP/1.. 500", viewer.recv(1000))
    assert ask(port, "/healthz")[0] == 200
    assert program.is_running()
