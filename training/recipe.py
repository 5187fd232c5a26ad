"""Trains the network for hours by the better recipe: `pipenv run train DATA`, or from train.ipynb.

A run saves its state into a folder of its own after every epoch; started again, it continues from there. It works with
each of Keras' backends: KERAS_BACKEND=torch, for example.
"""

import argparse
import csv
import functools
import math
import os
import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from inference.keras_files import import_keras
from paths import ROOT
from training.augmentation import augment
from training.branches import BranchedConv2D, build_branched, fold, set_statistics
from training.dataset import DatasetError, load_dataset, load_votes
from training.evaluate import find_and_crop
from training.export import float32_copy, install_pair, try_pair, write_pair
from training.metrics import report
from training.teacher import build_teacher
from vision.expressions import EMOTIONS

keras = import_keras()
PyDataset: Any = keras.utils.PyDataset
Callback: Any = keras.callbacks.Callback

SEED = 7
EPOCHS = 120
BATCH = 128  # faces
PEAK_RATE, WARM_UP = 0.1, 0.04  # the learning rate rises over this share of the steps, then falls along a cosine
MOMENTUM = 0.9
# In every step, Keras shrinks the kernels by rate * decay, without momentum. A term of the loss would have the same
# effect with a tenth of this number.
WEIGHT_DECAY = 5e-3
EMA_MOMENTUM = 0.999  # the exported weights are a running average over about the last thousand steps
LABEL_SHARE = 0.85  # of a target is the face's own label; the rest is the label to expect from the votes
LABEL_SMOOTHING = 0.1
DROPOUT = 0.15  # while training; with the course's 0.25 this network learns less than it could
HELD_BACK_SEED = 13
HELD_BACK = 0.05  # of the training faces are kept to compare recipes on, and to fit the temperature
FINAL_STRENGTH = 0.4  # of augmentation, at the end of training; it starts at 1
CROPPED_SHARE = 0.5  # of the faces in a batch are shown as the app would find and crop them
TAUGHT_SHARE = 0.5  # of a target is the teacher's answer to the same changed face, where there is a teacher
STATISTICS_FACES = 4096  # over which BatchNorm's means and variances are taken


def hold_back(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Divide `count` faces: the indices to train on and those to hold back, (n,) each, the same in every run."""
    # NumPy never changes what this old generator draws, so that the committed weights' held-back faces stay the same.
    order = np.random.RandomState(HELD_BACK_SEED).permutation(count)
    held_back = math.ceil(HELD_BACK * count)
    return order[held_back:], order[:held_back]


def soft_targets(labels: np.ndarray, votes: np.ndarray | None = None) -> np.ndarray:
    """What the network should answer for each face: (n, 7) float32, rows that sum to 1.

    labels: (n,), indices into EMOTIONS. votes: (n, 10) of FER+, or None. A label of FER2013 comes from one person and
    is often doubtful, so a small share of the target is the label to expect from how ten other people voted. Most is
    the label itself: the votes predict it for only two faces in three, and a network that learns them alone is no
    better.
    """
    smoothed = (1 - LABEL_SMOOTHING) * np.eye(len(EMOTIONS), dtype=np.float32)[labels] + LABEL_SMOOTHING / len(EMOTIONS)
    if votes is None:
        return smoothed
    expected = smoothed.copy()
    voted = votes.sum(axis=1) > 0
    expected[voted] = _expected_labels(votes[voted], labels[voted])
    return LABEL_SHARE * smoothed + (1 - LABEL_SHARE) * expected


def _expected_labels(votes: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How probable each label is by the votes (n, 10): (n, 7), each row from a classifier fitted on other faces."""
    # Imported here, because training.metrics says what to do where scikit-learn is missing.
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import cross_val_predict
    from threadpoolctl import threadpool_limits

    shares = votes / votes.sum(axis=1, keepdims=True)
    classifier = HistGradientBoostingClassifier(
        learning_rate=0.06, max_iter=120, max_leaf_nodes=12, l2_regularization=5, random_state=SEED
    )
    # One thread takes five seconds for FER2013. More are hardly faster, and take minutes on a machine that is busy with
    # something else, because they wait for each other thousands of times.
    with threadpool_limits(1, user_api="openmp"):
        return cross_val_predict(classifier, shares, labels, cv=5, method="predict_proba")


class AugmentedBatches(PyDataset):
    """Faces and targets in batches, shuffled and augmented differently in each epoch, and the same in every run."""

    def __init__(
        self,
        images: np.ndarray,
        crops: np.ndarray,
        targets: np.ndarray,
        epochs: int,
        first_epoch: int,
        teacher: Any = None,
    ) -> None:
        """images, crops: (n, 48, 48) uint8, each face as the data set has it and as the app crops it.

        targets: (n, 7). epochs: of the whole run. first_epoch: the one to begin with, from 0. teacher: see train.
        """
        super().__init__()
        self.images, self.crops, self.targets, self.teacher = images, crops, targets, teacher
        self.epochs, self.epoch = epochs, first_epoch
        self._shuffle()

    def __len__(self) -> int:
        return max(1, len(self.images) // BATCH)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.order[index * BATCH : (index + 1) * BATCH]
        strength = 1 - (1 - FINAL_STRENGTH) * self.epoch / self.epochs
        rng = np.random.default_rng((SEED, self.epoch, index))
        cropped = rng.random((len(chosen), 1, 1)) < CROPPED_SHARE
        faces = augment(np.where(cropped, self.crops[chosen], self.images[chosen]), rng, strength)
        targets = self.targets[chosen]
        if self.teacher:
            taught = self.teacher.predict_on_batch(faces[..., np.newaxis])
            targets = (1 - TAUGHT_SHARE) * targets + TAUGHT_SHARE * taught
        return faces[..., np.newaxis], targets  # (128, 48, 48, 1), (128, 7)

    def on_epoch_end(self) -> None:
        """Go on to the next epoch."""
        self.epoch += 1
        self._shuffle()

    def _shuffle(self) -> None:
        self.order = np.random.default_rng((SEED, self.epoch)).permutation(len(self.images))


def app_crops(images: np.ndarray, folder: str | Path) -> np.ndarray:
    """Faces as the app finds and crops them in a frame, and unchanged where it finds none: (n, 48, 48) uint8.

    Haar's boxes are often larger, smaller or lower than FER2013's pictures. Searching takes twenty minutes for all
    training faces, so the crops are saved in the folder, and read from there the next time.
    """
    saved = Path(folder) / "crops.npy"
    if not saved.exists():
        saved.parent.mkdir(parents=True, exist_ok=True)
        crops = images.copy()
        found, crops_found = find_and_crop(images)
        crops[found] = crops_found
        unfinished = saved.with_name("unfinished.npy")
        np.save(unfinished, crops)
        os.replace(unfinished, saved)
    return np.load(saved)


class SaveState(Callback):
    """Saves the network's weights and the optimizer's state after every epoch.

    The file is replaced in one move, so that a run that is killed loses at most an epoch.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Seed the dropout layers by the epoch's number, because Keras does not save the state of their generators."""
        for index, layer in enumerate(self.model.layers):
            if isinstance(layer, keras.layers.Dropout):
                layer.seed_generator.state.assign(np.array([SEED + index, epoch << 20], np.uint32))

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Save the state."""
        unfinished = self.path.with_name("unfinished.weights.h5")
        self.model.save_weights(unfinished)
        os.replace(unfinished, self.path)


def fastest_precision() -> str:
    """The name of the Keras policy in which this machine trains faster: "mixed_bfloat16" or "float32".

    bfloat16 takes half the time on processors with instructions for it, and seven times as long on others.
    """
    return min("mixed_bfloat16", "float32", key=_seconds)


@functools.cache
def _seconds(policy: str) -> float:
    """How long a step of training takes with one convolution, like one of the network's, and a few faces."""
    probe = keras.Sequential([keras.Input((24, 24, 64)), keras.layers.Conv2D(128, 5, padding="same", dtype=policy)])
    probe.compile("sgd", "mse")
    faces, targets = np.ones((16, 24, 24, 64), np.float32), np.ones((16, 24, 24, 128), np.float32)
    probe.train_on_batch(faces, targets)  # compiles it
    return min(timeit.repeat(lambda: probe.train_on_batch(faces, targets), number=1, repeat=3))


def train(
    images: np.ndarray,
    targets: np.ndarray,
    validation: tuple[np.ndarray, np.ndarray],
    folder: str | Path,
    epochs: int = EPOCHS,
    teacher: Any = None,
) -> Any:
    """Train for so many epochs in all, continuing from the state in the folder if there is one.

    images: (n, 48, 48) uint8. targets: (n, 7). validation: images (m, 48, 48) and labels (m,), on which loss and
    accuracy are measured after each epoch. teacher: the `keras.Model` of train_teacher, or None; it sees each face as
    it was changed, and its answer is TAUGHT_SHARE of the target. The folder gets crops.npy, state.weights.h5 and
    history.csv. Returns the `keras.Model` with the averaged weights, in float32.
    """
    crops = app_crops(images, folder)
    return fold(_fitted(build_branched, images, crops, targets, validation, Path(folder), epochs, teacher))


def train_teacher(
    images: np.ndarray,
    targets: np.ndarray,
    validation: tuple[np.ndarray, np.ndarray],
    folder: str | Path,
    epochs: int = EPOCHS,
) -> Any:
    """Train a larger network in the same way, as a teacher for train; its own state is in `folder`/teacher."""
    crops = app_crops(images, folder)
    return _fitted(build_teacher, images, crops, targets, validation, Path(folder) / "teacher", epochs)


def _fitted(
    build: Callable[..., Any],
    images: np.ndarray,
    crops: np.ndarray,
    targets: np.ndarray,
    validation: tuple[np.ndarray, np.ndarray],
    folder: Path,
    epochs: int,
    teacher: Any = None,
) -> Any:
    """A network trained as train says. build: makes the untrained network of a policy. crops: of app_crops."""
    folder.mkdir(parents=True, exist_ok=True)
    precision = fastest_precision()
    keras.utils.set_random_seed(SEED)
    steps = max(1, len(images) // BATCH)
    network = _compiled(build(precision), epochs * steps)  # the weights themselves are float32 in any case
    optimizer, state = network.optimizer, folder / "state.weights.h5"
    if state.exists():
        optimizer.build(network.trainable_variables)
        network.load_weights(state)
    done = int(optimizer.iterations) // steps
    _keep_rows(folder / "history.csv", done)
    network.fit(
        AugmentedBatches(images, crops, targets, epochs, done, teacher),
        initial_epoch=done,
        epochs=epochs,
        validation_data=(validation[0][..., np.newaxis], keras.utils.to_categorical(validation[1], len(EMOTIONS))),
        validation_batch_size=BATCH,
        shuffle=False,  # AugmentedBatches does; Keras' own order would not be the same in a run that continues
        callbacks=[keras.callbacks.CSVLogger(folder / "history.csv", append=True), SaveState(state)],
        verbose=2,
    )
    optimizer.finalize_variable_values(network.trainable_variables)
    network = float32_copy(network, build)  # to take its statistics exactly
    refresh_statistics(network, images[:STATISTICS_FACES])
    return network


def _compiled(network: Any, steps: int) -> Any:
    """The network with the recipe's dropout, loss and optimizer. steps: of the whole run."""
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = DROPOUT
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, round((1 - WARM_UP) * steps), warmup_target=PEAK_RATE, warmup_steps=round(WARM_UP * steps)
    )
    optimizer = keras.optimizers.SGD(
        rate,
        momentum=MOMENTUM,
        nesterov=True,
        weight_decay=WEIGHT_DECAY,
        use_ema=True,
        ema_momentum=EMA_MOMENTUM,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    network.compile(optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    return network


def _keep_rows(history: Path, epochs: int) -> None:
    """Remove all but the first epochs from a CSV with a line for each epoch: the others will run again."""
    if history.exists():
        lines = history.read_text().splitlines(keepends=True)
        unfinished = history.with_name("unfinished.csv")
        unfinished.write_text("".join(lines[: epochs + 1] if epochs else []))
        os.replace(unfinished, history)


def refresh_statistics(network: Any, images: np.ndarray) -> None:
    """Take the means and variances of BatchNorm again, on images (n, 48, 48) uint8, layer by layer.

    Those from training belong to other weights than the averaged ones. Izmailov et al., "Averaging Weights Leads to
    Wider Optima and Better Generalization", UAI 2018.
    """
    values = images[..., np.newaxis].astype(np.float32)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            set_statistics(layer, values)
        if isinstance(layer, BranchedConv2D):
            layer.refresh_statistics(values)
        values = layer(values, training=False)


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The temperature with which probabilities (n, 7) fit labels (n,) best: above 1 where they are too high.

    Guo et al., "On Calibration of Modern Neural Networks", ICML 2017. They maximise the likelihood, which depends most
    on the few surest answers, and label smoothing changes exactly those. Here it is the squared error (Brier score)
    that is minimised.
    """
    from scipy.optimize import minimize_scalar

    logits = np.log(np.clip(probabilities, 1e-12, 1))
    logits -= logits.max(axis=1, keepdims=True)
    right = np.eye(len(EMOTIONS))[labels]

    def error(temperature: float) -> float:
        scaled = np.exp(logits / temperature)
        return float(np.mean((scaled / scaled.sum(axis=1, keepdims=True) - right) ** 2))

    return float(minimize_scalar(error, bounds=(0.2, 5), method="bounded").x)


def fold_temperature(network: Any, temperature: float) -> None:
    """Divide the last layer's kernel and bias by the temperature: labels stay as they are, probabilities change."""
    last = network.layers[-1]
    last.set_weights([weights / temperature for weights in last.get_weights()])


def write_calibrated_pair(network: Any, folder: str | Path, images: np.ndarray, labels: np.ndarray) -> float:
    """Fit a temperature on held-back faces, fold it into the network, and write that as a pair into the folder.

    images: (n, 48, 48) uint8. labels: (n,), indices into EMOTIONS. Returns the temperature.
    """
    write_pair(network, folder)
    temperature = fit_temperature(try_pair(folder, images), labels)
    fold_temperature(network, temperature)
    write_pair(network, folder)
    return temperature


def read_history(folder: str | Path) -> dict[str, list[float]]:
    """A run's history: a list for each column, with a value for each epoch."""
    with open(Path(folder) / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return {column: [float(row[column]) for row in rows] for column in (rows[0] if rows else ())}


def main(arguments: list[str] | None = None) -> int:
    """Train on what the command line names, and install the new pair. Returns the exit status: 2 without faces."""
    parser = argparse.ArgumentParser(prog="train", description=__doc__.partition(":")[0] + ".")
    parser.add_argument("data", help="fer2013.csv, or a folder with train/ and test/ pictures")
    parser.add_argument("--votes", help="FER+'s fer2013new.csv, which makes the network a little better")
    parser.add_argument("--teacher", action="store_true", help="learn from a larger network, which is trained first")
    parser.add_argument("--run", default="checkpoints/recipe", help="the run's folder (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="default: %(default)s")
    parser.add_argument("--out", default=ROOT, help="the folder for the new pair (default: the app's own)")
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
    faces = images[learn], targets[learn], validation, options.run, options.epochs
    network = train(*faces, teacher=train_teacher(*faces) if options.teacher else None)
    write_calibrated_pair(network, options.run, *validation)
    probabilities = install_pair(options.run, validation[0], options.out)
    print(f"The new pair is in {options.out}. Held-back faces: {report(probabilities, validation[1])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
