"""Networks of one form, of which each call has one to itself."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from inference.adaptable import KerasNetwork
from inference.compiled import CompiledNetwork
from inference.person import Person, people_of
from vision.crop import FACE_SIZE

AT_ONCE = 3  # calls: each has a network to itself, which takes memory; the others wait for a few milliseconds
TIMED = 4  # calls, of which the fastest says how long a face takes
Network = CompiledNetwork | KerasNetwork


@dataclass(frozen=True, eq=False)
class Form:
    """A form of the network that this machine runs, opened."""

    network: Network  # may compute on several threads
    open_another: Callable[[], Network]  # on one thread: those of several calls share the processor
    note: str | None = None  # a sentence about the form where it is not the usual one


class Pool:
    """Networks of one form. Safe to call from any number of threads."""

    def __init__(self, form: Form) -> None:
        """Besides, the first face need not wait for what a network does at its first call."""
        self.form = form
        self._idle: deque[Network] = deque([form.network])  # those that no call is using; the last is taken first
        self._turn = threading.Semaphore(AT_ONCE)
        self.seconds_a_face = self._time()  # of a single one

    def run(self, faces: np.ndarray, people: Sequence[Person | None]) -> tuple[np.ndarray, np.ndarray]:
        """The probabilities and the measures of at least one face, (n, 48, 48, 1) float32; see compiled.py."""
        with self._turn:
            try:
                network = self._idle.pop()
            except IndexError:
                network = self.form.open_another()
            try:
                return network(faces, people_of(people, network.channels))
            finally:
                if network is self.form.network:
                    self._idle.append(network)
                else:
                    self._idle.appendleft(network)

    def _time(self) -> float:
        face, taken = np.zeros((1, FACE_SIZE, FACE_SIZE, 1), np.float32), []
        for _ in range(TIMED):
            began = time.perf_counter()
            self.run(face, [None])
            taken.append(time.perf_counter() - began)
        return min(taken)
