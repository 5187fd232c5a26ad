from types import SimpleNamespace

from videos.frame_cache import FrameCache


def frame(size):
    return SimpleNamespace(picture=SimpleNamespace(planes=[SimpleNamespace(buffer_size=size)]))


def test_frames_come_back_once():
    kept = FrameCache(most=100)
    key, frames = kept.begin(), [frame(40), frame(40)]
    for each in frames:
        kept.add(key, each)
    assert kept.take(key) == frames
    assert kept.take(key) is None


def test_the_oldest_go_when_there_are_too_many():
    kept = FrameCache(most=100)
    first, second = kept.begin(), kept.begin()
    for key in (first, second, second):
        kept.add(key, frame(40))
    assert kept.take(first) is None
    assert len(kept.take(second)) == 2


def test_a_segment_that_is_too_long_is_not_kept_in_part():
    kept = FrameCache(most=100)
    long = kept.begin()
    for _ in range(5):
        kept.add(long, frame(40))
    assert kept.take(long) is None
    after = kept.begin()
    kept.add(after, frame(100))
    assert len(kept.take(after)) == 1
