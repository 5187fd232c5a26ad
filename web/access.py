"""Who may use the app, and what browsers may do with its answers."""

import hmac
import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from flask import Flask, Response, jsonify, redirect, request
from flask.typing import ResponseReturnValue

OWN_NAMES = ["127.0.0.1", "localhost", "[::1]"]
EVERYWHERE = ["0.0.0.0", "::"]
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
# Browsers load nothing from elsewhere into the page, and show nothing of this app on other sites.
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def is_loopback(host: str) -> bool:
    """Whether the host, a name or an address, is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names_of(host: str) -> list[str]:
    """The names under which browsers reach a server that listens on the host, as they stand in an address."""
    if is_loopback(host):
        return OWN_NAMES
    if host in EVERYWHERE:
        own = socket.gethostname()
        return [*OWN_NAMES, _outward_address(), own, f"{own}.local"]
    return [*OWN_NAMES, f"[{host}]" if ":" in host else host]


def _outward_address() -> str:
    """This machine's address in its network, as far as it can tell; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address that is for documentation alone (RFC 5737)
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"


def restrict_access(app: Flask, names: Sequence[str], token: str | None = None) -> None:
    """Let an app answer only to requests for one of these names, with the token where there is one.

    A token is sent once as ?token=… and then kept in a cookie, or sent as Authorization: Bearer. Requests that change
    anything are accepted from the app's own page, or from programs that are not browsers. Every answer gets
    SECURITY_HEADERS.
    """
    app.config["TRUSTED_HOSTS"] = list(names)  # against DNS rebinding

    @app.before_request
    def check() -> ResponseReturnValue | None:
        origin = request.headers.get("Origin")
        own = (f"http://{request.host}", f"https://{request.host}")  # a proxy may speak the latter for this
        if request.method not in SAFE_METHODS and origin and origin not in own:
            return jsonify(error="Only this app's own page may do this."), 403
        if token is None or request.path == "/healthz":
            return None
        return _check_token(token)

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers.update(SECURITY_HEADERS)
        return response


def _check_token(token: str) -> ResponseReturnValue | None:
    """The answer to a request that does not have the token, or that sends it as ?token=…; None where all is well."""

    def is_right(offered: str) -> bool:
        return hmac.compare_digest(offered.encode(), token.encode())

    if "token" in request.args and request.method == "GET" and is_right(request.args["token"]):
        response = redirect("/" + request.path.lstrip("/"))  # two would lead to another host
        response.set_cookie(_cookie(), token, httponly=True, samesite="Lax", secure=request.is_secure)
        return response
    bearer = request.authorization.token if request.authorization else None
    if is_right(bearer or request.cookies.get(_cookie(), "")):
        return None
    sentence = "Open the link that the program printed when it started, or send its token as Authorization: Bearer."
    return jsonify(error=sentence), 401, {"WWW-Authenticate": "Bearer"}


def _cookie() -> str:
    """The cookie's name, which has the port in it, since a host's cookies are the same for all of its ports."""
    return f"token_{urlsplit(request.host_url).port or ''}"
