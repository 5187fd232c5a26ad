"""The page and its live view: the picture, what it shows, its settings and its source."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from camera import Shot, VideoCamera
from paths import OPENAPI
from version import VERSION
from vision.addresses import is_address
from vision.expressions import EMOTIONS
from vision.source import Source, SourceError, find_webcams, source_name, try_source
from web.errors import RequestError
from web.faces_json import NO_SUCH_FACE, shot_to_json, wanted_face
from web.live_recording import LiveRecording
from web.markers import Markers
from web.server import MAX_VIEWERS
from web.sharing import Sharing
from web.tokens import is_watching
from web.viewers import Viewers, plain_part

EVENT_PERIOD = 0.1  # seconds from one event to the next; bars need not move at the picture's rate
TOLD_TO_WATCHERS = ("source", "fps", "waiting", "steering", "watching")  # of the state, beside faces and recording
NO_PICTURE = "The source gives no picture."  # without the reason, which may name a file's path


class LiveView:
    """A VideoCamera and everyone who watches it."""

    def __init__(self, video: VideoCamera, recording: LiveRecording, markers: Markers) -> None:
        """recording, markers: of the same VideoCamera."""
        self.video, self.recording, self.markers = video, recording, markers
        self.first_source = video.source  # which may be a file, and can be chosen again
        self._opened: dict[str, Source] = {}  # addresses that gave a picture, by what the page calls them
        self.pictures = Viewers(video.shots)
        self.plain_pictures = Viewers(partial(video.shots, plain=True), plain_part)
        self.events = Viewers(video.shots, self._event, b"", EVENT_PERIOD)
        self.watchers_events = Viewers(video.shots, self._watchers_event, b"", EVENT_PERIOD)

    def close(self) -> None:
        """End all streams."""
        for viewers in (self.pictures, self.plain_pictures, self.events, self.watchers_events):
            viewers.close()

    def forget(self) -> None:
        """Show nobody any more what was shown before."""
        for viewers in (self.pictures, self.plain_pictures):
            viewers.forget()

    def status(self) -> dict[str, Any]:
        """What /state answers: a dict for JSON."""
        steering, watching = len(self.events), len(self.watchers_events)
        pages = max(len(self.pictures) + len(self.plain_pictures), steering + watching)  # a page is among both
        return self.video.state() | {
            "viewers": pages + self.recording.is_recording(),
            "steering": steering,
            "watching": watching,
            "recording": self.recording.state(),
            "markers": self.markers.to_json(),
            "version": VERSION,
        }

    def choices(self) -> dict[str, Source]:
        """What can be watched without an address: what the page calls it, and the source."""
        webcams: dict[str, Source] = {f"camera {index}: {name}": index for index, name in find_webcams().items()}
        return {source_name(self.first_source): self.first_source, source_name("demo"): "demo"} | webcams | self._opened

    def remember(self, address: str) -> None:
        """Open an address, and offer it from now on. Raises RequestError where it gives no picture."""
        try:
            try_source(address)
        except SourceError as error:
            raise RequestError(f"{error} What was watched before goes on.", 422) from error
        name, number = source_name(address), 2
        while self._opened.get(name, address) != address:  # the same but for what is hidden
            name, number = f"{source_name(address)} ({number})", number + 1
        self._opened[name] = address

    def _event(self, shot: Shot) -> bytes:
        return _to_event(self.status() | shot_to_json(shot))

    def _watchers_event(self, shot: Shot) -> bytes:
        state = self.status()
        told = {name: state[name] for name in TOLD_TO_WATCHERS}
        told["problem"] = NO_PICTURE if state["problem"] else None
        told["recording"] = {name: state["recording"][name] for name in ("status", "seconds")}
        return _to_event(told | shot_to_json(shot))


def _to_event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def live_routes(view: LiveView, note: str | None, recordings: Path, sharing: Sharing | None) -> Blueprint:
    """note: a sentence for the page. recordings: the folder in which they are stored, which the page tells.

    sharing: of the link for others, or None where there is none.
    """
    routes = Blueprint("live", __name__)
    _add_page(routes, view, note, recordings, sharing)
    _add_streams(routes, view)
    _add_controls(routes, view)
    return routes


def _add_page(routes: Blueprint, view: LiveView, note: str | None, recordings: Path, sharing: Sharing | None) -> None:
    @routes.get("/")
    def index() -> ResponseReturnValue:
        if is_watching():
            return render_template("watch.html", source=source_name(view.video.source), emotions=EMOTIONS)
        told = {
            "note": note,
            "first_source": source_name(view.first_source),
            "recordings": recordings,
            "emotions": EMOTIONS,
            "watch_link": sharing.link() if sharing else None,
        }
        return render_template("index.html", state=view.video.state(), **told)

    @routes.get("/openapi.json")
    def openapi() -> ResponseReturnValue:
        description = json.loads(OPENAPI.read_text(encoding="utf-8"))
        description["info"]["version"] = VERSION
        return jsonify(description)

    @routes.get("/healthz")
    def healthz() -> ResponseReturnValue:
        fault = view.video.fault()
        return f"{fault or 'ok'}\n", 503 if fault else 200, {"Content-Type": "text/plain"}


def _add_streams(routes: Blueprint, view: LiveView) -> None:
    @routes.get("/video_feed")
    def video_feed() -> ResponseReturnValue:
        viewers = view.plain_pictures if _is_plain() else view.pictures
        return _stream(viewers, "multipart/x-mixed-replace; boundary=frame")

    @routes.get("/events")
    def events() -> ResponseReturnValue:
        return _stream(view.watchers_events if is_watching() else view.events, "text/event-stream")

    @routes.get("/snapshot.jpg")
    def snapshot() -> ResponseReturnValue:
        shot = view.video.snapshot(_is_plain(), early="early" in request.args)
        if shot is None:
            raise RequestError("The program is stopping.", 503)
        return Response(shot.plain if _is_plain() else shot.jpeg, 200, {"Cache-Control": "no-store"}, "image/jpeg")

    @routes.get("/state")
    def state() -> ResponseReturnValue:
        return jsonify(view.status())


def _is_plain() -> bool:
    """Whether nothing is to be drawn on the picture."""
    return "plain" in request.args


def _stream(viewers: Viewers, mimetype: str) -> ResponseReturnValue:
    if len(viewers) >= MAX_VIEWERS:
        return jsonify(error="Too many viewers; try again in a moment."), 503, {"Retry-After": "5"}
    connection = request.environ.get("werkzeug.socket")  # None under another server
    body = viewers.serve(connection) if connection and not request.is_secure else viewers.in_thread()
    return Response(body, 200, {"Cache-Control": "no-store"}, mimetype)


def _add_controls(routes: Blueprint, view: LiveView) -> None:
    @routes.post("/settings")
    def settings() -> ResponseReturnValue:
        wanted, known = request.get_json(silent=True), view.video.settings
        if not isinstance(wanted, dict) or not all(
            name in known and isinstance(value, bool) for name, value in wanted.items()
        ):
            raise RequestError(f"Send a JSON object with true or false for any of {', '.join(known)}.", 400)
        view.video.change_settings(wanted)
        if wanted.get("hide"):
            view.forget()
        return jsonify(view.video.settings)

    @routes.post("/rest")
    def rest() -> ResponseReturnValue:
        if not view.video.rest(wanted_face()):
            raise RequestError(NO_SUCH_FACE, 404)
        return "", 204

    @routes.get("/sources")
    def sources() -> ResponseReturnValue:
        return jsonify(sources=list(view.choices()))

    @routes.post("/source")
    def source() -> ResponseReturnValue:
        body = request.get_json(silent=True)
        wanted = body.get("source") if isinstance(body, dict) else None
        known = view.choices()
        if not isinstance(wanted, str) or not (wanted in known or is_address(wanted)):
            raise RequestError(
                "This can't be watched. Give an address that begins with http://, https:// or rtsp://.", 400
            )
        if wanted not in known:
            view.remember(wanted)
        view.video.watch(known.get(wanted, wanted))
        return jsonify(view.status())
