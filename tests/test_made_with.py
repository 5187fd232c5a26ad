"""What each output says it was made with, and what follows from it: when it is made again, and when it is not."""

import json
import os
import re
from urllib.parse import unquote

import av
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import analyze
from inference.pair import content_of, hash_of_pair
from model import ModelError
from paths import MODEL_JSON, MODEL_WEIGHTS
from version import MAKER, VERSION
from videos import job as job_module
from videos.outputs import mark_of, publish, unfinished
from videos.table import COLUMNS, FIRST_COLUMNS, gather, is_table, parquet_mark, write_parquet

LINE = rf"{MAKER} {re.escape(VERSION)}; network [0-9a-f]{{16}}"
OUTDATED = "1 finished before are analysed again: made with another version, network or options"


@pytest.fixture(scope="module")
def tiny(astronaut, film, tmp_path_factory):
    """A clip of three frames with a face."""
    return film(tmp_path_factory.mktemp("tiny") / "clip.mp4", [astronaut[:240, 80:400]] * 3)


@pytest.fixture(scope="module")
def made(tiny, picture, tmp_path_factory):
    """A folder with all kinds of outputs."""
    folder = tmp_path_factory.mktemp("made")
    for path in (tiny, picture):
        assert analyse(path, "--out", folder, "--every", 2) == 0
        assert analyse(path, "--out", folder, "--every", 2, "--format", "parquet") == 0
    return folder


@pytest.fixture
def folder(tiny, tmp_path):
    (tmp_path / "clip.mp4").write_bytes(tiny.read_bytes())
    return tmp_path


def analyse(*arguments):
    return analyze.main(list(map(str, arguments)))


def made_again(folder, capsys, *options):
    """Run again, without a video. Returns what it says before it begins."""
    capsys.readouterr()
    assert analyse(folder, "--no-video", *options) == 0
    return capsys.readouterr().out.splitlines()[0]


def test_every_output_of_a_video_names_version_network_and_options(made):
    [line] = {mark_of(made / f"clip{ending}") for ending in ("_annotated.mp4", ".png", ".csv", ".parquet")}
    assert re.fullmatch(LINE + "; every 2; adapted", line)
    assert hash_of_pair() in line
    with av.open(str(made / "clip_annotated.mp4")) as container:
        assert container.metadata["comment"] == line
    with Image.open(made / "clip.png") as image:
        assert image.info["Software"] == line


def test_every_output_of_a_picture_names_version_and_network(made):
    [line] = {mark_of(made / f"astronaut{ending}") for ending in ("_annotated.jpg", ".csv", ".parquet")}
    assert re.fullmatch(LINE, line)
    with Image.open(made / "astronaut_annotated.jpg") as image:
        assert image.info["comment"] == line.encode()


def test_a_csv_has_its_metadata_beside_it_as_the_w3c_says(made):
    content = json.loads((made / "clip.csv-metadata.json").read_text(encoding="utf-8"))
    assert content["@context"][0] == "http://www.w3.org/ns/csvw"
    assert unquote(content["url"]) == "clip.csv"
    assert content["dc:source"] == "clip.mp4"
    columns = content["tableSchema"]["columns"]
    assert [column["titles"] for column in columns] == [column["name"] for column in columns] == COLUMNS
    assert {column["datatype"] for column in columns} == {"string", "boolean", "integer", "float", "double"}
    assert all(column["dc:description"] and "\n" not in column["dc:description"] for column in columns)
    assert not (made / "clip.parquet-metadata.json").exists()


def test_the_hash_is_that_of_both_files(tmp_path, monkeypatch):
    monkeypatch.setattr("inference.pair.MODEL_JSON", tmp_path / "a")
    monkeypatch.setattr("inference.pair.MODEL_WEIGHTS", tmp_path / "b")
    hashes = set()
    for contents in ((b"1", b"2"), (b"1", b"3"), (b"2", b"2")):
        (tmp_path / "a").write_bytes(contents[0])
        (tmp_path / "b").write_bytes(contents[1])
        hashes.add(hash_of_pair.__wrapped__())
    assert len(hashes) == 3
    assert all(re.fullmatch("[0-9a-f]{16}", each) for each in hashes)
    with pytest.raises(ModelError, match="nowhere does not exist"):
        content_of(tmp_path / "nowhere")
    assert content_of(MODEL_JSON)[:1] == b"{"
    assert MODEL_WEIGHTS.exists()


def test_other_options_make_it_anew(folder, capsys):
    assert analyse(folder, "--no-video", "--every", 2) == 0
    assert made_again(folder, capsys, "--every", "2") == "1 finished before (--force analyses them again)"
    assert made_again(folder, capsys) == OUTDATED
    assert {mark_of(folder / name).split("; ")[2] for name in ("clip.csv", "clip.png")} == {"every 1"}
    assert len((folder / "clip.csv").read_text().splitlines()) == 4
    assert made_again(folder, capsys) == "1 finished before (--force analyses them again)"


@pytest.mark.parametrize(
    ("name", "value"), [("hash_of_pair", lambda: "0123456789abcdef"), ("MADE_WITH", f"{MAKER} 1.9")]
)
def test_another_network_or_version_makes_it_anew(folder, capsys, monkeypatch, name, value):
    with monkeypatch.context() as patch:
        patch.setattr(job_module, name, value)
        assert analyse(folder, "--no-video") == 0
    assert made_again(folder, capsys) == OUTDATED
    assert re.fullmatch(LINE + "; every 1; adapted", mark_of(folder / "clip.csv"))


def test_pictures_do_not_depend_on_options_for_videos(picture, tmp_path, capsys):
    assert analyse(picture, "--out", tmp_path) == 0
    assert analyse(picture, "--out", tmp_path, "--every", 5) == 0
    assert "1 finished before (--force" in capsys.readouterr().out


def test_what_is_missing_is_made_without_an_alarm(folder, capsys):
    assert analyse(folder, "--no-video", "--no-timeline") == 0
    assert made_again(folder, capsys).startswith("1 of 1 analysed")
    assert (folder / "clip.png").exists()


def older(folder, made):
    """Outputs as version 1 left them: without a line on the network, the CSV without anything."""
    for name in ("clip_annotated.mp4", "clip.csv"):
        (folder / name).write_bytes((made / name).read_bytes())
    with (
        av.open(str(made / "clip_annotated.mp4")) as source,
        av.open(str(folder / "clip_annotated.mp4"), "w") as target,
    ):
        target.metadata["comment"] = MAKER
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with Image.open(made / "clip.png") as image:
        info = PngInfo()
        info.add_text("Software", MAKER)
        image.save(folder / "clip.png", pnginfo=info)


def test_outputs_of_older_versions_are_known_and_made_anew(folder, made, capsys):
    older(folder, made)
    assert {mark_of(folder / name) for name in ("clip_annotated.mp4", "clip.csv", "clip.png")} == {MAKER}
    assert analyse(folder) == 0  # which passes over clip_annotated.mp4 and clip.png
    captured = capsys.readouterr()
    assert captured.out.splitlines()[0] == OUTDATED
    assert "1 of 1 analysed" in captured.out
    assert captured.err == ""
    assert re.fullmatch(LINE + "; every 1; adapted", mark_of(folder / "clip.csv"))


def test_older_parquet_is_known(tmp_path):
    write_parquet(tmp_path / "a.parquet", gather([]), "clip.mp4", "2.0.0")  # version 2.0.0 wrote its number alone
    assert parquet_mark(tmp_path / "a.parquet") == mark_of(tmp_path / "a.parquet") == f"{MAKER} 2.0.0"


@pytest.mark.parametrize(
    "content", ["{}", "[]", "not JSON", '{"dc:creator": "Anna"}', '{"dc:creator": 5}', "[" * 100_000]
)
def test_metadata_of_others_is_never_replaced(folder, capsys, content):
    (folder / "clip.csv-metadata.json").write_text(content)
    assert analyse(folder, "--force", "--no-video") == 1
    assert (folder / "clip.csv-metadata.json").read_text() == content
    assert not (folder / "clip.csv").exists()
    assert "clip.csv-metadata.json is not from this program" in capsys.readouterr().err


def test_no_table_lies_beside_the_metadata_of_another_wherever_it_was_killed(folder, monkeypatch):
    [job] = analyze.plan([folder / "clip.mp4"], folder, video=False, timeline=False)
    table, metadata = job.outputs
    for killed_before in (0, 1):
        table.write_text("old")
        metadata.write_text("old")
        unfinished(job, table).parent.mkdir(exist_ok=True)
        for output in job.outputs:
            unfinished(job, output).write_text("new")
        replaced, replace = [], os.replace

        def replace_or_die(source, target, replaced=replaced, killed_before=killed_before, replace=replace):
            if len(replaced) == killed_before:
                raise InterruptedError
            replaced.append(target)
            replace(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replace_or_die)
            with pytest.raises(InterruptedError):
                publish(job)
        assert not metadata.exists()
        publish(job)
        assert [path.read_text() for path in (table, metadata)] == ["new", "new"]


@pytest.mark.parametrize("name", ["clip.png", "clip_annotated.mp4", "clip_annotated.jpg", "clip.parquet", "clip.csv"])
@pytest.mark.parametrize(
    "content", [b"", b"something else", b"\x89PNG\r\n\x1a\n\0", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"]
)
def test_files_of_others_have_no_mark(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert mark_of(tmp_path / name) is None


@pytest.mark.parametrize("key", ["comment", "Software", "Comment"])
def test_a_png_with_texts_of_others_has_no_mark(tmp_path, key):
    info = PngInfo()
    info.add_text(key, "made by Anna")
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png", pnginfo=info)
    assert mark_of(tmp_path / "a.png") is None


LATER = ["angle", "score", "state", "sure", "marker", "excluded"]


@pytest.mark.parametrize(
    ("columns", "is_ours"),
    [
        (COLUMNS, True),
        (FIRST_COLUMNS, True),
        ([*FIRST_COLUMNS, "angle"], True),
        ([*FIRST_COLUMNS, *LATER], True),
        ([*FIRST_COLUMNS, "score", "excluded"], True),
        ([*FIRST_COLUMNS, "score", "angle"], False),
        ([*FIRST_COLUMNS, "angle", "angle"], False),
        ([*COLUMNS, "notes"], False),
        (FIRST_COLUMNS[:-1], False),
        (COLUMNS[1:], False),
        ([], False),
    ],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", ""])
def test_tables_of_all_versions_are_known_however_they_were_saved(tmp_path, columns, is_ours, mark, line_break):
    row = ",".join("1" * len(columns)) + line_break if line_break else ""
    (tmp_path / "a.csv").write_bytes((mark + ",".join(columns) + line_break + row).encode())
    assert is_table(tmp_path / "a.csv") == is_ours
    quoted = ",".join(f'"{name}"' for name in columns)
    (tmp_path / "a.csv").write_bytes((mark + quoted + line_break + row).encode())
    assert is_table(tmp_path / "a.csv") == is_ours


def test_a_worker_with_another_network_says_so(tiny, cluster, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(job_module, "hash_of_pair", lambda: "0123456789abcdef")  # here, not in the workers
    assert analyse(tiny, "--out", tmp_path, "--scheduler", cluster.scheduler.address) == 1
    assert "has another version of the program or another network" in capsys.readouterr().err
    assert not (tmp_path / "clip.csv").exists()
