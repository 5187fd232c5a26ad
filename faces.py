"""Where the faces are in a frame: OpenCV's Haar cascade (Viola and Jones, CVPR 2001)."""

from pathlib import Path

import numpy as np

from opencv import cv2

CASCADE = Path(__file__).resolve().parent / "haarcascade_frontalface_default.xml"
# How much the search window grows between passes: the course's, for frames that will not wait, and OpenCV's own,
# which takes two and a half times as long and finds a quarter more of the faces in stills.
LIVE_SCALE_FACTOR, STILL_SCALE_FACTOR = 1.3, 1.1
MIN_NEIGHBOURS = 5  # how many hits make a face; the course's
SMALLEST_FACE = 0.05  # of the frame's height: below this a face holds too few pixels to read an expression from


class FaceDetector:
    """Finds frontal faces. Not safe to call from two threads at once."""

    def __init__(self, scale_factor=LIVE_SCALE_FACTOR):
        self._scale_factor = scale_factor
        self._cascade = cv2.CascadeClassifier(str(CASCADE))

    def detect(self, grey):
        """The faces in a grey frame, from left to right.

        grey: (height, width) uint8. Returns (n, 4) int32, a row of x, y, width, height in pixels for each face.
        """
        side = round(SMALLEST_FACE * grey.shape[0])
        found = self._cascade.detectMultiScale(grey, self._scale_factor, MIN_NEIGHBOURS, minSize=(side, side))
        boxes = np.asarray(found, np.int32).reshape(-1, 4)
        return boxes[np.lexsort((boxes[:, 1], boxes[:, 0]))]
