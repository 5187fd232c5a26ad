"""One source, watched once, for any number of viewers: each frame is searched, classified, drawn and encoded once."""

import threading
import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from draw import draw_faces, message_card
from faces import LIVE_SCALE_FACTOR, STILL_SCALE_FACTOR, FaceDetector
from model import FACE_SIZE, FacialExpressionModel, crop_face
from opencv import cv2
from source import SourceError, describe, is_picture, parse_source, read_frames

# What `python main.py` watches: a webcam's index (0 is the first), "clip.mp4", "photo.jpg", "http://…", "rtsp://…"
# or "demo".
SOURCE = 0

JPEG_QUALITY = 85  # of 100
REPEAT_AFTER = 0.4  # seconds: a picture that stands still is given again this often, as browsers need to show it
CARD_AFTER = 1.0  # seconds without a frame until the picture says so
RELEASE_AFTER = 5.0  # seconds after the last viewer until the source is let go
RETRY_FIRST, RETRY_LONGEST = 0.5, 2.0  # seconds until a lost source is opened again, doubling
RATE_OVER = 2.0  # seconds over which the frame rate is taken
BLANK = np.zeros((360, 640, 3), np.uint8)


@dataclass(frozen=True)
class Shot:
    """An annotated frame as viewers get it."""

    number: int  # counts up by one from 1
    timestamp: float  # time.time() when the frame left the source
    jpeg: bytes


class VideoCamera:
    """Watches a source while anyone looks: ask with get_frame() or shots(), from any thread.

    Two threads of its own do the work. One takes frames from the source, so that a source that hangs holds nobody
    else up; the other annotates the newest of them. Both rest when nobody has asked for five seconds.
    """

    def __init__(self, source=None, model=None):
        """source: see SOURCE, the default. model: a FacialExpressionModel; by default that of the exported files.

        Raises ModelError. A source that cannot be opened raises nothing: the picture says so, and it is tried again.
        """
        self.source = parse_source(SOURCE if source is None else source)
        self._still = is_picture(self.source)  # one frame is all that it gives
        self._model = model or FacialExpressionModel()
        self._detector = FaceDetector(STILL_SCALE_FACTOR if self._still else LIVE_SCALE_FACTOR)
        self._threads = []
        self._changed = threading.Condition()  # guards all that follows
        self._closed = False
        self._asked = 0.0  # time.monotonic() when somebody last wanted a frame
        self._captured = None  # (timestamp, image): the newest frame that is not annotated yet
        self._problem = None  # why there is no frame, in a sentence
        self._shot = None
        self._shot_count = 0
        self._frame_times = deque(maxlen=240)
        self._given = 0  # number of the shot that get_frame() gave last
        self.viewers = 0  # how many are watching through shots()

    def get_frame(self):
        """The newest annotated frame as JPEG bytes, as the course's VideoCamera gives it.

        Waits for one that it has not given yet; where the picture stands still, gives the last one again.
        """
        shot = self._next_shot(self._given)
        if shot is None:
            raise RuntimeError("The camera is closed.")
        self._given = shot.number
        return shot.jpeg

    def shots(self):
        """Yield Shots for one viewer: always the newest, and the same again where the picture stands still."""
        number = 0
        with self._changed:
            self.viewers += 1
        try:
            while shot := self._next_shot(number):
                number = shot.number
                yield shot
        finally:
            with self._changed:
                self.viewers -= 1

    def state(self):
        """What is being watched, as a dict for JSON: source, frames a second, viewers, and what is wrong or None."""
        with self._changed:
            times = [moment for moment in self._frame_times if moment > time.monotonic() - RATE_OVER]
            rate = (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0
            return {
                "source": describe(self.source),
                "fps": round(rate, 1),
                "viewers": self.viewers,
                "problem": self._problem,
            }

    def close(self):
        """Let the source go and end the threads, within about a second."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        end = time.monotonic() + 1
        for thread in self._threads:
            thread.join(max(0, end - time.monotonic()))  # a network source may hang for longer

    def _next_shot(self, after):
        """The newest shot: one numbered above `after`, or after REPEAT_AFTER any. None once the camera is closed."""
        with self._changed:
            if not self._threads and not self._closed:
                self._threads = [threading.Thread(target=work, daemon=True) for work in (self._capture, self._annotate)]
                for thread in self._threads:
                    thread.start()
            self._ask()
            self._changed.wait_for(lambda: self._closed or (self._shot and self._shot.number > after), REPEAT_AFTER)
            while not self._closed and self._shot is None:  # a frame or a message comes within CARD_AFTER
                self._ask()
                self._changed.wait(REPEAT_AFTER)
            return None if self._closed else self._shot

    def _ask(self):
        self._asked = time.monotonic()
        self._changed.notify_all()

    def _wanted(self):
        return not self._closed and time.monotonic() - self._asked < RELEASE_AFTER

    def _capture(self):
        """Keep the source's newest frame at hand, for as long as the camera is not closed."""
        retry = RETRY_FIRST
        while not self._closed:
            with self._changed:
                if not self._wanted():
                    self._shot = None  # whoever comes later should not see an old frame first
                self._changed.wait_for(lambda: self._closed or self._wanted())
            try:
                for image in read_frames(self.source, self._wanted):
                    retry = RETRY_FIRST
                    with self._changed:
                        self._captured, self._problem = (time.time(), image), None
                        self._changed.notify_all()
            except SourceError as error:
                with self._changed:
                    self._problem = str(error)
                    self._changed.wait_for(lambda: self._closed, retry)
                retry = min(2 * retry, RETRY_LONGEST)

    def _annotate(self):
        """Turn captured frames into shots, or say what is missing, for as long as the camera is not closed."""
        seen, seen_at = BLANK, time.monotonic()
        while not self._closed:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._captured, CARD_AFTER / 4)
                captured, self._captured = self._captured, None
                if captured:
                    self._frame_times.append(time.monotonic())
            if captured:
                timestamp, seen = captured
                self._classify_and_draw(seen)
                self._publish(timestamp, seen)
            elif self._wanted() and (self._problem or not self._still):
                if time.monotonic() - seen_at > CARD_AFTER:
                    self._publish(time.time(), message_card(seen, self._message()))
                continue
            seen_at = time.monotonic()

    def _classify_and_draw(self, image):
        grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
        boxes = self._detector.detect(grey)  # (n, 4)
        faces = np.array([crop_face(grey, box) for box in boxes], np.uint8).reshape(-1, FACE_SIZE, FACE_SIZE)
        draw_faces(image, boxes, self._model.predict(faces))

    def _publish(self, timestamp, image):
        _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        with self._changed:
            if self._wanted():
                self._shot_count += 1
                self._shot = Shot(self._shot_count, timestamp, jpeg.tobytes())
                self._changed.notify_all()

    def _message(self):
        if self._problem is None:
            return ["Waiting for the picture"]
        return ["No picture", "Trying again; see the page for the reason"]
