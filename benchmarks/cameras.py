"""A network camera, as the benchmarks and the tests need it: an HTTP server that sends the frames it is told to."""

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator

import numpy as np

from vision.opencv import cv2

Frames = Callable[[int], Iterator[tuple[float, np.ndarray | bytes]]]


class MjpegCamera:
    """`with MjpegCamera(frames) as camera`: camera.address can be watched."""

    def __init__(self, frames: Frames, status: int = 200, port: int = 0) -> None:
        """frames: yields, for a connection with that number, pairs of seconds to wait and an image or bytes to send.

        An image is (height, width, 3) uint8 BGR. When it ends, the connection is closed. status: of the answers; with
        another than 200 no frames are sent. port: 0 for any that is free.
        """
        self.frames, self.status = frames, status
        self.connections = 0
        self.stopped = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.address = f"http://127.0.0.1:{self.port}/video"

    def __enter__(self) -> "MjpegCamera":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(camera.status)
                if camera.status != 200:
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                number = camera.connections
                camera.connections += 1
                with contextlib.suppress(OSError):  # the viewer has gone
                    for wait, image in camera.frames(number):
                        if camera.stopped.wait(wait):
                            return
                        self.wfile.write(image if isinstance(image, bytes) else as_part(image))

            def log_message(self, *arguments: object) -> None:
                pass

        return Handler


def as_part(image: np.ndarray) -> bytes:
    """An image as a part of a multipart stream."""
    jpeg = cv2.imencode(".jpg", image)[1].tobytes()
    return f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode() + jpeg + b"\r\n"


def every(seconds: float, *images: np.ndarray | bytes, count: int = 10_000) -> Frames:
    """Frames for each connection: the images in turn, so many seconds apart."""

    def frames(_: int) -> Iterator[tuple[float, np.ndarray | bytes]]:
        for index in range(count):
            yield (seconds if index else 0.0), images[index % len(images)]

    return frames
