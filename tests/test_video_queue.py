import errno
import io
import os
import threading
import time

import av
import numpy as np
import pytest
from PIL import Image

from test_any_file import film as record
from test_any_file import numbered
from videos import steps
from videos.analysis import TABLE, VIDEO, read_info
from videos.job import Rest
from videos.outputs import work_folder
from waiting import wait_until
from web import video_queue
from web.errors import RequestError
from web.video_queue import VideoQueue, analyze_upload, begins_as_video


@pytest.fixture
def uploads(tmp_path):
    queue = VideoQueue(tmp_path)
    yield queue
    queue.close()


@pytest.fixture(scope="session")
def content(film, astronaut, tmp_path_factory):
    """The bytes of a video of a second with a face."""
    images = [astronaut[:240, 80 - shift : 400 - shift] for shift in range(25)]
    return film(tmp_path_factory.mktemp("content") / "clip.mp4", images).read_bytes()


# What a process of the queue's can do in place of an analysis. They belong to a module, since that process imports it.
def write_outputs(path, folder, name, rest, sure, report):
    for share in (0.2, 0.5, 1.0):
        report(share)
    folder.mkdir()
    (folder / TABLE).write_text(name)


def take_long(path, folder, name, rest, sure, report):
    report(0.5)
    time.sleep(600)


def crash(path, folder, name, rest, sure, report):
    os._exit(1)


def fail(path, folder, name, rest, sure, report):
    raise ZeroDivisionError("by zero")


def analyze_on_full_disk(path, folder, name, rest, sure, report):
    def do(job, report):
        folder = work_folder(job)
        raise OSError(errno.ENOSPC, "No space left on device", str(folder / "000000000.nut"))

    steps.do = do
    analyze_upload(path, folder, name, rest, sure, report)


@pytest.fixture
def quick(monkeypatch):
    """Videos are not analysed, so that only the queue itself is at work."""
    monkeypatch.setattr(video_queue, "analyze_upload", write_outputs)


@pytest.fixture
def instant(monkeypatch):
    """As quick, and without a process."""
    monkeypatch.setattr(video_queue, "run_in_child", lambda *_, **options: None)


def finished(upload):
    """The states that an upload went through."""
    states = []

    def ended():
        states.append(upload.state())
        return states[-1]["status"] in ("done", "failed")

    wait_until(ended, 120)
    return states


def test_a_video_gets_a_clean_video_and_a_table_with_progress(uploads, content):
    upload = uploads.add("clip.mp4", io.BytesIO(content))
    states = finished(upload)
    shares = [state["share"] for state in states]
    assert shares == sorted(shares)
    assert any(0 < share < 1 for share in shares)
    assert states[-1] == {"id": upload.id, "name": "clip.mp4", "status": "done", "share": 1.0, "problem": None}
    folder = uploads.analysis(upload.id)
    assert b"clip.mp4,0," in (folder / TABLE).read_bytes()
    with av.open(str(folder / VIDEO)) as video, av.open(io.BytesIO(content)) as original:
        kept, sent = (next(each.decode(video=0)).to_ndarray(format="bgr24").astype(int) for each in (video, original))
    assert np.abs(kept - sent).max() < 60  # nothing is drawn
    assert read_info(folder).frames == 25
    assert uploads.analysis("unknown") is None


def test_a_short_file_without_a_header_is_recognised_by_its_name(uploads, tmp_path_factory):
    path = record(tmp_path_factory.mktemp("content") / "clip.ts", [numbered(index, 160, 120) for index in range(2)])
    upload = uploads.add("Clip.TS", io.BytesIO(path.read_bytes()))
    assert finished(upload)[-1]["status"] == "done"
    assert (uploads.analysis(upload.id) / VIDEO).exists()


def test_videos_are_analysed_one_after_another(uploads, content, monkeypatch):
    monkeypatch.setattr(video_queue, "analyze_upload", take_long)
    first, second = (uploads.add(name, io.BytesIO(content)) for name in ("one.mp4", "two.mp4"))
    wait_until(lambda: first.share == 0.5)
    assert (first.status, second.status) == ("analysing", "queued")
    assert uploads.waiting() == 2
    monkeypatch.setattr(video_queue, "analyze_upload", write_outputs)
    uploads.remove(first.id)
    assert finished(second)[-1]["status"] == "done"
    assert (uploads.analysis(second.id) / TABLE).read_text() == "two.mp4"


def test_a_video_is_analysed_again_with_a_resting_face(uploads, content, monkeypatch):
    wishes = []
    monkeypatch.setattr(video_queue, "run_in_child", lambda _, *arguments, **options: wishes.append(arguments[3]))
    upload = uploads.add("clip.mp4", io.BytesIO(content))
    finished(upload)
    assert uploads.rest("unknown", 1, 0.5) is None
    assert uploads.rest(upload.id, 1, 0.5) is upload
    finished(upload)
    assert wishes == [None, Rest(0.5, face=1)]
    upload.status = "analysing"
    with pytest.raises(RequestError, match="not analysed yet"):
        uploads.rest(upload.id, 1, 0.5)


def test_a_video_whose_analysis_failed_is_analysed_again(uploads, content, monkeypatch):
    monkeypatch.setattr(video_queue, "analyze_upload", crash)
    upload = uploads.add("clip.mp4", io.BytesIO(content))
    finished(upload)
    monkeypatch.setattr(video_queue, "analyze_upload", write_outputs)
    assert uploads.again("unknown") is None
    assert uploads.again(upload.id) is upload
    assert finished(upload)[-1] == upload.state() | {"status": "done", "share": 1.0, "problem": None}
    with pytest.raises(RequestError, match="has not failed"):
        uploads.again(upload.id)


def test_what_is_removed_leaves_nothing(uploads, content, tmp_path, quick):
    upload = uploads.add("clip.mp4", io.BytesIO(content))
    finished(upload)
    assert uploads.remove(upload.id)
    assert not uploads.remove(upload.id)
    assert uploads.find(upload.id) is None
    assert list(tmp_path.iterdir()) == []


def test_what_is_removed_while_it_is_analysed_stops(uploads, content, tmp_path, monkeypatch):
    monkeypatch.setattr(video_queue, "analyze_upload", take_long)
    upload = uploads.add("clip.mp4", io.BytesIO(content))
    wait_until(lambda: upload.share == 0.5)
    uploads.remove(upload.id)
    wait_until(lambda: list(tmp_path.iterdir()) == [])


def test_damaged_videos_fail_in_a_sentence_and_the_next_is_analysed(uploads, content, monkeypatch):
    state = finished(uploads.add("broken.mp4", io.BytesIO(content[:2000])))[-1]
    assert state["status"] == "failed"
    assert state["problem"].startswith("broken.mp4 is not a video")
    monkeypatch.setattr(video_queue, "analyze_upload", write_outputs)
    assert finished(uploads.add("whole.mp4", io.BytesIO(content)))[-1]["status"] == "done"


@pytest.mark.parametrize(("analyse", "sentence"), [(crash, "crashed"), (fail, "nobody foresaw")])
def test_whatever_goes_wrong_is_said_and_the_next_is_analysed(uploads, content, monkeypatch, analyse, sentence):
    monkeypatch.setattr(video_queue, "analyze_upload", analyse)
    state = finished(uploads.add("odd.mp4", io.BytesIO(content)))[-1]
    assert state["status"] == "failed"
    assert sentence in state["problem"]
    monkeypatch.setattr(video_queue, "analyze_upload", write_outputs)
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
        b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(100) + b"\xff\xd9",
        b"Good morning" + bytes(2000),
        b"\0\0\1\0\1\0\x10\x10\0\0\1\0",  # an icon
        b"\0\0\0\1Bud1\0\0",  # what a Mac leaves in folders
        b"RIFF\x24\0\0\0WAVEfmt ",
    ],
)
def test_what_does_not_begin_like_a_video_is_refused_and_not_kept(uploads, tmp_path, content):
    with pytest.raises(RequestError, match="can't be read as a video") as refused:
        uploads.add("clip.mp4", io.BytesIO(content))
    assert refused.value.status == 415
    assert list(tmp_path.iterdir()) == []


PACKETS = [b"\x47" + bytes(187)] * 6  # of MPEG-TS


@pytest.mark.parametrize(
    "content",
    [
        b"".join(PACKETS),
        b"".join(PACKETS)[100:],  # cut within a packet
        b"".join(b"time" + packet for packet in PACKETS),  # .m2ts
        b"".join(packet + bytes(16) for packet in PACKETS),
        b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01",  # MXF
        b"\0\0\0\1\x67\x64\0\x0a",  # H.264
        b"\0\0\1\x09\xf0\0\0\1\x67",
        b"\0\0\0\1\x40\x01\x0c\x01",  # H.265
        b"\0\0\1\xb3\x14\0\xb4\x33",  # MPEG-1 and 2, their containers, MPEG-4
        b"\0\0\1\xba\x44\0\4\0",
        b"\0\0\1\xb0\x01\0\0\1",
        b"\x1f\x07\0\xbf\xf8xxx",  # DV
        b"YUV4MPEG2 W320 H180 F30:1\n",
        b"DKIF\0\0 \0VP80",
        b".RMF\0\0\0\x12\0\1",
        b"nut/multimedia container\0",
        b"\xb7\xd8\0\x20\x37\x49\xda\x11\xa6\x4e\0\7\xe9\x5e\xad\x8d",  # WTV
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9",  # ASF
    ],
)
def test_uploads_take_what_the_command_line_takes(uploads, content, instant):
    assert begins_as_video(content)
    assert finished(uploads.add("clip", io.BytesIO(content)))[-1]["status"] == "done"


def saved(kind, frames, **options):
    file = io.BytesIO()
    first, *rest = frames
    first.save(file, kind, **({"save_all": True, "append_images": rest} if rest else {}), **options)
    return file.getvalue()


FRAMES = [Image.fromarray(np.full((20, 20, 3), 60 * index, np.uint8)) for index in range(4)]


@pytest.mark.parametrize(
    "content", [saved("GIF", FRAMES, duration=40), b"".join(saved("JPEG", [each]) for each in FRAMES)]
)
def test_moving_pictures_are_videos(uploads, content, instant):
    assert finished(uploads.add("clip", io.BytesIO(content)))[-1]["status"] == "done"


@pytest.mark.parametrize("kind", ["GIF", "AVIF"])
def test_pictures_that_begin_like_a_video_are_refused_and_not_kept(uploads, tmp_path, kind):
    with pytest.raises(RequestError, match="This is a picture") as refused:
        uploads.add("photo", io.BytesIO(saved(kind, FRAMES[:1])))
    assert refused.value.status == 415
    assert list(tmp_path.iterdir()) == []


def test_a_playlist_that_begins_like_a_video_is_not_followed(uploads, film, astronaut, tmp_path_factory):
    secret = film(tmp_path_factory.mktemp("secret") / "secret.mp4", [astronaut[:240, :320]] * 10)
    lines = f"\n#EXTM3U\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\nv=0\nc=IN IP4 127.0.0.1\n"
    upload = uploads.add("clip.mp4", io.BytesIO(b"\0\0\0\x08ftyp" + lines.encode()))
    assert finished(upload)[-1]["status"] == "failed"


def test_too_much_is_refused_and_not_kept(uploads, content, tmp_path, monkeypatch):
    for limit, most, status in (
        ("MOST_STORED_BYTES", len(content) // 2, 503),
        ("MOST_VIDEO_BYTES", len(content) // 2, 413),
        ("MOST_UPLOADS", 0, 503),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(video_queue, limit, most)
            with pytest.raises(RequestError) as refused:
                uploads.add("clip.mp4", io.BytesIO(content))
        assert refused.value.status == status
        assert list(tmp_path.iterdir()) == []


def test_a_full_disk_refuses_a_video_in_a_sentence(uploads, content, tmp_path):
    class Full(io.BytesIO):
        def read(self, count=-1):
            raise OSError(errno.ENOSPC, "No space left on device")  # as writing would

    with pytest.raises(RequestError, match="The disk is full, so this video cannot be stored") as refused:
        uploads.add("clip.mp4", Full(content))
    assert refused.value.status == 503
    assert list(tmp_path.iterdir()) == []


def test_what_goes_wrong_with_a_disk_names_no_temporary_file(uploads, content, tmp_path, monkeypatch):
    monkeypatch.setattr(video_queue, "analyze_upload", analyze_on_full_disk)
    state = finished(uploads.add("clip.mp4", io.BytesIO(content)))[-1]
    assert state["status"] == "failed"
    assert state["problem"] == "clip.mp4_annotated.mp4 cannot be written: the disk is full."


def test_an_upload_that_breaks_off_is_not_kept(uploads, content, tmp_path):
    class Broken(io.BytesIO):
        def read(self, count=-1):
            if self.tell():
                raise ConnectionError
            return super().read(1000)

    with pytest.raises(ConnectionError):
        uploads.add("clip.mp4", Broken(content))
    assert list(tmp_path.iterdir()) == []


def test_videos_are_deleted_after_a_day_and_in_the_end(uploads, content, tmp_path, quick):
    old = uploads.add("old.mp4", io.BytesIO(content))
    finished(old)
    old.came -= video_queue.KEPT_FOR
    new = uploads.add("new.mp4", io.BytesIO(content))
    assert uploads.find(old.id) is None
    assert uploads.find(new.id) is new
    uploads.close()
    assert list(tmp_path.iterdir()) == []


def test_pages_may_upload_at_once(uploads, content, quick):
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
