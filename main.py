"""The app: `python main.py [source]` serves a page that shows live facial expressions.

Routes and the command line; everything else is in the modules that it imports.
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import webbrowser
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from functools import partial
from pathlib import Path

from flask import Flask, Response, abort, jsonify, render_template, request, send_file
from werkzeug.exceptions import HTTPException
from werkzeug.utils import secure_filename

import camera
from answers import describe_faces, describe_shot
from doors import EVERYWHERE, OWN_NAMES, close_doors, is_loopback, names_of
from metrics import metrics_of
from model import EMOTIONS, FacialExpressionModel, ModelError
from own_cameras import OwnCameras
from server import HOST, MAX_VIEWERS, PORT, CertificateError, create_server, listen, load_certificate
from session import Session, SessionError
from source import SourceError, check_source, describe, find_webcams, is_stream, parse_source
from uploads import MOST_BYTES, PictureReader, UploadError
from video_uploads import MOST_VIDEO_BYTES, VideoUploads
from viewers import Viewers, plain_part

EVENT_PERIOD = 0.1  # seconds from one event to the next; bars need not move at the picture's rate
MODEL_WAIT = 0.5  # seconds; a model that takes longer is being compiled, and frames are shown meanwhile


def create_app(video, note=None, names=OWN_NAMES, token=None):
    """The Flask app that shows a VideoCamera.

    note: a sentence for the page, or None. names, token: see doors.close_doors. close_app ends what it runs.
    """
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = MOST_BYTES
    close_doors(app, names, token)
    folder = Path(tempfile.mkdtemp(prefix="expressions-"))
    for name in ("videos", "session"):
        (folder / name).mkdir()
    reader, own_cameras = PictureReader(), OwnCameras()
    videos, session = VideoUploads(folder / "videos"), Session(video, folder / "session")
    app.extensions["expressions"] = (videos, session, folder)
    first = video.source  # which was named where the program was started, and may be a file, and can be come back to

    def status():
        pages = max(len(pictures) + len(plain_pictures), len(events))  # a page is among both
        return video.state() | {"viewers": pages + session.is_recording(), "recording": session.state()}

    def event(shot):
        return f"data: {json.dumps(status() | describe_shot(shot))}\n\n".encode()

    pictures, plain_pictures = Viewers(video.shots), Viewers(partial(video.shots, plain=True), plain_part)
    events = Viewers(video.shots, event, b"", EVENT_PERIOD)
    app.register_blueprint(metrics_of(status, videos, own_cameras))

    def stream(viewers, mimetype):
        if len(viewers) >= MAX_VIEWERS:
            return jsonify(error="Too many viewers; try again in a moment."), 503, {"Retry-After": "5"}
        connection = request.environ.get("werkzeug.socket")  # none under another server
        body = viewers.serve(connection) if connection and not request.is_secure else viewers.in_thread()
        return Response(body, 200, {"Cache-Control": "no-store"}, mimetype)

    @app.get("/")
    def index():
        return render_template("index.html", note=note, state=video.state(), emotions=EMOTIONS)

    @app.get("/video_feed")
    def video_feed():
        return stream(plain_pictures if is_plain() else pictures, "multipart/x-mixed-replace; boundary=frame")

    @app.get("/events")
    def event_stream():
        return stream(events, "text/event-stream")

    @app.get("/snapshot.jpg")
    def snapshot():
        with closing(video.shots(is_plain())) as shots:
            shot = next(shots)
            return Response(shot.plain if is_plain() else shot.jpeg, 200, {"Cache-Control": "no-store"}, "image/jpeg")

    @app.get("/state")
    def state():
        return jsonify(status())

    @app.post("/settings")
    def settings():
        wanted = request.get_json(silent=True)
        if not isinstance(wanted, dict) or not all(
            name in video.settings and isinstance(value, bool) for name, value in wanted.items()
        ):
            raise UploadError(f"Send a JSON object with true or false for any of {', '.join(video.settings)}.", 400)
        video.change_settings(wanted)
        return jsonify(video.settings)

    @app.get("/sources")
    def sources():
        return jsonify(sources=list(choices(first)))

    @app.post("/source")
    def source():
        wanted = request.get_json(silent=True)
        wanted = wanted.get("source") if isinstance(wanted, dict) else None
        known = choices(first)
        if not isinstance(wanted, str) or not (wanted in known or is_stream(wanted)):
            raise UploadError(
                "Only an address that begins with http, https or rtsp can be watched, or what /sources lists.", 400
            )
        video.watch(known.get(wanted, wanted))
        return jsonify(status())

    @app.post("/recording")
    def start_recording():
        wanted = request.get_json(silent=True)
        session.start(bool(isinstance(wanted, dict) and wanted.get("video")))
        return jsonify(session.state()), 201

    @app.delete("/recording")
    def stop_recording():
        session.stop()
        return jsonify(session.state())

    @app.get("/recording/<name>")
    def recorded(name):
        return send(session.output(name), name, f"session.{name.rpartition('.')[2]}")

    @app.post("/api/predict")
    def predict():
        files = [(file.filename or name, file.read()) for name, file in request.files.items(multi=True)]
        if not files and request.mimetype.startswith("image/"):
            files = [("picture", request.get_data())]
        if not files:
            raise UploadError("Send a picture as the body, with its content type, or several as a form's files.", 400)
        return jsonify(
            images=[{"name": name, "faces": describe_faces(reader.read(content))} for name, content in files]
        )

    @app.post("/api/frames/<page>")
    def own_frame(page):
        size, faces = own_cameras.look(page[:64], request.get_data())
        return jsonify(size=size, faces=describe_faces(faces))

    @app.post("/videos")
    def add_video():
        request.max_content_length = MOST_VIDEO_BYTES
        name = request.args.get("name", "video")[:200]
        return jsonify(videos.add(name, request.stream).state()), 202

    @app.get("/videos/<id>")
    def video_state(id):
        upload = videos.find(id) or abort(404)
        return jsonify(upload.state())

    @app.delete("/videos/<id>")
    def remove_video(id):
        return ("", 204) if videos.remove(id) else abort(404)

    @app.get("/videos/<id>/<name>")
    def analysed(id, name):
        upload = videos.find(id) or abort(404)
        stem = Path(secure_filename(upload.name)).stem or "video"
        return send(videos.output(id, name), name, f"{stem}_{name}")

    def send(path, name, saved_as):
        if path is None:
            abort(404)
        return send_file(path, as_attachment="download" in request.args, download_name=saved_as, max_age=0)

    def is_plain():
        return "plain" in request.args

    @app.get("/openapi.json")
    def openapi():
        return send_file(Path(app.root_path) / "openapi.json")

    @app.get("/healthz")
    def healthz():
        return "ok\n", 200, {"Content-Type": "text/plain"}

    @app.errorhandler(UploadError)
    def refused(error):
        return jsonify(error=str(error)), error.status

    @app.errorhandler(SessionError)
    def not_now(error):
        return jsonify(error=str(error)), 409

    @app.errorhandler(HTTPException)
    def failed(error):
        sentence = {
            404: "There is nothing at this address.",
            413: f"That is too much at once; send at most {(request.max_content_length or 0) // 1024**2} MB.",
        }.get(error.code, error.description)
        return jsonify(error=sentence), error.code, error.get_headers() if error.code == 405 else {}

    return app


def close_app(app):
    """End what an app runs, and delete what it kept."""
    videos, session, folder = app.extensions["expressions"]
    videos.close()
    session.close()
    shutil.rmtree(folder, ignore_errors=True)


def choices(first):
    """What can be watched without an address, as a dict from what the page calls it to a source."""
    webcams = {f"camera {index}: {name}": index for index, name in find_webcams().items()}
    return {describe(first): first} | {describe("demo"): "demo"} | webcams


def choose_source(text):
    """The source to watch and a note for the page: the demo, and why, in place of a webcam that cannot be opened.

    Raises SourceError where a file or picture cannot be read.
    """
    source = parse_source(text)
    try:
        check_source(source)
    except SourceError as error:
        if not isinstance(source, int):
            raise
        return "demo", (
            f"{error} The demo plays instead. To watch something else, start with a source: "
            "python main.py clip.mp4, photo.jpg, 1 (a second webcam), or an http or rtsp address."
        )
    return source, None


def open_browser(address):
    """Show the address in the browser, where there is a screen for one."""
    if sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="main.py", description="Live facial expressions in your browser.")
    parser.add_argument(
        "source",
        nargs="?",
        default=camera.SOURCE,
        help="a webcam's index, a video or picture file, an http or rtsp address, or demo (default: %(default)s)",
    )
    parser.add_argument("--port", type=int, help=f"the port to serve on (default: the first free one from {PORT})")
    parser.add_argument(
        "--host", default=HOST, help="listen elsewhere than here alone, with a token; 0.0.0.0 is everywhere"
    )
    parser.add_argument(
        "--allow-host", action="append", default=[], metavar="NAME", help="a name this is reached by too"
    )
    parser.add_argument("--certfile", metavar="PEM", help="serve https with this certificate")
    parser.add_argument("--keyfile", metavar="PEM", help="and this key, where the certificate's file has none")
    parser.add_argument("--no-browser", action="store_true", help="do not open the page in the browser")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C
    try:
        serve(options)
    except KeyboardInterrupt:
        pass  # while it starts; once it serves, it ends without one
    except (SourceError, ModelError, CertificateError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"Cannot serve on {options.host}: {error}. Choose another port with --port.", file=sys.stderr)
        return 2
    print("Stopped.")
    return 0


def serve(options):
    """Serve until interrupted.

    Raises SourceError, CertificateError, ModelError once it is known, and OSError where no port can be had.
    """
    source, note = choose_source(options.source)
    if note:
        print(note)
    tls = load_certificate(options.certfile, options.keyfile)
    listener = listen(options.port, options.host)
    model = ThreadPoolExecutor(1).submit(FacialExpressionModel)
    if wait([model], MODEL_WAIT).done:
        model.result()
    video = camera.VideoCamera(source, model)
    others = options.allow_host or not is_loopback(options.host)
    token = secrets.token_urlsafe(24) if others else None
    query = f"/?token={token}" if token else ""
    names = [*names_of(options.host), *options.allow_host]
    app = create_app(video, note, names, token)
    try:
        server = create_server(app, listener, options.host, tls)
        here = [HOST] if is_loopback(options.host) or options.host in EVERYWHERE else []
        links = here + [name for name in names if name not in OWN_NAMES]
        addresses = [f"{'https' if tls else 'http'}://{name}:{server.port}{query}" for name in links]
        for address in addresses:
            print(f"Serving on {address} (Ctrl-C stops)", flush=True)
        if not options.no_browser:
            open_browser(addresses[0])
        threading.Thread(target=check_model, args=(model, server), daemon=True).start()
        server.serve_forever()
    finally:
        video.close()
        close_app(app)
    model.result()


def check_model(model, server):
    """Wait for the Future of a model, and stop serving where there will be none."""
    if model.exception():
        server.shutdown()
    elif model.result().note:
        print(model.result().note, flush=True)


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # all is closed by now, and TensorFlow takes seconds to leave on a busy machine
