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


@functools.cache
def hash_of_pair() -> str:
    """16 hexadecimal digits that only the same two files have; once for the whole process. Raises ModelError."""
    digest = hashlib.sha256()
    for file in (MODEL_JSON, MODEL_WEIGHTS):
        digest.update(content_of(file))
    return digest.hexdigest()[:16]
