"""Who may use the app, and what browsers may do with its answers."""

import hmac
import ipaddress
import re
import socket
from collections.abc import Sequence

from flask import Flask, Response, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.middleware.proxy_fix import ProxyFix

OWN_NAMES = ["127.0.0.1", "localhost", "[::1]"]
EVERYWHERE = ["0.0.0.0", "::"]
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
PICTURES = {"/video_feed", "/snapshot.jpg"}  # what pages of other sites may be allowed to show
# Browsers load nothing from elsewhere into the page, and show nothing of this app on other sites.
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
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
        own = socket.gethostname().lower()
        addresses = [_outward_address(socket.AF_INET, "192.0.2.1")]
        if host == "::":
            addresses.append(_outward_address(socket.AF_INET6, "2001:db8::1"))
        return [*OWN_NAMES, *filter(None, addresses), own, f"{own}.local"]
    return [*OWN_NAMES, f"[{host.lower()}]" if ":" in host else host.lower()]


def _outward_address(family: socket.AddressFamily, elsewhere: str) -> str | None:
    """This machine's address in its network, as far as it can tell. elsewhere: an address; nothing is sent there."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))  # one that is for documentation alone (RFC 5737, RFC 3849)
            address = probe.getsockname()[0]
    except OSError:
        return None
    return f"[{address}]" if family == socket.AF_INET6 else address


def restrict_access(
    app: Flask, names: Sequence[str], token: str | None = None, embed: Sequence[str] = (), behind_proxy: bool = False
) -> None:
    """Let an app answer only to requests for one of these names, with the token where there is one.

    A token is sent as ?token=… or as Authorization: Bearer; the page keeps it in a cookie. Requests that change
    anything are accepted from the app's own page, or from programs that are not browsers. Every answer gets
    SECURITY_HEADERS. embed: origins, such as https://site.example, whose pages may show the picture. behind_proxy:
    believe what one proxy in front of the app says of the request in X-Forwarded-For, -Proto, -Host and -Prefix.
    """
    known = {name.lower().rstrip(".") for name in names}
    origins = {origin.lower().rstrip("/") for origin in embed}
    if behind_proxy:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)  # type: ignore[method-assign]

    @app.before_request
    def check() -> ResponseReturnValue | None:
        if _host_name(request.host) not in known:  # against DNS rebinding
            return jsonify(error="This name is not one of the app's; add it with --allow-host."), 400
        origin = request.headers.get("Origin", "").lower()
        host = request.host.lower()
        own = ("", f"http://{host}", f"https://{host}")  # a proxy may speak the latter for this
        if request.method not in SAFE_METHODS and origin not in own:
            return jsonify(error="Only this app's own page may do this."), 403
        if token is None or request.path == "/healthz":
            return None
        return _check_token(token)

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers.update(SECURITY_HEADERS)
        if request.path in PICTURES and _embedding_origin() in origins:
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response


def _host_name(host: str) -> str:
    """A Host header's name in lower case, without its port and a final dot; an IPv6 address keeps its brackets."""
    return re.sub(r":\d*$", "", host.lower()).rstrip(".")


def _embedding_origin() -> str:
    """The origin of the page that shows the picture, as its browser says."""
    place = re.match(r"[^:/]+://[^/?#]*", request.headers.get("Origin") or request.headers.get("Referer", ""))
    return place[0].lower() if place else ""


def _check_token(token: str) -> ResponseReturnValue | None:
    """The answer to a request without the token, or to the page's with ?token=…; None where the request may go on."""

    def is_right(offered: str | None) -> bool:
        return offered is not None and hmac.compare_digest(offered.encode(), token.encode())

    if request.method in SAFE_METHODS and is_right(request.args.get("token")):
        if request.path != "/":
            return None  # at once: programs that show the picture often keep no cookie
        response = redirect(f"{request.script_root}/")  # so that the token leaves the address bar
        response.set_cookie(cookie_name("token"), token, httponly=True, samesite="Lax", secure=request.is_secure)
        return response
    bearer = request.authorization.token if request.authorization else None
    if is_right(bearer or request.cookies.get(cookie_name("token"))):
        return None
    if request.path == "/" and "text/html" in request.headers.get("Accept", ""):
        return render_template("token.html", wrong="token" in request.args), 401, {"Cache-Control": "no-store"}
    sentence = "Open the link that the program printed when it started, or send its token as Authorization: Bearer."
    return jsonify(error=sentence), 401, {"WWW-Authenticate": "Bearer"}


def cookie_name(kind: str) -> str:
    """The name of the request's cookie of a kind; it has the port in it, since all ports of a host share cookies."""
    return f"{kind}_{_port()}"


def _port() -> str:
    found = re.search(r":(\d+)$", request.host)
    return found[1] if found else ""
