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
from inference import compiled, convert, converter, terminal, trial
from inference.adaptable import KerasNetwork, adaptable, channels_of
from inference.compiled import EIGHT_BITS, FORMS, IN_FULL, open_compiled
from inference.errors import CompileError
from inference.pair import hash_of
from inference.shipped import read_shipped, write_shipped
from model import FacialExpressionModel, ModelError, load_network
from paths import MODEL_INT8, MODEL_JSON, MODEL_WEIGHTS, ROOT
from waiting import wait_until

# Starts as main.py does, on a machine that is fast with eight bits. The exit status says whether a library was loaded
# that takes seconds, or a process started.
LOAD = """
import sys
import main, model, psutil
from inference import trial
trial.FAST = 60
model.FacialExpressionModel().predict([[[0]]] * 2304)
sys.exit(bool({"keras", "matplotlib", "distributed", "tensorflow"} & set(sys.modules) or psutil.Process().children()))
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


@pytest.fixture
def pair(tmp_path):
    """The app's pair of files in a folder of their own, without the compiled network."""
    return [Path(shutil.copy(file, tmp_path)) for file in (MODEL_JSON, MODEL_WEIGHTS)]


@pytest.fixture
def conversions(monkeypatch):
    """A list that grows whenever something would be compiled; what is made was made before."""
    done = []

    def convert_again(model_json_file, model_weights_file, made):
        done.append(made)
        return Path(shutil.copy(MODEL_INT8, f"{made}{EIGHT_BITS}"))

    monkeypatch.setattr(network_cache, "run_converter", convert_again)
    return done


def networks_in(folder):
    """The names of the compiled networks in a cache folder."""
    return [path.name for form in FORMS for path in folder.glob(f"*{form}")]


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
    patterns = trial.patterns()[:64]
    exact = network.predict_on_batch(patterns)
    assert np.abs(model.predict(patterns) - exact).mean() < 0.005
    assert model.note is None
    people = trial.some_people(channels_of(network))[:64]
    exact, _ = KerasNetwork(network)(patterns, people)
    assert np.abs(model.predict(patterns, people) - exact).mean() < 0.005


def test_the_compiled_network_beside_the_weights_answers_as_one_compiled_again(network, tmp_path):
    content = read_shipped(MODEL_INT8, hash_of(MODEL_JSON, MODEL_WEIGHTS))
    assert content, "training.export.compile_beside(ROOT) makes model_int8.tflite for this pair"
    convert.convert(adaptable(network), tmp_path / f"again{EIGHT_BITS}", int8=True)
    shipped, again = compiled.LiteRTNetwork(content), open_compiled(tmp_path / f"again{EIGHT_BITS}")
    patterns, people = trial.patterns(), trial.some_people(shipped.channels)
    assert np.abs(shipped(patterns, people)[0] - again(patterns, people)[0]).mean() <= 0.005


@pytest.mark.parametrize("many", [False, True])
def test_mnn_answers_as_keras_does_for_any_number_of_faces(forms, network, many):
    pytest.importorskip("MNN")
    opened, keras_network = open_compiled(forms[1], many), KerasNetwork(network)
    patterns, people = trial.patterns()[:40], trial.some_people(opened.channels)[:40]
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
    assert FORMS[form] is None


def test_the_first_start_loads_no_slow_library_compiles_nothing_and_says_nothing(cache):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run([sys.executable, "-c", LOAD], cwd=ROOT, capture_output=True, env=environment)
    assert (done.returncode, done.stdout) == (0, b"")
    assert networks_in(cache) == []


def test_what_others_print_while_a_library_loads_is_kept(capfd):
    with terminal.stdout_without((b"greeting", b"error")):
        os.write(1, b"greeting of the library\n")
        print("Serving on 127.0.0.1")
    assert capfd.readouterr().out == "Serving on 127.0.0.1\n"


def test_compiled_once_for_the_same_contents(cache, conversions, pair, tmp_path):
    FacialExpressionModel(*pair)
    (tmp_path / "copy").mkdir()
    FacialExpressionModel(*(shutil.copy(file, tmp_path / "copy") for file in pair))
    assert len(conversions) == 1
    [made] = networks_in(cache)
    (cache / made).write_bytes((cache / made).read_bytes()[:1000])
    FacialExpressionModel(*pair)  # a file that was cut short is made anew
    assert len(conversions) == 2


def test_a_network_that_is_deleted_meanwhile_is_made_anew_for_the_next_call(cache, conversions, pair):
    model = FacialExpressionModel(*pair)
    [made] = networks_in(cache)
    (cache / made).unlink()
    assert model._pool.form.open_another().channels
    assert (len(conversions), networks_in(cache)) == (2, [made])


def test_threads_that_start_at_once_compile_once(cache, conversions, pair, monkeypatch):
    open_cached, missed, calls = network_cache._Pair.open_cached, threading.Barrier(3), itertools.count()

    def open_or_wait(self):
        found = open_cached(self)
        if next(calls) < 3:
            missed.wait(30)  # until each thread has found the cache empty
        return found

    monkeypatch.setattr(network_cache._Pair, "open_cached", open_or_wait)
    with ThreadPoolExecutor(3) as threads:
        models = list(threads.map(lambda _: FacialExpressionModel(*pair), range(3)))
    assert len(conversions) == 1
    assert all(each.predict(np.zeros((1, 48, 48))).shape == (1, 7) for each in models)


# Loads a pair's network, but compiles it only when the other process, too, has found the cache empty.
LOAD_TOGETHER = """
import os, shutil, sys, time
from pathlib import Path
from inference import cache

folder, compiled, *pair = map(Path, sys.argv[1:])
open_cached = cache._Pair.open_cached

def open_or_miss(self):
    found = open_cached(self)
    if found is None:
        (folder / f"missed-{os.getpid()}").touch()
        while len(list(folder.glob("missed-*"))) < 2:
            time.sleep(0.01)
    return found

def convert(model_json_file, model_weights_file, made):
    (folder / f"converted-{os.getpid()}").touch()
    time.sleep(0.5)  # in which the other process would do the same
    return Path(shutil.copy(compiled, f"{made}.int8.tflite"))

cache._Pair.open_cached, cache.run_converter = open_or_miss, convert
from model import FacialExpressionModel
FacialExpressionModel(*pair)
"""


def test_processes_that_start_at_once_compile_once(cache, pair, tmp_path):
    command = [sys.executable, "-c", LOAD_TOGETHER, *map(str, (tmp_path, MODEL_INT8, *pair))]
    processes = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]
    assert len(list(tmp_path.glob("missed-*"))) == 2
    assert len(list(tmp_path.glob("converted-*"))) == 1


def test_a_cache_that_cannot_be_written_is_no_error(conversions, pair, tmp_path, monkeypatch):
    monkeypatch.setattr(network_cache, "is_fast", lambda network: True)
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert FacialExpressionModel().note is None
    assert FacialExpressionModel(*pair).note is None
    assert len(conversions) == 1


def test_the_cache_keeps_only_the_latest_networks(cache, conversions, pair):
    for age in range(10):
        path = cache / f"{age}.exact.tflite"
        path.touch()
        os.utime(path, (1e9 - age, 1e9 - age))
    (cache / "compiling-left").mkdir()  # by a process that was killed
    FacialExpressionModel(*pair)
    assert len(list(cache.glob("*.tflite"))) == network_cache.KEPT
    assert not (cache / "9.exact.tflite").exists()
    assert not (cache / "compiling-left").exists()


def another_pairs(pair, path):
    pair[0].write_text(pair[0].read_text() + "\n")


def cut_short(pair, path):
    path.write_bytes(path.read_bytes()[:-1000])


def changed(pair, path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def unreadable_for_litert(pair, path):
    write_shipped(b"of another version", path, hash_of(*pair))


def no_file(pair, path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [another_pairs, cut_short, changed, unreadable_for_litert, no_file])
def test_where_the_compiled_network_beside_the_weights_cannot_be_used_the_pair_is_compiled(
    cache, conversions, pair, tmp_path, spoil
):
    shutil.copy(MODEL_INT8, tmp_path)
    spoil(pair, tmp_path / MODEL_INT8.name)
    model = FacialExpressionModel(*pair)
    assert model.predict(np.zeros((1, 48, 48))).shape == (1, 7)
    assert (len(conversions), len(networks_in(cache))) == (1, 1)


@pytest.fixture
def slow(monkeypatch):
    """Eight bits are slow on this machine."""
    monkeypatch.setattr(network_cache, "is_fast", lambda network: False)


@pytest.mark.usefixtures("slow")
def test_a_faster_form_takes_over_while_threads_call(cache, forms, monkeypatch):
    begin = threading.Event()

    def convert_slowly(model_json_file, model_weights_file, made):
        begin.wait(30)
        return Path(shutil.copy(forms[0], f"{made}.exact.tflite"))

    monkeypatch.setattr(network_cache, "run_converter", convert_slowly)
    model = FacialExpressionModel()
    faces, stop, answers = trial.patterns()[:3], threading.Event(), []
    before, seconds = model.predict(faces), model.seconds_a_face

    def call():
        while not stop.is_set():
            answers.append(model.predict(faces))

    def learn():
        while not stop.is_set():
            answers.append(model.predict(faces, [model.learn(faces, resting=True)] * 3))

    with ThreadPoolExecutor(4) as threads:
        calls = [threads.submit(each) for each in (call, call, call, learn)]
        wait_until(lambda: len(answers) > 8)
        assert model.note is None
        begin.set()
        model.settle()
        done = len(answers)
        wait_until(lambda: len(answers) > done + 8)
        stop.set()
        assert [each.exception() for each in calls] == [None] * 4
    after = model.predict(faces)
    assert model.note == IN_FULL  # that of the form which took over
    assert model.seconds_a_face != seconds
    assert 0 < np.abs(before - after).max() < 0.05
    assert np.abs(answers - after).max(axis=(1, 2)).max() < 0.5  # no face got another's answer
    assert len(networks_in(cache)) == 1


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("error", [CompileError("No TensorFlow."), OSError("No space left."), ZeroDivisionError()])
def test_what_fails_in_the_background_is_only_logged(cache, monkeypatch, caplog, capfd, error):
    def fail(*files):
        raise error

    monkeypatch.setattr(network_cache, "run_converter", fail)
    with caplog.at_level("INFO", "model"):
        model = FacialExpressionModel()
        model.settle()
    assert [record.levelname for record in caplog.records if record.name == "model"] == ["INFO"]
    assert (model.note, model.predict(np.zeros((1, 48, 48))).shape) == (None, (1, 7))
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("slow")
def test_for_many_faces_the_fastest_form_is_there_from_the_start(cache, forms, monkeypatch):
    made = [CompileError("No TensorFlow."), forms[0]]

    def convert_or_fail(model_json_file, model_weights_file, path):
        if isinstance(result := made.pop(0), Exception):
            raise result
        return Path(shutil.copy(result, f"{path}.exact.tflite"))

    monkeypatch.setattr(network_cache, "run_converter", convert_or_fail)
    assert FacialExpressionModel(many=True).note is None  # that beside the weights is better than none
    assert FacialExpressionModel(many=True).note == IN_FULL
    assert FacialExpressionModel(many=True).note == IN_FULL
    assert made == []


def test_what_was_found_once_stays(cache, conversions, monkeypatch):
    measured = [True]
    monkeypatch.setattr(network_cache, "is_fast", lambda network: measured.pop())
    for many in (False, True, False):
        FacialExpressionModel(many=many)  # only the first measures
    assert (measured, conversions, networks_in(cache)) == ([], [], [])


@pytest.mark.usefixtures("slow")
def test_where_no_form_is_faster_the_network_beside_the_weights_stays(cache, conversions):
    for many in (False, True):
        model = FacialExpressionModel(many=many)
        form = model._pool.form
        model.settle()
        assert model._pool.form is form
    assert (len(conversions), networks_in(cache)) == (1, [])


@pytest.fixture
def in_this_process(monkeypatch):
    """Networks are compiled in this process, which has TensorFlow already."""
    monkeypatch.setattr(network_cache, "run_converter", convert.compile_pair)


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
    patterns = trial.patterns()
    exact = small.predict_on_batch(patterns)
    assert np.ptp(exact, axis=0).max() > 0.1  # the answers differ from face to face
    assert model.predict(patterns) == pytest.approx(exact, abs=1e-3)
    assert model.learn(patterns[:3]) is None  # it has no layer that could be set to a person
    assert model.predict(patterns[:3], [None] * 3) == pytest.approx(exact[:3], abs=1e-3)


def test_what_is_wrong_with_the_files_is_passed_on_by_the_process_that_compiles(cache, pair, tmp_path, monkeypatch):
    answer = """print('a greeting'); print('{"error": "model.json is damaged. Restore it with git checkout."}')"""
    (tmp_path / "some_converter.py").write_text(answer)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(converter, "CONVERTER", "some_converter")
    with pytest.raises(ModelError, match="model.json .*git checkout"):
        FacialExpressionModel(*pair)


def test_where_nothing_can_be_compiled_keras_classifies(cache, pair, monkeypatch):
    monkeypatch.setattr(converter, "CONVERTER", "a_library_that_is_not_there")
    model = FacialExpressionModel(*pair)
    assert "a_library_that_is_not_there" in model.note
    faces = trial.patterns()[:2]
    assert model.predict(faces).sum(axis=1) == pytest.approx([1, 1])
    assert not np.allclose(model.predict(faces, [model.learn(faces)] * 2), model.predict(faces), atol=0.001)


def test_without_litert_keras_classifies(monkeypatch):
    def missing(name):
        raise network_cache.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(network_cache.importlib.metadata, "version", missing)
    model = FacialExpressionModel()
    assert "LiteRT is not installed" in model.note
    assert model.predict(np.zeros((1, 48, 48))).shape == (1, 7)
