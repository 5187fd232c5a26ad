"""The timeline of long recordings. See test_any_name.py for titles."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from videos import timeline
from videos.table import Found, no_edits
from vision.expressions import EMOTIONS

HAPPY, SAD = EMOTIONS.index("Happy"), EMOTIONS.index("Sad")


def flickering(seconds, rate=10):
    """A Found of one face that is Happy, and Sad in every fifth frame."""
    frames = np.arange(seconds * rate)
    count, labels = len(frames), np.where(frames % 5, HAPPY, SAD)
    shares = np.eye(7, dtype=np.float32)[labels]
    nothing, away = np.zeros(count, int), np.zeros(count, bool)
    boxes, scores = np.zeros((count, 4), int), np.ones(count, np.float32)
    found = frames, frames / rate, nothing + 1, boxes, shares, shares, labels, nothing, scores, away, ~away
    return Found(*found, *no_edits(count))


def bars(found, seconds):
    """(begin, width) of the bars in the lower part."""
    axis = Figure().add_axes((0, 0, 1, 1))
    timeline._draw_each(axis, found, seconds, 0.1)
    [collection] = axis.collections
    return [(path.vertices[:, 0].min(), np.ptp(path.vertices[:, 0])) for path in collection.get_paths()]


def test_labels_that_flicker_through_a_long_recording_are_one_bar():
    assert bars(flickering(3600), 3600) == [(0, pytest.approx(3600))]
    assert len(bars(flickering(60), 60)) == 240


def test_no_bar_of_a_long_recording_is_too_narrow_to_be_seen_and_gaps_stay():
    found = flickering(3600)
    seen = (found.times < 1) | ((found.times > 1000) & (found.times < 1200)) | (found.times > 3599.5)
    widths = bars(Found(*(column[seen] for column in vars(found).values())), 3600)
    assert [round(begin / 22.5) for begin, _ in widths] == [0, 44, 159]
    assert min(width for _, width in widths) == pytest.approx(22.5)


@pytest.mark.parametrize(
    ("seconds", "first", "last"),
    [(150, "0:00", "2:15"), (600, "0:00", "9:00"), (3600, "0:00:00", "0:50:00"), (90_000, "0:00:00", "24:00:00")],
)
def test_moments_of_a_long_recording_are_written_as_on_a_clock(seconds, first, last):
    axis = Figure().add_axes((0, 0, 1, 1))
    timeline._write_moments(axis, seconds)
    texts = [label.get_text() for label in axis.get_xticklabels()]
    assert (texts[0], texts[-1]) == (first, last)
    assert len(texts) <= timeline.MOST_MOMENTS


def test_the_timeline_of_an_hour_is_a_picture(tmp_path):
    timeline.draw_timeline(tmp_path / "a.png", flickering(3600), "hour.mp4", 36_000, 3600.0)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.width > 1000
