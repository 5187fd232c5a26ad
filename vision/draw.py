"""What is drawn on a frame: a box and a label for each face, or a message where there is no frame."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from vision.expressions import EMOTIONS, face_colour
from vision.faces import Face
from vision.opencv import cv2

FONT = cv2.FONT_HERSHEY_DUPLEX  # has ASCII alone
WHITE = (255, 255, 255)
UNSURE = "Unsure"
LONGEST = max(EMOTIONS, key=len)


def draw_faces(
    image: np.ndarray, faces: Sequence[Face], outlines: bool = True, labels: bool = True, line: int | None = None
) -> None:
    """Draw a box round every face, and above it its number, label and probability, on the image itself.

    image: (height, width, 3) uint8 BGR. Faces without a label get none. line: the width of the boxes' lines in pixels,
    where the image is a part of another.
    """
    line = line or _line_width(*image.shape[:2])
    for face in faces:
        colour = face_colour(face.number)[::-1]
        corners = corners_of(face)
        if outlines:
            cv2.polylines(image, [np.rint(corners).astype(np.int32)], True, colour, line, cv2.LINE_AA)
        if labels and face.label is not None and face.smoothed is not None:
            what = f"{EMOTIONS[face.label]} {face.smoothed[face.label]:.0%}" if face.sure else UNSURE
            text = f"{face.number}  {what}"
            x, y = np.rint(corners.min(axis=0)).astype(int).tolist()
            _draw_label(image, x, y, text, colour, line)


def corners_of(face: Face) -> np.ndarray:
    """The corners of a face's box, turned with the face: (4, 2) float, x and y in pixels."""
    x, y, width, height = face.box
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], float)
    if not face.angle:
        return corners + (x, y)
    cosine, sine = np.cos(np.deg2rad(face.angle)), np.sin(np.deg2rad(face.angle))
    middle = np.array([width / 2, height / 2])
    return (corners - middle) @ np.array([[cosine, sine], [-sine, cosine]]) + middle + (x, y)


def draw_on_planes(planes: np.ndarray, faces: Sequence[Face]) -> None:
    """As draw_faces, on an image as I420, of which only the part that is drawn on goes through BGR.

    planes: (height * 3 / 2, width) uint8; height and width are even. faces: at least one.
    """
    height, width = len(planes) * 2 // 3, planes.shape[1]
    corners = np.rint([corners_of(face) for face in faces]).astype(int)
    line = _line_width(height, width)
    _, beside, above, below, pad = _text_size(f"{max(face.number for face in faces)}  {LONGEST} 100%", line)
    beside, above = beside + 2 * pad, above + below + 2 * pad  # what a label takes
    (x, y), (x_end, y_end) = corners.min(axis=1).T, corners.max(axis=1).T
    left, right = _even(min(x.min() - line, width - beside), max(x_end.max(), x.max() + beside, beside) + line, width)
    top, bottom = _even(y.min() - above - line, max(y_end.max(), above) + line, height)
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    parts = [planes[top:bottom, left:right], *chroma[:, top // 2 : bottom // 2, left // 2 : right // 2]]
    own = np.concatenate([part.ravel() for part in parts]).reshape(-1, right - left)
    before = cv2.cvtColor(own, cv2.COLOR_YUV2BGR_I420)
    image = before.copy()
    draw_faces(image, [_moved(face, -left, -top) for face in faces], line=line)
    # Only what is drawn is put back: a way through BGR and back changes colours a little.
    drawn = cv2.bitwise_not(cv2.inRange(cv2.bitwise_xor(image, before), (0, 0, 0), (0, 0, 0)))
    halved = cv2.resize(drawn, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420, dst=own)
    ends = np.cumsum([part.size for part in parts])[:-1]
    for part, values, where in zip(parts, np.split(own.ravel(), ends), (drawn, halved, halved), strict=True):
        cv2.copyTo(values.reshape(part.shape), where, part)


def _moved(face: Face, right: int, down: int) -> Face:
    x, y, width, height = face.box
    return replace(face, box=(x + right, y + down, width, height))


def _even(begin: float, end: float, side: int) -> tuple[int, int]:
    """The smallest span of even ends that has what lies from begin to end within 0 and an even side."""
    return max(0, int(begin)) // 2 * 2, min(side, int(end) // 2 * 2 + 2)


def _line_width(height: int, width: int) -> int:
    """Pixels, for an image of that size."""
    return max(1, round(min(height, width) / 240))


def _text_size(text: str, line: int) -> tuple[float, int, int, int, int]:
    """The scale of a label's font, the width of the text, how far it goes up and down, and the space around it."""
    scale = 0.45 + 0.1 * line
    (width, height), below = cv2.getTextSize(text, FONT, scale, 1)
    return scale, width, height, below, below // 2 + 2


def _draw_label(image: np.ndarray, x: int, y: int, text: str, colour: Sequence[int], line: int) -> None:
    """White text on a filled strip that stands on the point x, y, moved to where it is inside the image."""
    scale, width, height, below, pad = _text_size(text, line)
    left = max(0, min(x, image.shape[1] - width - 2 * pad))
    bottom = max(y, height + below + 2 * pad)
    top = bottom - height - below - pad
    cv2.rectangle(image, (left, top), (left + width + 2 * pad, bottom), colour, cv2.FILLED)
    cv2.putText(image, text, (left + pad, bottom - below), FONT, scale, WHITE, 1, cv2.LINE_AA)


def message_card(behind: np.ndarray, lines: Sequence[str]) -> np.ndarray:
    """A message in place of a frame: the lines, in the middle of what was last seen, blurred and darkened.

    behind: (height, width, 3) uint8 BGR, left as it is. lines: ASCII strings. Returns an image of the same shape.
    """
    image = cv2.convertScaleAbs(cv2.GaussianBlur(behind, (0, 0), 8), alpha=0.35)
    height, width = image.shape[:2]
    widest = max(cv2.getTextSize(line, FONT, 1, 1)[0][0] for line in lines)
    scale = min(0.9 * width / widest, height / 400)
    step = round(45 * scale)
    baseline = height // 2 - step * (len(lines) - 1) // 2 + step // 3
    for index, line in enumerate(lines):
        left = (width - cv2.getTextSize(line, FONT, scale, 1)[0][0]) // 2
        cv2.putText(image, line, (left, baseline + index * step), FONT, scale, WHITE, 1, cv2.LINE_AA)
    return image
