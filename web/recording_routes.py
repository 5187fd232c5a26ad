"""Recording the live view, markers, and the list of recordings."""

from typing import Any

from flask import Blueprint, abort, jsonify, request
from flask.typing import ResponseReturnValue

from videos.reasons import cause
from web.analysis_routes import add_analysis_routes
from web.browser_secret import browser_secret
from web.downloads import send_output
from web.errors import RequestError
from web.live_recording import LiveRecording
from web.markers import Markers, wanted_marker
from web.outputs import Outputs, Wish
from web.recordings import Recordings


def recording_routes(recordings: Recordings, live: LiveRecording, markers: Markers, outputs: Outputs) -> Blueprint:
    """live: records the live view. markers: of the live view."""
    routes = Blueprint("recordings", __name__)
    _add_live(routes, recordings, live, outputs)
    _add_markers(routes, markers)
    _add_list(routes, recordings)
    add_analysis_routes(routes, "/recordings", lambda id: recordings.find(id, browser_secret()), outputs)
    return routes


def _add_live(routes: Blueprint, recordings: Recordings, live: LiveRecording, outputs: Outputs) -> None:
    @routes.post("/recording")
    def start_recording() -> ResponseReturnValue:
        wanted = request.get_json(silent=True)
        live.start(bool(isinstance(wanted, dict) and wanted.get("video")))
        return jsonify(live.state()), 201

    @routes.delete("/recording")
    def stop_recording() -> ResponseReturnValue:
        live.stop()
        return jsonify(live.state())

    @routes.get("/recording/<name>")
    def recorded(name: str) -> ResponseReturnValue:
        if name not in live.state()["files"]:
            abort(404)
        folder = recordings.find(live.latest() or "") or abort(404)
        return send_output(outputs.get(folder, Wish(name)), f"session.{name.rpartition('.')[2]}")


def _add_markers(routes: Blueprint, markers: Markers) -> None:
    @routes.post("/markers")
    def mark() -> ResponseReturnValue:
        return jsonify(markers.add(*wanted_marker())), 201


def _add_list(routes: Blueprint, recordings: Recordings) -> None:
    @routes.get("/recordings")
    def list_recordings() -> ResponseReturnValue:
        return jsonify(recordings=recordings.list(browser_secret()), folder=str(recordings.folder))

    @routes.get("/recordings/<id>")
    def recording(id: str) -> ResponseReturnValue:
        return jsonify(recordings.state(id, browser_secret()))

    @routes.patch("/recordings/<id>")
    def change_recording(id: str) -> ResponseReturnValue:
        title, kept = _changes(request.get_json(silent=True))
        try:
            recordings.change(id, browser_secret(), title, kept)
        except OSError as error:
            raise RequestError(f"The change could not be stored: {cause(error) or error}.", 503) from error
        return jsonify(recordings.state(id, browser_secret()))

    @routes.delete("/recordings/<id>")
    def delete_recording(id: str) -> ResponseReturnValue:
        recordings.remove(id, browser_secret())
        return "", 204


def _changes(body: Any) -> tuple[str | None, bool | None]:
    """The title and whether it is kept, as far as they are to change. Raises RequestError."""
    title, kept = (body.get("title"), body.get("kept")) if isinstance(body, dict) else (0, 0)
    if not isinstance(title, str | None) or not isinstance(kept, bool | None):
        raise RequestError('Send a JSON object with a title or kept, such as {"title": "Interview"}.', 400)
    return title, kept
