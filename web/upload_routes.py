"""Pictures and videos that people send to be analysed."""

import math
from typing import Any

from flask import Blueprint, abort, jsonify, request
from flask.typing import ResponseReturnValue

from videos.analysis import TABLE
from videos.table import read_columns
from web.analysis_routes import add_analysis_routes
from web.browser_secret import browser_secret
from web.errors import RequestError
from web.faces_json import faces_to_json, wanted_face
from web.outputs import Outputs
from web.pictures import PictureReader
from web.video_queue import MOST_VIDEO_BYTES, VideoQueue


def upload_routes(pictures: PictureReader, videos: VideoQueue, outputs: Outputs) -> Blueprint:
    """Routes that analyse what is sent: pictures at once, videos in their turn."""
    routes = Blueprint("uploads", __name__)
    _add_pictures(routes, pictures)
    _add_videos(routes, videos)
    add_analysis_routes(routes, "/videos", videos.analysis, outputs)
    return routes


def _add_pictures(routes: Blueprint, pictures: PictureReader) -> None:
    @routes.post("/api/predict")
    def predict() -> ResponseReturnValue:
        files = [(file.filename or name, file.read()) for name, file in request.files.items(multi=True)]
        if not files and request.mimetype.startswith("image/"):
            files = [("picture", request.get_data())]
        if not files:
            raise RequestError("Send a picture as the body, with its content type, or several as a form's files.", 400)
        images = [_read(pictures, name, data) for name, data in files]
        errors = [image.pop("status") for image in images if "error" in image]
        if len(files) == 1 and errors:
            return jsonify(error=images[0]["error"]), errors[0]
        return jsonify(images=images)


def _read(pictures: PictureReader, name: str, data: bytes) -> dict[str, Any]:
    """The name, faces and size of one of the pictures sent, or its error and that error's status."""
    try:
        size, faces = pictures.read(data)
        return {"name": name, "faces": faces_to_json(faces), "size": size}
    except RequestError as error:
        return {"name": name, "error": str(error), "status": error.status}


def _add_videos(routes: Blueprint, videos: VideoQueue) -> None:
    @routes.post("/videos")
    def add_video() -> ResponseReturnValue:
        request.max_content_length = MOST_VIDEO_BYTES
        name = request.args.get("name", "video")[:200]
        return jsonify(videos.add(name, request.stream, browser_secret()).state()), 202

    @routes.get("/videos")
    def own_videos() -> ResponseReturnValue:
        return jsonify(videos=[upload.state() for upload in videos.sent_by(browser_secret())])

    @routes.get("/videos/<id>")
    def video_state(id: str) -> ResponseReturnValue:
        upload = videos.find(id) or abort(404)
        return jsonify(upload.state())

    @routes.post("/videos/<id>/rest")
    def rest_in_video(id: str) -> ResponseReturnValue:
        body = request.get_json(silent=True)
        seconds = body.get("seconds") if isinstance(body, dict) else None
        if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
            raise RequestError('Send a JSON object with a face and seconds, such as {"face": 1, "seconds": 2.5}.', 400)
        upload = videos.rest(id, wanted_face(), float(seconds)) or abort(404)
        return jsonify(upload.state()), 202

    @routes.post("/videos/<id>/again")
    def analyze_again(id: str) -> ResponseReturnValue:
        upload = videos.again(id) or abort(404)
        return jsonify(upload.state()), 202

    @routes.delete("/videos/<id>")
    def remove_video(id: str) -> ResponseReturnValue:
        return ("", 204) if videos.remove(id) else abort(404)

    @routes.get("/videos/<id>/table.json")
    def table(id: str) -> ResponseReturnValue:
        folder = videos.analysis(id) or abort(404)
        return jsonify(read_columns(folder / TABLE))
