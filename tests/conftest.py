import atexit
import contextlib
import itertools
import os
import shutil
import tempfile
import threading
from fractions import Fraction

import av
import numpy as np
import pytest
import skimage.data
from playwright.sync_api import sync_playwright

from camera import VideoCamera
from model import FacialExpressionModel
from paths import CASCADE, DEMO, MODEL_INT8, MODEL_JSON, MODEL_WEIGHTS, PYPROJECT, ROOT
from program import Program
from vision.opencv import cv2
from web.app import close_app, create_app
from web.recordings import Recordings
from web.server import create_server, listen

os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="cache-of-tests-")  # compiled networks, apart from the user's
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp(prefix="data-of-tests-")  # recordings, apart from the user's
for folder in ("XDG_CACHE_HOME", "XDG_DATA_HOME"):
    atexit.register(shutil.rmtree, os.environ[folder], ignore_errors=True)

LONGEST = ("test_recipe.py", "test_notebook.py")
CLIP_SIZE, CLIP_FRAMES, CLIP_RATE = (320, 240), 30, 25
WITHOUT_NETWORK = ROOT / "tests" / "without_network"
PACKAGES = ("inference", "static", "templates", "training", "videos", "vision", "web")


def pytest_collection_modifyitems(items):
    """Begin with the tests that take longest, so that they are not what one process has left at the end."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def copy_program():
    """A function that copies the program, without its tests, into a folder where its files may be spoilt."""

    def copy(folder):
        files = [CASCADE, DEMO, PYPROJECT, MODEL_JSON, MODEL_WEIGHTS, MODEL_INT8, ROOT / "train.ipynb"]
        for file in [*ROOT.glob("*.py"), *files]:
            shutil.copy(file, folder)
        for package in PACKAGES:
            shutil.copytree(ROOT / package, folder / package)

    return copy


@pytest.fixture(scope="session")
def astronaut():
    """A photograph of a smiling woman, (512, 512, 3) uint8 BGR, in the public domain."""
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
def film():
    """A function that writes images as an H.264 video and returns its path."""

    def write(path, images, rate=25, times=None, key_frame_every=250, sound=None, faststart=False):
        """times: of the frames, in milliseconds. sound: a codec, for silence and then, from the middle on, noise."""
        options = {"movflags": "faststart"} if faststart else {}
        with av.open(str(path), "w", options=options) as video:
            stream = video.add_stream("libx264", rate=rate, options={"g": str(key_frame_every), "preset": "veryfast"})
            stream.height, stream.width = (side - side % 2 for side in images[0].shape[:2])
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = Fraction(1, 1000)
            heard = video.add_stream(sound, rate=44100) if sound else None
            for index, image in enumerate(images):
                frame = av.VideoFrame.from_ndarray(
                    np.ascontiguousarray(image[: stream.height, : stream.width]), "bgr24"
                )
                frame.pts = int(times[index]) if times is not None else round(1000 * index / rate)
                frame.time_base = Fraction(1, 1000)
                video.mux(stream.encode(frame))
            video.mux(stream.encode(None))
            if heard:
                samples = np.random.default_rng(0).integers(-9000, 9000, (1, 44100 * len(images) // rate), np.int16)
                samples[:, : samples.shape[1] // 2] = 0
                for begin in range(0, samples.shape[1], 1024):
                    frame = av.AudioFrame.from_ndarray(samples[:, begin : begin + 1024], "s16", "mono")
                    frame.rate, frame.pts = 44100, begin
                    video.mux(heard.encode(frame))
                video.mux(heard.encode(None))
        return path

    return write


@pytest.fixture(scope="session")
def sway(astronaut, film, tmp_path_factory):
    """A video file in which her face moves to the right and back, so that it is not lost where the file begins anew."""
    shifts = [*range(0, 60, 2), *range(60, 0, -2)]
    images = [astronaut[:240, 80 - shift : 400 - shift] for shift in shifts]
    return film(tmp_path_factory.mktemp("sway") / "sway.mp4", images)


@pytest.fixture(scope="session")
def portrait(astronaut):
    """Her face with what is around it, (240, 240, 3) uint8 BGR, which is searched in a fifth of the time."""
    return astronaut[:240, 90:330]


@pytest.fixture(scope="session")
def picture(portrait, tmp_path_factory):
    path = tmp_path_factory.mktemp("pictures") / "astronaut.png"
    cv2.imwrite(str(path), portrait)
    return path


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """A real Chromium, in which a test opens pages of its own; its camera shows the demo's first ten seconds."""
    program = shutil.which("chromium")
    if not program:
        assert "CI" not in os.environ, "CI has a Chromium"
        pytest.skip("there is no Chromium here")
    camera = tmp_path_factory.mktemp("camera") / "demo.mjpeg"
    with av.open(str(camera), "w", format="mjpeg") as container:
        stream = container.add_stream("mjpeg", rate=30)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuvj420p"
        with av.open(str(DEMO)) as demo:
            for frame in itertools.islice(demo.decode(video=0), 300):
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.to_ndarray(format="bgr24"), "bgr24")))
        container.mux(stream.encode(None))
    arguments = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    arguments += ["--host-resolver-rules=MAP faces.example 127.0.0.1"]
    # The first two start processes for each window's address bar, which nobody sees, and which take most of the time.
    arguments += ["--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,HttpsUpgrades"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=[*arguments, f"--use-file-for-fake-video-capture={camera}"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def without_network(tmp_path_factory):
    """Environment variables with which Python programs reach only this machine, and a file of what they tried."""
    refused = tmp_path_factory.mktemp("network") / "refused"
    return {"PYTHONPATH": str(WITHOUT_NETWORK), "REFUSED": str(refused)}, refused


@pytest.fixture(scope="session")
def model():
    """The network, in the form that is the fastest here."""
    model = FacialExpressionModel()
    model.settle()
    return model


@pytest.fixture(scope="session")
def cluster(model):
    """The Client of a cluster of two processes, for every test that needs one."""
    from videos.cluster import connected  # here, since Dask takes a second to import

    with connected(workers=2) as client:
        yield client


@pytest.fixture
def launch(tmp_path):
    """A function that starts main.py with arguments, as a Program; whatever still runs afterwards is killed."""
    with contextlib.ExitStack() as programs:

        def run(*arguments, **options):
            return programs.enter_context(Program(*arguments, **{"working_folder": tmp_path, **options}))

        yield run


@pytest.fixture
def watch(model):
    """A function that gives a VideoCamera for a source; they are closed afterwards."""
    cameras = []

    def start(source=None):
        cameras.append(VideoCamera(source, model))
        return cameras[-1]

    def close():
        for camera in cameras:
            camera.close()

    start.close = close
    yield start
    close()


@pytest.fixture
def recordings(tmp_path):
    store = Recordings(tmp_path / "recordings")
    yield store
    store.close()


@pytest.fixture
def make_app():
    """A function that makes an app as create_app does; it is closed at the end, also of a test that fails."""
    apps = []

    def make(*arguments, **options):
        apps.append(create_app(*arguments, **options))
        return apps[-1]

    yield make
    for app in apps:
        close_app(app)


@pytest.fixture
def serve(watch, make_app):
    """A function that serves a source for real and gives the address of its page."""
    servers = []

    def start(source, note=None, tls=None, **access):
        with listen(0) as listener:  # the server has a copy of it
            server = create_server(make_app(watch(source), note, **access), listener, tls=tls)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)  # how soon it shuts down
        thread.start()
        servers.append((server, thread))
        return f"{'https' if tls else 'http'}://127.0.0.1:{server.port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()
