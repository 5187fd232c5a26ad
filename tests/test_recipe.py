import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from inference.keras_files import import_keras
from model import build_model, crop_face
from paths import ROOT
from training import recipe
from vision.faces import FaceDetector

FACES = np.random.default_rng(3).integers(0, 256, (64, 48, 48), np.uint8)
TARGETS = np.eye(7, dtype=np.float32)[np.arange(64) % 7]
VALIDATION = (FACES[:14], np.arange(14) % 7)

# Trains in another process, so that it can be killed: argv is the folder and the epochs.
RUN = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
import test_recipe as t
from training import recipe
recipe.train(t.FACES, t.TARGETS, t.VALIDATION, sys.argv[1], int(sys.argv[2]))
"""


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
    votes[np.arange(2000), (labels + 1) % 7] = 10  # whatever order the voters' columns have, it is learned
    votes[:3] = 0
    odd = 100
    labels[odd] = (labels[odd] + 2) % 7  # one label that nobody would have expected
    targets = recipe.soft_targets(labels, votes)
    assert np.allclose(targets.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(targets[:3], recipe.soft_targets(labels[:3]))  # nobody voted
    assert (targets.argmax(axis=1) == labels).all()
    confirmed = targets[np.arange(2000), labels]
    assert confirmed[odd] < confirmed[200:].min()
    assert np.argsort(targets[odd])[-2] == (labels[odd] - 2) % 7  # what people say instead comes second


def test_augmented_faces_differ_and_stay_faces():
    once, again = (recipe.augment(FACES[:20], np.random.default_rng(5)) for _ in range(2))
    assert once.dtype == np.uint8
    assert once.shape == (20, 48, 48)
    assert (once == again).all()
    assert (recipe.augment(FACES[:20], np.random.default_rng(6)) != once).mean() > 0.5


def test_without_strength_a_face_is_only_mirrored():
    smooth = np.add.outer(np.arange(48) * 2, np.arange(48)).astype(np.uint8)
    for _ in range(8):
        face = recipe.augment(smooth[np.newaxis], np.random.default_rng(_), strength=0.0)[0].astype(int)
        assert min(np.abs(face - smooth).max(), np.abs(face - smooth[:, ::-1]).max()) <= 1


def test_half_of_the_faces_come_as_the_app_crops_them(monkeypatch):
    monkeypatch.setattr(recipe, "augment", lambda faces, rng, strength: faces)
    batches = recipe.AugmentedBatches(FACES, 255 - FACES, TARGETS, 1, 0)
    faces, _ = batches[0]
    cropped = (faces[..., 0] == 255 - FACES[batches.order[:128]]).all(axis=(1, 2))
    assert 0.35 < cropped.mean() < 0.65
    assert (faces[~cropped, ..., 0] == FACES[batches.order[:128]][~cropped]).all()


def test_crops_are_those_of_the_app_and_are_kept(astronaut, tmp_path, monkeypatch):
    grey = cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY)
    face = crop_face(grey, FaceDetector().detect(grey)[0])
    images = np.stack([face, np.zeros_like(face)])
    crops = recipe.crops_of_the_app(images, tmp_path)
    assert 0 < np.abs(crops[0].astype(int) - face).mean() < 20
    assert (crops[1] == 0).all()  # nobody is there
    monkeypatch.setattr(recipe, "find_and_crop", None)
    assert (recipe.crops_of_the_app(images, tmp_path) == crops).all()


def test_held_back_faces_are_never_learned_from():
    learn, held_back = recipe.hold_back(1000)
    assert len(held_back) == 50
    assert sorted([*learn, *held_back]) == list(range(1000))
    assert (recipe.hold_back(1000)[1] == held_back).all()


def test_temperature_is_found_and_folded_in():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 2, (4000, 7))
    honest = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array([rng.choice(7, p=row) for row in honest])
    boastful = np.exp(2.5 * logits) / np.exp(2.5 * logits).sum(axis=1, keepdims=True)
    temperature = recipe.fit_temperature(boastful, labels)
    assert temperature == pytest.approx(2.5, abs=0.15)

    network = build_model()
    before = network.predict(FACES[:5, ..., np.newaxis], verbose=0)
    recipe.fold_temperature(network, 2.0)
    after = network.predict(FACES[:5, ..., np.newaxis], verbose=0)
    expected = np.sqrt(before) / np.sqrt(before).sum(axis=1, keepdims=True)
    assert np.allclose(after, expected, atol=1e-4)


def test_statistics_are_those_of_the_faces():
    network = build_model()
    recipe.refresh_statistics(network, FACES[:64])
    values = FACES[:64, ..., np.newaxis].astype(np.float32)
    for layer in network.layers:
        after = layer(values, training=False)
        if isinstance(layer, import_keras().layers.BatchNormalization):
            # In training it takes the statistics of what it is given.
            assert np.abs(np.array(layer(values, training=True)) - np.array(after)).max() < 0.05
        values = after


def test_the_faster_precision_is_taken(monkeypatch):
    for faster in ("mixed_bfloat16", "float32"):
        monkeypatch.setattr(recipe, "_seconds", lambda policy, faster=faster: 1 if policy == faster else 2)
        assert recipe.fastest_precision() == faster


def train_in_another_process(folder, epochs):
    code = RUN.format(root=str(ROOT), tests=str(ROOT / "tests"))
    return subprocess.Popen([sys.executable, "-c", code, str(folder), str(epochs)], stdout=subprocess.DEVNULL)


def test_a_run_that_is_killed_goes_on_where_it_was(tmp_path):
    process = train_in_another_process(tmp_path, 200)
    try:
        end = time.monotonic() + 120
        while not (tmp_path / "state.weights.h5").exists() or len(recipe.read_history(tmp_path)["epoch"]) < 2:
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    done = len(recipe.read_history(tmp_path)["epoch"])

    network = recipe.train(FACES, TARGETS, VALIDATION, tmp_path, epochs=done + 1)

    assert recipe.read_history(tmp_path)["epoch"] == list(range(done + 1))
    assert np.isfinite(network.predict(FACES[:4, ..., np.newaxis], verbose=0)).all()
    assert {weight.dtype for weight in network.weights} == {"float32"}


def test_an_interrupted_run_ends_as_an_undisturbed_one(tmp_path):
    recipe.train(FACES, TARGETS, VALIDATION, tmp_path / "whole", epochs=3)
    with pytest.MonkeyPatch.context() as patch:
        stop = recipe.KeepState.on_epoch_end

        def save_then_stop(self, epoch, logs=None):
            stop(self, epoch, logs)
            if epoch == 1:
                raise KeyboardInterrupt

        patch.setattr(recipe.KeepState, "on_epoch_end", save_then_stop)
        with pytest.raises(KeyboardInterrupt):
            recipe.train(FACES, TARGETS, VALIDATION, tmp_path / "cut", epochs=3)
    recipe.train(FACES, TARGETS, VALIDATION, tmp_path / "cut", epochs=3)
    whole, cut = (recipe.read_history(tmp_path / name)["loss"] for name in ("whole", "cut"))
    # The epoch after the interruption sees the same faces, dropouts and momentum; later ones drift apart by rounding.
    assert cut[:3] == pytest.approx(whole[:3], rel=0.01)
