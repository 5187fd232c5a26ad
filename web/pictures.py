"""Pictures sent over HTTP: recognised by their content, bounded before they are decoded, and their faces found."""

import threading
from collections.abc import Callable

import numpy as np

from model import FacialExpressionModel
from vision.annotate import find_in_picture
from vision.confidence import SURE
from vision.faces import Face
from vision.pictures import FORMATS, PictureError, TooLargeError, decode_picture
from web.errors import RequestError

MOST_BYTES = 32 * 1024 * 1024  # of a request
MOST_PIXELS = 50_000_000  # of a picture, decoded: 150 MB


def read_picture(content: bytes, most_pixels: int = MOST_PIXELS) -> np.ndarray:
    """A picture file's bytes as (height, width, 3) uint8 BGR, upright. Raises RequestError."""
    try:
        return decode_picture(content, most_pixels)
    except TooLargeError as error:
        raise RequestError(f"This picture is too large: {error}.", 413) from error
    except PictureError as error:
        raise RequestError(f"This file can't be read as a picture; send one of {', '.join(FORMATS)}.", 415) from error


class PictureReader:
    """Finds faces and expressions in uploaded pictures, one at a time. Safe to call from any thread."""

    def __init__(self, model: Callable[[], FacialExpressionModel], sure: float = SURE) -> None:
        """model: returns the network, and may wait until it is ready. sure: see VideoCamera."""
        self._lock, self._model, self._sure = threading.Lock(), model, sure

    def read(self, content: bytes) -> tuple[tuple[int, int], list[Face]]:
        """The size of a picture file, (width, height), and the faces in it. Raises RequestError.

        Boxes are x, y, width, height in pixels of the picture as it was sent, upright.
        """
        with self._lock:
            picture = read_picture(content)
            height, width = picture.shape[:2]
            return (width, height), find_in_picture(picture, self._model(), self._sure)
