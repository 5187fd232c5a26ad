"""Pictures that come over HTTP: told by their content, bounded before they are decoded, and their faces found."""

import io
import struct
import threading

import numpy as np
from PIL import Image, ImageOps

from annotate import find_in_picture, seen_faces
from model import FacialExpressionModel
from source import LONGEST_SIDE, shrink

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "WEBP")
MOST_BYTES = 32 * 1024 * 1024  # of a request
MOST_PIXELS = 50_000_000  # of a picture, decoded: 150 MB


class UploadError(Exception):
    """What came cannot be used; the message is one sentence for whoever sent it, `status` that of HTTP."""

    def __init__(self, message, status):
        super().__init__(message)
        self.status = status


def decode_picture(content):
    """A picture's bytes as (height, width, 3) uint8 BGR, upright. Raises UploadError."""
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise UploadError(
                    f"The picture has {image.width}×{image.height} pixels; "
                    f"send one of at most {MOST_PIXELS // 1_000_000} million.",
                    413,
                )
            pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except Image.DecompressionBombError as error:
        raise UploadError(f"The picture has more than {MOST_PIXELS // 1_000_000} million pixels.", 413) from error
    except (OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError, struct.error) as error:  # as Pillow has it
        raise UploadError(
            f"This is no picture that can be read, or a damaged one; send one of {', '.join(FORMATS)}.", 415
        ) from error
    return np.ascontiguousarray(pixels[:, :, ::-1])


class PictureReader:
    """Finds faces and expressions in uploaded pictures, one at a time, from any thread."""

    def __init__(self):
        self._lock, self._model = threading.Lock(), None

    def read(self, content):
        """A tuple of annotate.Seen of the faces in a picture's bytes. Raises UploadError.

        Boxes are x, y, width, height in pixels of the picture as it came, upright.
        """
        with self._lock:
            image = decode_picture(content)
            small = shrink(image, LONGEST_SIDE)
            self._model = self._model or FacialExpressionModel()
            return seen_faces(find_in_picture(small, self._model), image.shape[1] / small.shape[1])
