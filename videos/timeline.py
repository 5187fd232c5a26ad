"""A picture of the expressions in a recording: how they went over time, of all faces and of each, and their shares."""

import functools
import logging
import unicodedata
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib import font_manager, rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from version import MADE_WITH
from videos.names import in_one_line
from videos.table import Found
from vision.expressions import EMOTION_COLOURS, EMOTIONS

BINS = 300  # points in time at which the shares are drawn, at most
SMOOTHED_OVER = 5  # of them
FACES_SHOWN = 12  # those that are longest in the picture
PALE = 0.3  # opacity of an unsure label
NAMED_FROM = 0.06  # of the recording's length, that a label must last to be written on its bar
# Where the parts are, in inches. Matplotlib can find places by itself, which doubles the time that a picture takes.
WIDTH, TOP, BOTTOM = 12, 0.65, 0.8
OVER_TIME, BETWEEN = 2.65, 0.75  # the height of the upper part, and what lies between it and the lower
LEFT, MIDDLE, SHARES, RIGHT = 0.9, 8.3, 9.2, 11.5  # sides of the parts that share the left, and of the one beside them
LONGEST_TITLE = 100  # Latin letters, for which there is room
PLACEHOLDERS = "Last Resort"  # Matplotlib's font of boxes, which has one for every letter
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # which font it takes instead is of no interest


def _colour(label: int) -> tuple[float, float, float]:
    """Matplotlib's form of an expression's colour."""
    red, green, blue = EMOTION_COLOURS[EMOTIONS[label]]
    return red / 255, green / 255, blue / 255


def draw_timeline(
    path: Path, found: Found, title: str, frames: int, seconds: float, made_with: str = MADE_WITH
) -> None:
    """Write the picture of a table.Found as a PNG.

    frames: how many were analysed. seconds: the recording's length. made_with: goes into the PNG's metadata.
    """
    title, found = _cut(in_one_line(title)), found.classified()
    bars = 0.3 + 0.3 * min(max(len(set(found.numbers.tolist())), 2), FACES_SHOWN)
    inside = OVER_TIME + BETWEEN + bars
    height = TOP + inside + BOTTOM
    figure = Figure(figsize=(WIDTH, height), dpi=110)
    figure.suptitle(title, y=1 - 0.1 / height, va="top", parse_math=False, fontfamily=_fonts_for(title))

    def part(left: float, bottom: float, right: float, high: float) -> Axes:
        return figure.add_axes((left / WIDTH, bottom / height, (right - left) / WIDTH, high / height))

    over_time = part(LEFT, BOTTOM + bars + BETWEEN, MIDDLE, OVER_TIME)
    of_each, shares = part(LEFT, BOTTOM, MIDDLE, bars), part(SHARES, BOTTOM, RIGHT, inside)
    seconds = max(seconds, 1e-3)
    _draw_over_time(over_time, found, frames, seconds)
    _draw_each(of_each, found, seconds, seconds / max(frames, 1))
    _draw_shares(shares, found, frames, seconds)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph|Matplotlib currently does not support")  # boxes are drawn
        figure.savefig(path, format="png", metadata={"Software": made_with})


def _cut(title: str) -> str:
    """The title with an ellipsis for what is left out in its middle, where there is no room for all of it."""
    widths = [2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in title]
    if sum(widths) <= LONGEST_TITLE:
        return title
    begin, end, room = 0, len(title), LONGEST_TITLE - 1
    while room > 0:
        if begin <= len(title) - end:
            room -= widths[begin]
            begin += 1
        else:
            end -= 1
            room -= widths[end]
    return f"{title[:begin]}…{title[end:]}"


def _fonts_for(text: str) -> list[str]:
    """The usual font, and such as have what it lacks of the text, if any are installed."""
    usual = rcParams["font.sans-serif"][0]
    lacking = frozenset(text) - _drawn_by(font_manager.findfont(usual), frozenset(text))
    return [usual, *(_fonts_with(lacking) if lacking else ())]


@functools.cache
def _fonts_with(letters: frozenset[str]) -> tuple[str, ...]:
    """Names of installed fonts that have the letters, or as many of them as there can be."""
    chosen, left = [], letters
    for font in sorted(font_manager.fontManager.ttflist, key=_unlikeness):
        if left and not font.name.startswith(PLACEHOLDERS) and (drawn := _drawn_by(font.fname, left)):
            chosen.append(font.name)
            left -= drawn
    return tuple(chosen)


def _unlikeness(font: font_manager.FontEntry) -> tuple[bool, bool]:
    """How little a font is like the usual one, which is upright, of usual weight and without serifs."""
    return (font.style, font.weight) != ("normal", 400), "Serif" in font.name


def _drawn_by(font: str, letters: frozenset[str]) -> frozenset[str]:
    """The letters that a font file has; none where Matplotlib cannot draw with it, as with coloured pictures."""
    try:
        loaded = font_manager.get_font(font)
        loaded.set_size(12, 110)
        return frozenset(letter for letter in letters if loaded.get_char_index(ord(letter)))
    except (OSError, RuntimeError, ValueError):
        return frozenset()


def _draw_over_time(axis: Axes, found: Found, frames: int, seconds: float) -> None:
    """The faces' mean probabilities as bands on each other; a gap where no face is visible."""
    bins = min(BINS, max(1, frames // 2))  # so that each has a frame
    places = np.minimum((found.times / seconds * bins).astype(int), bins - 1)
    sums, counts = np.zeros((bins, len(EMOTIONS))), np.bincount(places, minlength=bins)
    np.add.at(sums, places, found.smoothed)
    kernel = np.ones(min(SMOOTHED_OVER, bins))
    sums = np.stack([np.convolve(column, kernel, "same") for column in sums.T], axis=1)
    totals = np.convolve(counts, kernel, "same")
    means = np.where(counts[:, None] > 0, sums / np.maximum(totals, 1)[:, None], 0)
    times = (np.arange(bins) + 0.5) / bins * seconds
    axis.stackplot(times, means.T, labels=EMOTIONS, colors=[_colour(label) for label in range(len(EMOTIONS))])
    axis.set(xlim=(0, seconds), ylim=(0, 1), ylabel="mean probability", title="All faces")
    axis.legend(ncols=len(EMOTIONS), fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.06), frameon=False)


def _draw_each(axis: Axes, found: Found, seconds: float, period: float) -> None:
    """A bar for each face, while it is visible, in its labels' colours."""
    faces, counts = np.unique(found.numbers, return_counts=True)
    shown = sorted(faces[np.argsort(-counts, kind="stable")][:FACES_SHOWN])
    for place, face in enumerate(shown):
        own = found.numbers == face
        for begin, end, label, sure in _runs(found.times[own], found.labels[own], found.sure[own], period):
            colour, opacity = _colour(label), 1 if sure else PALE
            axis.broken_barh([(begin, end - begin)], (place - 0.4, 0.8), color=colour, alpha=opacity, linewidth=0)
            if sure and end - begin > NAMED_FROM * seconds:
                axis.text((begin + end) / 2, place, EMOTIONS[label], color="white", ha="center", va="center", size=8)
    axis.set_yticks(range(len(shown)), [f"face {face}" for face in shown], size=9)
    more = len(faces) - len(shown)
    axis.set(
        xlim=(0, seconds),
        ylim=(max(len(shown), 2) - 0.5, -0.5),
        xlabel="seconds",
        title="The label of each face, pale where it is unsure"
        + (f" ({more} more were visible for less time)" if more else ""),
    )


def _runs(
    times: np.ndarray, labels: np.ndarray, sure: np.ndarray, period: float
) -> Iterator[tuple[float, float, int, bool]]:
    """(begin, end, label, whether it is sure) of each time span over which a face is visible and neither changes.

    Frames are `period` seconds apart.
    """
    changes = (np.diff(labels) != 0) | (np.diff(sure) != 0) | (np.diff(times) > 2.5 * period)
    breaks = np.flatnonzero(changes) + 1
    for begin, end in zip([0, *breaks], [*breaks, len(times)]):
        yield times[begin], times[end - 1] + period, labels[begin], sure[begin]


def _draw_shares(axis: Axes, found: Found, frames: int, seconds: float) -> None:
    share = np.bincount(found.labels, minlength=len(EMOTIONS)) / max(len(found), 1)
    bars = axis.barh(EMOTIONS, share, color=[_colour(label) for label in range(len(EMOTIONS))])
    axis.bar_label(bars, [f"{each:.0%}" for each in share], padding=3)
    axis.invert_yaxis()
    axis.set(xlim=(0, max(0.1, 1.25 * share.max())), title="Shares of the labels")
    axis.xaxis.set_visible(False)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    visible = len(np.unique(found.frames)) / max(frames, 1)
    people = len(np.unique(found.numbers))
    lines = [
        f"{seconds:.1f} s, {frames} frames analysed",
        f"a face visible {visible:.0%} of the time ({visible * seconds:.1f} s)",
        f"{people} {'face' if people == 1 else 'faces'} followed, at most {_most_at_once(found)} at once",
    ]
    text = "\n".join(lines)
    axis.annotate(text, (0, 0), (0, -12), xycoords="axes fraction", textcoords="offset points", va="top", size=9)


def _most_at_once(found: Found) -> int:
    return int(np.unique(found.frames, return_counts=True)[1].max(initial=0))
