import csv
import time

import av
import pytest
from PIL import Image

from videos.table import COLUMNS
from web.errors import RequestError
from web.live_recording import LiveRecording


@pytest.fixture
def record(watch, tmp_path):
    """A function that records a source for some seconds and returns the Session and its final state."""
    sessions = []

    def run(source, seconds, with_video=False, meanwhile=None):
        video = watch(source)
        session = LiveRecording(video, tmp_path)
        sessions.append(session)
        session.start(with_video)
        end = time.monotonic() + 20
        while session.state()["seconds"] < seconds:
            assert session.state()["status"] == "recording"
            assert time.monotonic() < end
            time.sleep(0.05)
        if meanwhile:
            meanwhile(video, session)
        session.stop()
        while session.state()["status"] == "finishing":
            assert time.monotonic() < end
            time.sleep(0.05)
        return session, session.state()

    yield run
    for session in sessions:
        session.close()


def rows_of(session):
    with open(session.output("table.csv"), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_recording_is_a_table_a_timeline_and_a_video(record, clip):
    session, state = record(str(clip), 2.0, with_video=True)
    assert state["status"] == "done"
    assert state["files"] == ["table.csv", "timeline.png", "video.mp4"]
    rows = rows_of(session)
    assert list(rows[0]) == COLUMNS
    frames, times = [int(row["frame"]) for row in rows], [float(row["time"]) for row in rows]
    assert frames == sorted(frames)
    assert times == sorted(times)
    assert times[-1] == pytest.approx(2, abs=0.3)
    assert {row["video"] for row in rows} == {"clip.mp4"}
    for kind in ("", "_smooth"):
        assert sum(float(rows[9][f"{name}{kind}"]) for name in COLUMNS[8:15]) == pytest.approx(1, abs=0.01)
    with av.open(str(session.output("video.mp4"))) as video:
        shown = list(video.decode(video=0))
    assert len(shown) == frames[-1] + 1
    assert (shown[0].width, shown[0].height) == (320, 240)
    assert float(shown[-1].pts * shown[-1].time_base) == pytest.approx(times[-1], abs=0.2)
    assert Image.open(session.output("timeline.png")).width > 1000


def test_the_source_may_change_while_recording(record, clip, picture):
    def change(video, session):
        video.watch(str(picture))
        time.sleep(1.5)

    session, state = record(str(clip), 1.0, with_video=True, meanwhile=change)
    assert state["status"] == "done"
    rows = rows_of(session)
    assert {row["video"] for row in rows} == {clip.name, picture.name}
    assert rows[-1]["video"] == picture.name
    with av.open(str(session.output("video.mp4"))) as video:
        assert {(frame.width, frame.height) for frame in video.decode(video=0)} == {(320, 240)}


def test_one_recording_at_a_time_and_nothing_unless_asked(watch, clip, tmp_path):
    session = LiveRecording(watch(str(clip)), tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RequestError, match="Nothing is being recorded"):
        session.stop()
    session.start()
    with pytest.raises(RequestError, match="runs already"):
        session.start()
    assert session.is_recording()
    session.close()
    assert list(tmp_path.iterdir()) == []


def test_a_recording_keeps_the_camera_at_work(record, clip):
    def look(video, session):
        time.sleep(1)
        assert video.state()["fps"] > 5

    record(str(clip), 0.5, meanwhile=look)


def test_a_recording_that_cannot_be_written_says_so(watch, clip, tmp_path):
    session = LiveRecording(watch(str(clip)), tmp_path / "gone")
    session.start()
    end = time.monotonic() + 5
    while session.state()["status"] != "failed":
        assert time.monotonic() < end
        time.sleep(0.05)
    assert "broke off" in session.state()["problem"]
