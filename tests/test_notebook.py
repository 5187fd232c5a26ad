"""train.ipynb, run from top to bottom on data sets of drawn faces."""

import csv
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from paths import ROOT
from training import recipe
from training.dataset import CSV_EMOTIONS, load_dataset
from training.evaluate import accuracy, report
from training.export import try_pair
from vision.expressions import EMOTIONS
from vision.opencv import cv2

NOTEBOOK = ROOT / "train.ipynb"
PAIR = ("model.json", "model_weights.h5")

# How each expression is drawn: how far the brows slant inwards, how open the eyes are, how the mouth curves and gapes.
LOOKS = {
    "Angry": (4, 2, -4, 1),
    "Disgust": (2, 1, -6, 3),
    "Fear": (-4, 5, -3, 4),
    "Happy": (0, 3, 7, 2),
    "Neutral": (0, 3, 0, 1),
    "Sad": (-3, 2, -6, 1),
    "Surprise": (-1, 6, 0, 8),
}


def draw_face(emotion, rng):
    """A face of the given expression on a dark ground, (48, 48) uint8, no two alike."""
    slant, eyes, curve, gape = LOOKS[emotion]
    face = np.full((48, 48), int(rng.integers(10, 60)), np.uint8)
    x, y = (int(value) for value in rng.integers(22, 27, 2))
    cv2.ellipse(face, (x, y), (19, 22), 0, 0, 360, int(rng.integers(150, 220)), -1)
    for side in (-1, 1):
        cv2.ellipse(face, (x + side * 8, y - 5), (4, eyes), 0, 0, 360, 40, -1)
        cv2.line(face, (x + side * 4, y - 12 + slant), (x + side * 12, y - 12), 40, 2)
    mouth = [(x + dx, y + 11 + round(curve * (1 - dx * dx / 64) - curve / 2)) for dx in range(-8, 9)]
    cv2.polylines(face, [np.array(mouth)], False, 40, gape)
    return np.clip(face + rng.normal(0, 8, face.shape), 0, 255).astype(np.uint8)


def draw_faces(splits, count):
    """Rows of (split, emotion, face): `count` faces of every expression in every split."""
    rng = np.random.default_rng(5)
    return [(split, name, draw_face(name, rng)) for split in splits for name in EMOTIONS for _ in range(count)]


def write_csv(folder, count):
    folder.mkdir()
    with open(folder / "fer2013.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["emotion", "pixels", "Usage"])
        for split, name, face in draw_faces(("Training", "PublicTest", "PrivateTest"), count):
            rows.writerow([CSV_EMOTIONS.index(name), " ".join(map(str, face.ravel())), split])


def write_folders(folder, count):
    for index, (split, name, face) in enumerate(draw_faces(("train", "test"), count)):
        place = folder / split / name.lower()
        place.mkdir(parents=True, exist_ok=True)
        cv2.imencode(".png", face)[1].tofile(place / f"{index}.png")


def write_challenge_csv(folder, count=5):
    """The challenge's train.csv, which has no column Usage."""
    folder.mkdir()
    with open(folder / "train.csv", "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["emotion", "pixels"])
        for _, name, face in draw_faces(("Training",), count):
            rows.writerow([CSV_EMOTIONS.index(name), " ".join(map(str, face.ravel()))])


def write_votes(file, count):
    """A table as FER+'s own, a line for each row of write_csv's CSV: nine for the label, one for another."""
    with open(file, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Usage", "Image name", *(f"column {column}" for column in range(10))])
        for split, name, _ in draw_faces(("Training", "PublicTest", "PrivateTest"), count):
            votes = [0] * 10
            votes[EMOTIONS.index(name)], votes[EMOTIONS.index(name) - 1] = 9, 1
            rows.writerow([split, "", *votes])


def run_notebook(folder):
    """Execute the folder's train.ipynb there. Returns the notebook with its outputs, and all that it printed."""
    notebook = nbformat.read(folder / "train.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    streams = [output for output in outputs if output.output_type == "stream"]
    assert [output.text for output in streams if output.name == "stderr"] == []
    return outputs, "".join(output.text for output in streams)


def count_figures(outputs):
    return sum("image/png" in output.get("data", {}) for output in outputs)


def stamp(paths):
    return [(path.stat().st_mtime_ns, path.read_bytes()) if path.exists() else None for path in paths]


@pytest.mark.parametrize(
    ("write", "count", "validation", "votes"), [(write_csv, 10, "PublicTest", True), (write_folders, 5, "Test", False)]
)
def test_quick_run_exports_elsewhere(write, count, validation, votes, tmp_path, monkeypatch):
    write(tmp_path / "faces", count)
    monkeypatch.setenv("FER_DATA", str(tmp_path / "faces"))
    monkeypatch.setenv("FER_QUICK", "1")
    monkeypatch.setenv("FER_VOTES", "")
    if votes:
        write_votes(tmp_path / "votes.csv", count)
        monkeypatch.setenv("FER_VOTES", str(tmp_path / "votes.csv"))
    for variable in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(variable, str(tmp_path))
    before = stamp([ROOT / name for name in PAIR])

    outputs, printed = run_notebook(ROOT)

    assert stamp([ROOT / name for name in PAIR]) == before
    assert count_figures(outputs) == 14
    assert f"{7 * count} faces to learn from, {7 * count} to validate on ({validation})" in printed
    assert f"faces, {'with' if votes else 'without'} votes" in printed
    folder = Path(re.search(r"model_weights\.h5 are in (.+); those of the app are as they were", printed)[1])
    assert tmp_path in folder.parents
    # What the notebook says of the pairs is what anybody finds who loads them, and the better one is taken.
    images, labels = load_dataset(tmp_path / "faces").split(validation)
    accuracies = {}
    for run in folder.parent.iterdir():
        probabilities = try_pair(run, images)
        name = "The better recipe" if run.name == "recipe" else "The course's recipe"
        assert f"{name}: {report(probabilities, labels)}" in printed
        accuracies[run] = accuracy(probabilities, labels)
        if run == folder:
            assert f"Validation: {report(probabilities, labels)}" in printed
        assert len(recipe.read_history(run)["epoch"]) == 2
    assert len(accuracies) == 2
    assert accuracies[folder] == max(accuracies.values())
    [table] = [output.data["text/markdown"] for output in outputs if "text/markdown" in output.get("data", {})]
    for value in accuracies.values():
        assert f"| {value:.1%} |" in table


def test_full_run_replaces_the_pair(tmp_path, monkeypatch, copy_program):
    """In a copy of the repository with the faces in data/, as people have it, all Training and very few."""
    monkeypatch.delenv("FER_DATA", raising=False)
    monkeypatch.delenv("FER_QUICK", raising=False)
    monkeypatch.delenv("FER_VOTES", raising=False)
    monkeypatch.setenv("FER_EPOCHS", "3")
    copy_program(tmp_path)
    for name in PAIR:
        (tmp_path / name).write_text("the pair before")
    write_challenge_csv(tmp_path / "data")

    _, printed = run_notebook(tmp_path)

    assert "31 faces to learn from, 4 to validate on (a tenth of Training)" in printed
    assert "The app's model.json and model_weights.h5 are now those of the " in printed
    assert try_pair(tmp_path, np.zeros((1, 48, 48), np.uint8)).shape == (1, len(EMOTIONS))
    course, better = sorted((tmp_path / "checkpoints").iterdir())
    assert better.name == "recipe-nine-tenths"  # a run that learned from all the faces is not gone on from
    assert len((course / "history.csv").read_text().splitlines()) == 1 + 15
    assert len((better / "history.csv").read_text().splitlines()) == 1 + 3
    taken = Path(re.search(r"which are also kept in (.+)\.", printed)[1])
    for name in PAIR:
        assert (tmp_path / name).read_bytes() == (tmp_path / taken / name).read_bytes()
    assert not list(tmp_path.glob(".new-*"))


@pytest.mark.parametrize(
    ("variable", "reason", "advice"),
    [("FER_DATA", "does not exist", "search Kaggle for FER2013"), ("FER_VOTES", "is no table", "Set FER_VOTES")],
)
def test_missing_files_are_one_sentence(tmp_path, monkeypatch, variable, reason, advice):
    write_csv(tmp_path / "faces", 1)
    monkeypatch.setenv("FER_DATA", str(tmp_path / "faces"))
    monkeypatch.setenv(variable, str(tmp_path / "nowhere.csv"))
    with pytest.raises(CellExecutionError) as raised:
        run_notebook(ROOT)
    assert "Traceback" not in raised.value.traceback
    assert raised.value.traceback.strip().splitlines()[-1].startswith(f"{tmp_path / 'nowhere.csv'} {reason}")
    assert advice in raised.value.evalue


def test_committed_notebook_shows_no_faces():
    """FER2013's pictures are not ours to publish: cells that show single ones are tagged, and kept without outputs."""
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
    showing = [cell for cell in cells if "shows-faces" in cell.metadata.get("tags", [])]
    assert [cell.id for cell in showing if cell.outputs] == []
    # The mean of many faces is nobody's; show_answers is the notebook's own way to show single ones.
    drawing = [cell.id for cell in cells if re.search(r"imshow\(|show_answers\(", cell.source)]
    assert [id for id in drawing if id != "average-faces"] == [cell.id for cell in showing]
