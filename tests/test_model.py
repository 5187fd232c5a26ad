import json
import os
import subprocess
import sys
import threading

import cv2
import keras
import numpy as np
import pytest

from inference import cache
from inference.pool import AT_ONCE
from model import EMOTIONS, FacialExpressionModel, ModelError, build_model, crop_face, load_network
from paths import MODEL_JSON, MODEL_WEIGHTS
from waiting import wait_until

# What the course's notebook does at its end, in the Keras of its day.
COURSE = """
import sys
import numpy as np
import tf_keras as keras
from tf_keras.layers import Activation, BatchNormalization, Conv2D, Dense, Dropout, Flatten, MaxPooling2D

keras.utils.set_random_seed(1)
model = keras.models.Sequential()
for i, (filters, kernel) in enumerate(((64, 3), (128, 5), (512, 3), (512, 3))):
    size = {"input_shape": (48, 48, 1)} if i == 0 else {}
    model.add(Conv2D(filters, (kernel, kernel), padding="same", **size))
    model.add(BatchNormalization())
    model.add(Activation("relu"))
    model.add(MaxPooling2D(pool_size=(2, 2)))
    model.add(Dropout(0.25))
model.add(Flatten())
for units in (256, 512):
    model.add(Dense(units))
    model.add(BatchNormalization())
    model.add(Activation("relu"))
    model.add(Dropout(0.25))
model.add(Dense(7, activation="softmax"))
for layer in model.layers:
    if isinstance(layer, BatchNormalization):
        layer.set_weights([w + 0.1 * np.random.rand(*w.shape) for w in layer.get_weights()])
with open("model.json", "w") as file:
    file.write(model.to_json())
model.save_weights("model_weights.h5")
faces = np.load("faces.npy")
np.save("answers.npy", model.predict(faces[..., np.newaxis], verbose=0))
"""


@pytest.fixture
def faces():
    return np.random.default_rng(0).integers(0, 256, (5, 48, 48), np.uint8)


def copy_of_committed(folder):
    (folder / "model.json").write_bytes(MODEL_JSON.read_bytes())
    (folder / "model_weights.h5").write_bytes(MODEL_WEIGHTS.read_bytes())
    return folder / "model.json", folder / "model_weights.h5"


def test_network_is_the_courses_to_the_parameter():
    network = build_model()
    assert network.count_params() == 4_478_727
    assert sum(np.prod(weight.shape) for weight in network.trainable_weights) == 4_474_759
    assert [layer.filters for layer in network.layers if hasattr(layer, "filters")] == [64, 128, 512, 512]


def test_committed_files_load_in_plain_keras(model, faces):
    network = keras.models.model_from_json(MODEL_JSON.read_text())
    network.load_weights(MODEL_WEIGHTS)
    assert network.count_params() == 4_478_727
    assert all(weight.dtype == "float32" for weight in network.weights)
    assert np.allclose(network.predict(faces[..., np.newaxis], verbose=0), model.predict(faces), atol=0.02)


def test_batch_gives_a_row_of_probabilities_a_face(model, faces):
    probabilities = model.predict(faces)
    assert probabilities.shape == (5, 7)
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert np.allclose(probabilities[3], model.predict(faces[3])[0], atol=1e-4)
    assert model.predict(faces[:0]).shape == (0, 7)


@pytest.mark.skipif(sys.platform != "linux", reason="Other systems count threads in other ways.")
def test_calls_at_the_same_time_leave_no_threads_and_few_networks(faces, monkeypatch):
    loaded = []
    for name in ("LiteRTNetwork", "open_compiled"):
        open_network = getattr(cache, name)
        monkeypatch.setattr(cache, name, lambda *given, load=open_network: loaded.append(1) or load(*given))
    model = FacialExpressionModel()
    model.settle()
    loaded[:] = [1]

    def threads():
        return len(os.listdir("/proc/self/task"))

    def call_at_once(calls):
        together = threading.Barrier(calls)
        workers = [threading.Thread(target=lambda: (together.wait(), model.predict(faces))) for _ in range(calls)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    model.predict(faces)
    before = threads()
    for calls in (2, 4, 6):
        call_at_once(calls)
        assert wait_until(lambda: threads() == before, seconds=5)  # those of Python end a moment later
    assert len(loaded) <= AT_ONCE + 1  # and the one on all cores


def test_one_face_in_each_shape_gets_the_same_label(model, faces):
    face = faces[0]
    labels = {
        model.predict_emotion(shaped) for shaped in (face, face[..., np.newaxis], face[np.newaxis, ..., np.newaxis])
    }
    assert len(labels) == 1
    assert labels <= set(model.EMOTIONS_LIST)


def test_a_real_smile_is_happy(model, astronaut):
    grey = astronaut[:, :, 1].copy()
    assert model.predict_emotion(crop_face(grey, (180, 67, 90, 90))) == "Happy"


def test_crop_keeps_the_box_and_its_orientation():
    grey = np.zeros((200, 300), np.uint8)
    grey[50:75, 100:150] = 250  # the upper half of the box
    face = crop_face(grey, (100, 50, 50, 50))
    assert face.shape == (48, 48)
    assert face[:20].min() == 250
    assert face[28:].max() == 0


def test_crop_takes_what_is_inside_the_frame():
    grey = np.full((100, 100), 180, np.uint8)
    assert (crop_face(grey, (-10, -10, 40, 40)) == 180).all()
    assert (crop_face(grey, (90, 90, 40, 40)) == 180).all()


def test_crops_of_faces_in_poor_light_are_like_those_in_good_light(astronaut):
    grey, box = cv2.cvtColor(astronaut, cv2.COLOR_BGR2GRAY), (177, 66, 95, 95)
    good, dark = (crop_face(picture, box).astype(int) for picture in (grey, grey // 4))
    flat = crop_face(cv2.addWeighted(grey, 0.2, grey, 0, 150), box)
    assert dark.mean() == pytest.approx(129, abs=8)
    assert np.abs(dark - good).mean() < 0.3 * np.abs(good // 4 - good).mean()
    assert flat.std() > 33
    assert crop_face(np.zeros_like(grey), box).std() == 0


@pytest.fixture(scope="module")
def course_files(tmp_path_factory):
    """A folder with model.json and model_weights.h5 from Keras 2, some faces, and what Keras 2 answers for them."""
    folder = tmp_path_factory.mktemp("course")
    np.save(folder / "faces.npy", np.random.default_rng(1).integers(0, 256, (5, 48, 48), np.uint8))
    environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1"}
    subprocess.run([sys.executable, "-c", COURSE], cwd=folder, env=environment, check=True, capture_output=True)
    return folder


def as_tensorflow_2_2_wrote_it(model_json):
    """The last Keras 2 names modules, as Keras 3 does, and has an InputLayer; that of the course did not yet."""
    config = json.loads(model_json)
    layers = []
    for layer in config["config"]["layers"]:
        settings = dict(layer["config"])
        for key, value in settings.items():
            if isinstance(value, dict):
                settings[key] = {"class_name": value["class_name"], "config": value["config"]}
        if layer["class_name"] == "BatchNormalization":
            settings["axis"] = [3] if layer["config"]["axis"] in (3, [3]) else [1]
        if layer["class_name"] != "InputLayer":
            layers.append({"class_name": layer["class_name"], "config": settings})
    config["config"]["layers"] = layers
    return json.dumps({**config, "keras_version": "2.3.0-tf"})


def as_before_keras_2_2_3(model_json):
    config = json.loads(as_tensorflow_2_2_wrote_it(model_json))
    return json.dumps({**config, "config": config["config"]["layers"], "keras_version": "2.1.6"})


@pytest.mark.parametrize("written", [str, json.dumps, as_tensorflow_2_2_wrote_it, as_before_keras_2_2_3])
def test_files_from_the_course_load(course_files, tmp_path, written):
    model_json = tmp_path / "model.json"
    model_json.write_text(written((course_files / "model.json").read_text()))
    network = load_network(model_json, course_files / "model_weights.h5")
    faces, answers = np.load(course_files / "faces.npy"), np.load(course_files / "answers.npy")
    assert np.abs(network.predict(faces[..., np.newaxis], verbose=0) - answers).max() < 1e-4


@pytest.mark.parametrize("name", ["model.json", "model_weights.h5"])
def test_missing_file_is_named(tmp_path, name):
    pair = copy_of_committed(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ModelError, match=f"{name} does not exist.*git checkout"):
        FacialExpressionModel(*pair)


@pytest.mark.parametrize("name", ["model.json", "model_weights.h5"])
@pytest.mark.parametrize("damage", ["half", "empty", "text"])
def test_damaged_file_is_named(tmp_path, name, damage):
    pair = copy_of_committed(tmp_path)
    content = (tmp_path / name).read_bytes()
    damaged = {"half": content[: len(content) // 2], "empty": b"", "text": b"{}"}[damage]
    (tmp_path / name).write_bytes(damaged)
    with pytest.raises(ModelError, match=f"{name} .*git checkout"):
        load_network(*pair)


def test_files_of_two_networks_do_not_pass(tmp_path):
    json_file, weights_file = copy_of_committed(tmp_path)
    other = keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Flatten(), keras.layers.Dense(7, "softmax")])
    json_file.write_text(other.to_json())
    with pytest.raises(ModelError, match="does not belong to"):
        load_network(json_file, weights_file)


@pytest.fixture
def small(tmp_path):
    """A function that writes a small network, and returns it with its two files."""

    def write(shape=(48, 48, 1), outputs=7, activation="softmax", weights="model_weights.h5"):
        layers = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(outputs, activation)]
        network = keras.Sequential(layers)
        (tmp_path / "model.json").write_text(network.to_json())
        network.save_weights(tmp_path / "a.weights.h5")
        os.replace(tmp_path / "a.weights.h5", tmp_path / weights)
        return network, tmp_path / "model.json", tmp_path / weights

    return write


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outputs": 5}, "gives 5 values a face; the app needs 7, the probabilities of Angry, .*Surprise"),
        ({"shape": (64, 64, 1)}, "takes grey pictures of 64×64 pixels; the app has grey faces of 48×48"),
        ({"shape": (224, 224, 3)}, "takes colour pictures of 224×224 pixels"),
        ({"shape": (2304,)}, "takes input of the shape"),
    ],
)
def test_a_network_that_cannot_be_served_is_told_by_what_it_takes_and_gives(small, options, message):
    _, *pair = small(**options)
    with pytest.raises(ModelError, match=message) as error:
        load_network(*pair)
    assert "\n" not in str(error.value)


def test_a_network_of_keras_2_that_is_not_sequential_is_told(tmp_path):
    pair = copy_of_committed(tmp_path)
    pair[0].write_text(json.dumps({"class_name": "Model", "config": {"layers": []}, "keras_version": "2.1.6"}))
    with pytest.raises(ModelError, match=r"holds a Model network of Keras 2\.1\.6"):
        load_network(*pair)


def test_weights_of_keras3_load_by_any_name(small, faces):
    network, *pair = small(weights="renamed.h5")
    faces = faces[..., np.newaxis]
    assert np.allclose(load_network(*pair).predict(faces, verbose=0), network.predict(faces, verbose=0))


def test_a_network_that_gives_logits_gets_a_softmax(small, faces, tmp_path, without_network, monkeypatch):
    _, *pair = small(activation=None)
    other = tmp_path / "other" / "inference"  # as in another checkout, which the program is started from
    other.mkdir(parents=True)
    (other / "__init__.py").touch()
    (other / "convert.py").write_text("raise SystemExit('the wrong converter')")
    monkeypatch.chdir(other.parent)
    environment, refused = without_network
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    model = FacialExpressionModel(*pair)
    assert np.allclose(model.predict(faces).sum(axis=1), 1, atol=1e-5)
    assert "Keras itself" not in (model.note or "")  # it was compiled
    assert not refused.exists(), refused.read_text()


def test_labels_have_one_order():
    assert list(EMOTIONS) == sorted(EMOTIONS) == FacialExpressionModel.EMOTIONS_LIST
    assert json.loads(MODEL_JSON.read_text())["config"]["layers"][-1]["config"]["units"] == len(EMOTIONS)
