"""A network camera for tests: an HTTP server that sends the frames it is told to, as multipart JPEG."""

import contextlib
import http.server
import threading
import time

import cv2


class MjpegCamera:
    """`with MjpegCamera(frames) as camera`: camera.address can be watched.

    frames: a function that yields (seconds to wait before it, image) for each connection, numbered from 0; when it
    ends, the connection is closed. status: of the answers; others than 200 send no frames.
    """

    def __init__(self, frames, status=200):
        camera = self
        self.connections = 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                if status != 200:
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                number = camera.connections
                camera.connections += 1
                with contextlib.suppress(OSError):  # whoever watched has gone
                    for wait, image in frames(number):
                        if camera.stopped.wait(wait):
                            return
                        self.send(image)

            def send(self, image):
                jpeg = image if isinstance(image, bytes) else cv2.imencode(".jpg", image)[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")

            def log_message(self, *arguments):
                pass

        self.stopped = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}/video"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()


def every(seconds, *images, count=10_000):
    """Frames for each connection: the images in turn, so many seconds apart."""

    def frames(_):
        for index in range(count):
            yield (seconds if index else 0.0), images[index % len(images)]

    return frames


def shots_for(video, seconds):
    """The distinct shots that a VideoCamera gives in so many seconds."""
    end, shots = time.monotonic() + seconds, {}
    for shot in video.shots():
        shots[shot.number] = shot
        if time.monotonic() > end:
            return list(shots.values())
    raise AssertionError("the camera is closed")
