import csv
import pickle

import numpy as np
import pytest

from csv_reference import in_csv
from videos.table import (
    COLUMNS,
    Found,
    Joiner,
    concatenate,
    gather,
    is_table,
    no_edits,
    to_rows,
    write_csv,
    write_parquet,
)
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
    known = frames, frames / 25, faces, boxes, probabilities, smoothed, unknown, angles, scores, away, away.copy()
    return Found(*known, *no_edits(len(frames)))


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
    write_csv(tmp_path / "a.csv", whole, "clip.mp4")
    assert (tmp_path / "a.csv").read_text() == ",".join(COLUMNS) + "\n"


def test_csv_and_parquet_hold_the_same(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    whole = joined(found((0, 1, 10, HAPPY), (0, 2, 100, SAD), (3, 1, 12, SAD)))
    write_csv(tmp_path / "a.csv", whole, "clip.mp4")
    write_parquet(tmp_path / "a.parquet", whole, "clip.mp4")
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


def many(rows=25_000):
    """A Found of many rows with all kinds of values; some lie in the middle between two with four decimals."""
    rng = np.random.default_rng(5)
    shares = rng.dirichlet(np.full(7, 0.3), rows).astype(np.float32)
    shares[::3, 0] = rng.integers(0, 2**13 + 1, len(shares[::3])) / 2**13
    away = rng.random(rows) < 0.1
    shares[away] = np.nan
    labels = np.where(away, -1, rng.integers(0, 7, rows))
    frames, sure = np.arange(rows) // 3, ~away & (rng.random(rows) < 0.5)
    numbers, boxes, angles = rng.integers(1, 9, rows), rng.integers(0, 1900, (rows, 4)), rng.integers(-60, 60, rows)
    scores, smoothed = rng.random(rows).astype(np.float32), np.nan_to_num(shares)
    found = frames, frames / 29.97, numbers, boxes, shares, smoothed, labels, angles, scores, away, sure
    return Found(*found, *no_edits(rows))


@pytest.mark.parametrize("name", ["clip.mp4", 'a, "b"\n.mp4', ""])
def test_a_csv_is_what_pythons_own_writer_makes_of_the_rows(tmp_path, name):
    whole = many()
    write_csv(tmp_path / "a.csv", whole, name)
    with open(tmp_path / "b.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(in_csv(to_rows(whole, name)))
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


def test_rows_have_the_values_that_python_rounds_to():
    whole = many(3000)
    for index, row in enumerate(to_rows(whole, "clip.mp4")):
        assert type(row["frame"]) is int
        assert row["time"] == round(float(whole.times[index]), 6)
        assert row["score"] == round(float(whole.scores[index]), 4)
        expected = None if whole.turned_away[index] else round(float(whole.probabilities[index, 0]), 4)
        assert row["angry"] == expected
        assert row["label"] == (None if whole.turned_away[index] else EMOTIONS[whole.labels[index]])


@pytest.mark.parametrize("whole", [many(200), joined(found((0, 1, 10, HAPPY))), gather([])])
def test_a_found_is_the_same_in_another_process_and_small_on_the_way(whole):
    sent = pickle.loads(pickle.dumps(whole))
    for name, column in vars(whole).items():
        assert vars(sent)[name].dtype == column.dtype
        assert np.array_equal(vars(sent)[name], column, equal_nan=column.dtype.kind == "f")
        assert vars(sent)[name].flags.writeable
    unclassified = many(1000)
    unclassified.probabilities[:], unclassified.smoothed[:] = np.nan, 0
    assert len(pickle.dumps(unclassified)) < 40 * 1000  # bytes


def test_only_own_tables_are_known_as_such(tmp_path):
    whole = joined(found((0, 1, 10, HAPPY)))
    write_csv(tmp_path / "a.csv", whole, "clip.mp4")
    write_parquet(tmp_path / "a.parquet", whole, "clip.mp4")
    (tmp_path / "b.csv").write_text("frame,label\n")
    (tmp_path / "b.parquet").write_bytes(b"something else")
    assert [is_table(tmp_path / name) for name in ("a.csv", "a.parquet", "b.csv", "b.parquet")] == [1, 1, 0, 0]
