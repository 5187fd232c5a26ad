"""The network in eight bits that lies beside the pair of files: `model_int8.tflite`, which the export makes.

The file ends with a hash of the pair, of how it was compiled, and of all that comes before, in 64 hexadecimal digits
that LiteRT passes over. So a file that belongs to another pair, or is damaged, is not used.
"""

import hashlib
from pathlib import Path

FORMAT = "4"  # counts up when convert.py makes something else of the same files
DIGITS = 64


def _hash_of(content: bytes, pair: str) -> bytes:
    digest = hashlib.sha256(f"{FORMAT} {pair}".encode())
    digest.update(content)
    return digest.hexdigest().encode()


def read_shipped(path: Path, pair: str) -> bytes | None:
    """The content of a compiled network, for LiteRT; None where the file is not that of the pair, or cannot be read.

    pair: its hash, as pair.py gives it.
    """
    try:
        content = path.read_bytes()
    except OSError:
        return None
    network, end = content[:-DIGITS], content[-DIGITS:]
    return network if end == _hash_of(network, pair) else None


def write_shipped(network: bytes, path: Path, pair: str) -> None:
    """Write the content of a compiled network as the file that belongs to a pair. Raises OSError.

    pair: see read_shipped.
    """
    path.write_bytes(network + _hash_of(network, pair))
