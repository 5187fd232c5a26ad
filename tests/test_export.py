"""The app's pair of files is only replaced by a pair that works."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from inference.errors import CompileError
from inference.pair import hash_of
from inference.shipped import read_shipped, write_shipped
from model import ModelError, build_model
from training import export
from training.export import install_pair, try_pair, write_pair

PAIR = ("model.json", "model_weights.h5")
COMPILED = "model_int8.tflite"
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
    for name in (*PAIR, COMPILED):
        (folder / name).write_text("the pair before")
    return folder


def assert_untouched(folder):
    names = (*PAIR, COMPILED)
    assert {path.name: path.read_text() for path in folder.iterdir()} == dict.fromkeys(names, "the pair before")


def compiled_in(folder):
    """The content of the compiled network that belongs to a folder's pair, or None."""
    return read_shipped(folder / COMPILED, hash_of(*(folder / name for name in PAIR)))


@pytest.fixture(autouse=True)
def conversions(monkeypatch):
    """What the next compilations give: the ending of the fastest form, or an error. Those done are taken off."""
    results = [".int8.tflite"]

    def convert(model_json_file, model_weights_file, made):
        if isinstance(result := results.pop(0), Exception):
            raise result
        Path(f"{made}.int8.tflite").write_bytes(b"in eight bits")
        return Path(f"{made}{result}")

    monkeypatch.setattr(export, "run_converter", convert)
    return results


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A folder with files that pass for a pair that works, and has not been compiled."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in PAIR:
        (folder / name).write_text("the new pair")
    monkeypatch.setattr(export, "try_pair", lambda folder, images: None)
    return folder


def assert_only_the_pair_is_new(folder):
    assert [(folder / name).read_text() for name in PAIR] == ["the new pair"] * 2
    assert compiled_in(folder) is None
    assert not list(folder.glob(".new-*"))


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
    assert sorted(path.name for path in old.iterdir()) == sorted((*PAIR, COMPILED))
    np.testing.assert_allclose(try_pair(old, FACES), probabilities, rtol=1e-5)
    assert compiled_in(old) == compiled_in(new) == b"in eight bits"  # the run keeps its own copies


def test_what_belongs_to_the_pair_is_not_compiled_again(run, old, conversions):
    install_pair(run, FACES, old)
    assert conversions == []
    install_pair(run, FACES, old)
    install_pair(old, FACES, old)  # trained in the app's own folder
    assert compiled_in(old) == b"in eight bits"


def test_another_pairs_compiled_network_is_made_again(run, old):
    write_shipped(b"another", run / COMPILED, "another")
    install_pair(run, FACES, old)
    assert compiled_in(old) == b"in eight bits"


def test_eight_bits_go_with_the_pair_where_another_form_is_faster_here(run, old, conversions):
    conversions[:] = [".faster.mnn"]
    install_pair(run, FACES, old)
    assert compiled_in(old) == b"in eight bits"


def test_a_network_that_loses_too_much_in_eight_bits_goes_without(run, old, conversions, caplog):
    conversions[:] = [".exact.tflite"]
    install_pair(run, FACES, old)
    assert_only_the_pair_is_new(old)
    assert not (old / COMPILED).exists()
    assert caplog.text == ""


def test_what_cannot_be_compiled_costs_the_compiled_network_alone(run, old, conversions, caplog):
    conversions[:] = [CompileError("The network cannot be compiled here (no TensorFlow).")]
    install_pair(run, FACES, old)
    assert_only_the_pair_is_new(old)
    assert [record.getMessage() for record in caplog.records] == [
        "model_int8.tflite was not made: The network cannot be compiled here (no TensorFlow). "
        "The app compiles the network at its next start."
    ]


def test_a_disk_that_is_full_after_the_pair_costs_the_compiled_network_alone(run, old, monkeypatch, caplog):
    copy = shutil.copyfile

    def copy_or_fail(source, target):
        if source.name == COMPILED:
            raise OSError(28, "No space left on device")
        copy(source, target)

    monkeypatch.setattr(export.shutil, "copyfile", copy_or_fail)
    install_pair(run, FACES, old)
    assert_only_the_pair_is_new(old)
    assert "model_int8.tflite was not made: [Errno 28] No space left on device." in caplog.text


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
