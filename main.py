"""The app: `python main.py [source]` serves a page that shows live facial expressions.

Routes and the command line; everything else is in the modules that it imports.
"""

import argparse
import json
import os
import signal
import socket
import sys
import threading
import time
import webbrowser
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing

from flask import Flask, Response, jsonify, render_template, request
from werkzeug.exceptions import HTTPException
from werkzeug.serving import WSGIRequestHandler, make_server

import camera
from model import EMOTIONS, FacialExpressionModel, ModelError
from source import SourceError, check_source, parse_source
from uploads import MOST_BYTES, PictureReader, UploadError, name_emotions
from viewers import BOUNDARY, STALL_TIMEOUT, Viewers, in_thread, part

HOST = "127.0.0.1"
PORT = 5000
PORTS_TRIED = 20
MAX_VIEWERS = 256
# What a browser may do with what comes from here: load nothing from elsewhere, and show nothing of it elsewhere.
LOCKS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
EXPLANATIONS = {
    404: "There is nothing at this address.",
    413: f"That is too much at once; send at most {MOST_BYTES // 1024**2} MB.",
}
EVENT_PERIOD = 0.1  # seconds from one event to the next; bars need not move at the picture's rate
MODEL_WAIT = 0.5  # seconds; a model that takes longer is being compiled, and frames are shown meanwhile
SEND_BUFFER = 1 << 16  # bytes the system holds for a viewer; little, so that a slow one does not see old frames


def create_app(video, note=None):
    """The Flask app that shows a VideoCamera. note: a sentence for the page, or None."""
    app = Flask(__name__)
    app.config["TRUSTED_HOSTS"] = ["127.0.0.1", "localhost", "[::1]"]  # against DNS rebinding
    app.config["MAX_CONTENT_LENGTH"] = app.config["MAX_FORM_MEMORY_SIZE"] = MOST_BYTES
    reader = PictureReader()

    def status():
        return video.state() | {"viewers": max(len(pictures), len(events))}  # a page is among both

    def event(shot):
        return f"data: {json.dumps(status() | describe_shot(shot))}\n\n".encode()

    pictures, events = Viewers(video), Viewers(video, event, b"", EVENT_PERIOD)

    def stream(viewers, encode, opening, mimetype):
        if len(viewers) >= MAX_VIEWERS:
            return Response("Too many viewers; try again in a moment.\n", 503, {"Retry-After": "5"}, "text/plain")
        connection = request.environ.get("werkzeug.socket")  # none under another server: its thread has to send then
        body = viewers.serve(connection) if connection else in_thread(video.shots(), encode, opening)
        return Response(body, 200, {"Cache-Control": "no-store"}, mimetype)

    @app.get("/")
    def index():
        return render_template("index.html", note=note, state=video.state(), emotions=EMOTIONS)

    @app.get("/video_feed")
    def video_feed():
        return stream(pictures, part, BOUNDARY, "multipart/x-mixed-replace; boundary=frame")

    @app.get("/events")
    def event_stream():
        return stream(events, event, b"", "text/event-stream")

    @app.get("/snapshot.jpg")
    def snapshot():
        with closing(video.shots()) as shots:
            return Response(next(shots).jpeg, 200, {"Cache-Control": "no-store"}, "image/jpeg")

    @app.post("/api/predict")
    def predict():
        files = [(file.filename or name, file.read()) for name, file in request.files.items(multi=True)]
        if not files and request.mimetype.startswith("image/"):
            files = [("picture", request.get_data())]
        if not files:
            raise UploadError("Send a picture as the body, with its content type, or several as a form's files.", 400)
        return jsonify(images=[{"name": name, "faces": reader.read(content)} for name, content in files])

    @app.errorhandler(UploadError)
    def refused(error):
        return jsonify(error=str(error)), error.status

    @app.errorhandler(HTTPException)
    def failed(error):
        sentence = EXPLANATIONS.get(error.code, error.description)
        return jsonify(error=sentence), error.code, error.get_headers() if error.code == 405 else {}

    @app.get("/healthz")
    def healthz():
        return "ok\n", 200, {"Content-Type": "text/plain"}

    @app.after_request
    def lock(response):
        response.headers.update(LOCKS)
        return response

    @app.get("/state")
    def state():
        return jsonify(status())

    @app.post("/settings")
    def settings():
        if request.headers.get("Origin", request.host_url.rstrip("/")) != request.host_url.rstrip("/"):
            return jsonify(error="Settings can be changed from this app's own page alone."), 403
        wanted = request.get_json(silent=True)
        if not isinstance(wanted, dict) or not all(
            name in video.settings and isinstance(value, bool) for name, value in wanted.items()
        ):
            return jsonify(error=f"Send a JSON object with true or false for any of {', '.join(video.settings)}."), 400
        video.change_settings(wanted)
        return jsonify(video.settings)

    return app


def describe_shot(shot):
    """What is in a camera.Shot, as a dict for JSON; a face as the package `fer` gives it, and more."""
    return {
        "time": shot.timestamp,
        "delay": round(1000 * (time.time() - shot.timestamp)),
        "size": shot.size,
        "faces": [
            {
                "face": face.number,
                "box": face.box,
                "label": None if face.label is None else EMOTIONS[face.label],
                "emotions": face.probabilities and name_emotions(face.probabilities),
            }
            for face in shot.faces
        ],
    }


class ViewerHandler(WSGIRequestHandler):
    """Drops viewers that have stopped reading, keeps little in store for slow ones, and logs no requests."""

    timeout = STALL_TIMEOUT
    protocol_version = "HTTP/1.0"  # 1.1 would cut a stream into chunks

    def setup(self):
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        super().setup()

    def log_request(self, code="-", size="-"):
        pass


def create_server(app, listener):
    """A server for the app, a thread a viewer, on a socket that listens already."""
    port = listener.getsockname()[1]
    return make_server(HOST, port, app, threaded=True, request_handler=ViewerHandler, fd=listener.fileno())


def listen(port=None):
    """A socket that listens on the port, or without one on the first free port from 5000. Raises OSError."""
    if port is not None:
        return _bind(port)
    for port in range(PORT, PORT + PORTS_TRIED):
        try:
            return _bind(port)
        except OSError:
            continue
    raise OSError(f"the ports {PORT} to {PORT + PORTS_TRIED - 1} are all taken")


def _bind(port):
    # On a Mac and on Windows a port that another program serves can often be bound a second time, so ask first.
    with socket.socket() as probe:
        probe.settimeout(0.5)
        if port and probe.connect_ex((HOST, port)) == 0:
            raise OSError(f"port {port} is taken")
    return socket.create_server((HOST, port), backlog=MAX_VIEWERS)


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
    parser.add_argument("--no-browser", action="store_true", help="do not open the page in the browser")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C
    try:
        serve(options)
    except KeyboardInterrupt:
        pass  # while it starts; once it serves, it ends without one
    except (SourceError, ModelError) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"Cannot serve on {HOST}: {error}. Choose another port with --port.", file=sys.stderr)
        return 2
    print("Stopped.")
    return 0


def serve(options):
    """Serve until interrupted. Raises SourceError, ModelError once it is known, OSError where no port can be had."""
    source, note = choose_source(options.source)
    if note:
        print(note)
    listener = listen(options.port)
    model = ThreadPoolExecutor(1).submit(FacialExpressionModel)
    if wait([model], MODEL_WAIT).done:
        model.result()
    video = camera.VideoCamera(source, model)
    server = create_server(create_app(video, note), listener)
    address = f"http://{HOST}:{server.port}"
    print(f"Serving on {address} (Ctrl-C stops)", flush=True)
    if not options.no_browser:
        open_browser(address)
    threading.Thread(target=check_model, args=(model, server), daemon=True).start()
    try:
        server.serve_forever()
    finally:
        video.close()
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
