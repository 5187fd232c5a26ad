"""Videos of any name, disks of any state: what can be analysed is, and the rest is told in sentences."""

import csv
import errno
import io
import json
import logging
import os
import sys
from pathlib import Path

import pytest
from matplotlib import rcParams

import analyze
from videos import steps, timeline
from videos.names import LONGEST, in_one_line, readable, shortened
from videos.table import gather

TABLE_ALONE = ("--no-video", "--no-timeline")


@pytest.fixture(scope="module")
def tiny(astronaut, film, tmp_path_factory):
    """A clip of three frames with a face."""
    return film(tmp_path_factory.mktemp("tiny") / "tiny.mp4", [astronaut[:240, 80:400]] * 3)


@pytest.fixture
def folder(tiny, tmp_path):
    """A function that puts the clip into a folder under some names, and returns the folder."""

    def put(*names):
        for name in names:
            (tmp_path / name).write_bytes(tiny.read_bytes())
        return tmp_path

    return put


def analyse(*arguments):
    return analyze.main(list(map(str, arguments)))


def names(folder, ending):
    return sorted(path.name for path in folder.glob(f"*{ending}"))


def videos_in(table):
    with open(table, newline="", encoding="utf-8") as file:
        return {row["video"] for row in csv.DictReader(file)}


def test_names_of_any_length(folder, capsys):
    stems = ["a" * length for length in (237, 238, 241, 251)] + ["人" * 83, "a" * 250 + "b"]
    place = folder(*(f"{stem}.mp4" for stem in stems), "short.mp4")
    assert analyse(place) == 0
    tables = names(place, ".csv")
    assert len(tables) == len(stems) + 1
    assert f"{'a' * 237}.csv" in tables
    assert all(len(os.fsencode(name)) <= LONGEST for name in os.listdir(place))
    assert {video for name in tables for video in videos_in(place / name)} == {f"{stem}.mp4" for stem in stems} | {
        "short.mp4"
    }
    assert len(names(place, ".png")) == len(names(place, "_annotated.mp4")) == len(tables)
    before = sorted(os.listdir(place))
    assert analyse(place) == 0
    assert sorted(os.listdir(place)) == before
    assert "7 finished before" in capsys.readouterr().out


def test_a_long_name_is_cut_between_letters():
    name = shortened("人" * 100, 18)
    assert name.startswith("人" * 70)
    assert len(os.fsencode(name)) + 18 <= LONGEST
    assert name == shortened("人" * 100, 18) != shortened("人" * 101, 18)
    assert shortened("人" * 79, 18) == "人" * 79


def test_bytes_that_are_not_utf_8(folder, capsys):
    name = os.fsdecode(b"caf\xe9.mp4")
    try:
        place = folder(name)
    except OSError:
        pytest.skip("this file system wants UTF-8")
    assert analyse(place) == 0
    table = place / os.fsdecode(b"caf\xe9.csv")
    assert videos_in(table) == {"caf\N{REPLACEMENT CHARACTER}.mp4"}
    metadata = json.loads((place / os.fsdecode(b"caf\xe9.csv-metadata.json")).read_text(encoding="utf-8"))
    assert (metadata["url"], metadata["dc:source"]) == ("caf%E9.csv", "caf\N{REPLACEMENT CHARACTER}.mp4")
    assert analyze.analyze(place / name)[0]["video"] == "caf\N{REPLACEMENT CHARACTER}.mp4"
    (place / name).write_bytes(b"nothing")
    assert analyse(place) == 1
    assert "caf\N{REPLACEMENT CHARACTER}.mp4 is not a video" in capsys.readouterr().err


def test_names_with_line_breaks_and_terminal_codes_stay_in_one_line(folder, capsys):
    place = folder("a\n\x1b[31mb.mp4", "c.mp4")
    assert analyse(place, *TABLE_ALONE) == 0
    assert "a\n\x1b[31mb.mp4" in videos_in(place / "a\n\x1b[31mb.csv")
    (place / "a\n\x1b[31mb.mp4").write_bytes(b"nothing")
    assert analyse(place, *TABLE_ALONE) == 1
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1
    assert "\x1b" not in errors


def test_names_that_are_alike(folder):
    place = folder("clip.mp4", "clip.mov", "clip.mp4.mov", "clip")
    assert analyse(*(place / name for name in os.listdir(place)), *TABLE_ALONE) == 0
    assert names(place, ".csv") == ["clip.csv", "clip.mov.csv", "clip.mp4.csv", "clip.mp4.mov.csv"]
    for name in names(place, ".csv"):
        assert videos_in(place / name) == {name.removesuffix(".csv")}


def test_on_disks_that_take_capitals_for_small_letters(monkeypatch):
    monkeypatch.setattr(analyze, "AS_FILE_NAME", str.casefold)
    bases = [Path(job.base).name for job in analyze.plan([Path("Clip.mp4"), Path("clip.mov"), Path("b.mp4")], Path())]
    assert bases == ["Clip.mp4", "clip.mov", "b"]


def test_a_file_that_is_named_twice_is_analysed_once(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder("clip.mp4"))
    assert analyse("clip.mp4", "./clip.mp4", Path("clip.mp4").absolute(), *TABLE_ALONE) == 0
    assert "1 of 1 analysed" in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_that_lacks_letters(folder, monkeypatch, encoding):
    place = folder("人😀.mp4", "b.mp4")
    (place / "人😀.mp4").write_bytes(b"nothing")
    shown = {name: io.TextIOWrapper(io.BytesIO(), encoding, write_through=True) for name in ("stdout", "stderr")}
    for name, stream in shown.items():
        monkeypatch.setattr(sys, name, stream)
    assert analyse(place, *TABLE_ALONE) == 1
    errors = shown["stderr"].buffer.getvalue().decode(encoding)
    assert ("人😀.mp4" if encoding == "utf-8" else "??.mp4") in errors
    assert b"1 of 2 analysed" in shown["stdout"].buffer.getvalue()


def test_what_is_shown_of_names():
    assert readable("人\udce9") == "人\N{REPLACEMENT CHARACTER}"
    assert readable("\ud83d") == "\N{REPLACEMENT CHARACTER}" * 3  # half of a pair, as Windows allows
    assert in_one_line("a\r\nb\x9bc\u3000d") == "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b" + (
        "\N{REPLACEMENT CHARACTER}c\u3000d"
    )


@pytest.mark.parametrize(
    "title",
    ["日本語の動画.mp4", "😀👩‍🔬.mp4", "فيديو.mp4", "वीडियो.mp4", "$x_1$.mp4", "a\nb\0.mp4", "人" * 300, "x" * 300],
)
def test_titles_of_any_script_cost_no_warning(title, tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    timeline.draw_timeline(tmp_path / "a.png", gather([]), title, 10, 1.0)  # pytest makes each warning an error
    assert caplog.records == []
    assert (tmp_path / "a.png").stat().st_size > 10_000


def test_a_title_takes_its_letters_from_whatever_font_has_them(monkeypatch):
    monkeypatch.setitem(rcParams, "font.sans-serif", ["cmr10"])  # which has no Greek small letters
    usual, *others = timeline._fonts_for("αβγ \U0010fffd")
    assert usual == "cmr10"
    assert others
    assert not any(font.startswith(timeline.PLACEHOLDERS) for font in others)
    monkeypatch.setitem(rcParams, "font.sans-serif", ["DejaVu Sans"])
    assert timeline._fonts_for("αβγ") == ["DejaVu Sans"]


def test_a_long_title_loses_its_middle():
    assert timeline._cut("short.mp4") == "short.mp4"
    assert timeline._cut("x" * 120 + ".mp4") == "x" * 50 + "…" + "x" * 45 + ".mp4"
    assert len(timeline._cut("人" * 200)) == 51


def test_a_place_that_is_taken_costs_that_video_alone(folder, capsys):
    place = folder("a.mp4", "b.mp4", "c.mp4", "d.mp4")
    (place / "a.csv").mkdir()
    (place / "b.csv-metadata.json").write_text("{}")
    (place / ".c.mp4.analysing").write_text("")
    assert analyse(place, *TABLE_ALONE) == 1
    captured = capsys.readouterr()
    assert names(place, ".csv") == ["a.csv", "d.csv"]
    errors = sorted(captured.err.splitlines())
    assert f"{place / 'a.csv'} cannot be written: it is a folder." in errors[0]
    assert "b.csv-metadata.json is not from this program" in errors[1]
    assert "c.mp4 cannot be analysed: what an earlier run left among its outputs cannot be removed." in errors[2]
    assert "analysing" not in captured.err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_costs_its_own_videos_alone(folder, tmp_path, capsys):
    place = folder("a.mp4")
    closed = place / "closed"
    closed.mkdir()
    (place / "a.mp4").rename(closed / "a.mp4")
    folder("b.mp4")
    closed.chmod(0o500)
    assert analyse(place, *TABLE_ALONE) == 1
    closed.chmod(0o700)
    assert names(place, ".csv") == ["b.csv"]
    assert f"{closed} cannot be written: permission is missing" in capsys.readouterr().err


def test_outputs_may_not_go_into_a_file(folder, capsys):
    place = folder("a.mp4")
    with pytest.raises(SystemExit) as ended:
        analyse(place, "--out", place / "a.mp4")
    assert ended.value.code == 2
    assert analyse(place / "a.mp4", "--out", place / "a.mp4" / "b") == 1
    assert "what should be its folder is a file" in capsys.readouterr().err


FULL = Path("/dev/full")  # where each write fails as on a full disk


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has it")
@pytest.mark.parametrize(
    ("output", "options"),
    [
        ("clip.csv", ["--no-video", "--no-timeline"]),
        ("clip.parquet", ["--no-video", "--no-timeline", "--format", "parquet"]),
        ("clip.png", ["--no-video", "--no-table"]),
        ("clip_annotated.mp4", ["--no-timeline", "--no-table"]),
    ],
)
def test_a_full_disk_is_told_with_the_file_and_costs_that_video_alone(folder, monkeypatch, capsys, output, options):
    make_room = steps.make_room

    def make_room_on_full_disk(job):
        make_room(job)
        if job.path.name == "clip.mp4":
            steps.unfinished(job, Path(output)).symlink_to(FULL)

    monkeypatch.setattr(steps, "make_room", make_room_on_full_disk)
    place = folder("clip.mp4", "other.mp4")
    assert analyse(place, *options) == 1
    sentence = f"{place / output} cannot be written: the disk is full. Choose another folder with --out."
    assert capsys.readouterr().err == f"{place / 'clip.mp4'}: {sentence}\n"
    assert [path.name for path in place.iterdir() if "clip" in path.name] == ["clip.mp4"]
    assert (place / output.replace("clip", "other")).exists()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "{folder} cannot be written: the disk is full."),
        (PermissionError(errno.EACCES, "Permission denied", "{clip}"), "{clip} cannot be read: permission is missing"),
        (MemoryError(), "{clip} cannot be analysed: there is not enough memory."),
        (ZeroDivisionError("division by zero"), "It cannot be analysed, for a reason that nobody foresaw"),
        (OSError(errno.ELIBBAD, "Accessing a corrupted shared library"), "for a reason that nobody foresaw"),
        (AttributeError("'NoneType' object has no attribute 'name'"), "for a reason that nobody foresaw"),
    ],
)
def test_no_library_speaks_to_people(folder, monkeypatch, capsys, caplog, error, sentence):
    place = folder("clip.mp4")
    places = {"folder": place, "clip": place / "clip.mp4"}
    if isinstance(error, OSError) and error.filename:
        error.filename = error.filename.format(**places)

    def fail(job):
        raise error

    monkeypatch.setattr(analyze, "do", fail)
    caplog.set_level(logging.DEBUG, "analyze")
    assert analyse(place) == 1
    errors = capsys.readouterr().err
    assert sentence.format(**places) in errors
    for word in ("Error", "Errno", "NoneType", "division", "corrupted", "No space"):
        assert word not in errors
    assert len(caplog.records) == ("nobody foresaw" in sentence)  # the log has the details
