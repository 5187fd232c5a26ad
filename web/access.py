"""Under which names the app answers, to which sites, and what browsers may do with its answers."""

import ipaddress
import re
import socket
from collections.abc import Sequence

from flask import Flask, Response, jsonify, request
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


def restrict_access(app: Flask, names: Sequence[str], embed: Sequence[str] = (), behind_proxy: bool = False) -> None:
    """Let an app answer only to requests for one of these names.

    Requests that change anything are accepted from the app's own page, or from programs that are not browsers. Every
    answer gets SECURITY_HEADERS. embed: origins, such as https://site.example, whose pages may show the picture.
    behind_proxy: believe what one proxy in front of the app says of the request in X-Forwarded-For, -Proto, -Host and
    -Prefix.
    """
    known = {name.lower().rstrip(".") for name in names}
    origins = {origin.lower().rstrip("/") for origin in embed}
    if behind_proxy:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)  # type: ignore[method-assign]

    @app.before_request
    def check() -> ResponseReturnValue | None:
        if host_name(request.host) not in known:  # against DNS rebinding
            return jsonify(error="This name is not one of the app's; add it with --allow-host."), 400
        origin = request.headers.get("Origin", "").lower()
        host = request.host.lower()
        own = ("", f"http://{host}", f"https://{host}")  # a proxy may speak the latter for this
        if request.method not in SAFE_METHODS and origin not in own:
            return jsonify(error="Only this app's own page may do this."), 403
        return None

    @app.after_request
    def secure(response: Response) -> Response:
        response.headers.update(SECURITY_HEADERS)
        if request.path in PICTURES and _embedding_origin() in origins:
            response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return response


def host_name(host: str) -> str:
    """A Host header's name in lower case, without its port and a final dot; an IPv6 address keeps its brackets."""
    return re.sub(r":\d*$", "", host.lower()).rstrip(".")


def _embedding_origin() -> str:
    """The origin of the page that shows the picture, as its browser says."""
    place = re.match(r"[^:/]+://[^/?#]*", request.headers.get("Origin") or request.headers.get("Referer", ""))
    return place[0].lower() if place else ""


def cookie_name(kind: str) -> str:
    """The name of the request's cookie of a kind; it has the port in it, since all ports of a host share cookies."""
    return f"{kind}_{_port()}"


def _port() -> str:
    found = re.search(r":(\d+)$", request.host)
    return found[1] if found else ""
