import json

import numpy as np
import pytest

from videos.edits import Edits, EditsError, Marker, from_json, read_edits
from videos.table import gather
from vision.faces import Face

SHARES = np.full(7, 1 / 7, np.float32)


def face(number, x=0):
    return Face(number, (x, 0, 50, 50), SHARES, SHARES, 4)


@pytest.fixture
def found():
    """Face 1 in frames 0 to 3, face 2 in frames 2 and 3, face 3 in frame 4; a second each."""
    return gather(
        [
            (0, 0.0, [face(1)]),
            (1, 1.0, [face(1)]),
            *[(n, float(n), [face(1), face(2, 100)]) for n in (2, 3)],
            (4, 4.0, [face(3)]),
        ]
    )


def rows(found):
    return list(zip(found.frames.tolist(), found.numbers.tolist()))


def test_a_merged_face_has_the_others_number_and_one_row_a_frame(found):
    edited = Edits(merged={2: 1, 3: 1}).apply(found)
    assert rows(edited) == [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)]
    assert edited.boxes[:4, 0].tolist() == [0] * 4  # its own rows stay, not those of the face merged into it


def test_faces_are_named_and_left_out(found):
    edited = Edits(names={1: "Anna", 3: "a poster"}, merged={2: 1}, left_out=(3,)).apply(found)
    assert set(edited.names) == {"Anna"}
    assert rows(Edits(merged={2: 1}, left_out=(1,)).apply(found)) == [(4, 3)]
    assert rows(Edits(left_out=(2,)).apply(found)) == [(0, 1), (1, 1), (2, 1), (3, 1), (4, 3)]
    assert found.names.tolist() == [""] * 7


def test_markers_are_at_the_next_frame_with_a_face_and_spans_are_excluded(found):
    markers = Marker(1.5, "laughs"), Marker(1.9, "drinks"), Marker(9.0, "end")
    edited = Edits(markers=markers, excluded=((0.5, 1.0), (3.5, 8.0))).apply(found)
    assert edited.markers.tolist() == ["", "", "laughs; drinks", "laughs; drinks", "", "", "end"]
    assert edited.excluded.tolist() == [False, True, False, False, False, False, True]


def test_an_empty_table_can_be_edited():
    assert len(Edits(merged={2: 1}, markers=(Marker(1.0, "nobody"),)).apply(gather([]))) == 0


def test_json_and_back(tmp_path):
    edits = Edits({1: "Zoë"}, {3: 1}, (2, 4), (Marker(1.0, "a"), Marker(2.0, "b")), ((1.0, 2.5),))
    path = tmp_path / "edits.json"
    assert read_edits(path) == Edits()
    path.write_text(json.dumps(edits.to_json()))
    assert read_edits(path) == edits
    path.write_text("{")
    with pytest.raises(EditsError, match="damaged"):
        read_edits(path)


def test_spans_that_touch_become_one_and_all_is_in_order():
    content = {
        "excluded": [[5, 4], [1, 2], [4.5, 6]],
        "markers": [{"time": 2, "name": " b\n c"}, {"time": 1, "name": "a"}],
    }
    edits = from_json(content)
    assert edits.excluded == ((1, 2), (4, 6))
    assert edits.markers == (Marker(1, "a"), Marker(2, "b c"))


@pytest.mark.parametrize(
    "content",
    [
        None,
        [],
        {"faces": {}},
        {"names": {"0": "a"}},
        {"names": {"x": "a"}},
        {"names": {"1": 2}},
        {"names": []},
        {"merged": {"1": 1}},
        {"merged": {"1": 2, "2": 3}},
        {"left_out": [True]},
        {"left_out": {}},
        {"markers": [{"time": -1, "name": "a"}]},
        {"markers": [{"time": float("nan"), "name": "a"}]},
        {"markers": [{"time": 10**400, "name": "a"}]},
        {"markers": ["a"]},
        {"excluded": [[1]]},
        {"excluded": [[1, 2, 3]]},
        {"excluded": [1]},
        {"left_out": [1] * 10_001},
    ],
)
def test_what_are_no_edits_is_refused(content):
    with pytest.raises(EditsError):
        from_json(content)
