import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from inference import cache as network_cache
from inference import compiled, convert, terminal
from model import FacialExpressionModel, ModelError, build_model, load_network
from paths import MODEL_JSON, MODEL_WEIGHTS, ROOT
from training.export import write_pair

LOAD = "import sys, model; model.FacialExpressionModel(); sys.exit('tensorflow' in sys.modules)"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if network_cache.cache_folder().parent != tmp_path:
        pytest.skip("this system has its caches elsewhere")
    return network_cache.cache_folder()


@pytest.fixture(scope="module")
def network():
    return load_network(MODEL_JSON, MODEL_WEIGHTS)


@pytest.fixture(scope="module")
def forms(network, tmp_path_factory):
    """The network in eight bits, in 32 for MNN, and in 32 for LiteRT: paths by what convert.compile_pair calls them."""
    folder = tmp_path_factory.mktemp("forms")
    eight, exact, plain = (folder / f"made{form}" for form in (".int8.tflite", ".exact.mnn", ".exact.tflite"))
    convert.convert(network, eight, int8=True)
    convert.convert(network, plain, int8=False)
    convert.convert_for_mnn(plain, exact)
    return eight, exact, plain


@pytest.fixture
def conversions(forms, monkeypatch):
    """A list that grows whenever something would be compiled; what is made was made before."""
    done = []

    def convert_again(model_json_file, model_weights_file, made):
        done.append(made)
        return Path(shutil.copy(forms[0], f"{made}.int8.tflite")).name

    monkeypatch.setattr(network_cache, "_convert", convert_again)
    return done


def test_what_is_compiled_answers_as_keras_does(model, network):
    patterns = convert.patterns()
    exact = network.predict_on_batch(patterns)
    assert np.abs(model.predict(patterns) - exact).mean() < 0.005
    assert model.note is None


@pytest.mark.parametrize("many", [False, True])
def test_mnn_answers_as_keras_does_for_any_number_of_faces(forms, network, many):
    pytest.importorskip("MNN")
    opened, patterns = network_cache.open_compiled(forms[1], many), convert.patterns()
    for count in (1, 5, 40):
        exact = network.predict_on_batch(patterns[:count])
        assert opened(patterns[:count]) == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize(
    ("eight_bits", "mnn", "form"),
    [(0.001, None, ".int8.tflite"), (0.01, 0.003, ".faster.mnn"), (0.01, 0.02, ".int8.tflite")],
)
def test_the_form_that_takes_the_least_is_kept(forms, network, tmp_path, monkeypatch, eight_bits, mnn, form):
    pytest.importorskip("MNN")
    monkeypatch.setattr(convert, "load_network", lambda *files: network)
    monkeypatch.setattr(
        *(convert, "convert"), lambda network, path, int8: shutil.copy(forms[0] if int8 else forms[2], path)
    )
    seconds = {compiled.LiteRTNetwork: eight_bits, compiled.MNNNetwork: mnn}
    monkeypatch.setattr(convert, "seconds_a_face", lambda network: seconds[type(network)])
    assert convert.compile_pair(MODEL_JSON, MODEL_WEIGHTS, tmp_path / "made") == tmp_path / f"made{form}"
    assert network_cache.FORMS[form] is None


def test_a_later_start_needs_no_tensorflow_and_says_nothing(model):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run([sys.executable, "-c", LOAD], cwd=ROOT, capture_output=True, env=environment)
    assert (done.returncode, done.stdout) == (0, b"")


def test_what_others_print_while_a_library_loads_is_kept(capfd):
    with terminal.stdout_without((b"greeting", b"error")):
        os.write(1, b"greeting of the library\n")
        print("Serving on 127.0.0.1")
    assert capfd.readouterr().out == "Serving on 127.0.0.1\n"


def test_compiled_once_for_the_same_contents(cache, conversions, tmp_path):
    FacialExpressionModel()
    for name in (MODEL_JSON, MODEL_WEIGHTS):
        shutil.copy(name, tmp_path)
    FacialExpressionModel(tmp_path / MODEL_JSON.name, tmp_path / MODEL_WEIGHTS.name)
    assert len(conversions) == 1
    (made,) = cache.glob("*.tflite")
    made.write_bytes(made.read_bytes()[:1000])
    FacialExpressionModel()  # a file cut short is made anew
    assert len(conversions) == 2


def test_a_cache_that_cannot_be_written_is_no_error(conversions, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert FacialExpressionModel().note is None


def test_the_cache_keeps_only_the_latest_networks(cache, conversions):
    for age in range(10):
        path = cache / f"{age}.exact.tflite"
        path.touch()
        os.utime(path, (1e9 - age, 1e9 - age))
    FacialExpressionModel()
    assert len(list(cache.glob("*.tflite"))) == network_cache.KEPT
    assert not (cache / "9.exact.tflite").exists()


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


def test_where_nothing_can_be_compiled_keras_classifies(cache, monkeypatch):
    monkeypatch.setattr(network_cache, "CONVERTER", "a_library_that_is_not_there")
    model = FacialExpressionModel()
    assert "a_library_that_is_not_there" in model.note
    assert model.predict(np.zeros((2, 48, 48))).sum(axis=1) == pytest.approx([1, 1])


def test_without_litert_keras_classifies(monkeypatch):
    def missing(name):
        raise network_cache.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(network_cache.importlib.metadata, "version", missing)
    model = FacialExpressionModel()
    assert "LiteRT is not installed" in model.note
    assert model.predict(np.zeros((1, 48, 48))).shape == (1, 7)
