"""The app's pair of files is only replaced by a pair that works."""

import json

import numpy as np
import pytest

from model import ModelError, build_model
from training import export
from training.export import install_pair, try_pair, write_pair

PAIR = ("model.json", "model_weights.h5")
FACES = np.random.default_rng(5).integers(0, 256, (3, 48, 48), np.uint8)


@pytest.fixture(scope="module")
def network():
    return build_model()


@pytest.fixture(scope="module")
def new(network, tmp_path_factory):
    """A folder with a pair that works."""
    folder = tmp_path_factory.mktemp("new")
    write_pair(network, folder)
    return folder


@pytest.fixture
def old(tmp_path):
    """A folder with a pair to replace."""
    folder = tmp_path / "old"
    folder.mkdir()
    for name in PAIR:
        (folder / name).write_text("the pair before")
    return folder


def assert_untouched(folder):
    assert {path.name: path.read_text() for path in folder.iterdir()} == dict.fromkeys(PAIR, "the pair before")


def test_written_pair_answers_as_the_network_does(network, new):
    np.testing.assert_allclose(
        try_pair(new, FACES), network.predict(FACES[..., np.newaxis], verbose=0), rtol=1e-4, atol=1e-6
    )


def test_writing_says_nothing(network, tmp_path, caplog, capfd):
    write_pair(network, tmp_path)
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")


def test_pair_of_a_network_trained_in_bfloat16_is_float32(tmp_path):
    write_pair(build_model("mixed_bfloat16"), tmp_path)
    assert "bfloat16" not in (tmp_path / "model.json").read_text()
    assert try_pair(tmp_path, FACES).shape == (3, 7)


def test_pair_that_works_replaces_the_old(new, old):
    probabilities = install_pair(new, FACES, old)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert sorted(path.name for path in old.iterdir()) == sorted(PAIR)
    np.testing.assert_allclose(try_pair(old, FACES), probabilities, rtol=1e-5)
    assert all((new / name).exists() for name in PAIR)  # the run keeps its own copy


def test_network_that_diverged_replaces_nothing(old, tmp_path):
    network = build_model()
    network.set_weights([np.full_like(weights, np.nan) for weights in network.get_weights()])
    write_pair(network, tmp_path / "diverged")
    with pytest.raises(ModelError, match="gives no probabilities"):
        install_pair(tmp_path / "diverged", FACES, old)
    assert_untouched(old)


@pytest.mark.parametrize("name", PAIR)
def test_damaged_pair_replaces_nothing(name, new, old, tmp_path):
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for good in PAIR:
        (damaged / good).write_bytes((new / good).read_bytes())
    (damaged / name).write_bytes((new / name).read_bytes()[:1000])
    with pytest.raises(ModelError, match=name):
        install_pair(damaged, FACES, old)
    assert_untouched(old)


def test_full_disk_replaces_nothing(new, old, monkeypatch):
    def fail(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(export.shutil, "copyfile", fail)
    with pytest.raises(OSError, match="No space left"):
        install_pair(new, FACES, old)
    assert_untouched(old)


def test_pair_in_json_names_the_course_layers(new):
    layers = [layer["class_name"] for layer in json.loads((new / "model.json").read_text())["config"]["layers"]]
    assert layers.count("Conv2D") == 4
    assert layers.count("Dense") == 3
