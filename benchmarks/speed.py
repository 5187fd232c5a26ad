"""How fast: the network for a face, the whole pipeline against the course's loop, and ten faces at once."""

import itertools
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

import camera
from benchmarks.clips import HD, MOSAIC_RATE, back_and_forth, mosaic_frames, read_frames, repeat, write_h264
from benchmarks.figures import Figure
from model import EMOTIONS
from training.dataset import load_dataset
from training.evaluate import accuracy, calibration_error, predict_all
from videos.video_file import colour, read, scan
from vision.annotate import annotate_recording
from vision.faces import CASCADE

TURNS = 3
FRAMES, LOOP_FRAMES = 1800, 100
JPEG = [cv2.IMWRITE_JPEG_QUALITY, camera.JPEG_QUALITY]


def inference(model):
    """Milliseconds a face, alone and of eight, and how many times faster that is than Keras' predict."""
    faces = np.random.default_rng(0).integers(0, 256, (8, 48, 48, 1)).astype(np.float32)
    model.network.predict(faces[:1], verbose=0)
    alone, of_eight, ratios = [], [], []
    for _ in range(TURNS):
        slow = _time(lambda: model.network.predict(faces[:1], verbose=0), 20)
        alone.append(_time(lambda: model.predict(faces[:1]), 200))
        of_eight.append(_time(lambda: model.predict(faces), 50) / 8)
        ratios.append(slow / alone[-1])
    print(f"  a face alone {np.median(alone) * 1000:.2f} ms, one of eight {np.median(of_eight) * 1000:.2f} ms")
    return [Figure("a face through the network, against `model.predict`", np.median(ratios), 30, " times")]


def _time(work, times):
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times


def agreement(model, data):
    """What compiling changes, on FER2013's PublicTest."""
    images, labels = load_dataset(data).split("PublicTest")
    compiled = predict_all(model, images)
    exact = model.network.predict(images[..., np.newaxis].astype(np.float32), batch_size=256, verbose=0)
    same = np.mean(compiled.argmax(axis=1) == exact.argmax(axis=1))
    lost = abs(accuracy(exact, labels) - accuracy(compiled, labels))
    return [
        Figure("PublicTest: same label as the Keras network", 100 * same, 99.5, " %"),
        Figure("PublicTest: difference in accuracy", 100 * lost, 0.2, " points", most=True),
        Figure("PublicTest: mean difference of a probability", np.abs(compiled - exact).mean(), 0.005, most=True),
        Figure("PublicTest: calibration error", calibration_error(compiled, labels), 0.03, most=True),
    ]


def throughput(model, clip, folder):
    """Frames a second of the whole pipeline on 1280×720 H.264 with a face, against the course's loop on the same."""
    video = write_h264(folder / "back_and_forth.mp4", back_and_forth(read_frames(clip, HD)), 30)
    ours, ratios = [], []
    for _ in range(TURNS):
        ours.append(_pipeline_rate(model, video))
        ratios.append(ours[-1] / _loop_rate(model.network, video))
        print(f"  pipeline {ours[-1]:.0f} frames a second, the course's loop {ours[-1] / ratios[-1]:.1f}")
    return [Figure("1280×720 with a face, every frame, against the course's loop", np.median(ratios), 20, " times")]


def _pipeline_rate(model, video):
    """Every frame decoded, annotated, drawn and encoded."""

    def encode(frame):
        return len(cv2.imencode(".jpg", frame.draw(), JPEG)[1])

    recording = scan(video)
    passes = itertools.chain.from_iterable(read(recording, recording.segments[0]) for _ in itertools.count())
    timed = ((colour(frame.picture), index / 30) for index, frame in enumerate(itertools.islice(passes, FRAMES)))
    encoded, waiting = 0, deque()
    started = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:
        for frame in annotate_recording(timed, model):
            waiting.append(pool.submit(encode, frame))
            if len(waiting) > 24:
                encoded += waiting.popleft().result() > 0
        encoded += sum(each.result() > 0 for each in waiting)
    assert encoded == FRAMES
    return FRAMES / (time.perf_counter() - started)


def _loop_rate(network, video):
    """The loop of the course's app, on some of the same frames."""
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


def ten_faces(model, folder):
    """Frames a second of a live 1920×1080 mosaic of ten moving faces, and how many of the faces are shown."""
    video = write_h264(folder / "mosaic.mp4", mosaic_frames(), MOSAIC_RATE)
    watched, stop = camera.VideoCamera(str(video), model), threading.Event()
    threading.Timer(12, stop.set).start()
    arrivals = []
    for shot in watched.shots():
        arrivals.append((time.monotonic(), shot.number))
        if stop.is_set():
            break
    watched.close()
    (begun, first), (ended, last) = arrivals[60], arrivals[-1]
    return [Figure("live 1920×1080 with ten moving faces", (last - first) / (ended - begun), 29.5, " frames a second")]
