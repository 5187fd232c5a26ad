import io
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from vision.opencv import cv2
from web import pictures
from web.errors import RequestError
from web.pictures import read_picture
from web_client import ask


def encoded(image, suffix=".jpg"):
    return cv2.imencode(suffix, image)[1].tobytes()


@pytest.fixture
def post(serve, clip):
    """A function that posts a body to /api/predict and gives status and JSON."""
    address = serve(str(clip))

    def send(content, mimetype="image/jpeg"):
        answer = ask(address, "/api/predict", "POST", content, Content_Type=mimetype)
        return answer.status, answer.json()

    return send


def form(*files):
    lines = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="image"; filename="%s"\r\n\r\n%s\r\n' % (name.encode(), content)
        for name, content in files
    )
    return lines + b"--x--\r\n", "multipart/form-data; boundary=x"


def test_a_picture_gives_its_faces_as_fer_does(post, portrait):
    status, answer = post(encoded(portrait))
    assert status == 200
    ((face,),) = [image["faces"] for image in answer["images"]]
    assert answer["images"][0]["size"] == [240, 240]
    assert face["label"] == "Happy"
    assert list(face["emotions"]) == ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
    x, y, width, height = face["box"]
    assert 60 < x < 140
    assert 80 < width == height < 160


def test_several_pictures_come_in_a_form(post, portrait):
    nobody = encoded(np.full((100, 100, 3), 90, np.uint8), ".png")
    status, answer = post(*form(("her.jpg", encoded(portrait)), ("nobody.png", nobody)))
    assert status == 200
    assert [(image["name"], len(image["faces"])) for image in answer["images"]] == [("her.jpg", 1), ("nobody.png", 0)]


def test_a_large_picture_is_searched_smaller_and_its_boxes_fit_it(post, astronaut):
    _, small = post(encoded(astronaut))
    _, large = post(encoded(cv2.resize(astronaut, None, fx=5, fy=5)))
    [small_box], large_boxes = ([face["box"] for face in answer["images"][0]["faces"]] for answer in (small, large))
    assert min(np.abs(np.array(box) / 5 - small_box).max() for box in large_boxes) < 15


def test_a_phone_picture_is_turned_upright(astronaut):
    stream, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    Image.fromarray(cv2.rotate(astronaut, cv2.ROTATE_90_COUNTERCLOCKWISE)).save(stream, "PNG", exif=exif)
    assert np.abs(read_picture(stream.getvalue())[:, :, ::-1].astype(int) - astronaut).mean() < 1


def bomb(side):
    """A PNG of some hundred bytes that says it has side×side pixels."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "mimetype", "status", "sentence"),
    [
        (b"not a picture", "image/png", 415, "can't be read as a picture"),
        (b"", "image/png", 415, "can't be read as a picture"),
        (b"hello", "text/plain", 400, "Send a picture"),
        (bomb(8000), "image/png", 413, "8000×8000 pixels"),
        (bomb(60_000), "image/png", 413, "pixels"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", 415, "can't be read as a picture"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_sentence(post, content, mimetype, status, sentence):
    answered, answer = post(content, mimetype)
    assert answered == status
    assert sentence in answer["error"]


def test_too_many_bytes_are_refused(post, monkeypatch):
    assert post(bytes(pictures.MOST_BYTES + 1000))[0] == 413


def test_damaged_pictures_are_refused_or_read_but_never_fail(astronaut):
    rng = random.Random(0)
    face = astronaut[60:200, 150:290]
    originals = [encoded(face, suffix) for suffix in (".jpg", ".png", ".webp", ".bmp")]
    gif = io.BytesIO()
    Image.fromarray(face).save(gif, "GIF")
    originals.append(gif.getvalue())
    outcomes = set()
    for _ in range(1500):
        content = bytearray(rng.choice(originals))
        for _ in range(rng.randint(1, 20)):
            content[rng.randrange(min(len(content), rng.choice((64, 1000, len(content)))))] = rng.randrange(256)
        if rng.random() < 0.3:
            del content[rng.randrange(len(content)) :]
        try:
            outcomes.add(read_picture(bytes(content)).ndim)
        except RequestError as error:
            outcomes.add(error.status)
    assert outcomes <= {3, 413, 415}
    assert outcomes >= {3, 415}
