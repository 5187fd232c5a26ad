"""How much better the app does once it knows a person: `pipenv run evaluate FOLDER --by-person`.

The pictures of one person after the other are judged in several ways. None of these ever learns from the picture that
it is judged by.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model import FacialExpressionModel
from training.dataset import DatasetError
from training.evaluate_pictures import labelled_pictures
from training.metrics import calibration_error
from vision.annotate import largest_face
from vision.confidence import calibrated
from vision.crop import in_good_light
from vision.expressions import EMOTIONS

WAYS = (
    "no adaptation",
    "the person's other pictures",
    "one neutral picture",
    "one set of statistics for all",
    "one offset for all",
    "other pictures, as the app answers",
)
NEUTRAL_WAY = WAYS.index("one neutral picture")
LEAST = 6  # pictures of a person who is judged
CHOICES = 20  # of a neutral picture, at random, for each picture
PENALTY = 0.03  # of an offset's square, beside the cross-entropy
TINY = 1e-7  # probability, so that its logarithm is finite
DRAWS, SEED = 1000, 7
INTERVAL = (2.5, 97.5)  # percentiles
NEUTRAL = EMOTIONS.index("Neutral")
FREQUENT = [EMOTIONS.index(name) for name in ("Angry", "Happy", "Neutral", "Sad", "Surprise")]


@dataclass(frozen=True)
class Faces:
    """The faces that were found in labelled pictures, in three arrays with a row for each."""

    crops: np.ndarray  # (n, 48, 48) uint8
    labels: np.ndarray  # (n,) int64, indices into EMOTIONS
    people: np.ndarray  # (n,) int64, whose face it is, from 0

    @property
    def judged(self) -> np.ndarray:
        """Which faces are judged, (n,) bool: those of people with at least LEAST faces."""
        return np.bincount(self.people)[self.people] >= LEAST

    @property
    def without_neutral(self) -> np.ndarray:
        """The faces, (n,) bool, beside which there is no other face of the person that is labelled Neutral."""
        is_neutral = self.labels == NEUTRAL
        return np.bincount(self.people, is_neutral)[self.people] == is_neutral


@dataclass(frozen=True)
class Figures:
    """How good one way is. The first two have a row for everybody once, then one for each bootstrap draw."""

    accuracy: np.ndarray  # (1 + DRAWS,), 0..1
    mean_recall: np.ndarray  # (1 + DRAWS,), 0..1, of those expressions in FREQUENT that occur
    recalls: np.ndarray  # (7,), 0..1, NaN where an expression does not occur
    calibration: float  # 0..1


def find_faces(folder: Path) -> Faces:
    """The largest face in each of the pictures <person>/<expression>/ of a folder, cropped as the app does it.

    Raises DatasetError where a picture cannot be read, and where nobody can be judged.
    """
    pictures = labelled_pictures(folder) if folder.is_dir() else []
    folders = sorted({each.person for each in pictures})
    if len(folders) < 2:
        raise DatasetError(f"--by-person needs pictures of two people or more in {folder}/<person>/<expression>/.")
    crops, labels, people = [], [], []
    for each in pictures:
        crop = largest_face(each.read())
        if crop is not None:
            crops.append(in_good_light(crop))
            labels.append(each.label)
            people.append(folders.index(each.person))
    if max(np.bincount(people), default=0) < LEAST or len(set(people)) < 2:
        raise DatasetError(
            f"--by-person needs {LEAST} pictures or more of one person in which a face is found, and one of another; "
            f"{folder} has too few."
        )
    return Faces(np.array(crops), np.array(labels), np.array(people))


def judge(faces: Faces, model: FacialExpressionModel) -> np.ndarray:
    """The probabilities of the faces that are judged: (6, CHOICES, judged, 7) float64, of each of WAYS.

    Only the way with a neutral picture differs from choice to choice.
    """
    rng = np.random.default_rng(SEED)
    plain = np.concatenate([model.predict(crop[np.newaxis], mirrored=True) for crop in faces.crops])
    answers = np.empty((len(WAYS), CHOICES, len(plain), len(EMOTIONS)))
    for person in np.unique(faces.people[faces.judged]):
        own = faces.people == person
        crops = faces.crops[own]
        kept = by_other_pictures(crops, model)
        everybody = model.learn(faces.crops[~own])
        offset = fit_offset(plain[~own], faces.labels[~own])
        ways = (
            plain[own],
            kept,
            by_neutral_picture(crops, faces.labels[own], model, rng),
            model.predict(crops, [everybody] * len(crops), mirrored=True),
            with_offset(plain[own], offset),
            calibrated(kept, ["adapted"] * len(kept)),
        )
        for answer, probabilities in zip(answers, ways):
            answer[:, own] = probabilities
    return answers[:, :, faces.judged]


def by_other_pictures(crops: np.ndarray, model: FacialExpressionModel) -> np.ndarray:
    """The probabilities (n, 7) of one person's faces, (n, 48, 48) uint8, each set to the person by the others."""
    learned = [model.learn(np.delete(crops, index, axis=0)) for index in range(len(crops))]
    return model.predict(crops, learned, mirrored=True)


def by_neutral_picture(
    crops: np.ndarray, labels: np.ndarray, model: FacialExpressionModel, rng: np.random.Generator
) -> np.ndarray:
    """The probabilities (CHOICES, n, 7) of one person's faces, each with one other that is labelled Neutral.

    crops: (n, 48, 48) uint8. labels: (n,). Where there is no other, nothing is known of the person.
    """
    neutral = np.flatnonzero(labels == NEUTRAL)
    learned = {index: model.learn(crops[[index]], resting=True) for index in neutral}
    answers = []
    for index, crop in enumerate(crops):
        people = [learned[other] for other in neutral if other != index] or [None]
        each = model.predict(np.repeat(crop[np.newaxis], len(people), axis=0), people, mirrored=True)
        answers.append(each[rng.integers(len(people), size=CHOICES)])
    return np.stack(answers, axis=1)


def with_offset(probabilities: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The probabilities (n, 7) with seven numbers added to their logarithms; each row sums to 1 again."""
    moved = np.maximum(probabilities, TINY) * np.exp(offset)
    return moved / moved.sum(axis=1, keepdims=True)


def fit_offset(probabilities: np.ndarray, labels: np.ndarray, penalty: float = PENALTY) -> np.ndarray:
    """The offset (7,) with which probabilities fit their labels best, where each expression counts as much as another.

    probabilities: (n, 7). labels: (n,). penalty: of the offset's square. It is 0 for expressions that do not occur.
    """
    from scipy.optimize import minimize

    occurring, which, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weights = 1 / (len(occurring) * counts[which])
    rows, where = np.arange(len(labels)), np.eye(len(EMOTIONS))[occurring]

    def loss(values: np.ndarray) -> float:
        right = with_offset(probabilities, values @ where)[rows, labels]
        return float(-weights @ np.log(right) + penalty * values @ values)

    return minimize(loss, np.zeros(len(occurring))).x @ where


def draws_of(count: int) -> np.ndarray:
    """How often each of so many people is drawn, (1 + DRAWS, count): first everybody once, then with replacement."""
    drawn = np.random.default_rng(SEED).multinomial(count, np.full(count, 1 / count), DRAWS)
    return np.concatenate([np.ones((1, count), int), drawn])


def figures_of(probabilities: np.ndarray, labels: np.ndarray, people: np.ndarray, draws: np.ndarray) -> Figures:
    """The figures of one way, each the mean of all choices.

    probabilities: (choices, n, 7). labels: (n,). people: (n,), columns of draws. draws: see draws_of.
    """
    cells = people * len(EMOTIONS) + labels
    right = (probabilities.argmax(axis=2) == labels).mean(axis=0)
    hits, faces = (
        draws @ np.bincount(cells, values, draws.shape[1] * len(EMOTIONS)).reshape(-1, len(EMOTIONS))
        for values in (right, np.ones(len(labels)))
    )
    with np.errstate(invalid="ignore"):  # 0 / 0, of expressions that do not occur
        recalls = hits / faces
        mean_recall = np.nansum(recalls[:, FREQUENT], axis=1) / np.sum(faces[:, FREQUENT] > 0, axis=1)
    calibration = float(np.mean([calibration_error(choice, labels) for choice in probabilities]))
    return Figures(hits.sum(axis=1) / faces.sum(axis=1), mean_recall, recalls[0], calibration)


def report_people(faces: Faces, model: FacialExpressionModel) -> str:
    """The figures of all ways as two tables in text; the second says how far each is from the first way, in points."""
    labels = faces.labels[faces.judged]
    judged, people = np.unique(faces.people[faces.judged], return_inverse=True)
    draws = draws_of(len(judged))
    figures = [figures_of(way, labels, people, draws) for way in judge(faces, model)]
    names = list(WAYS)
    names[NEUTRAL_WAY] += f" ({np.sum(faces.without_neutral & faces.judged)} had none)"
    return "\n".join(
        [
            f"judged: {len(judged)} of {len(np.unique(faces.people))} people, "
            f"{len(labels)} of {len(faces.labels)} pictures in which a face was found",
            *_table(names, figures),
            *_differences(names, figures),
        ]
    )


def _table(names: Sequence[str], figures: Sequence[Figures]) -> list[str]:
    """The lines of a table with all figures, in percent."""
    heading = _row("percent", "accuracy", "mean recall of five") + "".join(f"{name:>9}" for name in EMOTIONS)
    lines = [heading + "  calibration error"]
    for name, each in zip(names, figures):
        recalls = ("-" if np.isnan(recall) else f"{100 * recall:.1f}" for recall in each.recalls)
        row = _row(name, _with_interval(each.accuracy), _with_interval(each.mean_recall))
        lines.append(row + "".join(f"{recall:>9}" for recall in recalls) + f"{each.calibration:>19.3f}")
    return lines


def _differences(names: Sequence[str], figures: Sequence[Figures]) -> list[str]:
    """The lines of a table of how much better than the first way each of the others is, in points."""
    first, *others = figures
    lines = [_row(f"points more than {names[0]}", "accuracy", "mean recall of five")]
    for name, each in zip(names[1:], others):
        better = each.accuracy - first.accuracy, each.mean_recall - first.mean_recall
        lines.append(_row(name, *(_with_interval(values, "+") for values in better)))
    return lines


def _row(name: str, accuracy: str, mean_recall: str) -> str:
    return f"{name:<34}{accuracy:>20}{mean_recall:>21}"


def _with_interval(values: np.ndarray, sign: str = "") -> str:
    """The first of some shares in percent, with the interval of the others; sign: "+" to show that of each number."""
    figures = 100 * np.array([values[0], *np.percentile(values[1:], INTERVAL)])
    return "{} [{}, {}]".format(*(f"{figure:{sign}.1f}" for figure in figures))
