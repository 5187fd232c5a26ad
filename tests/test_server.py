import socket
import struct
import threading

import pytest
from flask import Flask, Response

from waiting import wait_until
from web.server import create_server, listen


class Body:
    """An answer, such as a file, that is to be closed once it is sent."""

    def __init__(self):
        self.is_closed = False

    def __iter__(self):
        yield b"x" * 60_000

    def close(self):
        self.is_closed = True


@pytest.fixture
def bodies():
    return []


@pytest.fixture
def port(bodies):
    """A server's port; each of its answers is added to the bodies."""
    app = Flask(__name__)

    @app.post("/")
    def answer():
        bodies.append(Body())
        return Response(bodies[-1])

    with listen(0) as listener:  # the server has a copy of it
        server = create_server(app, listener)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.port
    server.shutdown()
    thread.join()
    server.server_close()


def test_what_was_sent_is_closed_though_the_client_has_reset_the_connection(port, bodies):
    for answered in range(1, 6):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"POST / HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n12345")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets
            wait_until(lambda expected=answered: len(bodies) == expected, every=0.001)
    wait_until(lambda: all(body.is_closed for body in bodies), seconds=10)
