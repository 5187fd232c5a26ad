"""train.ipynb, run from top to bottom on small data sets of drawn faces."""

import csv
import re
import shutil
from pathlib import Path

import numpy as np

from inference.pair import hash_of
from inference.shipped import read_shipped
from paths import MODEL_INT8, ROOT
from training import recipe
from training.dataset import CSV_EMOTIONS, SPLITS, VOTED, load_dataset
from training.export import try_pair
from training.metrics import accuracy, report
from vision.expressions import EMOTIONS
from vision.opencv import cv2

PAIR = ("model.json", "model_weights.h5")

PER_CLASS = 5  # faces of each expression in a split; as few as soft_targets can learn from
# How each expression is drawn: the slant of the brows, how open the eyes are, the curve of the mouth, its line width.
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
    slant, eyes, curve, thickness = LOOKS[emotion]
    face = np.full((48, 48), int(rng.integers(10, 60)), np.uint8)
    x, y = (int(value) for value in rng.integers(22, 27, 2))
    cv2.ellipse(face, (x, y), (19, 22), 0, 0, 360, int(rng.integers(150, 220)), -1)
    for side in (-1, 1):
        cv2.ellipse(face, (x + side * 8, y - 5), (4, eyes), 0, 0, 360, 40, -1)
        cv2.line(face, (x + side * 4, y - 12 + slant), (x + side * 12, y - 12), 40, 2)
    mouth = [(x + dx, y + 11 + round(curve * (1 - dx * dx / 64) - curve / 2)) for dx in range(-8, 9)]
    cv2.polylines(face, [np.array(mouth)], False, 40, thickness)
    return np.clip(face + rng.normal(0, 8, face.shape), 0, 255).astype(np.uint8)


def draw_faces(splits):
    """Rows of (split, emotion, face): PER_CLASS faces of every expression in every split."""
    rng = np.random.default_rng(5)
    return [(split, name, draw_face(name, rng)) for split in splits for name in EMOTIONS for _ in range(PER_CLASS)]


def write_csv(file):
    """A fer2013.csv with all of its splits."""
    with open(file, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["emotion", "pixels", "Usage"])
        for split, name, face in draw_faces(SPLITS):
            rows.writerow([CSV_EMOTIONS.index(name), " ".join(map(str, face.ravel())), split])


def write_challenge_csv(file):
    """The challenge's train.csv, which has no column Usage."""
    with open(file, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["emotion", "pixels"])
        for _, name, face in draw_faces(("Training",)):
            rows.writerow([CSV_EMOTIONS.index(name), " ".join(map(str, face.ravel()))])


def write_votes(file):
    """A table like FER+'s own, with a line for each row of write_csv: nine votes for the label, one for another."""
    with open(file, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["Usage", "Image name", *(f"column {column}" for column in range(10))])
        for split, name, _ in draw_faces(SPLITS):
            votes = [0] * 10
            votes[VOTED.index(name)], votes[VOTED.index(name) - 1] = 9, 1
            rows.writerow([split, "", *votes])


def read_notebook(folder=ROOT):
    import nbformat  # here, since it takes three seconds, in each process that runs tests

    return nbformat.read(folder / "train.ipynb", as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shows_faces(cell):
    return "shows-faces" in cell.metadata.get("tags", [])


def run_notebook(notebook, folder, **options):
    """Execute a notebook in a folder. Returns its outputs, and all that it printed."""
    from nbclient import NotebookClient  # here, as nbformat

    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}, **options).execute()
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    streams = [output for output in outputs if output.output_type == "stream"]
    assert [output.text for output in streams if output.name == "stderr"] == []
    return outputs, "".join(output.text for output in streams)


def count_figures(outputs):
    return sum("image/png" in output.get("data", {}) for output in outputs)


def stamp(paths):
    return [(path.stat().st_mtime_ns, path.read_bytes()) if path.exists() else None for path in paths]


def test_quick_run_exports_elsewhere(tmp_path, monkeypatch, picture):
    write_csv(tmp_path / "fer2013.csv")
    write_votes(tmp_path / "votes.csv")
    monkeypatch.setenv("FER_DATA", str(tmp_path / "fer2013.csv"))
    monkeypatch.setenv("FER_VOTES", str(tmp_path / "votes.csv"))
    monkeypatch.setenv("FER_PICTURES", str(tmp_path / "pictures"))
    (tmp_path / "pictures" / "Happy").mkdir(parents=True)
    shutil.copy(picture, tmp_path / "pictures" / "Happy")
    monkeypatch.setenv("FER_QUICK", "1")
    for variable in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(variable, str(tmp_path))
    before = stamp([ROOT / name for name in PAIR])

    outputs, printed = run_notebook(read_notebook(), ROOT)

    assert stamp([ROOT / name for name in PAIR]) == before
    assert count_figures(outputs) == 16
    assert "105 faces, with votes" in printed
    assert "35 faces to learn from, 35 to validate on (PublicTest)" in printed
    assert "1 of 1 found; accuracy 100.0%" in printed
    folder = Path(re.search(r"model_weights\.h5 are in (.+); those of the app are as they were", printed)[1])
    assert tmp_path in folder.parents
    # The notebook's figures are those that anyone gets who loads the pairs, and the better pair is taken.
    images, labels = load_dataset(tmp_path / "fer2013.csv").split("PublicTest")
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
    """In a copy of the repository with the faces in data/, as people have it; very few, and all of them Training.

    Epochs are fewer too, and cells that only show single faces are left out: the quick run has them.
    """
    for variable in ("FER_DATA", "FER_PICTURES", "FER_QUICK", "FER_VOTES"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("FER_EPOCHS", "1")
    copy_program(tmp_path)
    for name in PAIR:
        (tmp_path / name).write_text("the pair before")
    (tmp_path / "data").mkdir()
    write_challenge_csv(tmp_path / "data" / "train.csv")
    notebook = read_notebook(tmp_path)
    notebook.cells = [cell for cell in notebook.cells if not shows_faces(cell)]
    [settings] = [cell for cell in notebook.cells if cell.id == "settings"]
    assert "EPOCHS = 2 if QUICK else 15 " in settings.source
    settings.source = settings.source.replace("else 15 ", "else 3 ")

    _, printed = run_notebook(notebook, tmp_path)

    assert "31 faces to learn from, 4 to validate on (a tenth of Training)" in printed
    assert "The app's model.json and model_weights.h5 are now those of the " in printed
    assert "No faces: PICTURES names a folder" in printed
    assert try_pair(tmp_path, np.zeros((1, 48, 48), np.uint8)).shape == (1, len(EMOTIONS))
    course, better = sorted((tmp_path / "checkpoints").iterdir())
    assert better.name == "recipe-nine-tenths"  # no run that learned from all the faces is continued
    assert recipe.read_history(course)["epoch"] == [0, 1, 2]
    assert recipe.read_history(better)["epoch"] == [0]
    taken = Path(re.search(r"which are also kept in (.+)\.", printed)[1])
    assert read_shipped(tmp_path / MODEL_INT8.name, hash_of(*(tmp_path / name for name in PAIR)))
    for name in (*PAIR, MODEL_INT8.name):
        assert (tmp_path / name).read_bytes() == (tmp_path / taken / name).read_bytes()
    assert not list(tmp_path.glob(".new-*"))


def test_missing_files_are_one_sentence(tmp_path, monkeypatch):
    from nbformat.v4 import new_code_cell, new_notebook  # here, as nbformat

    nowhere = tmp_path / "nowhere.csv"
    write_csv(tmp_path / "fer2013.csv")
    monkeypatch.setenv("FER_DATA", str(nowhere))
    cells = {cell.id: cell for cell in code_cells(read_notebook())}
    notebook, again = new_notebook(), new_code_cell(cells["data"].source)
    other = new_code_cell(f"DATA, VOTES = {str(tmp_path)!r}, {str(nowhere)!r}")
    notebook.cells = [cells["settings"], cells["data"], other, again]

    run_notebook(notebook, ROOT, allow_errors=True)

    for cell, reason, advice in (
        (cells["data"], "does not exist", "search Kaggle for FER2013"),
        (again, "can't be read as FER+'s votes", "Set FER_VOTES"),
    ):
        [error] = cell.outputs
        [message] = error.traceback  # and no more of a traceback than that
        assert message.startswith(f"{nowhere} {reason}")
        assert advice in message


def test_committed_notebook_shows_no_faces():
    """FER2013's pictures are not ours to publish: cells that show them are tagged, and stored without outputs."""
    cells = code_cells(read_notebook())
    showing = [cell for cell in cells if shows_faces(cell)]
    assert [cell.id for cell in showing if cell.outputs] == []
    # The mean of many faces shows no person. show_answers is a function of the notebook that shows single faces.
    drawing = [cell.id for cell in cells if re.search(r"imshow\(|show_answers\(", cell.source)]
    assert [id for id in drawing if id != "average-faces"] == [cell.id for cell in showing]
