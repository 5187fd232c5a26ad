import numpy as np
import pytest

from videos.annotate_video import LONGEST_PAUSE, annotate_video
from vision.opencv import cv2
from vision.patches import overlaps
from vision.search import FaceDetector, FrameSearch

SIZE = (640, 360)


def scene(astronaut, x, y=60, side=130, behind=90):
    """A grey frame with her face, about `side` pixels wide, whose box begins near x, y."""
    frame = np.full((SIZE[1], SIZE[0], 3), behind, np.uint8)
    head = cv2.resize(astronaut[20:220, 130:320], (round(1.9 * side), 2 * side), interpolation=cv2.INTER_AREA)
    left, top = round(x - 0.45 * side), round(y - 0.4 * side)
    frame[max(0, top) : top + len(head), max(0, left) : left + head.shape[1]] = head[max(0, -top) :, max(0, -left) :]
    return frame


def at_25_fps(images):
    return [(image, index / 25) for index, image in enumerate(images)]


@pytest.fixture
def searches(monkeypatch):
    """A list that grows by each search of a whole frame."""
    done, search = [], FrameSearch.search
    monkeypatch.setattr(FrameSearch, "search", lambda *arguments: done.append(1) or search(*arguments))
    return done


def test_every_frame_comes_out_in_order_with_the_face_followed(astronaut, model, searches):
    frames = at_25_fps([scene(astronaut, 60 + 5 * index) for index in range(60)])
    annotated = list(annotate_video(frames, model))
    assert [frame.moment for frame in annotated] == [moment for _, moment in frames]
    assert {face.number for frame in annotated for face in frame.faces} == {1}
    detector = FaceDetector()
    for frame in annotated[::7]:
        [reference] = detector.detect(frame.sizes, 24)
        [face] = frame.faces
        assert overlaps(reference.place.box, [face.box])[0] > 0.5
        assert face.probabilities.shape == (7,)
    assert len(searches) < 25


def test_a_still_picture_is_hardly_searched(astronaut, model, searches):
    frames = at_25_fps([scene(astronaut, 200)] * 100)
    assert all(len(frame.faces) == 1 for frame in annotate_video(frames, model))
    assert len(searches) <= 2 + 100 // LONGEST_PAUSE


def test_a_face_that_comes_between_two_searches_is_there_from_its_first_frame(astronaut, model):
    empty = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    frames = at_25_fps([empty] * 12 + [scene(astronaut, 250, side=70)] * 30)
    counts = [len(frame.faces) for frame in annotate_video(frames, model)]
    assert counts == [0] * 12 + [1] * 30


def test_a_face_that_moves_alone_is_hardly_searched_for_and_another_is_found_at_once(astronaut, model, searches):
    face = cv2.resize(astronaut[20:200, 130:310], (120, 120), interpolation=cv2.INTER_AREA)

    def both(index, second):
        frame = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
        frame[100 + index % 9 : 220 + index % 9, 60:180] = face
        if second:
            frame[110:230, 400:520] = face
        return frame

    frames = at_25_fps([both(index, index >= 160) for index in range(200)])
    annotated = list(annotate_video(frames, model))
    assert [len(frame.faces) for frame in annotated] == [1] * 160 + [2] * 40
    assert len(searches) <= 7


def test_frames_that_lie_far_apart_are_each_searched(astronaut, model):
    frames = [(scene(astronaut, 60 + 40 * (index % 8)), float(index)) for index in range(10)]
    assert all(len(frame.faces) == 1 for frame in annotate_video(frames, model))


def test_two_faces_keep_their_numbers(astronaut, model):
    def both(index):
        frame = scene(astronaut, 60 + 3 * index)
        frame[:, 400:] = scene(astronaut, 450 - index)[:, 400:]
        return frame

    annotated = list(annotate_video(at_25_fps([both(index) for index in range(50)]), model))
    first, second = (face.number for face in annotated[0].faces)
    for frame in annotated:
        left = {face.number: face.box[0] for face in frame.faces}
        assert left[first] < left[second]


def test_a_face_that_has_gone_is_not_drawn_for_long(astronaut, model):
    empty = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    frames = at_25_fps([scene(astronaut, 200)] * 10 + [empty] * 30)
    counts = [len(frame.faces) for frame in annotate_video(frames, model)]
    assert sum(counts[10:]) <= 8


def test_the_same_recording_gives_the_same_result(clip, model, astronaut):
    frames = at_25_fps([scene(astronaut, 60 + 9 * (index % 20), side=90 + index) for index in range(60)])
    first, *others = [list(annotate_video(frames, model, threads)) for threads in (True, True, False)]
    for other in others:
        for one, same in zip(first, other, strict=True):
            for face, other_face in zip(one.faces, same.faces, strict=True):
                assert (face.number, face.box) == (other_face.number, other_face.box)
                assert np.array_equal(face.probabilities, other_face.probabilities)


def test_a_source_that_fails_is_told_after_what_it_gave(astronaut, model):
    def frames():
        yield from at_25_fps([scene(astronaut, 200)] * 5)
        raise OSError("the disk is gone")

    recording = annotate_video(frames(), model)
    assert [len(next(recording).faces) for _ in range(5)] == [1] * 5
    with pytest.raises(OSError, match="the disk is gone"):
        next(recording)


def test_stopping_in_the_middle_stops_the_reading(astronaut, model):
    read = []

    def frames():
        for index in range(10_000):
            read.append(index)
            yield scene(astronaut, 200), index / 25

    recording = annotate_video(frames(), model)
    next(recording)
    recording.close()
    assert len(read) < 500


def test_nothing_in_gives_nothing_out(model):
    assert list(annotate_video([], model)) == []
