import keras
import numpy as np
import pytest

from inference.adaptable import KerasNetwork, adaptable, channels_of
from inference.convert import patterns
from inference.person import REST_SHARE, SHARE, nobody, share_of, weights_of
from model import load_network
from paths import MODEL_JSON, MODEL_WEIGHTS


@pytest.fixture(scope="module")
def faces():
    """Five patterns, (5, 48, 48) float32: whatever the network sees in them."""
    return patterns()[:5, :, :, 0]


@pytest.fixture(scope="module")
def network():
    return load_network(MODEL_JSON, MODEL_WEIGHTS)


def set_to(network, faces, share):
    """Mix a share of the faces' own statistics into a Keras network's BatchNorm layers, one after the other."""
    values = faces[..., np.newaxis]
    weights = weights_of(network.predict_on_batch(values)).astype(np.float32)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            flat = keras.ops.reshape(values, (len(faces), -1, values.shape[-1]))
            mean, square = (
                keras.ops.einsum("nc,n->c", keras.ops.mean(power, axis=1), weights) for power in (flat, flat**2)
            )
            variance = square - mean**2
            layer.moving_mean.assign((1 - share) * layer.moving_mean + share * mean)
            layer.moving_variance.assign((1 - share) * layer.moving_variance + share * variance)
        values = layer(values, training=False)
    return network


def test_a_person_is_what_each_layer_would_take_for_average(model, network, faces):
    person = model.learn(faces, resting=True)
    adapted = set_to(load_network(MODEL_JSON, MODEL_WEIGHTS), faces, REST_SHARE)
    expected = adapted.predict_on_batch(faces[..., np.newaxis])
    assert np.abs(model.predict(faces, [person] * 5) - expected).mean() < 0.01
    assert np.abs(model.predict(faces) - expected).mean() > 0.02


def test_each_face_of_a_batch_has_a_person_of_its_own(model, faces):
    person = model.learn(faces[:2], resting=True)
    alone = [model.predict(faces[:1], [person])[0], model.predict(faces[:1])[0]]
    together = model.predict(faces[[0, 0, 1]], [person, None, person])[:2]
    assert together == pytest.approx(np.array(alone), abs=0.002)
    assert np.abs(together[0] - together[1]).max() > 0.005


def test_neutral_faces_count_as_much_as_all_others():
    weights = weights_of(np.array([[0, 0, 0, 1, 0, 0, 0]] * 3 + [[0, 0, 0, 0, 1, 0, 0]], np.float32))
    assert weights == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2], abs=0.02)


def test_the_more_of_a_person_was_seen_the_more_it_counts(model, faces):
    changes = [np.abs(model.learn(faces[:count]) - nobody(1, 1984)[0]).mean() for count in (1, 5)]
    assert changes[1] > 2 * changes[0]
    various, alike = np.full((1000, 7), 1 / 7), np.tile(np.eye(7)[4] * 0.9, (1000, 1)) + 0.1 / 7
    assert SHARE * 0.99 < share_of(various) <= SHARE
    assert share_of(alike) < SHARE / 4


def test_mirrored_is_the_mean_of_a_face_and_its_mirror_image(model, faces):
    both = (model.predict(faces) + model.predict(faces[:, :, ::-1])) / 2
    assert model.predict(faces, mirrored=True) == pytest.approx(both, abs=0.01)
    assert model.predict(faces[:0], mirrored=True).shape == (0, 7)


def test_opened_a_network_answers_as_before(network, faces):
    faces = faces[..., np.newaxis].astype(np.float32)
    probabilities, measures = KerasNetwork(network)(faces, nobody(5, channels_of(network)))
    assert probabilities == pytest.approx(network.predict_on_batch(faces), abs=1e-4)
    assert measures.shape == (5, 2 * 1984)


def test_layers_of_a_network_within_a_network_are_opened_too(network, faces):
    inner = keras.Sequential([keras.Input((48, 48, 1)), keras.layers.Flatten(), keras.layers.BatchNormalization()])
    outer = keras.Sequential([inner, keras.layers.Dense(7), keras.layers.Softmax()])
    assert channels_of(outer) == 48 * 48
    faces = faces[..., np.newaxis].astype(np.float32)
    probabilities, _ = adaptable(outer).predict_on_batch([faces, nobody(5, 48 * 48)])
    assert probabilities == pytest.approx(outer.predict_on_batch(faces), abs=1e-4)
