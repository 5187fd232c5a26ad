"""How fast: the network for a face, and every frame of a video against the course's loop."""

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

import camera
from benchmarks.clips import HD, back_and_forth, read_frames, repeat, write_h264
from benchmarks.figures import Figure
from model import EMOTIONS, FacialExpressionModel
from paths import CASCADE
from training.dataset import load_dataset
from training.evaluate import predict_all
from training.metrics import accuracy, calibration_error
from videos.annotate_video import annotate_video
from videos.video_file import read, scan
from vision.decoding import jpeg_planes
from vision.draw import draw_on_planes
from vision.faces import Face
from vision.opencv import cv2
from vision.planes import Planes, brightness, to_jpeg
from vision.smoothing import ExpressionSmoother

TURNS = 3  # that each comparison takes; the median counts
FRAMES, LOOP_FRAMES = 1800, 100  # that this program and the course's loop go through
ENCODING = 24  # frames that may wait to be encoded


def inference(model: FacialExpressionModel) -> list[Figure]:
    """How many times faster the network is for a face than Keras' predict. Prints milliseconds, alone and of eight."""
    faces = np.random.default_rng(0).integers(0, 256, (8, 48, 48, 1)).astype(np.float32)
    model.network.predict(faces[:1], verbose=0)
    alone, of_eight, ratios = [], [], []
    for _ in range(TURNS):
        slow = _seconds(lambda: model.network.predict(faces[:1], verbose=0), 20)
        alone.append(_seconds(lambda: model.predict(faces[:1]), 200))
        of_eight.append(_seconds(lambda: model.predict(faces), 50) / 8)
        ratios.append(slow / alone[-1])
    print(f"  a face alone {np.median(alone) * 1000:.2f} ms, one of eight {np.median(of_eight) * 1000:.2f} ms")
    print(f"  live, faces are {'' if camera.is_mirrored(model) else 'not '}averaged with their mirror images here")
    return [Figure("a face through the network, against `model.predict`", float(np.median(ratios)), 30, " times")]


def _seconds(work: Callable[[], object], times: int) -> float:
    """How long a call of `work` takes, on average over so many."""
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times


def agreement(model: FacialExpressionModel, data: Path) -> list[Figure]:
    """How far the compiled network is from the Keras network, on FER2013's PublicTest."""
    images, labels = load_dataset(data).split("PublicTest")
    compiled = predict_all(model, images)
    exact = model.network.predict(images[..., np.newaxis].astype(np.float32), batch_size=256, verbose=0)
    same = float(np.mean(compiled.argmax(axis=1) == exact.argmax(axis=1)))
    lost = abs(accuracy(exact, labels) - accuracy(compiled, labels))
    difference = float(np.abs(compiled - exact).mean())
    return [
        Figure("PublicTest: same label as the Keras network", 100 * same, 99.5, " %"),
        Figure("PublicTest: difference in accuracy", 100 * lost, 0.2, " points", at_most=True),
        Figure("PublicTest: mean difference of a probability", difference, 0.005, at_most=True),
        Figure("PublicTest: calibration error", calibration_error(compiled, labels), 0.03, at_most=True),
    ]


def throughput(model: FacialExpressionModel, clips: Sequence[Path], folder: Path) -> list[Figure]:
    """How many times faster every frame of 1280×720 videos with a face is done than by the course's loop."""
    figures = []
    for clip in clips:
        video = write_h264(folder / f"{clip.stem}, back and forth.mp4", back_and_forth(read_frames(clip, HD)), 30)
        ratios = []
        for _ in range(TURNS):
            ours = _pipeline_rate(model, video)
            ratios.append(ours / _loop_rate(model.network, video))
            print(f"  {clip.stem}: {ours:.0f} frames a second, the course's loop {ours / ratios[-1]:.1f}")
        title = f"1280×720, {clip.stem}, every frame, against the course's loop"
        figures.append(Figure(title, float(np.median(ratios)), 20, " times"))
    return figures


def _pipeline_rate(model: FacialExpressionModel, video: Path) -> float:
    """Frames per second, with every frame decoded, annotated, drawn and encoded."""

    decoded: deque[Planes] = deque()  # and not encoded yet

    def decode() -> Iterator[tuple[np.ndarray, float]]:
        recording = scan(video)
        passes = itertools.chain.from_iterable(read(recording, recording.segments[0]) for _ in itertools.count())
        for index, frame in enumerate(itertools.islice(passes, FRAMES)):
            decoded.append(jpeg_planes(frame.picture, recording.shape))
            yield brightness(decoded[-1]).copy(), index / 30  # a copy, since the other is drawn on

    def encode(planes: Planes, faces: list[Face]) -> int:
        draw_on_planes(planes, faces)
        return len(to_jpeg(planes))

    smoother, encoded = ExpressionSmoother(), 0
    waiting: deque[Future[int]] = deque()
    started = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:
        for frame in annotate_video(decode(), model, mirrored=camera.is_mirrored(model)):
            faces = smoother.smooth(frame.faces, frame.moment)
            waiting.append(pool.submit(encode, decoded.popleft(), faces))
            if len(waiting) > ENCODING:
                encoded += waiting.popleft().result() > 0
        encoded += sum(each.result() > 0 for each in waiting)
    assert encoded == FRAMES
    return FRAMES / (time.perf_counter() - started)


def _loop_rate(network: Any, video: Path) -> float:
    """Frames per second of the loop of the course's app, on some of the same frames. network: a `keras.Model`."""
    cascade = cv2.CascadeClassifier(str(CASCADE))
    started = time.perf_counter()
    for frame in repeat(video, LOOP_FRAMES):
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        for x, y, width, height in cascade.detectMultiScale(grey, 1.3, 5):
            face = cv2.resize(grey[y : y + height, x : x + width], (48, 48))
            label = EMOTIONS[int(np.argmax(network.predict(face[np.newaxis, :, :, np.newaxis], verbose=0)))]
            cv2.putText(frame, label, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 1, (255, 255, 0), 2)
            cv2.rectangle(frame, (x, y), (x + width, y + height), (255, 0, 0), 2)
        cv2.imencode(".jpg", frame)
    return LOOP_FRAMES / (time.perf_counter() - started)
