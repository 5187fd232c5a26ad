"""The pair of files that is the network, `model.json` and `model_weights.h5`, by its content."""

import functools
import hashlib
from pathlib import Path

from inference.errors import ModelError
from inference.keras_files import REMEDY
from paths import MODEL_JSON, MODEL_WEIGHTS


def content_of(file: str | Path) -> bytes:
    """One of the files. Raises ModelError."""
    try:
        return Path(file).read_bytes()
    except OSError as error:
        reason = "does not exist" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror})"
        raise ModelError(f"{file} {reason}. {REMEDY}") from error


def hash_of(model_json_file: str | Path, model_weights_file: str | Path) -> str:
    """64 hexadecimal digits that only two files with the same contents have. Raises ModelError."""
    digest = hashlib.sha256()
    for file in (model_json_file, model_weights_file):
        digest.update(content_of(file))
    return digest.hexdigest()


@functools.cache
def hash_of_pair() -> str:
    """The first 16 digits of the hash of the app's own pair; once for the whole process. Raises ModelError."""
    return hash_of(MODEL_JSON, MODEL_WEIGHTS)[:16]
