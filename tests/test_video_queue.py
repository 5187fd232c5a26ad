import io
import os
import threading
import time

import pytest

from web import video_queue
from web.errors import RequestError
from web.video_queue import VideoQueue


@pytest.fixture
def uploads(tmp_path):
    kept = VideoQueue(tmp_path)
    yield kept
    kept.close()


@pytest.fixture(scope="session")
def content(film, astronaut, tmp_path_factory):
    """The bytes of a video of two seconds with a face."""
    images = [astronaut[:240, 80 - shift : 400 - shift] for shift in range(50)]
    return film(tmp_path_factory.mktemp("content") / "clip.mp4", images).read_bytes()


def finished(upload):
    """The states that an upload went through."""
    states, end = [], time.monotonic() + 60
    while not states or states[-1]["status"] not in ("done", "failed"):
        assert time.monotonic() < end
        states.append(upload.state())
        time.sleep(0.02)
    return states


def test_videos_are_analysed_one_after_another_with_progress(uploads, content):
    first, second = (uploads.add(name, io.BytesIO(content)) for name in ("one.mp4", "two.mp4"))
    assert second.status == "queued"
    assert uploads.waiting() == 2
    states = finished(first)
    shares = [state["share"] for state in states]
    assert shares == sorted(shares)
    assert any(0 < share < 1 for share in shares)
    assert states[-1] == {"id": first.id, "name": "one.mp4", "status": "done", "share": 1.0, "problem": None}
    finished(second)
    for name, begin in (("video.mp4", b"\0\0\0"), ("table.csv", b"video,frame"), ("timeline.png", b"\x89PNG")):
        assert uploads.output(second.id, name).read_bytes().startswith(begin)
    assert b"two.mp4,0," in uploads.output(second.id, "table.csv").read_bytes()
    assert uploads.output(second.id, "../video") is None
    assert uploads.output("unknown", "video.mp4") is None


def test_what_is_removed_leaves_nothing(uploads, content, tmp_path):
    upload = uploads.add("clip.mp4", io.BytesIO(content))
    finished(upload)
    assert uploads.remove(upload.id)
    assert not uploads.remove(upload.id)
    assert uploads.find(upload.id) is None
    assert list(tmp_path.iterdir()) == []


def test_what_is_removed_while_it_is_analysed_stops(uploads, content, tmp_path):
    upload, end = uploads.add("clip.mp4", io.BytesIO(content)), time.monotonic() + 10
    while upload.status != "analysing":
        time.sleep(0.01)
    uploads.remove(upload.id)
    while list(tmp_path.iterdir()):
        assert time.monotonic() < end
        time.sleep(0.05)


def test_damaged_videos_fail_in_a_sentence_and_the_next_goes_on(uploads, content):
    damaged = uploads.add("broken.mp4", io.BytesIO(content[:2000]))
    whole = uploads.add("whole.mp4", io.BytesIO(content))
    state = finished(damaged)[-1]
    assert state["status"] == "failed"
    assert state["problem"].startswith("broken.mp4 is not a video")
    assert finished(whole)[-1]["status"] == "done"


def crash(path, name, report):
    os._exit(1)


def fail(path, name, report):
    raise ZeroDivisionError("by zero")


@pytest.mark.parametrize(("analyse", "sentence"), [(crash, "crashed"), (fail, "by zero")])
def test_whatever_goes_wrong_is_said_and_the_next_goes_on(uploads, content, monkeypatch, analyse, sentence):
    with monkeypatch.context() as patch:
        patch.setattr(video_queue, "analyze_upload", analyse)
        state = finished(uploads.add("odd.mp4", io.BytesIO(content)))[-1]
    assert state["status"] == "failed"
    assert sentence in state["problem"]
    assert finished(uploads.add("whole.mp4", io.BytesIO(content)))[-1]["status"] == "done"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"v=0\nc=IN IP4 127.0.0.1\nm=video 1 RTP/AVP 96\n",
        b"\x89PNG\r\n\x1a\n",
    ],
)
def test_what_is_no_video_by_its_first_bytes_is_refused_and_not_kept(uploads, tmp_path, content):
    with pytest.raises(RequestError, match="can't be read as a video") as refused:
        uploads.add("clip.mp4", io.BytesIO(content))
    assert refused.value.status == 415
    assert list(tmp_path.iterdir()) == []


def test_a_playlist_that_begins_like_a_video_is_not_followed(uploads, film, astronaut, tmp_path_factory):
    secret = film(tmp_path_factory.mktemp("secret") / "secret.mp4", [astronaut[:240, :320]] * 10)
    lines = f"\n#EXTM3U\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\nv=0\nc=IN IP4 127.0.0.1\n"
    upload = uploads.add("clip.mp4", io.BytesIO(b"\0\0\0\x08ftyp" + lines.encode()))
    assert finished(upload)[-1]["status"] == "failed"


def test_too_much_is_refused_and_not_kept(uploads, content, tmp_path, monkeypatch):
    monkeypatch.setattr(video_queue, "MOST_STORED_BYTES", len(content) // 2)
    with pytest.raises(RequestError) as refused:
        uploads.add("clip.mp4", io.BytesIO(content))
    assert refused.value.status == 413
    monkeypatch.setattr(video_queue, "MOST_UPLOADS", 0)
    with pytest.raises(RequestError) as refused:
        uploads.add("clip.mp4", io.BytesIO(content))
    assert refused.value.status == 503
    assert list(tmp_path.iterdir()) == []


def test_an_upload_that_breaks_off_is_not_kept(uploads, content, tmp_path):
    class Broken(io.BytesIO):
        def read(self, count=-1):
            if self.tell():
                raise ConnectionError
            return super().read(1000)

    with pytest.raises(ConnectionError):
        uploads.add("clip.mp4", Broken(content))
    assert list(tmp_path.iterdir()) == []


def test_videos_are_deleted_after_a_day_and_in_the_end(uploads, content, tmp_path):
    old = uploads.add("old.mp4", io.BytesIO(content))
    finished(old)
    old.came -= video_queue.KEPT_FOR
    new = uploads.add("new.mp4", io.BytesIO(content))
    assert uploads.find(old.id) is None
    assert uploads.find(new.id) is new
    uploads.close()
    assert list(tmp_path.iterdir()) == []


def test_pages_may_upload_at_once(uploads, content):
    ids = []
    threads = [
        threading.Thread(target=lambda: ids.append(uploads.add("clip.mp4", io.BytesIO(content)).id)) for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 5
    assert all(len(each) > 20 for each in ids)
