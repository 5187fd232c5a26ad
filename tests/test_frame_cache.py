from types import SimpleNamespace

import pytest

from videos.frame_cache import FrameCache


def frame(size):
    return SimpleNamespace(picture=SimpleNamespace(planes=[SimpleNamespace(buffer_size=size)]))


@pytest.fixture
def kept():
    return FrameCache(most=100, searched=0)


def test_frames_come_back_once(kept):
    key, frames = kept.begin(), [frame(40), frame(40)]
    for each in frames:
        kept.add(key, each)
    assert kept.take(key) == frames
    assert kept.take(key) == []
    assert kept.take(None) == []


def test_the_oldest_list_goes_when_there_are_too_many(kept):
    first, second = kept.begin(), kept.begin()
    for key in (first, second, second):
        kept.add(key, frame(40))
    assert kept.take(first) == []
    assert len(kept.take(second)) == 2


def test_of_a_segment_that_is_too_long_the_end_is_kept(kept):
    long, frames = kept.begin(), [frame(40) for _ in range(5)]
    for each in frames:
        kept.add(long, each)
    assert kept.take(long) == frames[-2:]
    after = kept.begin()
    kept.add(after, frame(100))
    assert len(kept.take(after)) == 1


def test_a_list_that_was_dropped_gets_no_more_frames(kept):
    first, second = kept.begin(), kept.begin()
    kept.add(first, frame(40))
    kept.add(second, frame(90))
    kept.add(first, frame(10))
    assert kept.take(first) == []


def test_the_larger_the_frames_the_fewer_are_kept_since_the_search_has_some_too():
    kept = FrameCache(most=100, searched=4)
    small, large = kept.begin(), kept.begin()
    for _ in range(30):
        kept.add(small, frame(5))
    assert len(kept.take(small)) == 16
    for _ in range(30):
        kept.add(large, frame(20))
    assert len(kept.take(large)) == 1
