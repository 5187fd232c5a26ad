import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest

import convert
import runtime
from export import write_pair
from model import MODEL_JSON, MODEL_WEIGHTS, ROOT, FacialExpressionModel, ModelError, build_model, load_network

LOAD = "import sys, model; model.FacialExpressionModel(); sys.exit('tensorflow' in sys.modules)"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if runtime._cache_folder().parent != tmp_path:
        pytest.skip("this system has its caches elsewhere")
    return runtime._cache_folder()


@pytest.fixture
def conversions(monkeypatch):
    """A list that grows whenever something is compiled."""
    done, convert_files = [], runtime._convert
    monkeypatch.setattr(runtime, "_convert", lambda *files: done.append(files) or convert_files(*files))
    return done


def test_what_is_compiled_answers_as_keras_does(model):
    patterns = convert.patterns()
    exact = load_network(MODEL_JSON, MODEL_WEIGHTS).predict_on_batch(patterns)
    assert np.abs(model.predict(patterns) - exact).mean() < 0.005
    assert model.note is None


def test_a_later_start_needs_no_tensorflow(model):
    assert subprocess.run([sys.executable, "-c", LOAD], cwd=ROOT).returncode == 0


def test_compiled_once_for_the_same_contents(cache, conversions, tmp_path):
    FacialExpressionModel()
    for name in (MODEL_JSON, MODEL_WEIGHTS):
        shutil.copy(name, tmp_path)
    FacialExpressionModel(tmp_path / MODEL_JSON.name, tmp_path / MODEL_WEIGHTS.name)
    assert len(conversions) == 1
    (compiled,) = cache.iterdir()
    compiled.write_bytes(compiled.read_bytes()[:1000])
    FacialExpressionModel()  # a file cut short is made anew
    assert len(conversions) == 2


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert FacialExpressionModel().note is None


def test_the_cache_keeps_only_the_latest_networks(cache):
    for age in range(10):
        path = cache / f"{age}.tflite"
        path.touch()
        os.utime(path, (1e9 - age, 1e9 - age))
    FacialExpressionModel()
    assert len(list(cache.iterdir())) == runtime.KEPT
    assert not (cache / "9.tflite").exists()


def test_a_network_that_eight_bits_would_change_runs_in_more(tmp_path):
    keras.utils.set_random_seed(3)
    network = build_model()
    dense = next(layer for layer in network.layers if isinstance(layer, keras.layers.Dense))
    # The last block's first map never answers, so its weights mean nothing; but in eight bits they drown the others.
    norms = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    norms[3].gamma.assign(np.r_[0, np.ones(511)])
    norms[3].beta.assign(np.r_[-1, np.zeros(511)])
    kernel, bias = dense.get_weights()
    kernel[::512] = 1000
    dense.set_weights([kernel, bias])
    last_kernel, last_bias = network.layers[-1].get_weights()
    network.layers[-1].set_weights([10 * last_kernel, last_bias])  # so that answers differ from face to face
    write_pair(network, tmp_path)
    model = FacialExpressionModel(tmp_path / MODEL_JSON.name, tmp_path / MODEL_WEIGHTS.name)
    assert "eight bits" in model.note
    assert FacialExpressionModel(tmp_path / MODEL_JSON.name, tmp_path / MODEL_WEIGHTS.name).note  # from the cache, too
    patterns = convert.patterns()
    assert model.predict(patterns) == pytest.approx(network.predict_on_batch(patterns), abs=1e-3)


def test_damaged_files_are_told_by_name(cache, tmp_path):
    (tmp_path / MODEL_JSON.name).write_text("{}")
    shutil.copy(MODEL_WEIGHTS, tmp_path)
    with pytest.raises(ModelError, match="model.json .*git checkout"):
        FacialExpressionModel(tmp_path / MODEL_JSON.name, tmp_path / MODEL_WEIGHTS.name)


def test_where_nothing_can_be_compiled_keras_classifies(cache, tmp_path, monkeypatch):
    (tmp_path / "convert.py").write_text("import a_library_that_is_not_there")
    monkeypatch.setattr(runtime, "CONVERTER", tmp_path / "convert.py")
    model = FacialExpressionModel()
    assert "a_library_that_is_not_there" in model.note
    assert model.predict(np.zeros((2, 48, 48))).sum(axis=1) == pytest.approx([1, 1])


def test_without_litert_keras_classifies(monkeypatch):
    def missing(name):
        raise runtime.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(runtime.importlib.metadata, "version", missing)
    model = FacialExpressionModel()
    assert "LiteRT is not installed" in model.note
    assert model.predict(np.zeros((1, 48, 48))).shape == (1, 7)
