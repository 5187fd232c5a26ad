import re

import pytest

from paths import STATIC
from vision.expressions import EMOTION_COLOURS, FACE_COLOURS, face_colour

PANELS = {"light": "#ffffff", "dark": "#1e2125"}  # as in style.css
TRACKS = {"light": "#d9d7d1", "dark": "#15171a"}


def as_hex(colours):
    return ["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours]


def test_the_page_has_the_expressions_colours():
    style = (STATIC / "style.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r'\[data-emotion="(\w+)"\] \{ --emotion: (#\w+); \}', style))
    assert colours == dict(zip(EMOTION_COLOURS, as_hex(EMOTION_COLOURS.values())))


def test_the_page_has_the_faces_colours():
    script = (STATIC / "colours.js").read_text(encoding="utf-8")
    (listed,) = re.findall(r"const FACE_COLOURS = \[(.*?)\];", script, re.DOTALL)
    assert re.findall(r'"(#\w+)"', listed) == as_hex(FACE_COLOURS)


def luminance(colour):
    """Relative luminance, 0..1, as WCAG 2.2 defines it. colour: red, green and blue, 0..255."""
    shares = [value / 255 for value in colour]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def from_hex(colour):
    return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]


@pytest.mark.parametrize("colour", [*EMOTION_COLOURS.values(), *FACE_COLOURS])
def test_every_colour_can_be_seen_in_both_themes_and_read_with_white_letters(colour):
    assert contrast(colour, (255, 255, 255)) >= 4.5
    style = (STATIC / "style.css").read_text(encoding="utf-8")
    for ground in (*PANELS.values(), *TRACKS.values()):
        assert ground in style
        assert contrast(colour, from_hex(ground)) >= 3


def test_no_two_of_the_first_faces_have_one_colour():
    assert len({face_colour(number) for number in range(1, 25)}) == 24
