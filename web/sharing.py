"""The link with which others can watch, and its QR code."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import segno
from flask import Blueprint, Response, request
from flask.typing import ResponseReturnValue

from web.access import OWN_NAMES, host_name
from web.errors import RequestError

QUIET_ZONE = 4  # modules of white around a QR code, as its standard asks for


@dataclass(frozen=True)
class Sharing:
    """What it takes to make the link."""

    token: str  # the watch token
    names: Sequence[str]  # under which the app is reached

    def link(self) -> str:
        """The link, for the person whose request is answered to give to others.

        It has the name under which this person reached the app or, where only this machine knows that name, the first
        that others know.
        """
        host = request.host
        if host_name(host) in OWN_NAMES:
            outward = next((name for name in self.names if name not in OWN_NAMES), None)
            host = f"{outward}:{request.environ['SERVER_PORT']}" if outward else host
        return f"{request.scheme}://{host}{request.script_root}/?token={self.token}"


def qr_code(text: str) -> bytes:
    """A QR code as SVG, black on white, as large as the place where it is shown."""
    svg = io.BytesIO()
    code = segno.make_qr(text)
    code.save(svg, kind="svg", border=QUIET_ZONE, light="white", omitsize=True, svgclass=None, lineclass=None)
    return svg.getvalue()


def sharing_routes(sharing: Sharing | None) -> Blueprint:
    """A blueprint with the QR code. sharing: None where there is no watch token."""
    routes = Blueprint("sharing", __name__)

    @routes.get("/share.svg")
    def share() -> ResponseReturnValue:
        if sharing is None:
            raise RequestError("There is no link for others; start the program with --host 0.0.0.0 to have one.", 404)
        return Response(qr_code(sharing.link()), 200, {"Cache-Control": "no-store"}, "image/svg+xml")

    return routes
