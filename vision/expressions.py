"""The seven expressions, in the order of every array of probabilities, and the colours of expressions and faces."""

# The course's order, which is alphabetical: column i of every array of probabilities is EMOTIONS[i].
EMOTIONS = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")

# Red, green, blue. All colours here have about the same luminance: white letters on them have a contrast of 4.5, and
# they themselves one of at least 3 with the page's panels, light and dark (WCAG 2.2, 1.4.3 and 1.4.11). The page has
# the same in static/style.css and static/colours.js; tests compare them.
EMOTION_COLOURS = {
    "Angry": (211, 48, 45),
    "Disgust": (71, 125, 51),
    "Fear": (141, 85, 195),
    "Happy": (155, 100, 0),
    "Neutral": (106, 113, 121),
    "Sad": (40, 112, 197),
    "Surprise": (198, 51, 136),
}
# Of the boxes, by the face's number: 24 hues, of which neighbours in this order differ much.
FACE_COLOURS = [
    (169, 93, 1),
    (0, 111, 217),
    (4, 130, 58),
    (181, 62, 175),
    (211, 50, 34),
    (7, 125, 126),
    (111, 90, 228),
    (139, 109, 0),
    (205, 47, 115),
    (101, 120, 0),
    (10, 122, 154),
    (162, 71, 198),
    (192, 76, 0),
    (10, 127, 111),
    (73, 100, 231),
    (195, 53, 147),
    (122, 115, 1),
    (211, 45, 80),
    (8, 128, 92),
    (0, 119, 176),
    (139, 80, 217),
    (154, 102, 0),
    (63, 127, 0),
    (0, 124, 140),
]


def face_colour(number: int) -> tuple[int, int, int]:
    """Red, green and blue, 0..255, of the box of the face with that number, from 1."""
    return FACE_COLOURS[(number - 1) % len(FACE_COLOURS)]
