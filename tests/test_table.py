import csv

import numpy as np
import pytest

from videos.table import COLUMNS, Found, Joiner, concatenate, gather, is_table, to_rows, write_csv, write_parquet
from vision.confidence import SURE
from vision.expressions import EMOTIONS
from vision.patches import PATCH, Place
from vision.sightings import Sighting

HAPPY, SAD = EMOTIONS.index("Happy"), EMOTIONS.index("Sad")


def found(*rows):
    """A Found of rows (frame, face, x, expression), at 25 frames a second."""
    frames, faces, lefts, expressions = (np.array(column) for column in zip(*rows))
    boxes = np.stack([lefts, lefts * 0 + 50, lefts * 0 + 40, lefts * 0 + 40], axis=1)
    probabilities = np.full((len(rows), 7), 0.02, np.float32)
    probabilities[np.arange(len(rows)), expressions] = 0.88
    unknown = np.full(len(rows), -1)
    smoothed, angles, scores = np.zeros_like(probabilities), np.zeros(len(rows), int), np.ones(len(rows), np.float32)
    away = np.zeros(len(rows), bool)
    return Found(frames, frames / 25, faces, boxes, probabilities, smoothed, unknown, angles, scores, away, away.copy())


def sightings_of(part):
    """When and where each face of a part was seen first and last."""
    sightings = {}
    for row, number in enumerate(part.numbers.tolist()):
        moment, place = float(part.times[row]), Place.of_box(part.boxes[row])
        known = sightings.setdefault(number, Sighting(moment, place, moment, place))
        known.last, known.place = moment, place
    return sightings


def joined(*parts):
    joiner = Joiner(1 / 25, SURE)
    whole = [joiner.add(part, sightings_of(part)) for part in parts]
    for part in whole:
        joiner.smooth(part)
    return concatenate(whole)


def test_a_face_keeps_its_number_over_a_seam():
    first = found((0, 5, 10, HAPPY), (0, 2, 100, SAD), (1, 5, 12, HAPPY), (1, 2, 101, SAD))
    second = found((2, 1, 14, HAPPY), (2, 2, 102, SAD), (2, 3, 200, SAD), (3, 1, 15, HAPPY))
    whole = joined(first, second)
    assert whole.numbers.tolist() == [1, 2, 1, 2, 1, 2, 3, 1]


@pytest.mark.parametrize(("frames", "same"), [(200, True), (300, False)])
def test_a_face_that_comes_back_in_a_later_segment_keeps_its_number(frames, same):
    looks = np.random.default_rng(3).integers(0, 255, (2, PATCH, PATCH), np.uint8)
    joiner = Joiner(1 / 25, SURE)
    first, second = found((0, 1, 10, HAPPY), (0, 2, 300, SAD)), found((frames, 1, 80, HAPPY), (frames, 2, 500, SAD))
    sightings = sightings_of(first), sightings_of(second)
    for each in sightings:
        for number, look in zip((1, 2), looks):
            each[number].looks.append(look)
    assert joiner.add(first, sightings[0]).numbers.tolist() == [1, 2]
    assert joiner.add(second, sightings[1]).numbers.tolist() == ([1, 2] if same else [3, 4])


def test_two_faces_on_one_place_do_not_become_one():
    first, second = found((0, 1, 10, HAPPY)), found((1, 1, 12, HAPPY), (1, 2, 16, SAD))
    assert joined(first, second).numbers.tolist() == [1, 1, 2]


def test_a_face_that_was_away_for_long_is_another():
    first, second = found((0, 1, 10, HAPPY)), found((25, 1, 10, HAPPY))
    assert joined(first, second).numbers.tolist() == [1, 2]


def test_smoothing_takes_no_notice_of_seams():
    rows = [(frame, 1, 10 + frame, HAPPY if frame < 10 else SAD) for frame in range(30)]
    whole = joined(found(*rows))
    cut = joined(found(*rows[:7]), found(*rows[7:12]), found(*rows[12:]))
    assert np.array_equal(whole.smoothed, cut.smoothed)
    assert np.array_equal(whole.labels, cut.labels)
    assert set(whole.labels[:10].tolist()) == {HAPPY}
    assert whole.labels[-1] == SAD
    assert 0.02 < whole.smoothed[11, SAD] < 0.5


def test_a_recording_without_faces_has_an_empty_table(tmp_path):
    nothing = gather([])
    whole = joined(nothing, nothing)
    write_csv(tmp_path / "a.csv", to_rows(whole, "clip.mp4"))
    assert (tmp_path / "a.csv").read_text() == ",".join(COLUMNS) + "\n"


def test_csv_and_parquet_hold_the_same(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    whole = joined(found((0, 1, 10, HAPPY), (0, 2, 100, SAD), (3, 1, 12, SAD)))
    write_csv(tmp_path / "a.csv", to_rows(whole, "clip.mp4"))
    write_parquet(tmp_path / "a.parquet", to_rows(whole, "clip.mp4"))
    with open(tmp_path / "a.csv", newline="") as file:
        from_csv = list(csv.DictReader(file))
    from_parquet = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    assert list(from_csv[0]) == list(from_parquet[0]) == COLUMNS
    for one, other in zip(from_csv, from_parquet, strict=True):
        for name, value in other.items():
            value = str(value).lower() if isinstance(value, bool) else value
            assert one[name] == value if isinstance(value, str) else float(one[name]) == pytest.approx(value)
    assert from_csv[2]["time"] == "0.12"
    assert (from_csv[1]["x"], from_csv[1]["label"], from_csv[1]["sad"]) == ("100", "Sad", "0.88")


def test_only_own_tables_are_known_as_such(tmp_path):
    whole = joined(found((0, 1, 10, HAPPY)))
    write_csv(tmp_path / "a.csv", to_rows(whole, "clip.mp4"))
    write_parquet(tmp_path / "a.parquet", to_rows(whole, "clip.mp4"))
    (tmp_path / "b.csv").write_text("frame,label\n")
    (tmp_path / "b.parquet").write_bytes(b"something else")
    assert [is_table(tmp_path / name) for name in ("a.csv", "a.parquet", "b.csv", "b.parquet")] == [1, 1, 0, 0]
