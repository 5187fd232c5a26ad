"""Pictures sent over HTTP: recognised by their content, bounded before they are decoded, and their faces found."""

import io
import struct
import threading
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

from model import FacialExpressionModel
from vision.annotate import find_in_picture
from vision.faces import Face, scale_faces
from vision.source import LONGEST_SIDE, shrink
from web.errors import RequestError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "WEBP")
MOST_BYTES = 32 * 1024 * 1024  # of a request
MOST_PIXELS = 50_000_000  # of a picture, decoded: 150 MB


def decode_picture(content: bytes) -> np.ndarray:
    """A picture's bytes as (height, width, 3) uint8 BGR, upright. Raises RequestError."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise RequestError(
                    f"The picture has {image.width}×{image.height} pixels; "
                    f"send one of at most {MOST_PIXELS // 1_000_000} million.",
                    413,
                )
            pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except Image.DecompressionBombError as error:
        raise RequestError(f"The picture has more than {MOST_PIXELS // 1_000_000} million pixels.", 413) from error
    except (OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError, struct.error) as error:  # as Pillow has it
        raise RequestError(f"This file can't be read as a picture; send one of {', '.join(FORMATS)}.", 415) from error
    return np.ascontiguousarray(pixels[:, :, ::-1])


class PictureReader:
    """Finds faces and expressions in uploaded pictures, one at a time. Safe to call from any thread."""

    def __init__(self, model: Callable[[], FacialExpressionModel]) -> None:
        """model: returns the network, and may wait until it is ready."""
        self._lock, self._model = threading.Lock(), model

    def read(self, content: bytes) -> list[Face]:
        """The faces in a picture file. Raises RequestError.

        Boxes are x, y, width, height in pixels of the picture as it was sent, upright.
        """
        with self._lock:
            image = decode_picture(content)
            small = shrink(image, LONGEST_SIDE)
            return scale_faces(find_in_picture(small, self._model()), image.shape[1] / small.shape[1])
