"""What the live view skips where a machine is too slow for all: frames of the source, and turns at being classified."""

import time
from collections import deque
from collections.abc import Sequence

from vision.faces import Face

OVER = 2.0  # seconds over which shares are taken


class Skipped:
    """Counts what is skipped. Safe to be read from any thread."""

    def __init__(self) -> None:
        self._frames_total = self._labels_total = 0  # skipped since the program began
        # Of the latest frames: time.monotonic(), whether it was skipped.
        self._frames: deque[tuple[float, bool]] = deque(maxlen=240)
        # The same: time.monotonic(), how many faces with labels, how many labels of an earlier frame, and their age.
        self._labels: deque[tuple[float, int, int, float]] = deque(maxlen=240)

    def add_frame(self, skipped: bool) -> None:
        """Take note of a frame of the source, and whether it was never annotated."""
        self._frames.append((time.monotonic(), skipped))
        self._frames_total += skipped

    def add_labels(self, faces: Sequence[Face], moment: float) -> None:
        """Take note of the faces of an annotated frame. moment: of the frame, as in Face.classified."""
        ages = [moment - face.classified for face in faces if face.classified is not None]
        old = sum(age > 0 for age in ages)
        self._labels.append((time.monotonic(), len(ages), old, max(ages, default=0.0)))
        self._labels_total += old

    def state(self) -> dict[str, float]:
        """What /state says of it, for JSON.

        Of the last two seconds the shares, 0..1, of the source's frames that are skipped, and of the labels that are
        those of an earlier frame, and the highest age of a label in milliseconds; and both counts since the program
        began.
        """
        since = time.monotonic() - OVER
        frames = [skipped for moment, skipped in list(self._frames) if moment > since]
        labels = [each for each in list(self._labels) if each[0] > since]
        faces = sum(count for _, count, _, _ in labels)
        return {
            "frames": round(sum(frames) / max(len(frames), 1), 3),
            "labels": round(sum(old for _, _, old, _ in labels) / max(faces, 1), 3),
            "label_age": round(1000 * max((age for *_, age in labels), default=0.0)),
            "frames_total": self._frames_total,
            "labels_total": self._labels_total,
        }
