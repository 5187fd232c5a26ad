"""Who may come in, and what a browser may do with what comes from here."""

import hmac
import ipaddress
import socket
from urllib.parse import urlsplit

from flask import jsonify, redirect, request

OWN_NAMES = ["127.0.0.1", "localhost", "[::1]"]
EVERYWHERE = ["0.0.0.0", "::"]
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
# Load nothing from elsewhere, and show nothing of this elsewhere.
LOCKS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def is_loopback(host):
    """Whether only this machine reaches what listens on the host, a name or an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def names_of(host):
    """The names under which browsers reach what listens on the host, as they stand in an address."""
    if is_loopback(host):
        return OWN_NAMES
    if host in EVERYWHERE:
        own = socket.gethostname()
        return [*OWN_NAMES, _outward_address(), own, f"{own}.local"]
    return [*OWN_NAMES, f"[{host}]" if ":" in host else host]


def _outward_address():
    """This machine's address in its network, as far as it can tell; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address that is for documentation alone (RFC 5737)
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"


def close_doors(app, names, token=None):
    """Let an app answer only to requests for one of these names, with the token where there is one.

    A token comes once as ?token=… and is kept in a cookie then, or as Authorization: Bearer. What changes anything can
    come from the app's own page alone, or from no page at all. Every answer gets LOCKS.
    """
    app.config["TRUSTED_HOSTS"] = names  # against DNS rebinding

    def cookie():
        return f"token_{urlsplit(request.host_url).port or ''}"  # a host's cookies are the same for all of its ports

    def is_right(offered):
        return hmac.compare_digest(offered.encode(), token.encode())

    @app.before_request
    def check():
        origin = request.headers.get("Origin")
        own = (f"http://{request.host}", f"https://{request.host}")  # a proxy may speak the latter for this
        if request.method not in SAFE_METHODS and origin and origin not in own:
            return jsonify(error="This can be done from this app's own page alone."), 403
        if token is None or request.path == "/healthz":
            return None
        if "token" in request.args and request.method == "GET" and is_right(request.args["token"]):
            response = redirect("/" + request.path.lstrip("/"))  # two would lead to another host
            response.set_cookie(cookie(), token, httponly=True, samesite="Lax", secure=request.is_secure)
            return response
        bearer = request.authorization.token if request.authorization else None
        if is_right(bearer or request.cookies.get(cookie(), "")):
            return None
        sentence = "Open the link that the program printed when it started, or send its token as Authorization: Bearer."
        return jsonify(error=sentence), 401, {"WWW-Authenticate": "Bearer"}

    @app.after_request
    def lock(response):
        response.headers.update(LOCKS)
        return response
