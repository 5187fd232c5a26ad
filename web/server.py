"""The HTTP server: where it listens, its threads, and TLS where there is a certificate."""

import errno
import io
import socket
import ssl
from typing import Any

from flask import Flask
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from web.viewers import STALL_TIMEOUT

HOST = "127.0.0.1"
PORT = 5000
PORTS_TRIED = 20
MAX_VIEWERS = 256
SEND_BUFFER = 1 << 16  # bytes the system holds for a viewer; little, so that a slow one does not see old frames


class _Requests(io.BufferedReader):
    """What a client sends, which ends where the connection does.

    After an answer Werkzeug reads what is left, and if that fails, does not close the file that it has sent.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        try:
            return super().read(size)
        except ConnectionError:
            return b""


class ViewerHandler(WSGIRequestHandler):
    """Drops viewers that have stopped reading, keeps little in store for slow ones, and logs no requests."""

    timeout = STALL_TIMEOUT
    protocol_version = "HTTP/1.0"  # 1.1 would cut a stream into chunks

    def setup(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        super().setup()
        self.rfile = _Requests(self.rfile.detach())

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        pass


def create_server(
    app: Flask, listener: socket.socket, host: str = HOST, tls: ssl.SSLContext | None = None
) -> BaseWSGIServer:
    """A server for the app, with a thread for each connection, on a socket that listens already."""
    return make_server(
        host,
        listener.getsockname()[1],
        app,
        threaded=True,
        request_handler=ViewerHandler,
        fd=listener.fileno(),
        ssl_context=tls,
    )


def listen(port: int | None = None, host: str = HOST) -> socket.socket:
    """A socket that listens on the port, or without one on the first free port from 5000. Raises OSError."""
    if port is not None:
        return _bind(port, host)
    for port in range(PORT, PORT + PORTS_TRIED):
        try:
            return _bind(port, host)
        except OSError as error:
            if not isinstance(error, PortTakenError) and error.errno != errno.EADDRINUSE:
                raise
    raise OSError(f"the ports {PORT} to {PORT + PORTS_TRIED - 1} are all taken")


class PortTakenError(OSError):
    """Another program serves there."""


def _bind(port: int, host: str) -> socket.socket:
    # On a Mac and on Windows a port that another program serves can often be bound a second time, so ask first.
    family = socket.AF_INET6 if host == "::1" else socket.AF_INET
    with socket.socket(family) as probe:
        probe.settimeout(0.5)
        if port and probe.connect_ex((host if host == "::1" else HOST, port)) == 0:
            raise PortTakenError(f"port {port} is taken")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    both = host == "::" and socket.has_dualstack_ipv6()  # IPv4 too, as people expect of "everywhere"
    return socket.create_server((host, port), family=family, backlog=MAX_VIEWERS, dualstack_ipv6=both)


class CertificateError(Exception):
    """A certificate or key that cannot be used; the message is one sentence."""


class PatientContext(ssl.SSLContext):
    """Leaves handshakes to the connections' threads: the thread that accepts connections would wait for each."""

    def wrap_socket(self, sock: socket.socket, **options: Any) -> ssl.SSLSocket:  # type: ignore[override]
        return super().wrap_socket(sock, **options | {"do_handshake_on_connect": False})


def load_certificate(certfile: str | None, keyfile: str | None) -> ssl.SSLContext | None:
    """An ssl.SSLContext, or None without a certificate. Raises CertificateError."""
    if certfile is None:
        return None
    context = PatientContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certfile, keyfile)
    except (OSError, ssl.SSLError) as error:
        raise CertificateError(
            f"{certfile} and {keyfile or 'the key in it'} cannot be used for TLS: {error}."
        ) from error
    return context
