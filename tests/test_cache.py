import itertools
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
import pytest

from inference import cache as network_cache
from inference import compiled, convert, terminal
from inference.adaptable import KerasNetwork, adaptable, channels_of
from model import FacialExpressionModel, ModelError, load_network
from paths import MODEL_JSON, MODEL_WEIGHTS, ROOT

# Starts as main.py does. The exit status says whether a library was loaded that takes seconds.
LOAD = """
import sys, main, model
model.FacialExpressionModel()
sys.exit(bool({"keras", "matplotlib", "distributed", "tensorflow"} & set(sys.modules)))
"""


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
    """The network in 32 bits for LiteRT and for MNN, as paths."""
    folder = tmp_path_factory.mktemp("forms")
    plain, exact = folder / "made.exact.tflite", folder / "made.exact.mnn"
    convert.convert(adaptable(network), plain, int8=False)
    convert.convert_for_mnn(plain, exact)
    return plain, exact


@pytest.fixture(scope="module")
def compiled_before(model):
    """What `model` is compiled to, as a path."""
    [path, *_] = (each for form in network_cache.FORMS for each in network_cache.cache_folder().glob(f"*{form}"))
    return path


@pytest.fixture
def conversions(compiled_before, monkeypatch):
    """A list that grows whenever something would be compiled; what is made was made before."""
    done = []

    def convert_again(model_json_file, model_weights_file, made):
        done.append(made)
        return Path(shutil.copy(compiled_before, f"{made}{network_cache.form_of(compiled_before)}")).name

    monkeypatch.setattr(network_cache, "_convert", convert_again)
    return done


@pytest.fixture
def small():
    """A small network of the usual inputs and outputs, with random weights."""
    keras.utils.set_random_seed(3)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((48, 48, 1)),
            layers.Rescaling(1 / 127.5, offset=-1),
            layers.Conv2D(16, 5, strides=3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(7, activation="softmax"),
        ]
    )


def test_what_is_compiled_answers_as_keras_does(model, network):
    patterns = convert.patterns()[:64]
    exact = network.predict_on_batch(patterns)
    assert np.abs(model.predict(patterns) - exact).mean() < 0.005
    assert model.note is None
    people = convert.some_people(channels_of(network))[:64]
    exact, _ = KerasNetwork(network)(patterns, people)
    assert np.abs(model.predict(patterns, people) - exact).mean() < 0.005


@pytest.mark.parametrize("many", [False, True])
def test_mnn_answers_as_keras_does_for_any_number_of_faces(forms, network, many):
    pytest.importorskip("MNN")
    opened, keras_network = network_cache.open_compiled(forms[1], many), KerasNetwork(network)
    patterns, people = convert.patterns()[:40], convert.some_people(opened.channels)[:40]
    exact, measures = keras_network(patterns, people)
    for count in (1, 5, 40):
        probabilities, measured = opened(patterns[:count], people[:count])
        assert probabilities == pytest.approx(exact[:count], abs=1e-3)
        assert measured == pytest.approx(measures[:count], abs=1e-2)


@pytest.mark.parametrize(
    ("eight_bits", "mnn", "form"),
    [(0.001, None, ".int8.tflite"), (0.01, 0.003, ".faster.mnn"), (0.01, 0.02, ".int8.tflite")],
)
def test_the_form_that_takes_the_least_is_kept(small, tmp_path, monkeypatch, eight_bits, mnn, form):
    pytest.importorskip("MNN")
    monkeypatch.setattr(convert, "load_network", lambda *files: small)
    seconds = {compiled.LiteRTNetwork: eight_bits, compiled.MNNNetwork: mnn}
    monkeypatch.setattr(convert, "seconds_a_face", lambda network: seconds[type(network)])
    assert convert.compile_pair(MODEL_JSON, MODEL_WEIGHTS, tmp_path / "made") == tmp_path / f"made{form}"
    assert network_cache.FORMS[form] is None


def test_a_later_start_loads_no_slow_library_and_says_nothing(model):
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
    (made,) = (each for form in network_cache.FORMS for each in cache.glob(f"*{form}"))
    made.write_bytes(made.read_bytes()[:1000])
    FacialExpressionModel()  # a file that was cut short is made anew
    assert len(conversions) == 2


def test_threads_that_start_at_once_compile_once(cache, conversions, monkeypatch):
    open_cached, missed, calls = network_cache._open_cached, threading.Barrier(3), itertools.count()

    def open_or_wait(*arguments):
        found = open_cached(*arguments)
        if next(calls) < 3:
            missed.wait(30)  # until each thread has found the cache empty
        return found

    monkeypatch.setattr(network_cache, "_open_cached", open_or_wait)
    with ThreadPoolExecutor(3) as threads:
        models = list(threads.map(lambda _: FacialExpressionModel(), range(3)))
    assert len(conversions) == 1
    assert all(each.predict(np.zeros((1, 48, 48))).shape == (1, 7) for each in models)


# Loads the network, but compiles it only when the other process, too, has found the cache empty.
LOAD_TOGETHER = """
import os, shutil, sys, time
from pathlib import Path
from inference import cache

folder, compiled = Path(sys.argv[1]), sys.argv[2]
open_cached = cache._open_cached

def open_or_miss(*arguments):
    found = open_cached(*arguments)
    if found is None:
        (folder / f"missed-{os.getpid()}").touch()
        while len(list(folder.glob("missed-*"))) < 2:
            time.sleep(0.01)
    return found

def convert(model_json_file, model_weights_file, made):
    (folder / f"converted-{os.getpid()}").touch()
    time.sleep(0.5)  # in which the other process would do the same
    return Path(shutil.copy(compiled, f"{made}{cache.form_of(Path(compiled))}")).name

cache._open_cached, cache._convert = open_or_miss, convert
from model import FacialExpressionModel
FacialExpressionModel()
"""


def test_processes_that_start_at_once_compile_once(cache, compiled_before, tmp_path):
    command = [sys.executable, "-c", LOAD_TOGETHER, str(tmp_path), str(compiled_before)]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert len(list(tmp_path.glob("missed-*"))) == 2
    assert len(list(tmp_path.glob("converted-*"))) == 1


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


@pytest.fixture
def in_this_process(monkeypatch):
    """Networks are compiled in this process, which has TensorFlow already."""
    monkeypatch.setattr(network_cache, "_convert", lambda *files: convert.compile_pair(*files).name)


def test_a_network_that_eight_bits_would_change_runs_in_more(cache, small, tmp_path, in_this_process):
    dense = small.layers[-1]
    # The first map never answers, so the weights behind it mean nothing; but in eight bits they drown the others.
    kernel, bias = small.layers[1].get_weights()
    kernel[..., 0], bias[0] = 0, -1
    small.layers[1].set_weights([kernel, bias])
    kernel, bias = dense.get_weights()
    kernel[::16] = 1000
    dense.set_weights([kernel, bias])
    pair = tmp_path / MODEL_JSON.name, tmp_path / MODEL_WEIGHTS.name
    pair[0].write_text(small.to_json())
    small.save(pair[1], include_optimizer=False)
    model = FacialExpressionModel(*pair)
    assert "eight bits" in model.note
    assert FacialExpressionModel(*pair).note  # from the cache, too
    patterns = convert.patterns()
    exact = small.predict_on_batch(patterns)
    assert np.ptp(exact, axis=0).max() > 0.1  # the answers differ from face to face
    assert model.predict(patterns) == pytest.approx(exact, abs=1e-3)
    assert model.learn(patterns[:3]) is None  # it has no layer that could be set to a person
    assert model.predict(patterns[:3], [None] * 3) == pytest.approx(exact[:3], abs=1e-3)


def test_what_is_wrong_with_the_files_is_passed_on_by_the_process_that_compiles(cache, tmp_path, monkeypatch):
    answer = """print('a greeting'); print('{"error": "model.json is damaged. Restore it with git checkout."}')"""
    (tmp_path / "converter.py").write_text(answer)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(network_cache, "CONVERTER", "converter")
    with pytest.raises(ModelError, match="model.json .*git checkout"):
        FacialExpressionModel()


def test_where_nothing_can_be_compiled_keras_classifies(cache, monkeypatch):
    monkeypatch.setattr(network_cache, "CONVERTER", "a_library_that_is_not_there")
    model = FacialExpressionModel()
    assert "a_library_that_is_not_there" in model.note
    faces = convert.patterns()[:2]
    assert model.predict(faces).sum(axis=1) == pytest.approx([1, 1])
    assert not np.allclose(model.predict(faces, [model.learn(faces)] * 2), model.predict(faces), atol=0.001)


def test_without_litert_keras_classifies(monkeypatch):
    def missing(name):
        raise network_cache.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(network_cache.importlib.metadata, "version", missing)
    model = FacialExpressionModel()
    assert "LiteRT is not installed" in model.note
    assert model.predict(np.zeros((1, 48, 48))).shape == (1, 7)
