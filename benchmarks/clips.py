"""Clips that the benchmarks run on, made from those given to them: scaled, played back and forth, and a mosaic."""

import av
import cv2
import numpy as np
import skimage.data

from vision.source import DEMO

HD = (1280, 720)
MOSAIC_SIZE, MOSAIC_RATE, MOSAIC_FRAMES = (1920, 1080), 30, 300


def read_frames(path, size=None):
    """Yield the frames of a video, (height, width, 3) uint8 BGR, scaled to a size (width, height) where it is given."""
    capture = cv2.VideoCapture(str(path))
    while True:
        there, frame = capture.read()
        if not there:
            return
        yield cv2.resize(frame, size, interpolation=cv2.INTER_AREA) if size else frame


def rate_of(path):
    """Frames a second."""
    return cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) or 30.0


def write_h264(path, frames, rate, key_frame_every=250):
    """Write frames as an H.264 video, and return its path."""
    options = {"crf": "20", "preset": "veryfast", "g": str(key_frame_every)}
    with av.open(str(path), "w") as video:
        stream = None
        for frame in frames:
            if stream is None:
                stream = video.add_stream("libx264", rate=round(rate), options=options)
                stream.height, stream.width, stream.pix_fmt = *frame.shape[:2], "yuv420p"
            video.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        video.mux(stream.encode(None))
    return path


def back_and_forth(frames):
    """The frames forwards and then backwards, so that they can be repeated without a cut."""
    frames = list(frames)
    return frames + frames[-2:0:-1]


def repeat(path, count):
    """Yield the first `count` frames of a video that begins again at its end."""
    done = 0
    while done < count:
        capture = cv2.VideoCapture(str(path))
        while done < count:
            there, frame = capture.read()
            if not there:
                break
            yield frame
            done += 1


def mosaic_frames():
    """Yield frames of ten moving faces: the demo's drawn one at eight moments, and twice a photograph."""
    photograph = cv2.cvtColor(skimage.data.astronaut()[10:240, 110:340], cv2.COLOR_RGB2BGR)
    drawn = [frame[20:320, 180:460] for frame in read_frames(DEMO)]
    width, height = MOSAIC_SIZE
    for index in range(MOSAIC_FRAMES):
        frame = np.full((height, width, 3), 70, np.uint8)
        for face in range(10):
            picture = photograph if face % 5 == 0 else drawn[(index + 60 * face) % len(drawn)]
            picture = cv2.resize(picture, (250, 270), interpolation=cv2.INTER_AREA)
            phase = 2 * np.pi * (index / 120 + face / 10)
            left = round(190 + (face % 5) * 360 + 60 * np.cos(phase) - 125)
            top = round(280 + (face // 5) * 500 + 80 * np.sin(phase) - 135)
            frame[top : top + 270, left : left + 250] = picture
        yield frame
