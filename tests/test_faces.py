import numpy as np

from vision.faces import FaceDetector, FaceFollower, halvings, overlaps
from vision.opencv import cv2


def test_a_real_face_is_found_where_it_is(astronaut):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)
    boxes = FaceDetector().detect(grey)
    assert boxes.dtype == np.int32
    assert len(boxes) == 1
    x, y, width, height = boxes[0]
    assert x < 205 < 240 < x + width  # her eyes
    assert y < 110 < 150 < y + height  # from eyes to mouth


def test_every_face_is_found_from_left_to_right(astronaut):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)[:300]
    boxes = FaceDetector().detect(np.hstack([grey, grey[:, ::-1], grey]))
    assert len(boxes) == 3
    assert (np.diff(boxes[:, 0]) > 100).all()


def test_a_small_face_in_a_large_frame_is_found(astronaut):
    frame = np.full((720, 1280), 128, np.uint8)
    frame[300:400, 700:800] = cv2.resize(cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)[20:220, 120:320], (100, 100))
    boxes = FaceDetector().detect(frame)  # about 45 pixels wide
    assert len(boxes) == 1


def test_no_face_gives_no_row():
    assert FaceDetector().detect(np.full((240, 320), 90, np.uint8)).shape == (0, 4)


def follow_all(follower, frames, rate=25, search_every=10):
    """The faces of each frame, where a search of the whole frame comes with every tenth."""
    detector = FaceDetector()
    return [
        [
            (face.number, face.box)
            for face in follower.follow(
                halvings(frame), index / rate, detector.detect(frame) if index % search_every == 0 else None
            )
        ]
        for index, frame in enumerate(frames)
    ]


def test_a_moving_face_is_followed_between_searches(astronaut):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)
    frames = [grey[:300, 100 - 3 * index : 460 - 3 * index] for index in range(30)]
    followed = follow_all(FaceFollower(), frames)
    detector = FaceDetector()
    for frame, faces in zip(frames, followed):
        [(number, box)] = faces
        assert number == 1
        assert overlaps(box, detector.detect(frame)).max() > 0.5


def test_a_box_does_not_tremble_where_only_noise_changes(astronaut):
    rng = np.random.default_rng(2)
    grey = cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)[:300].astype(float)
    frames = [np.clip(grey + rng.normal(0, 3, grey.shape), 0, 255).astype(np.uint8) for _ in range(20)]
    boxes = [box for faces in follow_all(FaceFollower(), frames) for _, box in faces]
    assert len(boxes) == 20
    assert np.ptp(boxes, axis=0).max() == 0


def test_what_only_the_follower_sees_is_dropped_within_a_second(astronaut):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)[:300]
    follower = FaceFollower()
    assert follower.follow(halvings(grey), 0.0, FaceDetector().detect(grey))
    nothing = np.empty((0, 4), np.int32)
    counts = [len(follower.follow(halvings(grey), index / 10, nothing)) for index in range(1, 15)]
    assert counts[0] == 1
    assert counts[-1] == 0


def test_two_followed_faces_that_become_one_are_one(astronaut):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)[:300]
    [box] = FaceDetector().detect(grey)
    follower = FaceFollower()
    faces = follower.follow(halvings(grey), 0.0, np.array([box, box + [35, 0, 0, 0], box - [35, 0, 0, 0]]))
    assert [face.number for face in faces] == [1]


def test_overlap_is_shared_area_over_all_area():
    assert overlaps([0, 0, 10, 10], [[0, 0, 10, 10], [5, 0, 10, 10], [20, 20, 5, 5]]).tolist() == [1, 1 / 3, 0]
