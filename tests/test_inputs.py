"""What a command line names: lists, folders, patterns and endings; and nothing that gives nothing in silence."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import analyze
from paths import ROOT
from videos.inputs import ENDINGS, expand_lists, find_inputs, read_list
from videos.outputs import mark_of
from vision.endings import VIDEO_SUFFIXES
from vision.pictures import SUFFIXES as PICTURE_SUFFIXES
from vision.pictures import is_picture_file
from vision.source import SourceError

NAMED = ["a.mp4", "b c.mp4", " d.mp4", "#e.mp4", "ü人.mp4"]
LIST = "# which videos\na.mp4\n\n   \n  b c.mp4  \n\" d.mp4\"\n'#e.mp4'\nü人.mp4\n"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def found(*arguments):
    return [path.as_posix() for path in find_inputs(list(map(str, arguments))).paths]


def told(*arguments):
    """The sentences on what gives nothing."""
    return find_inputs(list(map(str, arguments))).problems


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_a_list_as_any_editor_saves_it(tmp_path, encoding, line_break):
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    (tmp_path / "list.txt").write_bytes((mark + LIST.replace("\n", line_break)).encode(encoding))
    assert list(expand_lists([f"@{tmp_path / 'list.txt'}", "x.mp4"])) == [*NAMED, "x.mp4"]


def test_names_in_a_list_may_have_any_bytes(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"caf\xe9.mp4\n")
    assert [os.fsencode(name) for name in read_list(tmp_path / "list.txt")] == [b"caf\xe9.mp4"]


def test_a_file_whose_name_begins_with_an_at_sign_is_that_file(here):
    files(here, "@me.mp4", "me.mp4")
    (here / "list.txt").write_text("@me.mp4\n@list.txt\n")
    assert list(expand_lists(["@me.mp4"])) == ["@me.mp4"]
    assert list(expand_lists(["@list.txt"])) == ["@me.mp4", "@list.txt"]  # lists in lists are not followed
    assert told(*expand_lists(["@list.txt"])) == ["@list.txt does not exist."]


def test_a_line_that_looks_like_an_option_may_be_a_file(here):
    files(here, "-x.mp4")
    (here / "list.txt").write_text("-x.mp4\n--no-video\n")
    assert list(expand_lists(["@list.txt"])) == [os.path.join(".", "-x.mp4"), "--no-video"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "The list list.txt does not exist."),
        (b"", "list.txt names nothing to analyse"),
        (b"\n  \n# nothing\n", "list.txt names nothing to analyse"),
        (b"\0\0\0\x20ftypisom\0\0", "list.txt cannot be read as a list"),
        ("a.mp4\n".encode("utf-16-le"), "list.txt cannot be read as a list"),
    ],
)
def test_a_list_that_gives_nothing_is_one_line(here, capsys, content, sentence):
    files(here, "never.mp4")
    if content is not None:
        (here / "list.txt").write_bytes(content)
    assert analyze.main(["@list.txt"]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith(sentence)
    assert errors.count("\n") == 1
    assert sorted(os.listdir(here)) == sorted(["never.mp4", *(["list.txt"] if content is not None else [])])


def test_a_folder_as_a_list_is_told(tmp_path):
    with pytest.raises(SourceError, match="cannot be read: it is a folder"):
        read_list(tmp_path)


def test_the_others_of_a_list_are_analysed(here, capsys, monkeypatch):
    files(here, "a.mp4")
    (here / "list.txt").write_text("gone.mp4\na.mp4\n" + "x" * 300 + "\n")
    monkeypatch.setattr(analyze, "FacialExpressionModel", lambda many: None)
    monkeypatch.setattr(analyze, "work_through", lambda jobs, *_: print([job.name for job in jobs]) or 0)
    assert analyze.main(["@list.txt"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "['a.mp4']\n"
    assert captured.err.splitlines() == ["gone.mp4 does not exist.", f"{'x' * 300} does not exist."]


@pytest.mark.parametrize(
    ("names", "argument", "sentence"),
    [
        ([], "clips", "clips has no videos or pictures in it. Known endings: "),
        (["clips/a.txt"], "clips", "in it. 1 file of another kind was passed over: .txt. Known"),
        (
            [*(f"clips/{index}.txt" for index in range(11)), "clips/deeper/b.DOCX"],
            "clips",
            "in it. 12 files of other kinds were passed over: .txt, .docx. Known",
        ),
        (["clips/README"], "clips", "passed over: no ending."),
        ([f"clips/{index}.x{index}" for index in range(15)], "clips", " and 5 more. Known"),
        (["clips/.hidden.mp4"], "clips", "clips has no videos or pictures in it. Known"),
        (["clips/a.txt"], "clips/*.mp4", "clips/*.mp4 matches no videos or pictures. Known"),
        (["clips/a.txt"], "clips/*", "1 file of another kind was passed over: .txt. Known"),
    ],
)
def test_a_place_with_nothing_to_analyse_is_one_line(here, capsys, names, argument, sentence):
    (here / "clips").mkdir()
    files(here, *names)
    assert analyze.main([argument]) == 2
    errors = capsys.readouterr().err
    assert sentence in errors
    assert errors.count("\n") == 1
    assert all(ending in errors for ending in (".heic", ".gif", ".jfif", ".h264", ".asf", ".mp4"))


def test_a_folder_of_outputs_says_so(here, capsys):
    files(here, "clips/a.txt")
    Image.new("RGB", (9, 9)).save(here / "photo.png")
    assert analyze.main(["photo.png", "--out", "clips"]) == 0
    assert mark_of(here / "clips" / "photo.csv")
    capsys.readouterr()
    assert analyze.main(["clips"]) == 2
    assert (
        "3 outputs of this program were passed over. 1 file of another kind was passed over: .txt."
        in capsys.readouterr().err
    )


def test_an_empty_folder_beside_others_is_told(here):
    files(here, "a/x.mp4", "b/x.txt")
    assert found("a", "b") == ["a/x.mp4"]
    assert len(told("a", "b")) == 1


def test_every_known_ending_is_found(here):
    names = [f"clips/{index}{ending.upper() if index % 2 else ending}" for index, ending in enumerate(sorted(ENDINGS))]
    files(here, *names, "clips/notes.txt")
    assert sorted(found("clips")) == sorted(names)


def test_a_file_that_is_named_is_taken_whatever_its_ending(here):
    files(here, "a.dat", "b", "[c].xyz")
    assert found("a.dat", "b", "[c].xyz") == ["a.dat", "b", "[c].xyz"]


def test_hidden_files_and_those_that_are_no_files_are_passed_over(here):
    files(here, "clips/a.mp4", "clips/.b.mp4", "clips/.c/d.mp4")
    (here / "clips" / "e.mp4").mkdir()
    assert found("clips") == ["clips/a.mp4"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_told(here):
    files(here, "clips/a.mp4", "clips/closed/b.mp4")
    (here / "clips" / "closed").chmod(0)
    assert found("clips") == ["clips/a.mp4"]
    assert told("clips") == ["clips/closed cannot be read: permission is missing."]
    (here / "clips" / "closed").chmod(0o700)


@pytest.mark.parametrize(
    "options", [["--no-video", "--no-timeline", "--no-table"], ["--every", "0"], ["--workers", "0"]]
)
def test_options_that_leave_nothing_to_do(here, capsys, options):
    files(here, "a.mp4")
    with pytest.raises(SystemExit) as ended:
        analyze.main(["a.mp4", *options])
    assert ended.value.code == 2
    assert "nothing to make" in (errors := capsys.readouterr().err) or "takes a number from 1" in errors


def test_pictures_of_which_only_a_timeline_is_wanted_are_counted(here, capsys):
    Image.new("RGB", (9, 9)).save(here / "photo.png")
    assert analyze.main(["photo.png", "--no-video", "--no-table"]) == 0
    assert "1 passed over: a timeline is made of videos alone" in capsys.readouterr().out


def test_animated_gifs_are_videos_and_others_pictures(tmp_path):
    frames = [Image.fromarray(np.full((20, 20, 3), 60 * index, np.uint8)) for index in range(4)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:], duration=40)
    frames[0].save(tmp_path / "still.gif")
    (tmp_path / "broken.gif").write_bytes(b"GIF89a")
    assert [is_picture_file(tmp_path / f"{name}.gif") for name in ("moving", "still", "broken")] == [0, 1, 0]
    assert found(tmp_path) == [(tmp_path / f"{name}.gif").as_posix() for name in ("broken", "moving", "still")]


def test_motion_jpeg_is_a_video_whatever_its_name(tmp_path):
    for name in ("a.mjpeg", "b.dat", "c"):
        for _ in range(3):
            with open(tmp_path / name, "ab") as file:
                Image.new("RGB", (20, 20)).save(file, "JPEG")
    Image.new("RGB", (20, 20)).save(tmp_path / "d", "JPEG")
    assert [is_picture_file(tmp_path / name) for name in ("a.mjpeg", "b.dat", "c", "d")] == [0, 0, 0, 1]


def test_a_very_large_picture_is_a_picture(tmp_path, monkeypatch):
    Image.new("L", (200, 100)).save(tmp_path / "large.png")
    Image.new("L", (200, 100)).save(tmp_path / "large", "PNG")
    for most in (10_001, 1000):  # Pillow warns of the first, and refuses the second
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        assert found(tmp_path) == [(tmp_path / "large.png").as_posix()]
        assert is_picture_file(tmp_path / "large") == (most == 10_001)


def test_the_endings_are_those_of_the_document():
    text = (ROOT / "docs" / "videos.md").read_text(encoding="utf-8")
    videos, pictures = (re.search(rf"^{kind}: (.+?)\n\n", text, re.M | re.S)[1] for kind in ("Videos", "Pictures"))
    assert {word for word in videos.split() if word.startswith(".")} == VIDEO_SUFFIXES
    assert set(pictures.split()) == PICTURE_SUFFIXES | {".gif"}


def test_endings_are_written_as_they_are_compared():
    assert all(ending.startswith(".") and ending == ending.lower() for ending in ENDINGS)
    assert {".h264", ".asf", ".gif", ".m2ts", ".mxf"} <= VIDEO_SUFFIXES
    assert Path("clip.H264").suffix.lower() in ENDINGS
