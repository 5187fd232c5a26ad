"""What is made of recordings and uploads, and the routes to it."""

import io
import json
import shutil
import zipfile

import pytest

import test_analysis
from test_recordings import store
from videos.analysis import ANNOTATED, EDITS, TABLE, TIMELINE, VIDEO, Info, pack_faces, write_info
from waiting import wait_until
from web import outputs as module
from web.child_process import Crashed
from web.errors import RequestError
from web.outputs import MADE, Outputs, Wish
from web_client import ask

folder = test_analysis.folder  # the fixture


@pytest.fixture
def outputs():
    outputs = Outputs()
    yield outputs
    outputs.close()


def test_an_output_is_made_once_and_again_after_a_change(outputs, folder, monkeypatch):
    made = []

    def make(function, *arguments, **options):
        made.append(arguments[1])
        arguments[-1].write_text("made")

    monkeypatch.setattr(module, "run_in_child", make)
    wait_until(lambda: outputs.state(folder, Wish(TABLE))["status"] == "ready")
    first = outputs.get(folder, Wish(TABLE))
    assert outputs.get(folder, Wish(TABLE)) == first
    (folder / EDITS).write_text('{"left_out": [2]}')
    second = outputs.get(folder, Wish(TABLE))
    assert second != first
    assert not first.exists()
    write_info(folder, Info("Another name", 20, 0.8, 2, "a test", (320, 240)))
    third = outputs.get(folder, Wish(TABLE))
    assert third != second
    assert outputs.get(folder, Wish(VIDEO)) == folder / VIDEO
    assert outputs.get(folder, Wish("all.zip")) != outputs.get(folder, Wish("all.zip", boxes=False))
    assert made == [TABLE, TABLE, TABLE, (TABLE, TIMELINE, ANNOTATED), (TABLE, TIMELINE, VIDEO)]
    assert [path.name for path in (folder / MADE).iterdir()] == [third.parent.name]


def test_an_output_that_cannot_be_made_says_why_and_may_be_tried_again(outputs, folder, monkeypatch):
    def fail(*_, **options):
        options["report"](0.5)
        raise Crashed

    monkeypatch.setattr(module, "run_in_child", fail)
    with pytest.raises(RequestError, match="could not be made: the video may be damaged") as refused:
        outputs.get(folder, Wish(ANNOTATED))
    assert refused.value.status == 503
    states = []
    wait_until(lambda: states.append(outputs.state(folder, Wish(ANNOTATED))) or states[-1]["status"] == "failed")
    assert states[-1]["problem"] == "The file could not be made: the video may be damaged."
    (folder / VIDEO).unlink()
    with pytest.raises(RequestError, match="no video of this recording"):
        outputs.state(folder, Wish(ANNOTATED))


def test_the_routes_of_a_recording(serve, folder, recordings):
    pack_faces(folder, 0.8)
    id = store(recordings)
    shutil.copytree(folder, recordings.path(id), dirs_exist_ok=True)
    write_info(recordings.path(id), Info("A/b talk", 20, 0.8, 2, "a test", (320, 240)))
    address, base = serve("demo", recordings_folder=recordings.folder), f"/recordings/{id}"

    def send(path, method, content):
        return ask(address, path, method, json.dumps(content), Content_Type="application/json")

    assert ask(address, f"{base}/faces.bin").body == (folder / "faces.bin").read_bytes()
    assert ask(address, f"{base}/edits").json()["names"] == {}
    changed = send(f"{base}/edits", "PUT", {"names": {"1": "Anna"}})
    assert (changed.status, changed.json()["names"]) == (200, {"1": "Anna"})
    refused = send(f"{base}/edits", "PUT", {"names": {"x": "Anna"}})
    assert (refused.status, refused.json()["error"]) == (400, "names has to hold numbers of faces and names.")
    assert b",Anna\n" in ask(address, f"{base}/table.csv").body
    wish = {"output": "all.zip", "table": "parquet", "boxes": False}
    wait_until(lambda: send(f"{base}/outputs", "POST", wish).json()["status"] == "ready", 60)
    answer = ask(address, f"{base}/all.zip?table=parquet&boxes=false&download")
    assert "filename=A_b_talk_all.zip" in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.body)) as archive:
        assert archive.namelist() == ["table.parquet", "timeline.png", "video.mp4"]
    assert ask(address, f"{base}/video.mp4", Range="bytes=0-9").status == 206
    for path in (f"{base}/info.json", "/recordings/other/video.mp4", f"{base}/..%2F{id}%2Fvideo.mp4"):
        assert ask(address, path).status == 404
    assert send(f"{base}/outputs", "POST", {"output": "info.json"}).status == 400
    assert ask(address, f"{base}/all.zip?table=ods").status == 400
