"""The better recipe, with which the network is trained for hours: `pipenv run train DATA`, or train.ipynb.

A run keeps its state in a folder of its own after every epoch and goes on from there when it is started again.
It runs on each of Keras' backends: KERAS_BACKEND=torch, for example.
"""

import argparse
import csv
import functools
import math
import os
import sys
import timeit
from pathlib import Path

import numpy as np

from inference.keras_files import import_keras
from model import build_model
from paths import ROOT
from training.dataset import DatasetError, load_dataset, load_votes
from training.evaluate import find_and_crop, report
from training.export import float32_copy, install_pair, try_pair, write_pair
from vision.crop import FACE_SIZE
from vision.expressions import EMOTIONS
from vision.opencv import cv2

keras = import_keras()

SEED = 7
EPOCHS = 120
BATCH = 128
PEAK_RATE, WARM_UP = 0.1, 0.04  # the learning rate rises over this share of the steps, then falls along a cosine
MOMENTUM = 0.9
# Keras shrinks the kernels by rate * decay a step, beside the momentum; as a term of the loss it would be a tenth.
WEIGHT_DECAY = 5e-3
EMA_MOMENTUM = 0.999  # the exported weights are a running average over about the last thousand steps
LABEL_SHARE = 0.85  # of the target is the label itself, the rest is what the votes make of it
LABEL_SMOOTHING = 0.1
DROPOUT = 0.15  # while training; the course's quarter keeps the network from learning what it could
HELD_BACK_SEED = 13
HELD_BACK = 0.05  # of the training faces: to choose between recipes by, and to fit the temperature on
GENTLEST = 0.4  # the strength of augmentation, which begins at 1, at the end
AS_FOUND = 0.5  # of the faces that the app would find in a frame are learned from as it would crop them
STATISTICS_FACES = 4096


def hold_back(count):
    """The indices (n,) of the faces to train on and of those held back, the same in every run."""
    # numpy never changes what this old generator draws: the committed weights have not seen the same faces tomorrow.
    order = np.random.RandomState(HELD_BACK_SEED).permutation(count)
    held_back = math.ceil(HELD_BACK * count)
    return order[held_back:], order[:held_back]


def soft_targets(labels, votes=None):
    """What the network should answer for each face, (n, 7) float32 rows that sum to 1.

    labels: (n,) indices. votes: (n, 10) of FER+, or None. A label of FER2013 is one person's, and often odd. How ten
    others voted says what label to expect; a classifier learns that, and each face's expectation comes from a
    fold that it was not learned on. The label keeps most of the weight: the votes alone foretell it for two faces in
    three, and a network that follows them gets no further.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier  # here, so that evaluate's word on it comes first
    from sklearn.model_selection import cross_val_predict

    smoothed = (1 - LABEL_SMOOTHING) * np.eye(len(EMOTIONS), dtype=np.float32)[labels] + LABEL_SMOOTHING / len(EMOTIONS)
    if votes is None:
        return smoothed
    expected = smoothed.copy()
    voted = votes.sum(axis=1) > 0
    shares = votes[voted] / votes[voted].sum(axis=1, keepdims=True)
    learner = HistGradientBoostingClassifier(
        learning_rate=0.06, max_iter=120, max_leaf_nodes=12, l2_regularization=5, random_state=SEED
    )
    expected[voted] = cross_val_predict(learner, shares, labels[voted], cv=5, method="predict_proba")
    return LABEL_SHARE * smoothed + (1 - LABEL_SHARE) * expected


def augment(faces, rng, strength=1.0):
    """The faces as they might as well have been, (n, 48, 48) uint8: no two draws are alike.

    Mirrored; turned by up to 12°, scaled by up to 15 % and shifted by up to 9 %, as a Haar box may be off; lighter or
    darker, with more or less contrast; and for some a patch is missing, so that no single feature is relied on.
    """
    augmented = np.empty_like(faces)
    for index, face in enumerate(faces):
        angle, scale, stretch = rng.uniform(-12, 12), rng.uniform(-0.14, 0.14), rng.uniform(-0.05, 0.05)
        turn = cv2.getRotationMatrix2D((FACE_SIZE / 2 - 0.5,) * 2, strength * angle, math.exp(strength * scale))
        turn[:, 0] *= math.exp(strength * stretch) * rng.choice((-1, 1))
        turn[:, 2] = FACE_SIZE / 2 - 0.5 - turn[:, :2] @ np.full(2, FACE_SIZE / 2 - 0.5)
        turn[:, 2] += strength * rng.uniform(-0.09, 0.09, 2) * FACE_SIZE
        face = cv2.warpAffine(face, turn, face.shape, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        contrast, light = math.exp(strength * rng.uniform(-0.35, 0.35)), strength * rng.uniform(-25, 25)
        augmented[index] = np.clip((face - face.mean()) * contrast + face.mean() + light, 0, 255)
        if rng.random() < 0.4 * strength:
            height, width = rng.integers(6, 18, 2)
            top, left = rng.integers(0, FACE_SIZE - height), rng.integers(0, FACE_SIZE - width)
            augmented[index, top : top + height, left : left + width] = rng.integers(256)
    return augmented


class AugmentedBatches(keras.utils.PyDataset):
    """Faces and targets in batches, shuffled and augmented anew for each epoch, the same in every run.

    images and crops: (n, 48, 48) uint8, each face as the data set has it and as the app crops it.
    """

    def __init__(self, images, crops, targets, epochs, epoch):
        super().__init__()
        self.images, self.crops, self.targets, self.epochs, self.epoch = images, crops, targets, epochs, epoch
        self._shuffle()

    def __len__(self):
        return max(1, len(self.images) // BATCH)

    def __getitem__(self, index):
        chosen = self.order[index * BATCH : (index + 1) * BATCH]
        strength = 1 - (1 - GENTLEST) * self.epoch / self.epochs
        rng = np.random.default_rng((SEED, self.epoch, index))
        as_found = rng.random((len(chosen), 1, 1)) < AS_FOUND
        faces = augment(np.where(as_found, self.crops[chosen], self.images[chosen]), rng, strength)
        return faces[..., np.newaxis], self.targets[chosen]  # (128, 48, 48, 1), (128, 7)

    def on_epoch_end(self):
        self.epoch += 1
        self._shuffle()

    def _shuffle(self):
        self.order = np.random.default_rng((SEED, self.epoch)).permutation(len(self.images))


def crops_of_the_app(images, folder):
    """The faces as the app finds and crops them in a frame, and as they are where it finds none: (n, 48, 48) uint8.

    Boxes of the Haar cascade are often larger, smaller or lower than the faces of FER2013 were cut. Searching takes
    a minute for three thousand faces, so the crops are kept in the folder.
    """
    kept = Path(folder) / "crops.npy"
    if not kept.exists():
        crops = images.copy()
        found, crops_found = find_and_crop(images)
        crops[found] = crops_found
        unfinished = kept.with_name("unfinished.npy")
        np.save(unfinished, crops)
        os.replace(unfinished, kept)
    return np.load(kept)


class KeepState(keras.callbacks.Callback):
    """Keeps weights and optimizer after every epoch, replaced in one move, so that a kill costs an epoch at most."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_begin(self, epoch, logs=None):
        # The states of the dropout layers are not among what Keras saves: they begin each epoch from its number.
        for index, layer in enumerate(self.model.layers):
            if isinstance(layer, keras.layers.Dropout):
                layer.seed_generator.state.assign(np.array([SEED + index, epoch << 20], np.uint32))

    def on_epoch_end(self, epoch, logs=None):
        unfinished = self.path.with_name("unfinished.weights.h5")
        self.model.save_weights(unfinished)
        os.replace(unfinished, self.path)


def fastest_precision():
    """The name of the Keras policy in which this machine trains faster: "mixed_bfloat16" or "float32".

    bfloat16 takes half the time where a processor has instructions for it, and seven times as long where it has not.
    """
    return min("mixed_bfloat16", "float32", key=_seconds)


@functools.cache
def _seconds(policy):
    """How long a convolution like those of the network takes to train on a few faces."""
    probe = keras.Sequential([keras.Input((24, 24, 64)), keras.layers.Conv2D(128, 5, padding="same", dtype=policy)])
    probe.compile("sgd", "mse")
    faces, targets = np.ones((16, 24, 24, 64), np.float32), np.ones((16, 24, 24, 128), np.float32)
    probe.train_on_batch(faces, targets)  # which compiles it
    return min(timeit.repeat(lambda: probe.train_on_batch(faces, targets), number=1, repeat=3))


def train(images, targets, validation, folder, epochs=EPOCHS):
    """Train for the given epochs, going on from the state in the folder where there is one.

    images (n, 48, 48) uint8, targets (n, 7), validation: images and labels that are looked at after each epoch.
    The folder gets crops.npy, state.weights.h5 and history.csv. Returns the float32 network with the averaged weights.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    precision = fastest_precision()
    keras.utils.set_random_seed(SEED)
    network = build_model(precision)  # the weights themselves are float32 either way
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = DROPOUT
    steps = max(1, len(images) // BATCH)
    optimizer = keras.optimizers.SGD(
        keras.optimizers.schedules.CosineDecay(
            0.0,
            round((1 - WARM_UP) * epochs * steps),
            warmup_target=PEAK_RATE,
            warmup_steps=round(WARM_UP * epochs * steps),
        ),
        momentum=MOMENTUM,
        nesterov=True,
        weight_decay=WEIGHT_DECAY,
        use_ema=True,
        ema_momentum=EMA_MOMENTUM,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    network.compile(optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    state = folder / "state.weights.h5"
    if state.exists():
        optimizer.build(network.trainable_variables)
        network.load_weights(state)
    done = int(optimizer.iterations) // steps
    _keep_rows(folder / "history.csv", done)
    network.fit(
        AugmentedBatches(images, crops_of_the_app(images, folder), targets, epochs, done),
        initial_epoch=done,
        epochs=epochs,
        validation_data=(validation[0][..., np.newaxis], keras.utils.to_categorical(validation[1], len(EMOTIONS))),
        validation_batch_size=BATCH,
        callbacks=[keras.callbacks.CSVLogger(folder / "history.csv", append=True), KeepState(state)],
        verbose=2,
    )
    optimizer.finalize_variable_values(network.trainable_variables)
    network = float32_copy(network)
    refresh_statistics(network, images[:STATISTICS_FACES])
    return network


def _keep_rows(history, epochs):
    """Drop what a CSV of one line an epoch has on epochs that will run again."""
    if history.exists():
        lines = history.read_text().splitlines(keepends=True)
        unfinished = history.with_name("unfinished.csv")
        unfinished.write_text("".join(lines[: epochs + 1] if epochs else []))
        os.replace(unfinished, history)


def refresh_statistics(network, images):
    """Take the means and variances of BatchNorm afresh, layer by layer, since those of the run belong to other weights.

    Izmailov et al., "Averaging Weights Leads to Wider Optima and Better Generalization", UAI 2018.
    """
    values = images[..., np.newaxis].astype(np.float32)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            mean, variance = keras.ops.moments(values, axes=list(range(len(values.shape) - 1)))
            layer.moving_mean.assign(mean)
            layer.moving_variance.assign(variance)
        values = layer(values, training=False)


def fit_temperature(probabilities, labels):
    """The temperature that makes probabilities (n, 7) fit labels (n,) best: above 1 where they are too sure.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. They take the greatest likelihood, which hangs
    on the few surest answers, and label smoothing bends just those; here it is the smallest squared error (Brier).
    """
    from scipy.optimize import minimize_scalar

    logits = np.log(np.clip(probabilities, 1e-12, 1))
    logits -= logits.max(axis=1, keepdims=True)
    right = np.eye(len(EMOTIONS))[labels]

    def error(temperature):
        scaled = np.exp(logits / temperature)
        return np.mean((scaled / scaled.sum(axis=1, keepdims=True) - right) ** 2)

    return float(minimize_scalar(error, bounds=(0.2, 5), method="bounded").x)


def fold_temperature(network, temperature):
    """Divide the last layer's kernel and bias by the temperature: the labels stay, the probabilities change."""
    last = network.layers[-1]
    last.set_weights([weights / temperature for weights in last.get_weights()])


def write_calibrated_pair(network, folder, images, labels):
    """Fold the temperature that fits held-back faces into the network, and write it as a pair into the folder.

    images (n, 48, 48) uint8, labels (n,). Returns the temperature.
    """
    write_pair(network, folder)
    temperature = fit_temperature(try_pair(folder, images), labels)
    fold_temperature(network, temperature)
    write_pair(network, folder)
    return temperature


def read_history(folder):
    """A run's history as a dict of columns, each a list of floats with a value an epoch."""
    with open(Path(folder) / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return {column: [float(row[column]) for row in rows] for column in (rows[0] if rows else ())}


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="recipe.py", description=__doc__.partition("\n")[0])
    parser.add_argument("data", help="fer2013.csv, or a folder with train/ and test/ pictures")
    parser.add_argument("--votes", help="FER+'s fer2013new.csv, which helps")
    parser.add_argument("--run", default="checkpoints/recipe", help="the run's folder (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="default: %(default)s")
    parser.add_argument("--out", default=ROOT, help="where the pair goes at the end (default: the app's own)")
    options = parser.parse_args(arguments)
    try:
        dataset = load_dataset(options.data)
        images, labels = dataset.split("Training")
        votes = load_votes(options.votes, dataset)[dataset.splits == "Training"] if options.votes else None
    except DatasetError as error:
        print(error, file=sys.stderr)
        return 2
    learn, held_back = hold_back(len(images))
    targets = soft_targets(labels, votes)
    validation = (images[held_back], labels[held_back])
    network = train(images[learn], targets[learn], validation, options.run, options.epochs)
    write_calibrated_pair(network, options.run, *validation)
    probabilities = install_pair(options.run, validation[0], options.out)
    print(f"{options.out} has the new pair. Held-back faces: {report(probabilities, validation[1])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
