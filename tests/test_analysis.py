import csv
import json
import zipfile

import av
import numpy as np
import pytest
from PIL import Image

from videos.analysis import (
    ANNOTATED,
    EDITS,
    FACES,
    PARQUET,
    TABLE,
    TIMELINE,
    VIDEO,
    Info,
    make_output,
    make_zip,
    pack_faces,
    read_table,
    write_info,
)
from videos.edits import Edits, Marker
from videos.table import COLUMNS, csv_rows, gather, parquet_mark
from vision.faces import Face

RATE, FRAMES = 25, 20


@pytest.fixture
def folder(tmp_path, film):
    """An analysis of two videos, one after the other, with a face of 0.8 seconds and one that comes later."""
    folder = tmp_path / "analysis"
    folder.mkdir()
    shares = np.array([0, 0, 0, 0.75, 0.25, 0, 0], np.float32)
    parts = [[], []]
    for index in range(FRAMES):
        faces = [Face(1, (20 + index, 30, 60, 60), shares, shares, 3, score=0.9)]
        if index >= 10:
            faces.append(Face(2, (200, 40, 50, 50), state="turned away", score=0.8))
        parts[index >= 15].append((index, index / RATE, faces))
    with open(folder / TABLE, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, part in zip(("one, a.mp4", "two.mp4"), parts):
            writer.writerows(csv_rows(gather(part), name))
    film(folder / VIDEO, [np.full((240, 320, 3), 90, np.uint8)] * FRAMES, rate=RATE)
    write_info(folder, Info("A talk", FRAMES, FRAMES / RATE, 2, "a test", (320, 240)))
    return folder


def change(folder, edits):
    (folder / EDITS).write_text(json.dumps(edits.to_json()))


def make(folder, name):
    shares = []
    make_output(folder, name, folder / f"made {name}", shares.append)
    return folder / f"made {name}"


def test_a_table_without_changes_is_made_as_it_was(folder):
    assert make(folder, TABLE).read_bytes() == (folder / TABLE).read_bytes()
    found, videos = read_table(folder / TABLE)
    assert videos == [("one, a.mp4", 0), ("two.mp4", 15)]
    assert len(found) == 30


def test_tables_have_the_changes(folder):
    change(folder, Edits({1: "Zoë"}, {}, (2,), (Marker(0.5, "laughs"),), ((0.0, 0.1),)))
    rows = list(csv.DictReader(make(folder, TABLE).read_text(encoding="utf-8").splitlines()))
    assert {row["name"] for row in rows} == {"Zoë"}
    assert [row["frame"] for row in rows if row["excluded"] == "true"] == ["0", "1", "2"]
    assert [row["frame"] for row in rows if row["marker"]] == ["13"]
    assert [row["video"] for row in rows] == ["one, a.mp4"] * 15 + ["two.mp4"] * 5
    parquet = pytest.importorskip("pyarrow.parquet").read_table(made := make(folder, PARQUET)).to_pylist()
    assert [(row["name"], row["marker"], row["video"]) for row in parquet] == [
        (row["name"], row["marker"], row["video"]) for row in rows
    ]
    assert parquet_mark(made)


def test_the_drawn_video_has_boxes_and_names_but_for_whom_is_left_out(folder):
    change(folder, Edits({1: "Zoë"}, {}, (2,)))
    images = {}
    for name, path in (("clean", folder / VIDEO), ("drawn", make(folder, ANNOTATED))):
        with av.open(str(path)) as video:
            images[name] = [frame.to_ndarray(format="bgr24").astype(int) for frame in video.decode(video=0)]
    assert len(images["drawn"]) == FRAMES
    changed = np.abs(images["drawn"][-1] - images["clean"][-1]).max(axis=2) > 40
    assert changed[86:94, 45:90].any(axis=0).all()  # the lower side of the box of face 1
    assert not changed[:, 205:].any()


def test_the_chart_and_everything_as_a_zip(folder):
    change(folder, Edits({1: "Zoë"}, {}, (), (Marker(0.5, "laughs"),), ((0.0, 0.1),)))
    plain, edited = make(folder, TIMELINE).read_bytes(), None
    change(folder, Edits())
    edited = make(folder, TIMELINE).read_bytes()
    assert plain != edited
    shares = []
    make_zip(folder, (PARQUET, TIMELINE, VIDEO), folder / "all.zip", shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1
    with zipfile.ZipFile(folder / "all.zip") as archive:
        assert archive.namelist() == [PARQUET, TIMELINE, VIDEO]
        assert archive.read(VIDEO) == (folder / VIDEO).read_bytes()
        with archive.open(TIMELINE) as file, Image.open(file) as picture:
            assert picture.width > 1000


def test_the_players_file_says_what_the_table_does(folder):
    pack_faces(folder, FRAMES / RATE)
    content = (folder / FACES).read_bytes()
    length = int.from_bytes(content[:4], "little")
    header = json.loads(content[4 : 4 + length])
    kinds = {
        "Float64Array": "<f8",
        "Uint32Array": "<u4",
        "Uint16Array": "<u2",
        "Int16Array": "<i2",
        "Int8Array": "i1",
        "Uint8Array": "u1",
    }
    columns = {
        each["name"]: np.frombuffer(content, kinds[each["type"]], each["count"], 4 + length + each["begin"])
        for each in header["columns"]
    }
    assert header["size"] == [320, 240]
    assert columns["moments"].tolist() == pytest.approx([index / RATE for index in range(FRAMES)], abs=1e-4)
    found, _ = read_table(folder / TABLE)
    assert columns["face"].tolist() == found.numbers.tolist()
    assert columns["box"].reshape(-1, 4).tolist() == found.boxes.tolist()
    assert columns["shares"].reshape(-1, 7)[0].tolist() == [0, 0, 0, 7500, 2500, 0, 0]
    assert columns["away"].tolist() == found.turned_away.tolist()
    assert set(columns["label"][found.turned_away].tolist()) == {-1}


def test_a_recording_without_a_video_or_a_face_can_be_played(tmp_path):
    with open(tmp_path / TABLE, "w", encoding="utf-8") as file:
        file.write(",".join(COLUMNS) + "\n")
    write_info(tmp_path, Info("Nobody", 0, 0.0, 0, "a test"))
    pack_faces(tmp_path, 0.0)
    assert json.loads((tmp_path / FACES).read_bytes()[4:].split(b"\0")[0])["size"] is None
    for name in (TABLE, PARQUET, TIMELINE):
        assert make(tmp_path, name).exists()
