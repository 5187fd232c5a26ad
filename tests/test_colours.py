import re

from paths import STATIC
from vision.expressions import EMOTION_COLOURS, FACE_COLOURS


def as_hex(colours):
    return ["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours]


def test_the_page_has_the_expressions_colours():
    style = (STATIC / "style.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r'\[data-emotion="(\w+)"\] \{ --emotion: (#\w+); \}', style))
    assert colours == dict(zip(EMOTION_COLOURS, as_hex(EMOTION_COLOURS.values())))


def test_the_page_has_the_faces_colours():
    script = (STATIC / "faces.js").read_text(encoding="utf-8")
    (listed,) = re.findall(r"const FACE_COLOURS = \[(.*?)\];", script, re.DOTALL)
    assert re.findall(r'"(#\w+)"', listed) == as_hex(FACE_COLOURS)
