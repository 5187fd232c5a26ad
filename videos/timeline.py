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
from videos.edits import NO_EDITS, Edits
from videos.names import in_one_line
from videos.table import Found
from vision.expressions import EMOTION_COLOURS, EMOTIONS

BINS = 300  # points in time at which the shares are drawn, at most
SMOOTHED_OVER = 5  # of them
FACES_SHOWN = 12  # those that are longest in the picture
PALE = 0.3  # opacity of an unsure label
EDGE = 0.8  # points, of the edge of one
NAMED_FROM = 0.06  # of the recording's length, that a label must last to be written on its bar
LONGEST_GAP = 2.5  # frames from one with a face to the next, over which its bar goes on
LONG = 120  # seconds, from which on moments are written as minutes and seconds, and labels are summed up
SPANS = 160  # of time, each five pixels wide, in each of which a face of a long recording has one label
STEPS = (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)  # seconds from one written moment to the next
MOST_MOMENTS = 10  # that are written below
# Where the parts are, in inches. Matplotlib can find places by itself, which doubles the time that a picture takes.
WIDTH, TOP, BOTTOM = 12, 0.65, 0.8
OVER_TIME, BETWEEN = 2.65, 0.75  # the height of the upper part, and what lies between it and the lower
LEFT, MIDDLE, SHARES, RIGHT = 0.9, 8.3, 9.2, 11.5  # sides of the parts that share the left, and of the one beside them
LONGEST_TITLE, LONGEST_NAME = 100, 14  # Latin letters, for which there is room; the latter of faces and markers
PLACEHOLDERS = "Last Resort"  # Matplotlib's font of boxes, which has one for every letter
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # which font it takes instead is of no interest


def _colour(label: int) -> tuple[float, float, float]:
    """Matplotlib's form of an expression's colour."""
    red, green, blue = EMOTION_COLOURS[EMOTIONS[label]]
    return red / 255, green / 255, blue / 255


def draw_timeline(
    path: Path,
    found: Found,
    title: str,
    frames: int,
    seconds: float,
    made_with: str = MADE_WITH,
    edits: Edits = NO_EDITS,
) -> None:
    """Write the picture of a table.Found as a PNG.

    frames: how many were analysed. seconds: the recording's length. made_with: goes into the PNG's metadata. edits: of
    these, markers and spans that are left out are drawn; the rest was applied to what was found.
    """
    title, found = _cut(in_one_line(title)), found.classified()
    found = found.of(~found.excluded)
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
    for axis in (over_time, of_each):
        _draw_edits(axis, edits)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph|Matplotlib currently does not support")  # boxes are drawn
        figure.savefig(path, format="png", metadata={"Software": made_with})


def _draw_edits(axis: Axes, edits: Edits) -> None:
    """The markers as lines with their names, and grey over the spans that are left out."""
    for begin, end in edits.excluded:
        axis.axvspan(begin, end, facecolor="0.85", edgecolor="0.6", hatch="//", linewidth=0)
    for marker in edits.markers:
        axis.axvline(marker.time, color="black", linestyle="--", linewidth=0.8)
        name = _cut(in_one_line(marker.name), LONGEST_NAME)
        axis.annotate(
            name,
            (marker.time, 1),
            (2, -2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            rotation=90,
            va="top",
            size=7,
            parse_math=False,
            fontfamily=_fonts_for(name),
            annotation_clip=True,
        )


def _cut(title: str, longest: int = LONGEST_TITLE) -> str:
    """The title with an ellipsis for what is left out in its middle, where there is no room for all of it.

    longest: Latin letters, for which there is room.
    """
    widths = [2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in title]
    if sum(widths) <= longest:
        return title
    begin, end, room = 0, len(title), longest - 1
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
    counts = np.bincount(places, minlength=bins)
    kernel = np.ones(min(SMOOTHED_OVER, bins))
    columns = [np.bincount(places, column, bins) for column in found.smoothed.T]
    sums = np.stack([np.convolve(column, kernel, "same") for column in columns], axis=1)
    totals = np.convolve(counts, kernel, "same")
    means = np.where(counts[:, None] > 0, sums / np.maximum(totals, 1)[:, None], 0)
    times = (np.arange(bins) + 0.5) / bins * seconds
    axis.stackplot(times, means.T, labels=EMOTIONS, colors=[_colour(label) for label in range(len(EMOTIONS))])
    axis.set(ylim=(0, 1), ylabel="mean probability", title="All faces")
    _write_moments(axis, seconds)
    axis.legend(ncols=len(EMOTIONS), fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.06), frameon=False)


def _draw_each(axis: Axes, found: Found, seconds: float, period: float) -> None:
    """A bar for each face, while it is visible, in its labels' colours."""
    faces, counts = np.unique(found.numbers, return_counts=True)
    shown = sorted(faces[np.argsort(-counts, kind="stable")][:FACES_SHOWN])
    span = max(period, seconds / SPANS)
    for place, face in enumerate(shown):
        own = found.numbers == face
        times, labels, sure = found.times[own], found.labels[own], found.sure[own]
        if seconds < LONG:
            runs = list(_runs(times, labels, sure, period, LONGEST_GAP * period))
        else:
            runs = list(_runs(*_summed_up(times, labels, sure, span), span, 1.5 * span))
        colours = [(*_colour(label), 1 if sure else PALE) for _, _, label, sure in runs]
        bars = [(begin, end - begin) for begin, end, _, _ in runs]
        edges = [_colour(label) for _, _, label, _ in runs]  # so that pale bars are seen well enough
        widths = [0 if sure else EDGE for *_, sure in runs]
        axis.broken_barh(bars, (place - 0.4, 0.8), facecolors=colours, edgecolors=edges, linewidths=widths)
        for begin, end, label, is_sure in runs:
            if is_sure and end - begin > NAMED_FROM * seconds:
                axis.text((begin + end) / 2, place, EMOTIONS[label], color="white", ha="center", va="center", size=8)
    names = dict(zip(found.numbers.tolist(), found.names.tolist()))
    called = [_cut(names[face] or f"face {face}", LONGEST_NAME) for face in shown]
    axis.set_yticks(range(len(shown)), called, size=9, parse_math=False, fontfamily=_fonts_for("".join(called)))
    more = len(faces) - len(shown)
    _write_moments(axis, seconds)
    axis.set(
        ylim=(max(len(shown), 2) - 0.5, -0.5),
        xlabel="seconds" if seconds < LONG else f"time; each bar is the label of most frames in {span:.0f} s or more",
        title="The label of each face, pale where it is unsure"
        + (f" ({more} more were visible for less time)" if more else ""),
    )


def _summed_up(
    times: np.ndarray, labels: np.ndarray, sure: np.ndarray, step: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A moment, a label and whether it is sure, for every `step` seconds with the face: those of most of its frames."""
    kinds = 2 * len(EMOTIONS)
    counts = np.bincount((times / step).astype(int) * kinds + 2 * labels + sure)
    counts = np.pad(counts, (0, -len(counts) % kinds)).reshape(-1, kinds)
    seen = np.flatnonzero(counts.any(axis=1))
    most = counts[seen].argmax(axis=1)
    return seen * step, most // 2, most % 2 == 1


def _write_moments(axis: Axes, seconds: float) -> None:
    """Have an axis go from 0 to the end, with moments as a clock has them where the recording is long."""
    axis.set_xlim(0, seconds)
    if seconds >= LONG:
        step = next((step for step in STEPS if seconds / step <= MOST_MOMENTS), STEPS[-1])
        moments = np.arange(0, seconds, step)
        axis.set_xticks(moments, [_clock(moment, seconds) for moment in moments])


def _clock(moment: float, seconds: float) -> str:
    """A moment of a recording of so many seconds: 12:30, or 1:12:30 where it lasts hours."""
    minutes, rest = divmod(round(moment), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if seconds >= 3600 else f"{minutes}:{rest:02}"


def _runs(
    times: np.ndarray, labels: np.ndarray, sure: np.ndarray, period: float, longest_gap: float
) -> Iterator[tuple[float, float, int, bool]]:
    """(begin, end, label, whether it is sure) of each time span over which a face is visible and neither changes.

    Frames are `period` seconds apart; longest_gap: seconds from one to the next, above which the face was away.
    """
    changes = (np.diff(labels) != 0) | (np.diff(sure) != 0) | (np.diff(times) > longest_gap)
    breaks = np.flatnonzero(changes) + 1
    for begin, end in zip([0, *breaks], [*breaks, len(times)]):
        yield times[begin], times[end - 1] + period, labels[begin], sure[begin]


def _draw_shares(axis: Axes, found: Found, frames: int, seconds: float) -> None:
    share = np.bincount(found.labels, minlength=len(EMOTIONS)) / max(len(found), 1)
    bars = axis.barh(EMOTIONS, share, color=[_colour(label) for label in range(len(EMOTIONS))])
    axis.bar_label(bars, [f"{100 * each:.0f} %" for each in share], padding=3)
    axis.invert_yaxis()
    axis.set(xlim=(0, max(0.1, 1.25 * share.max())), title="Shares of the labels")
    axis.xaxis.set_visible(False)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    visible = len(np.unique(found.frames)) / max(frames, 1)
    people = len(np.unique(found.numbers))
    length, seen = (
        f"{time:.1f} s" if seconds < LONG else _clock(time, seconds) for time in (seconds, visible * seconds)
    )
    lines = [
        f"{length}, {frames:,} frames analysed",
        f"a face visible {100 * visible:.0f} % of the time ({seen})",
        f"{people} {'face' if people == 1 else 'faces'} followed, at most {_most_at_once(found)} at once",
    ]
    text = "\n".join(lines)
    axis.annotate(text, (0, 0), (0, -12), xycoords="axes fraction", textcoords="offset points", va="top", size=9)


def _most_at_once(found: Found) -> int:
    return int(np.unique(found.frames, return_counts=True)[1].max(initial=0))
