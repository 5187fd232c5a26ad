"""Frames that pages send of their own cameras, and recordings of them."""

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from web.browser_cameras import BrowserCameras
from web.browser_secret import browser_secret
from web.errors import RequestError
from web.faces_json import NO_SUCH_FACE, faces_to_json, wanted_face
from web.markers import wanted_marker

LONGEST_NAME = 64  # letters, of a page's name for itself


def browser_camera_routes(cameras: BrowserCameras) -> Blueprint:
    """Routes that analyse and record what pages send."""
    routes = Blueprint("browser cameras", __name__, url_prefix="/api/frames/<page>")

    @routes.url_value_preprocessor
    def shorten(_: str | None, values: dict[str, str] | None) -> None:
        if values:
            values["page"] = values["page"][:LONGEST_NAME]

    @routes.post("")
    def browser_frame(page: str) -> ResponseReturnValue:
        size, faces = cameras.analyze(page, request.get_data())
        return jsonify(size=size, faces=faces_to_json(faces), recording=cameras.recording(page))

    @routes.post("/rest")
    def rest_before_browser(page: str) -> ResponseReturnValue:
        if not cameras.rest(page, wanted_face()):
            raise RequestError(NO_SUCH_FACE, 404)
        return "", 204

    @routes.post("/recording")
    def record_browser(page: str) -> ResponseReturnValue:
        wanted = request.get_json(silent=True)
        video, hidden = (isinstance(wanted, dict) and bool(wanted.get(name)) for name in ("video", "hide"))
        cameras.record(page, browser_secret(), video, hidden)
        return jsonify(cameras.recording(page)), 201

    @routes.delete("/recording")
    def stop_recording_browser(page: str) -> ResponseReturnValue:
        cameras.stop_recording(page)
        return jsonify(cameras.recording(page))

    @routes.post("/markers")
    def mark_before_browser(page: str) -> ResponseReturnValue:
        cameras.mark(page, *wanted_marker())
        return "", 204

    return routes
