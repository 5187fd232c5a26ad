"""A frame as JPEG stores it: its brightness, and at half the size how blue and how red it is (YCbCr 4:2:0).

What comes from a video has such planes already, and JPEG is made of them, so no frame goes through red, green and blue.
"""

import numpy as np
import simplejpeg

from vision.opencv import cv2

JPEG_QUALITY = 80  # of 100
# Of frames with so few pixels, which the page enlarges, so that blocks would show where the picture is smooth.
ENLARGED_QUALITY, ENLARGED_BELOW = 93, 500_000
NEUTRAL = 128  # of the planes of colour, where there is none
# What brightness and colour of a video are multiplied by, once 16 is taken off: from 16..235 and 16..240 to 0..255.
BLACK, BRIGHTNESS_FACTOR, COLOUR_FACTOR = 16, 255 / 219, 255 / 224

# (height * 3 / 2, width) uint8, of even sides: the brightness, 0 black and 255 white, and below it the two others.
Planes = np.ndarray
Parts = tuple[np.ndarray, np.ndarray, np.ndarray]


def parts_of(planes: Planes) -> Parts:
    """The brightness (height, width), the blueness and the redness (height / 2, width / 2) of a frame, as views."""
    height, width = size_of(planes)
    blue, red = planes[height:].reshape(2, height // 2, width // 2)
    return planes[:height], blue, red


def size_of(planes: Planes) -> tuple[int, int]:
    """The height and the width of a frame in pixels."""
    return len(planes) * 2 // 3, planes.shape[1]


def brightness(planes: Planes) -> np.ndarray:
    """A frame in grey, (height, width) uint8, as a view."""
    return planes[: size_of(planes)[0]]


def joined(parts: Parts) -> Planes:
    """The three parts of a frame as one array."""
    height, width = parts[0].shape
    planes = np.empty((height * 3 // 2, width), np.uint8)
    for part, there in zip(parts, parts_of(planes), strict=True):
        there[:] = part
    return planes


def from_bgr(image: np.ndarray) -> Planes:
    """(height, width, 3) uint8 BGR as planes; a last row or column is doubled where the sides are odd."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    halved = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    colours = cv2.cvtColor(halved, cv2.COLOR_BGR2YCrCb)
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    return joined((grey, cv2.extractChannel(colours, 2), cv2.extractChannel(colours, 1)))


def to_bgr(planes: Planes) -> np.ndarray:
    """Planes as (height, width, 3) uint8 BGR."""
    grey, blue, red = parts_of(planes)
    height, width = grey.shape
    blue, red = (cv2.resize(part, (width, height), interpolation=cv2.INTER_LINEAR) for part in (blue, red))
    return cv2.cvtColor(cv2.merge([grey, red, blue]), cv2.COLOR_YCrCb2BGR)


def widened(parts: Parts) -> Planes:
    """The parts of a video's frame, whose brightness goes from 16 to 235, as the planes of JPEG."""
    height, width = parts[0].shape
    planes = np.empty((height * 3 // 2, width), np.uint8)
    grey_offset, colour_offset = -BLACK * BRIGHTNESS_FACTOR, NEUTRAL * (1 - COLOUR_FACTOR)
    for index, (part, there) in enumerate(zip(parts, parts_of(planes), strict=True)):
        factor, offset = (COLOUR_FACTOR, colour_offset) if index else (BRIGHTNESS_FACTOR, grey_offset)
        cv2.addWeighted(part, factor, part, 0, offset, dst=there)  # faster than as a table
    return planes


def mirrored(planes: Planes) -> Planes:
    """The frame, left and right changed."""
    grey, blue, red = (cv2.flip(part, 1) for part in parts_of(planes))
    return joined((grey, blue, red))


def shrink(planes: Planes, longest: int) -> Planes:
    """The frame with its longer side at most `longest` pixels."""
    height, width = size_of(planes)
    scale = longest / max(height, width)
    if scale >= 1:
        return planes
    high, wide = (max(2, round(scale * side / 2) * 2) for side in (height, width))
    sizes = (wide, high), (wide // 2, high // 2), (wide // 2, high // 2)
    grey, blue, red = (
        cv2.resize(part, size, interpolation=cv2.INTER_AREA) for part, size in zip(parts_of(planes), sizes)
    )
    return joined((grey, blue, red))


def fit_plane(plane: np.ndarray, size: tuple[int, int], border: int) -> np.ndarray:
    """A plane in another size, as large as it fits, in the middle, with a border of that value around it."""
    (height, width), (wide, high) = plane.shape, size
    if 0 <= width - wide <= 1 and 0 <= height - high <= 1:
        return plane[:high, :wide]
    scale = min(wide / width, high / height)
    width, height = min(wide, max(1, round(scale * width))), min(high, max(1, round(scale * height)))
    fitted = np.full((high, wide), border, np.uint8)
    left, top = (wide - width) // 2, (high - height) // 2
    fitted[top : top + height, left : left + width] = cv2.resize(
        plane, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    )
    return fitted


def fit(planes: Planes, size: tuple[int, int]) -> tuple[Planes, float, tuple[int, int]]:
    """The frame in another size, see fit_plane, and how its points move.

    size: width and height, even. Returns the frame, by what its points are multiplied, and how far they are moved then.
    """
    (height, width), (wide, high) = size_of(planes), size
    if (width, height) == size:
        return planes, 1.0, (0, 0)
    half = wide // 2, high // 2
    borders = (size, 0), (half, NEUTRAL), (half, NEUTRAL)
    grey, blue, red = (fit_plane(part, *border) for part, border in zip(parts_of(planes), borders))
    scale = min(wide / width, high / height)
    return joined((grey, blue, red)), scale, (round((wide - scale * width) / 2), round((high - scale * height) / 2))


def to_jpeg(planes: Planes) -> bytes:
    """A frame as JPEG."""
    parts = parts_of(planes)
    quality = ENLARGED_QUALITY if parts[0].size < ENLARGED_BELOW else JPEG_QUALITY
    return simplejpeg.encode_jpeg_yuv_planes(*parts, quality=quality)
