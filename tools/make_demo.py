"""Draws demo.mp4, the clip that plays for people without a camera: `python -m tools.make_demo`.

A painted portrait moves and changes its expression. All of it is computed here, so that nobody else has rights in it.

A face is a height field lit from the upper left, with the features painted on it. It is drawn in coordinates of its
own: u to the right and v downwards from the point between the eyes, where 1 is half the width of the face. Features
come in pairs, so most of them are drawn once over a = |u|. In all functions, x, y, u, v and masks are arrays (height,
width) float32, and a canvas is (height, width, 3) float32. Masks run from 0 to 1, and colours are RGB, 0..255.
"""

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import TypeVar

import av
import numpy as np

from paths import DEMO
from vision.opencv import cv2

WIDTH, HEIGHT, FPS = 640, 360, 25
QUALITY = {"crf": "16", "preset": "veryslow"}  # no blocks show in the smooth parts, also when the page enlarges them
UNIT = 87  # pixels, half the width of the face
PIXEL = 1 / UNIT

# What each expression does with the face, a column for each. Heights and widths are in units of the face, other values
# mostly from 0 to 1. A Pose has an attribute for each row.
EXPRESSIONS = ("Neutral", "Happy", "Surprise", "Fear", "Sad", "Angry")
POSES = {
    "brow_in": ( 0.03,  0.05,  0.24,  0.27,  0.22, -0.20),  # how far the inner end of the brows is raised
    "brow_out":( 0.01,  0.04,  0.24, -0.10, -0.12,  0.16),  # how far the outer end of the brows is raised
    "lid":     ( 0.86,  0.80,  1.34,  1.36,  0.45,  0.60),  # how far the upper lid is open
    "squint":  ( 0.00,  0.55, -0.15, -0.05, -0.10,  0.50),  # how far the lower lid is pushed up
    "width":   ( 0.32,  0.50,  0.21,  0.45,  0.43,  0.33),  # half the width of the mouth
    "gap":     ( 0.00,  0.24,  0.46,  0.08,  0.04,  0.44),  # how far the mouth is open
    "curve":   ( 0.05,  0.17,  0.00, -0.19, -0.18,  0.00),  # how far the corners of the mouth are raised
    "square":  ( 0.00,  0.00,  0.00,  0.80,  0.00,  0.30),  # how square the opening of the mouth is
    "teeth":   ( 0.00,  0.80,  0.00,  0.40,  0.00,  0.35),  # how much of the opening the upper teeth fill
    "below":   ( 0.00,  0.00,  0.00,  0.30,  0.00,  0.10),  # how much of it the lower teeth fill
    "lips":    ( 1.00,  0.80,  0.80,  0.40,  1.10,  0.60),  # how full the lips are
    "cheek":   ( 0.00,  1.00,  0.00,  0.10,  0.00,  0.50),  # how far the cheeks are raised
    "fold":    ( 0.10,  0.90,  0.00,  0.60,  0.60,  0.90),  # lines from the nose to beside the mouth
    "frown":   ( 0.00,  0.00,  0.00,  1.00,  1.00,  0.80),  # lines between the brows
    "lines":   ( 0.00,  0.00,  0.70,  0.60,  0.20,  0.00),  # lines on the forehead
    "gaze":    ( 0.00,  0.00,  0.00,  0.00,  0.06,  0.00),  # how far down the eyes look
    "bow":     ( 0.00,  0.00,  0.00,  0.00,  0.10,  0.00),  # how far the head is bowed
}  # fmt: skip
Pose = SimpleNamespace
Point = tuple[float, float]
Colour = Sequence[float] | np.ndarray  # (3,), or (height, width, 3) for a colour of each pixel
Values = TypeVar("Values", float, np.ndarray)

BLINK = 0.12  # seconds from open to closed
HOLD, CHANGE = 4.0, 0.7  # seconds from one expression to the next, and how many of them the change takes
SECONDS = HOLD * len(EXPRESSIONS)
BLINKS = (1.4, 5.6, 15.8, 18.2, 22.1)  # seconds; none while the eyes are wide open

HAIR_DARK, HAIR, HAIR_LIGHT = (30, 19, 20), (66, 41, 37), (150, 98, 72)
BROW, LASH = (48, 30, 28), (34, 20, 22)
IRIS, IRIS_RIM = (112, 74, 46), (48, 30, 24)
SCLERA, SHADE = (240, 234, 230), (150, 120, 116)  # the white of the eyes, and the shade at the edges of eyes and teeth
LIP, LIP_DARK, MOUTH, TEETH = (190, 92, 88), (120, 48, 50), (58, 18, 24), (246, 240, 232)
SKIN = ((96, 50, 46), (176, 106, 84), (226, 168, 138), (246, 206, 178), (255, 236, 216))  # from shadow to light
SWEATER_DARK, SWEATER = (30, 62, 74), (74, 132, 142)
PARTING = -0.32  # where the hair parts, u
GLOW, DUSK = (236, 214, 196), (150, 150, 168)  # the background, behind the head and in the corners
LIGHTS = ((-2.6, -1.0, 0.5), (-1.9, 0.3, 0.3), (2.4, -0.4, 0.6), (3.1, -1.4, 0.35), (-3.2, 0.6, 0.4))  # x, y, radius


def ramp(x: Values, low: float = 0.0, high: float = 1.0) -> Values:
    """0 below low, 1 above high, smooth between them; if low is above high, 1 below high and 0 above low."""
    x = np.clip((x - low) / (high - low), 0, 1)
    return x * x * (3 - 2 * x)


def inside(distance: np.ndarray, softness: float = 1.5 * PIXEL) -> np.ndarray:
    """The mask of where a signed distance is positive. softness: the width of its edge."""
    return np.clip(distance / softness + 0.5, 0, 1)


def blob(
    x: np.ndarray, y: np.ndarray, x0: float | np.ndarray, y0: float | np.ndarray, rx: float, ry: float
) -> np.ndarray:
    """The mask of a soft round spot around x0, y0, with radii rx and ry; 1 in its middle."""
    return np.exp(-(((x - x0) / rx) ** 2) - ((y - y0) / ry) ** 2)


def line(x: np.ndarray, y: np.ndarray, start: Point, end: Point, thickness: float) -> np.ndarray:
    """The mask of a soft stroke between two points."""
    (x0, y0), (x1, y1) = start, end
    along = np.clip(((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / ((x1 - x0) ** 2 + (y1 - y0) ** 2), 0, 1)
    gap2 = (x - x0 - along * (x1 - x0)) ** 2 + (y - y0 - along * (y1 - y0)) ** 2
    return np.exp(-gap2 / thickness**2)


def paint(canvas: np.ndarray, mask: np.ndarray, colour: Colour) -> None:
    """Paint a colour over the canvas, as opaque as the mask."""
    canvas += mask[..., None] * (np.asarray(colour, np.float32) - canvas)


def mix(dark: Colour, light: Colour, amount: np.ndarray) -> np.ndarray:
    """Colours between two, (height, width, 3): dark where the amount is 0, light where it is 1."""
    dark, light = np.asarray(dark, np.float32), np.asarray(light, np.float32)
    return dark + amount[..., None] * (light - dark)


def background(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A canvas with the glow behind the head, and a few circles of light out of focus."""
    canvas = mix(GLOW, DUSK, ramp(np.hypot(x * 0.8, y + 0.2), 0.4, 4.2))
    for x0, y0, radius in LIGHTS:
        paint(canvas, 0.13 * inside(radius - np.hypot(x - x0, y - y0), 0.08), (255, 244, 226))
    return canvas


def draw_body(canvas: np.ndarray, u: np.ndarray, v: np.ndarray) -> None:
    """Draw the neck, and the shoulders in a sweater."""
    width = 0.50 + 0.6 * ramp(v, 1.35, 2.3) ** 2
    neck = inside(width - np.abs(u), 0.03) * inside(v - 0.6, 0.03)
    paint(canvas, neck, skin(0.66 - 0.22 * u - 0.44 * ramp(v, 1.95, 1.3) - 0.9 * np.abs(u) ** 3))
    top = 1.66 + 0.13 * np.exp(-((u / 0.42) ** 2)) + 0.28 * ramp(np.abs(u), 0.3, 1.6) + 1.2 * ramp(np.abs(u), 1.3, 2.9)
    light = 0.78 - 0.16 * u - 0.3 * ramp(np.abs(u), 0.8, 2.2) - 0.35 * blob(u, v, 0, 1.6, 0.6, 0.3)
    paint(canvas, inside(v - top, 0.03), mix(SWEATER_DARK, SWEATER, np.clip(light, 0, 1.2)))


def skin(light: np.ndarray) -> np.ndarray:
    """The colours of skin, (height, width, 3). light: how much falls on it, 0..1."""
    stops = np.linspace(0, 1, len(SKIN))
    return np.stack([np.interp(light, stops, [tone[i] for tone in SKIN]) for i in range(3)], -1).astype(np.float32)


def hair_outline(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Signed distance to the outline of the hair, a bob that ends below the chin; positive inside."""
    across, down = np.abs(u) / 1.24, v + 0.18
    crown = 1 - (across**2.2 + np.abs(down / 1.36) ** 2.2) ** (1 / 2.2)
    fall = 1 - (across**5 + np.abs(down / (1.64 + 0.03 * np.cos(4 * u) + 0.012 * np.sin(17 * u))) ** 5) ** (1 / 5)
    return np.where(down < 0, crown, fall)


def hair_opening(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Signed distance to the edge of the hair around the face; positive in the face, negative in the hair."""
    away = np.abs(u - PARTING)
    top = v + 1.02 - np.where(u < PARTING, away**1.8, 0.45 * away**1.8)
    side = 0.95 - 0.16 * ramp(v, 0.2, 1.3) + 0.02 * np.sin(5 * v) - np.abs(u)
    return np.minimum(top, side) - 0.12 * np.exp(-np.abs(top - side) / 0.25)  # rounds the corner at the temples


def draw_hair(canvas: np.ndarray, u: np.ndarray, v: np.ndarray, mask: np.ndarray, depth: float) -> None:
    """Draw hair where the mask is, combed away from the parting. depth: how much light reaches it, 0..1."""
    angle = np.arctan2(u - PARTING, v + 2.1 - 0.6 * np.abs(u))
    strands = 0.5 + 0.2 * np.sin(37 * angle) + 0.15 * np.sin(83 * angle + 1) + 0.15 * np.sin(141 * angle + 2)
    light = 0.3 + 0.45 * strands - 0.18 * u + 0.25 * ramp(v, 1.2, -1.0)
    colour = mix(HAIR_DARK, HAIR, np.clip(depth * light, 0, 1.4))
    shine = np.exp(-(((np.hypot(u, v + 0.1) - 1.12) / 0.14) ** 2)) * ramp(v, 0.1, -0.9)
    shine += 0.5 * np.exp(-(((v - 0.75 + 0.2 * np.abs(u)) / 0.16) ** 2))
    paint(colour, 0.5 * depth * shine * strands * ramp(u, 1.3, -0.9), HAIR_LIGHT)
    paint(canvas, mask, colour)


def draw_skin(canvas: np.ndarray, u: np.ndarray, v: np.ndarray, fu: np.ndarray, fv: np.ndarray, pose: Pose) -> None:
    """Draw the face without its features, as a lit height field.

    u, v: coordinates of the head, for its outline. fu, fv: those of the features, which move further when it turns.
    """
    a, mouth = np.abs(fu), mouth_height(pose)
    chin = 1.34 + 0.45 * pose.gap
    down = np.where(v < 0, v / -1.5, v / chin)
    outline = 1 - (np.abs(u / (0.98 - 0.08 * ramp(v, 0.2, 1.2))) ** 2.3 + down**2.3) ** (1 / 2.3)
    height = 0.95 * np.sqrt(np.maximum(0.02, 1 - np.abs(u / 1.1) ** 2.6 - np.abs((v - 0.05) / 1.62) ** 2.6))
    height += 0.15 * blob(fu, fv, 0, 0.25, 0.15, 0.32) + 0.15 * blob(fu, fv, 0, 0.48, 0.15, 0.13)  # the nose
    height += 0.07 * blob(a, fv, 0.17, 0.54, 0.09, 0.08)
    height -= 0.13 * blob(a, fv, 0.36, -0.02, 0.24, 0.17)  # the sockets
    height += 0.06 * blob(a, fv, 0.40, -0.28 - pose.brow_in, 0.32, 0.10)
    height += 0.05 * (1 + 2 * pose.cheek) * blob(a, fv, 0.56, 0.36 - 0.06 * pose.cheek, 0.25, 0.20)
    height += 0.07 * blob(fu, fv, 0, mouth, 0.42, 0.24) + 0.09 * blob(fu, fv, 0, chin - 0.17, 0.24, 0.15)
    slope_v, slope_u = np.gradient(cv2.GaussianBlur(height, (0, 0), 1.5), PIXEL)
    light = (0.38 * slope_u + 0.50 * slope_v + 0.78) / np.sqrt(1 + slope_u**2 + slope_v**2)
    light = 0.26 + 0.58 * np.clip(light, -0.1, 1) - 0.10 * ramp(hair_opening(u, v), 0.25, 0.0)
    light -= 0.20 * blob(a, fv, 0.28, -0.11, 0.22, 0.11)  # under the brows
    light -= 0.14 * blob(fu, fv, 0, 0.66, 0.20, 0.05) + 0.10 * blob(a, fv, 0.26, 0.57, 0.06, 0.07)
    light -= 0.10 * blob(fu, fv, 0, mouth + 0.5 * pose.gap + 0.24, 0.2, 0.06)  # under the lower lip
    corner = (pose.width + 0.13, mouth - 0.5 * pose.curve + 0.02)
    light -= (0.05 + 0.20 * pose.fold) * line(a, fv, (0.23, 0.52), corner, 0.045)
    light -= 0.22 * pose.frown * line(a, fv, (0.07, -0.13), (0.09, -0.36), 0.028)
    glare = max(0, -pose.brow_in)  # lowered brows shade the eyes and wrinkle the nose
    light -= 1.3 * glare * (blob(a, fv, 0.28, -0.12, 0.22, 0.08) + blob(fu, fv, 0, -0.17, 0.12, 0.12))
    light -= 1.3 * glare * line(a, fv, (0.06, 0.10), (0.20, 0.03), 0.025)
    for row in (-0.58, -0.70, -0.82):
        light -= 0.10 * pose.lines * blob(fv, a, row + 0.08 * a - 0.3 * pose.brow_in, 0, 0.025, 0.45)
    light -= 0.12 * pose.squint * line(a, fv, (0.30, 0.17), (0.62, 0.13), 0.03)  # the pouch of a raised lower lid
    light += 0.10 * blob(fu, fv, -0.03, 0.47, 0.05, 0.05) + 0.03 * blob(fu, fv, -0.02, 0.2, 0.06, 0.2)
    colour = skin(light)
    blush = 0.22 * blob(a, fv, 0.58, 0.42, 0.26, 0.20) + 0.12 * blob(fu, fv, 0, 0.52, 0.16, 0.12)
    paint(colour, blush, (224, 110, 100))
    paint(canvas, inside(outline, 0.025), colour)
    nostrils = inside(1 - np.hypot((a - 0.095) / 0.055, (fv - 0.615 - 0.3 * (a - 0.095)) / 0.026), 0.7)
    paint(canvas, 0.8 * nostrils, (84, 34, 34))


def draw_eyes(canvas: np.ndarray, u: np.ndarray, v: np.ndarray, pose: Pose, look: float) -> None:
    """Draw the eyes. look: how far to the right they look."""
    a = np.abs(u)
    t = (a - 0.43) / 0.235
    arch = np.maximum(1 - t * t, 0)
    low = 0.075 * arch * (1 - pose.squint) - 0.02 * t
    high = low - 0.20 * pose.lid * arch**0.8
    opening = inside(np.minimum(v - high, low - v)) * (np.abs(t) < 1)
    paint(canvas, opening, mix(SHADE, SCLERA, ramp(v - high, -0.02, 0.08) * ramp(np.abs(t), 1.1, 0.5)))
    x, y = a - 0.43 - look * np.sign(u), v - pose.gaze + 0.015
    radius = np.hypot(x, y)
    iris = mix(IRIS_RIM, IRIS, ramp(radius, 0.115, 0.07) * (0.55 + 0.45 * ramp(y, -0.06, 0.08)))
    paint(canvas, opening * inside(0.112 - radius), iris)
    paint(canvas, opening * inside(0.052 - radius), (16, 10, 12))
    # The highlights come from one lamp, so they lie on the same side of both eyes.
    paint(canvas, 0.9 * opening * inside(0.026 - np.hypot(x + 0.035 * np.sign(u), y + 0.045)), (255, 255, 255))
    reach = ramp(np.abs(t), 1.12, 0.92)
    paint(canvas, 0.9 * reach * inside(0.022 + 0.010 * t - np.abs(v - high + 0.008), 0.02), LASH)
    paint(canvas, 0.45 * reach * inside(0.008 - np.abs(v - low), 0.025), (110, 62, 58))
    crease = np.abs(v - high + 0.065 + 0.03 * (pose.lid - 1))
    paint(canvas, 0.28 * ramp(np.abs(t), 1.1, 0.7) * np.exp(-((crease / 0.02) ** 2)), (120, 66, 58))


def draw_brows(canvas: np.ndarray, u: np.ndarray, v: np.ndarray, pose: Pose) -> None:
    """Draw the brows."""
    along = (np.abs(u) - 0.15 + 0.05 * pose.frown) / 0.58  # 0 at the inner end, 1 at the outer
    within = np.clip(along, 0, 1)
    arch = 0.055 * np.sin(np.pi * within**1.3)
    middle = -0.215 - arch - pose.brow_in - (pose.brow_out - pose.brow_in) * along
    thickness = (0.055 + 0.1 * max(0, -pose.brow_in)) * (1 - 0.65 * within**1.5)
    ends = ramp(along, -0.08, 0.16) * ramp(along, 1.05, 0.85)
    paint(canvas, 0.92 * ends * inside(thickness - np.abs(v - middle), 0.035), BROW)


def mouth_height(pose: Pose) -> float:
    """Where the middle of the mouth is, as v."""
    return 0.87 + 0.15 * pose.gap


def draw_mouth(canvas: np.ndarray, u: np.ndarray, v: np.ndarray, pose: Pose) -> None:
    """Draw the lips, and between them the teeth, or the line where closed lips meet."""
    t = np.abs(u) / pose.width
    span = np.sqrt(np.maximum(1 - t ** (2 + 3 * pose.square), 0))
    closed = mouth_height(pose) - pose.curve * (t * t - 0.45)
    high, low = closed - 0.4 * pose.gap * span, closed + 0.6 * pose.gap * span
    above = 0.075 * pose.lips * span * (1 - 0.25 * np.exp(-((t / 0.13) ** 2)) - 0.2 * t)
    under = 0.105 * pose.lips * span**1.2
    within = inside(1 - t, 0.03)
    upper = inside(np.minimum(v - high + above, high - v), 0.03) * within
    lower = inside(np.minimum(v - low, low + under - v), 0.03) * within
    paint(canvas, 0.85 * upper, mix(LIP, LIP_DARK, 0.35 + 0.4 * ramp(v - high, -0.06, 0.0)))
    paint(canvas, 0.85 * lower, mix(LIP, LIP_DARK, 0.6 * ramp(v - low, 0.06, 0.12)))
    paint(canvas, 0.35 * lower * blob(u, v, -0.05, closed + 0.6 * pose.gap + 0.045, 0.12, 0.02), (255, 220, 210))
    hole = inside(np.minimum(v - high, low - v), 0.02) * within
    paint(canvas, hole, mix(MOUTH, (150, 62, 66), blob(u, v, 0, low, 0.6 * pose.width, 0.35 * pose.gap + 0.01)))
    gaps = 1 - 0.12 * np.abs(np.cos(np.pi * u / 0.085)) ** 12
    enamel = mix(SHADE, TEETH, gaps * ramp(t, 1.1, 0.5))
    for fill, edge in ((pose.teeth, v - high), (pose.below, low - v)):
        row = inside(fill * (low - high) - edge, 0.03) * ramp(t, 1.0, 0.75) * min(1, 10 * fill * pose.gap)
        paint(canvas, hole * row, enamel * (0.7 + 0.3 * ramp(edge, 0, 0.05))[..., None])
    seam = np.exp(-(((v - closed) / 0.018) ** 2)) * inside(1.04 - t, 0.06) * ramp(pose.gap, 0.08, 0.0)
    paint(canvas, 0.9 * seam, (84, 30, 34))
    corner = blob(t * pose.width, v, pose.width + 0.01, mouth_height(pose) - 0.55 * pose.curve, 0.04, 0.035)
    paint(canvas, 0.35 * corner, (96, 44, 42))


def pose_at(second: float) -> Pose:
    """The expression at a moment of the clip, with blinks."""
    index = int(second // HOLD)
    poses = np.array(list(POSES.values())).T
    change = ramp(second - index * HOLD, HOLD - CHANGE, HOLD)
    values = (1 - change) * poses[index] + change * poses[(index + 1) % len(poses)]
    pose = Pose(**dict(zip(POSES, values.tolist())))
    closed = float(max(ramp(abs(second - blink), BLINK, 0) for blink in BLINKS))
    pose.lid *= 1 - 0.97 * closed
    return pose


def draw_frame(index: int) -> np.ndarray:
    """A frame of the clip by its number, from 0: (360, 640, 3) uint8 BGR."""
    second = index / FPS
    pose = pose_at(second)
    # Whole numbers of turns in the length of the clip, so that the last frame leads into the first.
    turns = ((3, 0), (5, 0.2), (4, 0.6), (2, 0.1))
    sway, nod, turn, tilt = (math.sin(math.tau * (count * second / SECONDS + start)) for count, start in turns)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    x, y = (x - WIDTH / 2) * PIXEL, (y - 0.47 * HEIGHT) * PIXEL
    canvas = background(x, y)
    columns = slice(WIDTH // 2 - 160, WIDTH // 2 + 160)  # all that the head ever covers
    head = canvas[:, columns]
    head_x, head_y = x[:, columns] - 0.20 * sway, y[:, columns] - 0.03 * nod
    cos, sin = math.cos(0.06 * tilt), math.sin(0.06 * tilt)
    u, v = cos * head_x + sin * head_y, cos * head_y - sin * head_x
    # The nearer a point is to the tip of the nose, the further it moves when the head turns and nods.
    depth = np.sqrt(np.maximum(0, 1 - (u / 1.1) ** 2 - (v / 1.6) ** 2))
    fu, fv = u - 0.16 * turn * depth, v - (0.04 * nod + pose.bow) * depth
    hair = inside(hair_outline(u, v), 0.03)
    draw_hair(head, u, v, hair, 0.4)
    draw_body(canvas, x - 0.10 * sway, y)
    draw_skin(head, u, v, fu, fv, pose)
    draw_mouth(head, fu, fv, pose)
    draw_eyes(head, fu, fv, pose, -0.03 * turn)
    draw_brows(head, fu, fv, pose)
    draw_hair(head, u, v, hair * inside(-hair_opening(u, v), 0.04), 1.0)
    return np.clip(canvas[..., ::-1] + 0.5, 0, 255).astype(np.uint8)


def main() -> None:
    """Write demo.mp4."""
    with av.open(str(DEMO), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=FPS, options=QUALITY)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.gop_size = FPS
        for index in range(round(SECONDS * FPS)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(draw_frame(index), "bgr24")))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    main()
