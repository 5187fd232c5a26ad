import os
import tempfile
import threading

import cv2
import pytest
import skimage.data

from camera import VideoCamera
from main import create_app, create_server, listen
from model import FacialExpressionModel

os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="cache-of-tests-")  # compiled networks, and nobody's own

CLIP_SIZE, CLIP_FRAMES, CLIP_RATE = (320, 240), 30, 25


@pytest.fixture(scope="session")
def astronaut():
    """A photograph of one smiling woman, (512, 512, 3) uint8 BGR, in the public domain."""
    return cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)


@pytest.fixture(scope="session")
def clip(astronaut, tmp_path_factory):
    """A video file of 1.2 seconds in which her face moves to the right."""
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), CLIP_RATE, CLIP_SIZE)
    for frame in range(CLIP_FRAMES):
        writer.write(cv2.resize(astronaut[:240, 80 - 2 * frame : 400 - 2 * frame], CLIP_SIZE))
    writer.release()
    return path


@pytest.fixture(scope="session")
def picture(astronaut, tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "astronaut.png"
    cv2.imwrite(str(path), astronaut)
    return path


@pytest.fixture(scope="session")
def model():
    return FacialExpressionModel()


@pytest.fixture
def watch(model):
    """A function that gives a VideoCamera for a source; they are closed afterwards."""
    cameras = []

    def start(source=None):
        cameras.append(VideoCamera(source, model))
        return cameras[-1]

    yield start
    for camera in cameras:
        camera.close()


@pytest.fixture
def serve(watch):
    """A function that serves a source for real and gives the address of its page."""
    servers = []

    def start(source, note=None):
        server = create_server(create_app(watch(source), note), listen(0))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()
