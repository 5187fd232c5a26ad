import csv

import av
import pytest
from PIL import Image

import camera
from videos.table import COLUMNS
from waiting import wait_until
from web import live_recording
from web.errors import RequestError
from web.live_recording import LiveRecording


@pytest.fixture
def record(watch, tmp_path):
    """A function that starts to record a source. Returns the VideoCamera and the LiveRecording, which is closed."""
    recordings = []

    def start(source, with_video=False, folder=tmp_path):
        video = watch(source)
        recordings.append(LiveRecording(video, folder))
        recordings[-1].start(with_video)
        return video, recordings[-1]

    yield start
    for recording in recordings:
        recording.close()


def wait_for_seconds(recording, seconds):
    def recorded():
        state = recording.state()
        assert state["status"] == "recording"
        return state["seconds"] >= seconds

    wait_until(recorded)


def finish(recording):
    """Stop a recording. Returns the rows of its table."""
    recording.stop()
    wait_until(lambda: recording.state()["status"] != "finishing", 60)
    assert recording.state()["status"] == "done", recording.state()
    with open(recording.output("table.csv"), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def draw_nothing(path, *arguments, report):
    """Takes the place of drawing a timeline, which a process of its own imports Matplotlib for."""
    path.touch()


def test_a_recording_is_a_table_a_timeline_and_a_video(record, clip):
    _, recording = record(str(clip), with_video=True)
    wait_for_seconds(recording, 1.5)  # the clip begins again in between
    rows = finish(recording)
    assert recording.state()["files"] == ["table.csv", "timeline.png", "video.mp4"]
    assert list(rows[0]) == COLUMNS
    frames, times = [int(row["frame"]) for row in rows], [float(row["time"]) for row in rows]
    assert frames == sorted(frames)
    assert times == sorted(times)
    assert times[-1] >= 1
    assert {row["video"] for row in rows} == {"clip.mp4"}
    for kind in ("", "_smooth"):
        assert sum(float(rows[-1][f"{name}{kind}"]) for name in COLUMNS[8:15]) == pytest.approx(1, abs=0.01)
    with av.open(str(recording.output("video.mp4"))) as video:
        shown = list(video.decode(video=0))
    assert len(shown) >= frames[-1] + 1
    assert (shown[0].width, shown[0].height) == (320, 240)
    assert float(shown[-1].pts * shown[-1].time_base) == pytest.approx(recording.state()["seconds"], abs=0.1)
    with Image.open(recording.output("timeline.png")) as timeline:
        assert timeline.width > 1000


def test_the_source_may_change_while_recording(record, clip, picture, monkeypatch):
    monkeypatch.setattr(live_recording, "draw", draw_nothing)
    sizes, shots = [], camera.VideoCamera.shots

    def noted(self, *arguments):
        for shot in shots(self, *arguments):
            sizes.append(shot.size)
            yield shot

    monkeypatch.setattr(camera.VideoCamera, "shots", noted)
    video, recording = record(str(clip), with_video=True)
    wait_for_seconds(recording, 0.5)
    video.watch(str(picture))
    wait_until(lambda: sizes.count((512, 512)) > 1)
    rows = finish(recording)
    assert {row["video"] for row in rows} == {clip.name, picture.name}
    assert rows[-1]["video"] == picture.name
    with av.open(str(recording.output("video.mp4"))) as content:
        assert {(frame.width, frame.height) for frame in content.decode(video=0)} == {(320, 240)}


def test_one_recording_at_a_time_and_nothing_unless_asked(watch, clip, tmp_path):
    recording = LiveRecording(watch(str(clip)), tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(RequestError, match="Nothing is being recorded"):
        recording.stop()
    recording.start()
    with pytest.raises(RequestError, match="runs already"):
        recording.start()
    assert recording.is_recording()
    recording.close()
    assert list(tmp_path.iterdir()) == []


def test_a_recording_keeps_the_camera_at_work(record, clip, monkeypatch):
    monkeypatch.setattr(camera, "RELEASE_AFTER", 0.5)
    video, recording = record(str(clip))
    wait_for_seconds(recording, 1.5)
    assert video.state()["fps"] > 0


def test_a_recording_that_cannot_be_written_says_so(record, clip, tmp_path):
    _, recording = record(str(clip), folder=tmp_path / "gone")
    wait_until(lambda: recording.state()["status"] == "failed")
    assert "broke off" in recording.state()["problem"]
