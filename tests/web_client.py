"""Requests to a running server, as browsers and scripts make them."""

import http.client
import json
from contextlib import closing, contextmanager
from typing import NamedTuple
from urllib.parse import urlsplit


class Answer(NamedTuple):
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self):
        return json.loads(self.body)


def _connect(address, context=None):
    place = urlsplit(address)
    if place.scheme == "https":
        return http.client.HTTPSConnection(place.netloc, timeout=30, context=context)
    return http.client.HTTPConnection(place.netloc, timeout=30)


def ask(address, path="/", method="GET", body=None, context=None, **headers):
    """The Answer to a request. headers: with _ in place of -."""
    with closing(_connect(address, context)) as connection:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        with connection.getresponse() as response:
            return Answer(response.status, response.headers, response.read())


@contextmanager
def opened(address, path="/video_feed", context=None, **headers):
    """The open response to a request for a stream, read up to its first part."""
    with closing(_connect(address, context)) as connection:
        connection.request("GET", path, headers=headers)
        with connection.getresponse() as response:
            assert response.status == 200
            assert response.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
            assert response.readline() == b"--frame\r\n"
            yield response


@contextmanager
def opened_events(address, **headers):
    """The data of the events as they come."""
    with closing(_connect(address)) as connection:
        connection.request("GET", "/events", headers=headers)
        with connection.getresponse() as response:
            assert response.status == 200
            yield (line[6:] for line in response if line.startswith(b"data: "))


def read_parts(stream, count=1):
    """The next parts of a stream as (headers, body), each read up to the boundary that follows it at once."""
    parts = []
    for _ in range(count):
        headers = http.client.parse_headers(stream)
        parts.append((headers, stream.read(int(headers["Content-Length"]))))
        assert stream.readline() == b"\r\n"
        assert stream.readline() == b"--frame\r\n"
    return parts
