import csv
import errno

import av
import pytest

import camera
from videos import recorder
from videos.analysis import EDITS, TABLE, VIDEO
from videos.edits import read_edits
from videos.table import COLUMNS
from waiting import wait_until
from web.errors import RequestError
from web.live_recording import LiveRecording


@pytest.fixture
def record(watch, recordings):
    """A function that starts to record a source. Returns the VideoCamera and the LiveRecording, which is closed."""
    started = []

    def start(source, with_video=False):
        video = watch(source)
        started.append(LiveRecording(video, recordings))
        started[-1].start(with_video)
        return video, started[-1]

    yield start
    for recording in started:
        recording.close()


def wait_for_seconds(recording, seconds):
    def recorded():
        state = recording.state()
        assert state["status"] == "recording"
        return state["seconds"] >= seconds

    wait_until(recorded)


def finish(recording, recordings):
    """Stop a recording. Returns its folder and the rows of its table."""
    recording.stop()
    wait_until(lambda: recording.state()["status"] != "finishing", 60)
    assert recording.state()["status"] == "done", recording.state()
    folder = recordings.find(recording.latest())
    with open(folder / TABLE, newline="", encoding="utf-8") as file:
        return folder, list(csv.DictReader(file))


def test_a_recording_is_a_table_and_a_clean_video_with_the_same_times(record, recordings, sway):
    _, recording = record(str(sway), with_video=True)
    wait_for_seconds(recording, 2.6)  # the film begins again in between
    folder, rows = finish(recording, recordings)
    assert recording.state()["files"] == ["table.csv", "timeline.png", "video.mp4"]
    assert list(rows[0]) == COLUMNS
    frames, times = [int(row["frame"]) for row in rows], [float(row["time"]) for row in rows]
    assert frames == sorted(frames)
    assert {row["video"] for row in rows} == {"sway.mp4"}
    for kind in ("", "_smooth"):
        assert sum(float(rows[-1][f"{name}{kind}"]) for name in COLUMNS[8:15]) == pytest.approx(1, abs=0.01)
    with av.open(str(folder / VIDEO)) as video:
        shown = list(video.decode(video=0))
    assert len(shown) >= frames[-1] + 1
    assert (shown[0].width, shown[0].height) == (320, 240)
    moments = [float(frame.pts * frame.time_base) for frame in shown]
    assert [moments[frame] for frame in frames] == pytest.approx(times, abs=0.001)
    [listed] = recordings.list()
    assert (listed["status"], listed["source"], listed["faces"], listed["video"]) == ("done", "sway.mp4", 1, True)
    assert listed["seconds"] == pytest.approx(moments[-1], abs=0.2)


def test_a_source_of_another_size_is_shown_whole_and_its_boxes_with_it(record, recordings, clip, picture):
    video, recording = record(str(clip), with_video=True)
    wait_for_seconds(recording, 0.5)
    video.watch(str(picture))

    def rows_of_picture():
        return [row for row in csv.DictReader(open_table(recordings, recording)) if row["video"] == picture.name]

    wait_until(rows_of_picture)
    folder, rows = finish(recording, recordings)
    row = rows[-1]
    assert row["video"] == picture.name
    with av.open(str(folder / VIDEO)) as content:
        images = [frame.to_ndarray(format="gray") for frame in content.decode(video=0)]
    assert {image.shape for image in images} == {(240, 320)}
    assert images[-1][:, :30].max() < 30  # beside a square picture there is nothing
    assert 40 <= int(row["x"]) <= 280 - int(row["width"])


def open_table(recordings, recording):
    return (recordings.path(recording.latest()) / TABLE).read_text(encoding="utf-8").splitlines()


def test_one_recording_at_a_time_none_overwritten_and_nothing_unless_asked(watch, recordings, clip):
    recording = LiveRecording(watch(str(clip)), recordings)
    assert not recordings.folder.exists()
    with pytest.raises(RequestError, match="Nothing is being recorded"):
        recording.stop()
    for count in (1, 2):
        recording.start()
        with pytest.raises(RequestError, match="runs already"):
            recording.start()
        assert recording.is_recording()
        wait_until(lambda: recording.state()["seconds"] > 0)
        finish(recording, recordings)
        assert len(recordings.list()) == count
    assert recordings.folder.stat().st_mode & 0o777 == 0o700


def test_a_recording_keeps_the_camera_at_work(record, clip, monkeypatch):
    monkeypatch.setattr(camera, "RELEASE_AFTER", 0.5)
    video, recording = record(str(clip))
    wait_for_seconds(recording, 1.5)
    assert video.state()["fps"] > 0


def test_a_recording_that_cannot_begin_or_go_on_says_so_and_keeps_what_it_has(
    record, recordings, clip, monkeypatch, tmp_path
):
    (tmp_path / "recordings").write_text("in the way")
    with pytest.raises(RequestError, match="Nothing can be recorded in .*recordings"):
        record(str(clip))
    (tmp_path / "recordings").unlink()
    _, recording = record(str(clip), with_video=True)
    wait_for_seconds(recording, 1.2)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(recorder, "csv_rows", full)
    wait_until(lambda: recording.state()["status"] == "failed")
    assert recording.state()["problem"] == "The recording broke off: the disk is full."
    monkeypatch.undo()
    wait_until(lambda: recordings.find(recording.latest()), 60)
    [listed] = recordings.list()
    assert listed["seconds"] > 1
    assert listed["problem"] == "The recording broke off: the disk is full."


def test_a_marker_is_at_its_moment(record, recordings, clip):
    _, recording = record(str(clip))
    wait_for_seconds(recording, 0.3)
    began = recording.state()["seconds"]
    recording.mark(camera.time.time(), "laughs")
    folder, rows = finish(recording, recordings)
    [marker] = read_edits(folder / EDITS).markers
    assert marker.name == "laughs"
    assert began - 0.05 <= marker.time <= float(rows[-1]["time"]) + 1
