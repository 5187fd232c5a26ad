import base64
import contextlib
import csv
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import av
import numpy as np
import psutil
import pytest
from PIL import Image

import analyze
from csv_reference import in_csv
from paths import ROOT
from videos import steps
from videos.outputs import make_room
from videos.table import COLUMNS, Joiner
from videos.video_file import scan
from vision.confidence import SURE
from vision.opencv import cv2
from vision.source import SourceError
from waiting import wait_until


@pytest.fixture(scope="module")
def moving(astronaut, film, tmp_path_factory):
    """A clip of three segments, 5.6 seconds, through which her face moves to and fro."""
    images = [np.roll(astronaut[:240, 80:400], round(30 * np.sin(index / 20)), 1) for index in range(280)]
    return film(tmp_path_factory.mktemp("moving") / "moving.mp4", images, rate=50, key_frame_every=100)


@pytest.fixture(scope="module")
def rows_of_moving(moving):
    """The clip's table, as `table` reads it, made in this process."""
    rows = in_csv(analyze.analyze(moving))
    return [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]


@pytest.fixture(scope="module")
def short(astronaut, film, tmp_path_factory):
    images = [astronaut[:240, 80 - index : 400 - index] for index in range(20)]
    return film(tmp_path_factory.mktemp("short") / "short.mp4", images)


def put(clip, *places):
    for place in places:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(clip.read_bytes())


def table(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def analyse(*arguments):
    """Run analyze.main in this process. Returns the exit status."""
    return analyze.main(list(map(str, arguments)))


def start(*arguments, **options):
    """analyze.py in a process of its own."""
    return subprocess.Popen([sys.executable, ROOT / "analyze.py", *map(str, arguments)], **options)


@pytest.fixture(params=["here", "cluster"])
def where(request):
    """Options with which analyze.py works in its own process, or on a cluster."""
    if request.param == "here":
        return []
    return ["--scheduler", request.getfixturevalue("cluster").scheduler.address]


def test_a_clip_gets_a_video_a_table_and_a_timeline(short, tmp_path, capsys):
    put(short, tmp_path / "clip.mp4")
    assert analyse(tmp_path / "clip.mp4") == 0
    assert names(tmp_path) == ["clip.csv", "clip.csv-metadata.json", "clip.mp4", "clip.png", "clip_annotated.mp4"]
    assert "1 of 1 analysed" in capsys.readouterr().out

    rows = table(tmp_path / "clip.csv")
    assert list(rows[0]) == COLUMNS
    assert [int(row["frame"]) for row in rows] == list(range(20))
    assert [float(row["time"]) for row in rows] == pytest.approx([index / 25 for index in range(20)])
    assert {(row["video"], row["face"], row["label"]) for row in rows} == {("clip.mp4", "1", "Happy")}
    assert float(rows[0]["x"]) < float(rows[-1]["x"])

    with av.open(str(tmp_path / "clip.mp4")) as plain, av.open(str(tmp_path / "clip_annotated.mp4")) as annotated:
        pairs = list(zip(plain.decode(video=0), annotated.decode(video=0), strict=True))
    for row, (before, after) in zip(rows, pairs, strict=True):
        changed = np.abs(before.to_ndarray(format="gray").astype(int) - after.to_ndarray(format="gray")) > 60
        x, y, width, height = (int(row[name]) for name in ("x", "y", "width", "height"))
        around = changed[max(0, y - 25) : y + height + 3, max(0, x - 2) : x + max(width, 150) + 3]  # the label is wider
        assert around.sum() > 0.95 * changed.sum() > 50
        assert changed[y + 5 : y + height - 5, max(0, x - 2) : x + 3].any(axis=1).mean() > 0.25  # the box's left side
    with Image.open(tmp_path / "clip.png") as timeline:
        assert timeline.width > 800


def test_a_browser_plays_the_annotated_video(short, tmp_path, chromium):
    analyze.analyze(short, out=tmp_path)
    page = chromium.new_page()
    page.goto("data:text/html,<video muted></video>")
    content = base64.b64encode((tmp_path / "short_annotated.mp4").read_bytes()).decode()
    page.evaluate("content => { document.querySelector('video').src = 'data:video/mp4;base64,' + content }", content)
    page.evaluate("() => document.querySelector('video').play()")
    page.wait_for_function("() => document.querySelector('video').ended", timeout=20_000)
    shown = page.evaluate("() => { const v = document.querySelector('video'); return [v.videoWidth, v.duration] }")
    assert shown == [320, pytest.approx(0.8, abs=0.05)]
    page.close()


def test_a_short_clip_is_begun_before_what_is_heavy_is_loaded(short, model, tmp_path):
    script = "import analyze, sys; analyze.main(sys.argv[1:]); print(*{name.partition('.')[0] for name in sys.modules})"
    arguments = [sys.executable, "-c", script, str(short), "--out", str(tmp_path), "--no-timeline"]
    loaded = subprocess.run(arguments, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    assert {"analyze", "cv2"} <= {*loaded}
    heavy = {"bokeh", "dask", "distributed", "keras", "matplotlib", "pandas", "pyarrow", "tensorflow", "tornado"}
    assert heavy & {*loaded} == set()
    assert len(table(tmp_path / "short.csv")) == 20


def test_what_is_finished_is_left_alone_unless_forced(short, tmp_path, capsys):
    put(short, tmp_path / "clip.mp4")
    arguments = [tmp_path, "--no-video"]
    made = ("clip.csv", "clip.png")

    def times():
        return [(tmp_path / name).stat().st_mtime_ns for name in made]

    assert analyse(*arguments) == 0
    first = times()
    assert analyse(*arguments) == 0
    assert times() == first
    assert "1 finished before" in capsys.readouterr().out
    assert analyse(*arguments, "--force") == 0
    assert all(later > earlier for later, earlier in zip(times(), first))
    os.utime(tmp_path / "clip.mp4")  # the video has changed since
    second = times()
    assert analyse(*arguments) == 0
    assert times() != second


def test_a_cluster_makes_what_one_process_makes(moving, rows_of_moving, cluster, tmp_path, capsys):
    assert analyse(moving, "--out", tmp_path, "--scheduler", cluster.scheduler.address) == 0
    assert re.search(r"http://127.0.0.1:\d+/status", capsys.readouterr().out)
    rows = table(tmp_path / "moving.csv")
    assert rows == rows_of_moving
    assert len({row["frame"] for row in rows}) == 280
    assert {row["face"] for row in rows} == {"1"}  # one person, over all seams
    with av.open(str(tmp_path / "moving_annotated.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 280


def has_part(folder):
    """Whether a part of a video has been analysed."""
    return any(folder.glob(".*/*.nut"))


def test_a_killed_worker_costs_nothing(moving, rows_of_moving, short, cluster, tmp_path):
    videos, out = tmp_path / "videos", tmp_path / "out"
    put(moving, videos / "moving.mp4")
    put(short, videos / "short.mp4")
    with ThreadPoolExecutor(1) as thread:
        options = ["--out", out, "--no-timeline", "--scheduler", cluster.scheduler.address]
        done = thread.submit(analyse, videos, *options)
        wait_until(lambda: has_part(out), 60)
        psutil.Process(cluster.cluster.workers[0].pid).kill()
        assert not done.done()
        assert done.result(timeout=120) == 0
    assert {path.name for path in out.glob("*.mp4")} == {"moving_annotated.mp4", "short_annotated.mp4"}
    assert table(out / "moving.csv") == rows_of_moving
    assert len(table(out / "short.csv")) == 20
    cluster.wait_for_workers(2)


def test_the_last_step_can_be_done_again_wherever_it_was_killed(short, tmp_path, monkeypatch):
    put(short, tmp_path / "clip.mp4")
    [the_job] = analyze.plan([tmp_path / "clip.mp4"], tmp_path)
    whole = {}
    for killed_before in (0, 1, 2, 3):
        replaced, replace = [], os.replace

        def replace_or_die(source, target, replaced=replaced, replace=replace, killed_before=killed_before):
            if str(source).endswith((".csv", ".png", ".mp4")):
                if len(replaced) == killed_before:
                    raise InterruptedError
                replaced.append(target)
            replace(source, target)

        recording = scan(the_job.path)
        make_room(the_job)
        part, sightings, frames, key, _ = steps.find(the_job, recording, recording.segments[0])
        joiner = Joiner(1 / 25, SURE)
        found = joiner.add(part, sightings)
        found.probabilities[:] = steps.classify(the_job, recording.segments[0], found, {})
        joiner.smooth(found)
        steps.write_rows(the_job, 0, found)
        steps.write_timeline(the_job, found, frames, recording.seconds)
        steps.draw(the_job, recording, recording.segments[0], found, key)
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replace_or_die)
            with contextlib.suppress(InterruptedError):
                steps.finish(the_job, recording, [0], [0], frames, 1)
        steps.finish(the_job, recording, [0], [0], frames, 1)
        assert names(tmp_path) == ["clip.csv", "clip.csv-metadata.json", "clip.mp4", "clip.png", "clip_annotated.mp4"]
        contents = {name: (tmp_path / name).read_bytes() for name in names(tmp_path)}
        assert whole.setdefault("first", contents)["clip.csv"] == contents["clip.csv"]


def test_an_interrupted_run_leaves_nothing_half_done_and_can_go_on(moving, tmp_path):
    put(moving, tmp_path / "clip.mp4")
    with start(tmp_path, stdout=subprocess.DEVNULL) as process:
        wait_until(lambda: has_part(tmp_path), 60)
        process.kill()
    assert [name for name in names(tmp_path) if not name.startswith(".")] == ["clip.mp4"]
    assert analyse(tmp_path, "--no-timeline") == 0
    assert names(tmp_path) == ["clip.csv", "clip.csv-metadata.json", "clip.mp4", "clip_annotated.mp4"]


def starts_processes(process):
    """Whether a process has begun to start others."""
    return any("spawn_main" in "".join(child.cmdline()) for child in psutil.Process(process.pid).children())


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal sends Ctrl-C in another way there")
@pytest.mark.parametrize(("options", "early"), [([], False), (["--workers", "1"], True), (["--workers", "1"], False)])
def test_ctrl_c_in_a_terminal_ends_with_a_line(moving, tmp_path, options, early):
    put(moving, tmp_path / "clip.mp4")
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    with start(tmp_path, *options, **pipes, start_new_session=True) as process:
        wait_until(lambda: starts_processes(process) if early else has_part(tmp_path), 60)
        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to each process
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "Stopped. What is finished stays, and the same command goes on from there.\n"


def test_a_broken_video_is_named_and_the_others_finish(short, tmp_path, capsys, where):
    put(short, tmp_path / "a.mp4", tmp_path / "c.mp4")
    (tmp_path / "b.mp4").write_bytes(b"not a video")
    assert analyse(tmp_path, "--no-video", "--no-timeline", *where) == 1
    assert names(tmp_path) == [
        *("a.csv", "a.csv-metadata.json", "a.mp4", "b.mp4", "c.csv", "c.csv-metadata.json", "c.mp4")
    ]
    captured = capsys.readouterr()
    assert "2 of 3 analysed" in captured.out
    assert "b.mp4 is not a video that can be played" in captured.err


def test_a_folder_passes_over_its_own_outputs_and_alike_names_do_not_collide(short, picture, tmp_path):
    videos = tmp_path / "videos"
    put(short, videos / "a" / "clip.mp4", videos / "b" / "clip.mp4", videos / "b" / "clip.mov")
    put(picture, videos / "photo.png")
    for _ in range(2):
        assert analyse(videos, "--out", videos / "out") == 0
        assert names(videos / "out") == [
            *("a/clip.csv", "a/clip.csv-metadata.json", "a/clip.png", "a/clip_annotated.mp4"),
            *("b/clip.mov.csv", "b/clip.mov.csv-metadata.json", "b/clip.mov.png", "b/clip.mov_annotated.mp4"),
            *("b/clip.mp4.csv", "b/clip.mp4.csv-metadata.json", "b/clip.mp4.png", "b/clip.mp4_annotated.mp4"),
            *("photo.csv", "photo.csv-metadata.json", "photo_annotated.jpg"),
        ]
    assert table(videos / "out" / "a" / "clip.csv")[0]["video"] == "a/clip.mp4"


def test_files_of_others_are_never_replaced(short, tmp_path, capsys):
    put(short, tmp_path / "clip.mp4")
    (tmp_path / "clip.csv").write_text("my,notes\n")
    assert analyse(tmp_path / "clip.mp4", "--force") == 1
    assert (tmp_path / "clip.csv").read_text() == "my,notes\n"
    assert "clip.csv is not from this program" in capsys.readouterr().err
    with pytest.raises(FileExistsError, match="not from this program"):
        analyze.analyze(tmp_path / "clip.mp4", out=tmp_path)


def test_a_picture_is_a_row_for_each_face(picture, tmp_path, where):
    assert analyse(picture, "--out", tmp_path, *where) == 0
    (row,) = table(tmp_path / "astronaut.csv")
    assert (row["video"], row["frame"], row["label"]) == ("astronaut.png", "0", "Happy")
    annotated = cv2.imread(str(tmp_path / "astronaut_annotated.jpg"))
    assert annotated.shape == cv2.imread(str(picture)).shape


def test_a_sample_has_the_frames_and_times_of_the_whole(short, tmp_path):
    assert analyse(short, "--out", tmp_path, "--every", 6) == 0
    rows = table(tmp_path / "short.csv")
    assert [int(row["frame"]) for row in rows] == [0, 6, 12, 18]
    assert [float(row["time"]) for row in rows] == pytest.approx([0, 0.24, 0.48, 0.72])


def test_seldom_sampled_faces_are_not_lost(moving):
    rows = analyze.analyze(moving, every=50)  # a frame a second
    assert [row["frame"] for row in rows] == list(range(0, 280, 50))


def test_from_python_nothing_is_written_unless_asked(short, tmp_path):
    put(short, tmp_path / "clip.mp4")
    rows = analyze.analyze(tmp_path / "clip.mp4")
    assert names(tmp_path) == ["clip.mp4"]
    assert len(rows) == 20
    assert list(rows[0]) == COLUMNS
    assert analyze.analyze(tmp_path / "clip.mp4", out=tmp_path / "out") == rows
    assert names(tmp_path / "out") == ["clip.csv", "clip.csv-metadata.json", "clip.png", "clip_annotated.mp4"]
    with pytest.raises(SourceError, match="does not exist|No such file"):
        analyze.analyze(tmp_path / "nothing.mp4")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing.mp4"], "nothing.mp4 does not exist"),
        (["{clip}", "--scheduler", "tcp://127.0.0.1:9"], "No scheduler answers at tcp://127.0.0.1:9"),
    ],
)
def test_what_cannot_begin_ends_with_a_line(short, tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr("videos.cluster.CONNECT_TIMEOUT", 1)
    put(short, tmp_path / "clip.mp4")
    assert analyse(*(each.format(clip=tmp_path / "clip.mp4") for each in arguments)) == 2
    assert message in capsys.readouterr().err


def test_a_list_and_a_pattern_name_videos_too(short, tmp_path, monkeypatch):
    put(short, tmp_path / "one.mp4", tmp_path / "two.mp4", tmp_path / "three.mp4")
    (tmp_path / "list.txt").write_text("one.mp4\ntwo.mp4\n")
    monkeypatch.chdir(tmp_path)
    options = ["--no-video", "--no-timeline"]
    assert analyse("@list.txt", *options) == 0
    assert {name for name in names(tmp_path) if name.endswith(".csv")} == {"one.csv", "two.csv"}
    assert analyse("t*.mp4", *options) == 0
    assert (tmp_path / "three.csv").exists()


def test_another_cluster_does_the_same(moving, rows_of_moving, tmp_path):
    environment = {**os.environ, "PATH": f"{os.path.dirname(sys.executable)}{os.pathsep}{os.environ['PATH']}"}

    @contextlib.contextmanager
    def dask(kind, *arguments, until):
        """A process of Dask's, started elsewhere; gives what `until` finds in its log."""
        log = tmp_path / f"{kind}.log"
        command = ["dask", kind, *arguments, "--no-dashboard"]
        with open(log, "w") as file, subprocess.Popen(command, stderr=file, env=environment, cwd=tmp_path) as process:
            yield wait_until(lambda: re.search(until, log.read_text()), 60)[1]
            process.terminate()

    with (
        dask("scheduler", "--host", "127.0.0.1", "--port", "0", until=r"(tcp://\S+)") as address,
        dask("worker", address, "--nthreads", "2", until=r"(Registered)"),
    ):
        assert analyse(moving, "--out", tmp_path, "--scheduler", address, "--no-timeline") == 0
    assert table(tmp_path / "moving.csv") == rows_of_moving
