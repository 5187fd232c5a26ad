"""Pictures of every kind that people have, as arrays: upright, in eight bits, without transparency."""

import io
import struct
import warnings
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image, ImageOps

from vision.endings import VIDEO_SUFFIXES

pillow_heif.register_heif_opener()

FORMATS = ("AVIF", "BMP", "GIF", "HEIF", "JPEG", "PNG", "TIFF", "WEBP")
SUFFIXES = {
    *(".avif", ".bmp", ".dib", ".heic", ".heif", ".hif", ".jfif", ".jif", ".jpe", ".jpeg", ".jpg"),
    *(".png", ".tif", ".tiff", ".webp"),
}
NEXT_JPEG = b"\xff\xd9\xff\xd8"  # where a JPEG ends and the next begins
MJPEG_SEARCHED = 8_000_000  # bytes, in which the first frame of a video in Motion JPEG ends
# Whatever Pillow's decoders raise for files that are damaged.
DAMAGED = (OSError, ValueError, SyntaxError, EOFError, KeyError, TypeError, IndexError, struct.error, RuntimeError)


class PictureError(Exception):
    """A file that cannot be read as a picture; the message is a clause that says why."""


class TooLargeError(PictureError):
    """A picture with too many pixels."""


def decode_picture(content: bytes, most_pixels: int | None = None) -> np.ndarray:
    """A picture file's bytes as (height, width, 3) uint8 BGR. Raises PictureError.

    most_pixels: pictures with more are refused before they are decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # most_pixels decides
            with Image.open(io.BytesIO(content), formats=FORMATS) as image:
                if most_pixels and image.width * image.height > most_pixels:
                    raise TooLargeError(
                        f"it has {image.width}×{image.height} pixels, more than {most_pixels // 1_000_000} million"
                    )
                pixels = np.asarray(_as_rgb(ImageOps.exif_transpose(image)))
    except Image.DecompressionBombError as error:
        raise TooLargeError("it has more pixels than any camera gives") from error
    except DAMAGED as error:
        raise PictureError("it is damaged or of another kind") from error
    return np.ascontiguousarray(pixels[:, :, ::-1])


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        image = _in_eight_bits(image)
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """A grey picture of 16 or 32 bits, whose brightest value is that of its kind, or its own where that is more."""
    values = np.asarray(image, np.float64)
    largest = {"F": 1.0}.get(image.mode, 65535.0 if image.mode.startswith("I;16") or values.max() > 255 else 255.0)
    if image.mode == "F" and values.max() > 1:
        largest = 255.0
    return Image.fromarray(np.clip(values * (255 / max(largest, values.max())), 0, 255).astype(np.uint8))


def is_picture_file(path: Path) -> bool:
    """Whether a file is a single picture: by its name, or where that does not tell, by its content."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return True
    if suffix in VIDEO_SUFFIXES - {".gif"} or not path.is_file():  # what is read from a pipe would be lost
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # nothing is decoded
            with Image.open(path, formats=FORMATS) as image:
                is_single = image.format == "MPO" or getattr(image, "n_frames", 1) == 1
                return is_single and not (image.format == "JPEG" and _begins_as_mjpeg(path))
    except (*DAMAGED, Image.DecompressionBombError):
        return False


def _begins_as_mjpeg(path: Path) -> bool:
    """Whether a file that begins with a JPEG goes on with another, as videos in Motion JPEG do."""
    with open(path, "rb") as file:
        return NEXT_JPEG in file.read(MJPEG_SEARCHED)
