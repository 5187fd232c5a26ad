"""What is drawn on a frame: a box and a label for each face, or a message where there is no frame."""

import functools
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vision.expressions import EMOTIONS, face_colour
from vision.faces import Face
from vision.opencv import cv2
from vision.planes import BLACK, BRIGHTNESS_FACTOR, COLOUR_FACTOR, NEUTRAL, Planes, parts_of

FONT = cv2.FONT_HERSHEY_DUPLEX  # has ASCII alone
WHITE = (255, 255, 255)
UNSURE = "Unsure"
STRIPS = 256  # labels that are kept, in three planes each, since most are the same in frame after frame
FINE = 4  # bits behind the point, of the coordinates that OpenCV draws at

Colour = tuple[int, int, int]  # red, green and blue, 0..255


@dataclass(frozen=True)
class _Kind:
    """What the numbers of an image mean."""

    shrunk: int  # pixels of the frame to one of the image
    part: int | None = None  # of the frame's planes: brightness, blueness, redness; None for an image in BGR
    is_narrow: bool = False  # whether the numbers of that plane go from 16 to 235 or 240

    def colour(self, colour: Colour) -> tuple[int, ...]:
        """A colour as the numbers of this image."""
        red, green, blue = colour
        if self.part is None:
            return blue, green, red
        grey = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601, as in JPEG
        value = (grey, (blue - grey) / 1.772, (red - grey) / 1.402)[self.part]
        if self.is_narrow:
            value = value / COLOUR_FACTOR if self.part else value / BRIGHTNESS_FACTOR + BLACK
        return (round(value + NEUTRAL if self.part else value),)


@dataclass(frozen=True, eq=False)
class _Layer:
    """An image that is drawn on, which may be one of the planes of a frame."""

    image: np.ndarray  # (height, width) or (height, width, 3) uint8
    kind: _Kind

    def fill(self, left: int, top: int, right: int, bottom: int, colour: tuple[int, ...]) -> None:
        """Fill a rectangle, in pixels of the frame, as far as it is inside the image. colour: of _Kind.colour."""
        # OpenCV would let another thread go on for each of these, which takes longer than the rectangle.
        left, top, right, bottom = (max(0, side // self.kind.shrunk) for side in (left, top, right, bottom))
        self.image[top:bottom, left:right] = colour

    def at(self, points: np.ndarray) -> np.ndarray:
        """Points of the frame, (n, 2) in pixels, as OpenCV takes those of this image."""
        return np.rint(points * (2**FINE / self.kind.shrunk)).astype(np.int32)


def draw_faces(image: np.ndarray, faces: Sequence[Face], outlines: bool = True, labels: bool = True) -> None:
    """Draw a box round every face, and above it its number, label and probability, on the image itself.

    image: (height, width, 3) uint8 BGR. Faces without a label get none.
    """
    _draw([_Layer(image, _Kind(1))], faces, outlines, labels)


def draw_on_planes(
    planes: Planes, faces: Sequence[Face], outlines: bool = True, labels: bool = True, is_narrow: bool = False
) -> None:
    """As draw_faces, on the planes of a frame. is_narrow: whether they are those of a video, from 16 to 235 and 240."""
    layers = [_Layer(image, _Kind(2 if part else 1, part, is_narrow)) for part, image in enumerate(parts_of(planes))]
    _draw(layers, faces, outlines, labels)


def _draw(layers: Sequence[_Layer], faces: Sequence[Face], outlines: bool, labels: bool) -> None:
    height, width = layers[0].image.shape[:2]
    line = max(1, round(min(height, width) / 240))
    for face in faces if outlines else ():
        for layer in layers:
            _draw_outline(layer, face, line)
    for face in faces if labels else ():
        if face.label is not None and face.smoothed is not None:
            what = f"{EMOTIONS[face.label]} {100 * face.smoothed[face.label]:.0f} %" if face.sure else UNSURE
            left, top = np.rint(corners_of(face).min(axis=0)).astype(int).tolist()
            _draw_label(layers, left, top, f"{_called(face)}  {what}", face_colour(face.number), line)


def _called(face: Face) -> str:
    """A face's name, without accents, or its number, where it has none that FONT could write."""
    plain = unicodedata.normalize("NFKD", face.name).encode("ascii", "ignore").decode().strip()
    return plain if len(plain) >= sum(map(str.isalnum, face.name)) > 0 else str(face.number)


def _draw_outline(layer: _Layer, face: Face, line: int) -> None:
    colour, shrunk = layer.kind.colour(face_colour(face.number)), layer.kind.shrunk
    if face.angle:
        points, thick = layer.at(np.rint(corners_of(face))), -(-line // shrunk)
        cv2.polylines(layer.image, [points], True, colour, thick, cv2.LINE_AA, FINE)
        return
    line += line // 2  # OpenCV makes smooth lines about as much wider
    line += line % shrunk
    x, y, width, height = face.box
    left, top = x - line // 2, y - line // 2
    right, bottom = left + width + line, top + height + line
    layer.fill(left, top, right, top + line, colour)
    layer.fill(left, bottom - line, right, bottom, colour)
    layer.fill(left, top, left + line, bottom, colour)
    layer.fill(right - line, top, right, bottom, colour)


def _draw_label(layers: Sequence[_Layer], x: int, y: int, text: str, colour: Colour, line: int) -> None:
    """White text on a filled strip that stands on the point x, y, moved to where it is inside the image."""
    for layer in layers:
        shrunk, strip = layer.kind.shrunk, _strip(text, colour, line, layer.kind)
        height, width = shrunk * strip.shape[0], shrunk * strip.shape[1]
        left = max(0, min(x, shrunk * layer.image.shape[1] - width)) // 2 * 2
        top = max(0, y - height) // 2 * 2
        there = layer.image[top // shrunk : (top + height) // shrunk, left // shrunk : (left + width) // shrunk]
        there[:] = strip[: there.shape[0], : there.shape[1]]


@functools.lru_cache(STRIPS)
def _strip(text: str, colour: Colour, line: int, kind: _Kind) -> np.ndarray:
    """White text on a ground of a colour: (height, width) or (height, width, 3) uint8. Its sides are even in the frame.

    line: the thickness of the lines round the faces, in pixels of the frame, by which the text has its size.
    """
    scale = 0.45 + 0.1 * line
    (width, height), below = cv2.getTextSize(text, FONT, scale, 1)
    pad = below // 2 + 2
    height, width = (-(-side // 2) * 2 for side in (height + below + pad, width + 2 * pad))
    ground = kind.colour(colour)
    shape = height // kind.shrunk, width // kind.shrunk
    strip = np.full((*shape, 3) if kind.part is None else shape, ground, np.uint8)
    start = pad // kind.shrunk, (height - below) // kind.shrunk
    cv2.putText(strip, text, start, FONT, scale / kind.shrunk, kind.colour(WHITE), 1, cv2.LINE_AA)
    strip.setflags(write=False)
    return strip


def corners_of(face: Face) -> np.ndarray:
    """The corners of a face's box, turned with the face: (4, 2) float, x and y in pixels."""
    x, y, width, height = face.box
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    if not face.angle:
        return corners + (x, y)
    cosine, sine = np.cos(np.deg2rad(face.angle)), np.sin(np.deg2rad(face.angle))
    middle = np.array([width / 2, height / 2])
    return (corners - middle) @ np.array([[cosine, sine], [-sine, cosine]]) + middle + (x, y)


def message_card(behind: Planes, lines: Sequence[str]) -> Planes:
    """A message in place of a frame: the lines, in the middle of what was last seen, blurred and darkened.

    behind: left as it is. lines: ASCII strings. Returns planes of the same size.
    """
    card = np.full_like(behind, NEUTRAL)
    grey = parts_of(card)[0]
    grey[:] = cv2.convertScaleAbs(cv2.GaussianBlur(parts_of(behind)[0], (0, 0), 8), alpha=0.35)
    height, width = grey.shape
    widest = max(cv2.getTextSize(line, FONT, 1, 1)[0][0] for line in lines)
    scale = min(0.9 * width / widest, height / 400)
    step = round(45 * scale)
    baseline = height // 2 - step * (len(lines) - 1) // 2 + step // 3
    for index, line in enumerate(lines):
        left = (width - cv2.getTextSize(line, FONT, scale, 1)[0][0]) // 2
        cv2.putText(grey, line, (left, baseline + index * step), FONT, scale, 255, 1, cv2.LINE_AA)
    return card
