"""The seven expressions, in the order of every array of probabilities, and the colours of expressions and faces."""

# The course's order, which is alphabetical: column i of every array of probabilities is EMOTIONS[i].
EMOTIONS = ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")

# Red, green, blue. The page has the same colours in static/style.css; a test compares them.
EMOTION_COLOURS = {
    "Angry": (200, 48, 48),
    "Disgust": (70, 120, 60),
    "Fear": (130, 60, 150),
    "Happy": (190, 125, 0),
    "Neutral": (90, 100, 110),
    "Sad": (40, 100, 180),
    "Surprise": (200, 40, 140),
}
# Of the boxes, by the face's number; dark enough for white letters.
FACE_COLOURS = [(190, 105, 0), (30, 80, 170), (20, 120, 70), (160, 30, 140), (190, 50, 50), (0, 110, 120)]


def face_colour(number: int) -> tuple[int, int, int]:
    """Red, green and blue, 0..255, of the box of the face with that number, from 1."""
    return FACE_COLOURS[(number - 1) % len(FACE_COLOURS)]
