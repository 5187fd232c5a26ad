"""The Flask app: its parts, put together."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from camera import VideoCamera
from paths import STATIC, TEMPLATES
from web.access import OWN_NAMES, restrict_access
from web.browser_camera_routes import browser_camera_routes
from web.browser_cameras import BrowserCameras
from web.errors import answer_errors_as_json
from web.live_recording import LiveRecording
from web.live_routes import LiveView, live_routes
from web.markers import Markers
from web.outputs import Outputs
from web.pictures import MOST_BYTES, PictureReader
from web.prometheus import prometheus_routes
from web.recording_routes import recording_routes
from web.recordings import Recordings, default_folder
from web.sharing import Sharing, sharing_routes
from web.tokens import require_token
from web.upload_routes import upload_routes
from web.video_queue import VideoQueue


@dataclass(frozen=True)
class Parts:
    """What runs for an app, and ends with it."""

    videos: VideoQueue
    outputs: Outputs
    recordings: Recordings
    cameras: BrowserCameras
    recording: LiveRecording
    view: LiveView
    folder: Path  # of all that they store


def create_app(
    video: VideoCamera,
    note: str | None = None,
    names: Sequence[str] = OWN_NAMES,
    token: str | None = None,
    embed: Sequence[str] = (),
    behind_proxy: bool = False,
    recordings_folder: Path | None = None,
    watch_token: str | None = None,
) -> Flask:
    """The Flask app that shows a VideoCamera.

    note: a sentence for the page. names, embed, behind_proxy: see restrict_access. token, watch_token: see
    require_token; without a token, everyone may do everything. recordings_folder: by default that of web.recordings.
    close_app ends what it runs.
    """
    app = Flask(__name__, template_folder=str(TEMPLATES), static_folder=str(STATIC))
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = MOST_BYTES
    restrict_access(app, names, embed, behind_proxy)
    if token:
        require_token(app, token, watch_token)
    sharing = Sharing(watch_token, names) if token and watch_token else None
    answer_errors_as_json(app)
    folder = Path(tempfile.mkdtemp(prefix="expressions-"))
    (folder / "videos").mkdir()
    videos, outputs = VideoQueue(folder / "videos", video.sure), Outputs()
    recordings = Recordings(recordings_folder or default_folder())
    recording = LiveRecording(video, recordings)
    markers = Markers(recording)
    pictures, cameras = PictureReader(video.model, video.sure), BrowserCameras(video.model, recordings, video.sure)
    view = LiveView(video, recording, markers)
    app.extensions["expressions"] = Parts(videos, outputs, recordings, cameras, recording, view, folder)
    app.register_blueprint(live_routes(view, note, recordings.folder, sharing))
    app.register_blueprint(sharing_routes(sharing))
    app.register_blueprint(recording_routes(recordings, recording, markers, outputs))
    app.register_blueprint(browser_camera_routes(cameras))
    app.register_blueprint(upload_routes(pictures, videos, outputs))
    app.register_blueprint(prometheus_routes(view.status, videos, cameras))
    recordings.start()
    return app


def close_app(app: Flask) -> None:
    """End what an app runs, and delete what it stored."""
    parts: Parts = app.extensions["expressions"]
    parts.outputs.close()
    parts.videos.close()
    parts.recordings.close()
    parts.recording.close()
    parts.cameras.close()
    parts.view.close()
    shutil.rmtree(parts.folder, ignore_errors=True)
