"""How well the network does on FER2013: `pipenv run evaluate DATA`."""

import argparse
import sys

import numpy as np

from dataset import DatasetError, load_dataset
from model import EMOTIONS, MODEL_JSON, MODEL_WEIGHTS, FacialExpressionModel, ModelError

BATCH = 256


def predict_all(model, images):
    """Probabilities of any number of faces, a batch at a time: images (n, 48, 48) uint8 to (n, 7) float32."""
    return np.concatenate([model.predict(images[start : start + BATCH]) for start in range(0, len(images), BATCH)])


def accuracy(probabilities, labels):
    """The share of faces (0..1) whose most probable expression is their label. (n, 7) floats, (n,) integers."""
    return float(np.mean(np.argmax(probabilities, axis=1) == labels))


def report(probabilities, labels):
    """The accuracy as text, over all faces and expression by expression."""
    lines = [f"accuracy {accuracy(probabilities, labels):.1%} on {len(labels)} faces"]
    for index, emotion in enumerate(EMOTIONS):
        chosen = labels == index
        if chosen.any():
            lines.append(f"  {emotion:<9}{accuracy(probabilities[chosen], labels[chosen]):6.1%} of {chosen.sum()}")
    return "\n".join(lines)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="evaluate.py", description=__doc__)
    parser.add_argument("data", help="fer2013.csv, or a folder with train/ and test/ pictures")
    parser.add_argument("--split", default="PublicTest", help="PublicTest (default), PrivateTest, Training or Test")
    options = parser.parse_args(arguments)
    try:
        images, labels = load_dataset(options.data).split(options.split)
        model = FacialExpressionModel(MODEL_JSON, MODEL_WEIGHTS)
    except (DatasetError, ModelError) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{options.split}: {report(predict_all(model, images), labels)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
