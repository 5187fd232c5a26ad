import json
import time

import av
import pytest
from filelock import FileLock

from videos.analysis import FACES, INFO, TABLE, VIDEO, Info, write_info
from videos.table import COLUMNS
from waiting import wait_until
from web import recordings as module
from web.errors import RequestError
from web.recordings import ENTRY, LOCK, Recordings
from web_client import ask

ANNA, BERT = "a" * 43, "b" * 43  # secrets of browsers


def store(recordings, owner=None, finished=True):
    """A recording of 5 seconds without a face. Returns its id."""
    id = recordings.begin("demo", lambda: 5.0, owner)
    folder = recordings.path(id)
    if finished:
        write_info(folder, Info("demo", 150, 5.0, 0, "a test"))
    lock, _ = recordings._running.pop(id)
    lock.release()
    return id


def test_a_killed_recording_is_whole_but_for_its_last_second_after_a_restart(launch, tmp_path):
    folder = tmp_path / "recordings"
    with launch("demo", "--recordings", folder) as program:
        address = program.address
        assert any(str(folder) in line for line in program.lines)
        begun = ask(address, "/recording", "POST", '{"video": true}', Content_Type="application/json")
        assert begun.status == 201

        def seconds():
            return ask(address, "/state").json()["recording"]["seconds"]

        wait_until(lambda: seconds() >= 3)
        recorded = seconds()
    [path] = folder.iterdir()
    with open(path / VIDEO, "r+b") as video, open(path / TABLE, "ab") as table:  # as where the disk became full
        video.seek(0, 2)
        video.write(b"\0\0\x10\0moof and")
        table.write(b"demo,99,3.3,1,2")
    recordings = Recordings(folder)
    recordings.start()
    wait_until(lambda: recordings.find(path.name), 60)
    [listed] = recordings.list()
    assert listed["status"] == "done"
    assert listed["seconds"] >= recorded - 1
    with av.open(str(path / VIDEO)) as video:
        times = [float(frame.pts * frame.time_base) for frame in video.decode(video=0)]
    assert times[-1] >= recorded - 1
    *_, last = (path / TABLE).read_text().splitlines()
    assert len(last.split(",")) == len(COLUMNS)
    assert float(last.split(",")[2]) >= recorded - 1
    assert (path / FACES).exists()
    recordings.close()


def test_a_recording_that_another_process_makes_is_left_alone(recordings):
    id = store(recordings, finished=False)
    with FileLock(recordings.path(id) / LOCK):
        other = Recordings(recordings.folder)
        other._look_at(id)
        [listed] = other.list()
        assert (listed["status"], listed["problem"]) == ("finishing", None)  # nobody has tried to finish it
        assert not (recordings.path(id) / INFO).exists()


def test_recordings_of_a_browsers_camera_are_its_own_and_go_after_a_day(recordings, monkeypatch):
    shared, own, kept = store(recordings), store(recordings, ANNA), store(recordings, ANNA)
    assert {each["id"] for each in recordings.list(BERT)} == {shared}
    assert {each["id"] for each in recordings.list(ANNA)} == {shared, own, kept}
    assert recordings.find(own) is recordings.find(own, BERT) is None
    for refused in (recordings.remove, recordings.change):
        with pytest.raises(RequestError, match="no such recording"):
            refused(own, BERT)
    assert ANNA not in (recordings.path(own) / ENTRY).read_text()
    recordings.change(kept, ANNA, kept=True)
    assert recordings.state(own, ANNA)["until"] == pytest.approx(time.time() + 24 * 3600, abs=60)
    assert recordings.state(kept, ANNA)["until"] is None
    monkeypatch.setattr(module, "KEPT_FOR", -1)
    recordings.start()
    wait_until(lambda: {each["id"] for each in recordings.list(ANNA)} == {shared, kept})


def test_a_recording_is_renamed_and_deleted(recordings):
    id = store(recordings)
    recordings.change(id, None, title="  An\ninterview ")
    assert recordings.state(id)["title"] == "An interview"
    assert json.loads((recordings.path(id) / INFO).read_text())["name"] == "An interview"
    recordings.remove(id, None)
    assert recordings.list() == []
    with pytest.raises(RequestError):
        recordings.remove("..", None)


def test_what_is_no_recording_is_left_alone(recordings):
    id = store(recordings)
    (recordings.folder / "holiday").mkdir()
    (recordings.folder / "notes.txt").write_text("mine")
    (recordings.path(id) / ENTRY).write_text("{")
    before = {path: path.stat().st_mtime_ns for path in recordings.folder.rglob("*")}
    for each in recordings._ids():
        recordings._look_at(each)
    assert {path: path.stat().st_mtime_ns for path in recordings.folder.rglob("*")} == before
    assert recordings.list() == []
    assert recordings.find("holiday") is None


def test_a_recording_whose_information_is_damaged_is_finished_again_and_the_others_are_listed(recordings):
    damaged, whole = store(recordings), store(recordings)
    (recordings.path(damaged) / TABLE).write_text(",".join(COLUMNS) + "\n")
    (recordings.path(damaged) / INFO).write_text("{")
    assert {each["id"]: each["status"] for each in recordings.list()} == {damaged: "finishing", whole: "done"}
    recordings._look_at(damaged)
    assert recordings.state(damaged)["status"] == "done"
