"""The recipe's parts on faces of noise, and runs of `pipenv run train`, one of which is killed."""

import csv
import subprocess
import sys

import cv2
import numpy as np
import pytest

import training.teacher
from inference.keras_files import import_keras
from model import build_model, crop_face
from paths import MODEL_JSON, MODEL_WEIGHTS, ROOT
from training import augmentation, branches, export, recipe
from training.export import try_pair
from vision.patches import halvings
from vision.search import search_still

FACES = np.random.default_rng(3).integers(0, 256, (64, 48, 48), np.uint8)
TARGETS = np.eye(7, dtype=np.float32)[np.arange(64) % 7]


def test_targets_without_votes_are_smoothed_labels():
    targets = recipe.soft_targets(np.array([3, 0]))
    assert targets.shape == (2, 7)
    assert np.allclose(targets.sum(axis=1), 1)
    assert targets[0].argmax() == 3
    assert 0.9 < targets[0, 3] < 0.95


def test_votes_say_what_label_to_expect():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 2000)
    votes = np.zeros((2000, 10), np.float32)
    votes[np.arange(2000), (labels + 1) % 7] = 10  # which column belongs to which label is learned
    votes[:3] = 0
    odd = 100
    labels[odd] = (labels[odd] + 2) % 7  # one label that contradicts the votes
    targets = recipe.soft_targets(labels, votes)
    assert np.allclose(targets.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(targets[:3], recipe.soft_targets(labels[:3]))  # without votes
    assert (targets.argmax(axis=1) == labels).all()
    confirmed = targets[np.arange(2000), labels]
    assert confirmed[odd] < confirmed[200:].min()
    assert np.argsort(targets[odd])[-2] == (labels[odd] - 2) % 7  # the label that the votes speak for comes second


def test_augmented_faces_differ_and_stay_faces():
    once, again = (augmentation.augment(FACES[:20], np.random.default_rng(5)) for _ in range(2))
    assert once.dtype == np.uint8
    assert once.shape == (20, 48, 48)
    assert (once == again).all()
    assert (augmentation.augment(FACES[:20], np.random.default_rng(6)) != once).mean() > 0.5


def test_without_strength_a_face_is_only_mirrored():
    smooth = np.add.outer(np.arange(48) * 2, np.arange(48)).astype(np.uint8)
    for seed in range(8):
        face = augmentation.augment(smooth[np.newaxis], np.random.default_rng(seed), strength=0.0)[0].astype(int)
        assert min(np.abs(face - smooth).max(), np.abs(face - smooth[:, ::-1]).max()) <= 1


@pytest.mark.parametrize("name", ["BLURRED", "SHARPENED", "LOCAL", "ONE_SIDED", "GAMMA", "NOISY", "JPEG", "COVERED"])
def test_faces_are_changed_as_pictures_in_the_world_are(monkeypatch, name):
    for share in ("LOW_SHARE", "BLURRED", "SHARPENED", "LOCAL", "ONE_SIDED", "GAMMA", "NOISY", "JPEG", "COVERED"):
        monkeypatch.setattr(augmentation, share, 0)
    plain = augmentation.augment(FACES[:8], np.random.default_rng(5))
    monkeypatch.setattr(augmentation, name, 1)
    changed = augmentation.augment(FACES[:8], np.random.default_rng(5))
    assert (np.abs(changed[0].astype(int) - plain[0]) > 2).mean() > 0.01
    assert changed.dtype == np.uint8


def test_faces_of_few_pixels_lose_their_detail(monkeypatch):
    monkeypatch.setattr(augmentation, "LOW_SHARE", 0.5)
    blurred = augmentation.augment(FACES[:8], np.random.default_rng(5))
    assert blurred.std() < 0.7 * FACES[:8].std()


def test_branches_fold_into_the_network_of_the_course():
    branched = branches.build_branched()
    branched.compile("sgd", "categorical_crossentropy")
    branched.fit(FACES[..., np.newaxis], TARGETS, verbose=0)  # after which no BatchNorm is as it was
    recipe.refresh_statistics(branched, FACES)
    folded = branches.fold(branched)
    assert branched.count_params() > folded.count_params() == 4_478_727
    answers = [network.predict(FACES[..., np.newaxis], verbose=0) for network in (branched, folded)]
    assert np.ptp(answers[0], axis=0).max() > 0.01
    assert np.abs(answers[0] - answers[1]).max() < 1e-4


def test_half_of_the_faces_are_as_the_app_crops_them(monkeypatch):
    monkeypatch.setattr(recipe, "augment", lambda faces, rng, strength: faces)
    batches = recipe.AugmentedBatches(FACES, 255 - FACES, TARGETS, 1, 0)
    faces, _ = batches[0]
    cropped = (faces[..., 0] == 255 - FACES[batches.order[:128]]).all(axis=(1, 2))
    assert 0.35 < cropped.mean() < 0.65
    assert (faces[~cropped, ..., 0] == FACES[batches.order[:128]][~cropped]).all()


class ByLight:
    """A teacher: who is lighter than the middle is Happy, everybody else is Sad."""

    def predict_on_batch(self, faces):
        return np.eye(7)[np.where(faces.mean(axis=(1, 2, 3)) > 127.5, 3, 5)]


def test_a_teacher_answers_for_the_faces_as_they_are_shown():
    plain, taught = (recipe.AugmentedBatches(FACES, FACES, TARGETS, 1, 0, teacher) for teacher in (None, ByLight()))
    (faces, targets), (same_faces, mixed) = plain[0], taught[0]
    assert (faces == same_faces).all()
    answers = ByLight().predict_on_batch(faces)
    assert 0 < answers[:, 3].mean() < 1
    assert np.allclose(mixed, (targets + answers) / 2)


def test_another_network_can_be_trained_first_as_teacher(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training.teacher, "BLOCKS", ((8,), (8,)))
    data, run = write_csv(tmp_path / "fer2013.csv"), tmp_path / "run"
    assert train(data, run, tmp_path, "float32", "--epochs", "1", "--teacher") == 0
    assert recipe.read_history(run / "teacher")["epoch"] == recipe.read_history(run)["epoch"] == [0]
    assert "The new pair is in" in capsys.readouterr().out
    assert try_pair(tmp_path, FACES[:4]).shape == (4, 7)


def test_crops_are_those_of_the_app_and_are_saved(astronaut, tmp_path, monkeypatch):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)
    face = crop_face(grey, search_still(halvings(grey))[0].place.box)
    images = np.stack([face, np.zeros_like(face)])
    crops = recipe.app_crops(images, tmp_path)
    assert 0 < np.abs(crops[0].astype(int) - face).mean() < 20
    assert (crops[1] == 0).all()  # there is no face in it
    monkeypatch.setattr(recipe, "find_and_crop", None)
    assert (recipe.app_crops(images, tmp_path) == crops).all()


def test_held_back_faces_are_never_learned_from():
    learn, held_back = recipe.hold_back(1000)
    assert len(held_back) == 50
    assert sorted([*learn, *held_back]) == list(range(1000))
    assert (recipe.hold_back(1000)[1] == held_back).all()


def test_temperature_is_found_and_folded_in():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (4000, 7))
    calibrated = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(7, p=row) for row in calibrated])
    overconfident = np.exp(2.5 * logits) / np.exp(2.5 * logits).sum(axis=1, keepdims=True)
    temperature = recipe.fit_temperature(overconfident, labels)
    assert temperature == pytest.approx(2.5, abs=0.15)

    network = build_model()
    before = network.predict(FACES[:5, ..., np.newaxis], verbose=0)
    recipe.fold_temperature(network, 2.0)
    after = network.predict(FACES[:5, ..., np.newaxis], verbose=0)
    expected = np.sqrt(before) / np.sqrt(before).sum(axis=1, keepdims=True)
    assert np.allclose(after, expected, atol=1e-4)


def test_statistics_are_those_of_the_faces():
    network = build_model()
    recipe.refresh_statistics(network, FACES[:16])
    values = FACES[:16, ..., np.newaxis].astype(np.float32)
    for layer in network.layers:
        after = layer(values, training=False)
        if isinstance(layer, import_keras().layers.BatchNormalization):
            # In training, it uses the statistics of the values that it is given.
            assert np.abs(np.array(layer(values, training=True)) - np.array(after)).max() < 0.05
        values = after


def test_the_faster_precision_is_taken(monkeypatch):
    for faster in ("mixed_bfloat16", "float32"):
        monkeypatch.setattr(recipe, "_seconds", lambda policy, faster=faster: 1 if policy == faster else 2)
        assert recipe.fastest_precision() == faster


def write_csv(path):
    """Seventeen of the faces as fer2013.csv."""
    with open(path, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["emotion", "pixels"])
        rows.writerows([index % 7, " ".join(map(str, face.ravel()))] for index, face in enumerate(FACES[:17]))
    return path


def train(data, run, out, precision, *options):
    """`pipenv run train` for two epochs of two batches each. Returns the exit status."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "BATCH", 8)
        patch.setattr(recipe, "fastest_precision", lambda: precision)
        patch.setattr(export, "compile_beside", lambda folder: False)  # which takes as long as the training here
        return recipe.main([str(data), "--run", str(run), "--epochs", "2", "--out", str(out), *options])


def train_and_hang(*arguments):
    """As train, but print "hanging" and hang in the second epoch: its history is written, its state is not."""
    save = recipe.SaveState.on_epoch_end

    def save_or_hang(self, epoch, logs=None):
        if epoch == 1:
            print("hanging", flush=True)
            sys.stdin.read()
        save(self, epoch, logs)

    recipe.SaveState.on_epoch_end = save_or_hang
    train(*arguments)


HANGING = f"""
import sys
sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
import test_recipe
test_recipe.train_and_hang(*sys.argv[1:])
"""


def test_a_killed_run_ends_as_an_undisturbed_one(tmp_path):
    data, whole, cut = write_csv(tmp_path / "fer2013.csv"), tmp_path / "whole", tmp_path / "cut"
    precision = recipe.fastest_precision()
    command = [sys.executable, "-c", HANGING, *map(str, (data, cut, tmp_path, precision))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert train(data, whole, tmp_path, precision) == 0
        assert "hanging\n" in process.stdout
        process.kill()
    assert recipe.read_history(cut)["epoch"] == [0, 1]

    assert train(data, cut, tmp_path, precision) == 0

    undisturbed, continued = recipe.read_history(whole), recipe.read_history(cut)
    assert continued["epoch"] == [0, 1]
    # The same faces, dropout, momentum and learning rate; only rounding differs.
    assert continued["loss"] == pytest.approx(undisturbed["loss"], rel=0.01)
    assert continued["val_loss"] == pytest.approx(undisturbed["val_loss"], rel=0.01)
    for name in (MODEL_JSON.name, MODEL_WEIGHTS.name):
        assert (tmp_path / name).read_bytes() == (cut / name).read_bytes()
    np.testing.assert_allclose(try_pair(cut, FACES[:4]), try_pair(whole, FACES[:4]), atol=0.02)
