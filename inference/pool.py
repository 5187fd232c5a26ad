"""Networks of one form: of one face a single network on all cores, of several faces one on each core."""

import functools
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from inference.adaptable import KerasNetwork
from inference.compiled import MOST_THREADS, CompiledNetwork
from inference.person import Person, people_of
from vision.crop import FACE_SIZE

# Networks on one core that compute at once, beside that on all cores: each takes memory, and other calls only have to
# wait for milliseconds.
AT_ONCE = max(2, MOST_THREADS)
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

    def __init__(self, form: Form, cores: int = 1) -> None:
        """cores: that the faces of a call are shared among.

        The network is called here, so that the first face does not wait for what that takes.
        """
        self.form = form
        self._cores = cores
        self._on_all_cores: deque[Network] = deque([form.network])  # unless a call is using it
        self._idle: deque[Network] = deque()  # those on one core that no call is using
        self._turn = threading.Semaphore(AT_ONCE)
        self.seconds_a_face = self._time()  # of a single one

    def run(self, faces: np.ndarray, people: Sequence[Person | None]) -> tuple[np.ndarray, np.ndarray]:
        """The probabilities and the measures of at least one face, (n, 48, 48, 1) float32; see compiled.py."""
        count = min(self._cores, len(faces))
        if count == 1:
            return self._run(faces, people)
        # The threads of a network wait for each other; several faces are done sooner on networks of one thread each.
        cuts = [len(faces) * part // count for part in range(count + 1)]
        parts = [slice(*each) for each in zip(cuts, cuts[1:])]
        waiting = [_helpers().submit(self._run, faces[part], people[part], True) for part in parts[1:]]
        answers = [self._run(faces[parts[0]], people[parts[0]], True), *(each.result() for each in waiting)]
        probabilities, measures = (np.concatenate(each) for each in zip(*answers))
        return probabilities, measures

    def _run(
        self, faces: np.ndarray, people: Sequence[Person | None], on_one_core: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        if not on_one_core and (network := _pop(self._on_all_cores)):
            return _use(network, self._on_all_cores, faces, people)
        with self._turn:
            return _use(_pop(self._idle) or self.form.open_another(), self._idle, faces, people)

    def _time(self) -> float:
        face, taken = np.zeros((1, FACE_SIZE, FACE_SIZE, 1), np.float32), []
        for _ in range(TIMED):
            began = time.perf_counter()
            self.run(face, [None])
            taken.append(time.perf_counter() - began)
        return min(taken)


def _pop(idle: deque[Network]) -> Network | None:
    """A network that no call is using, taken out; None where there is none."""
    try:
        return idle.pop()
    except IndexError:
        return None


def _use(
    network: Network, idle: deque[Network], faces: np.ndarray, people: Sequence[Person | None]
) -> tuple[np.ndarray, np.ndarray]:
    """What the network answers, which is idle again afterwards."""
    try:
        return network(faces, people_of(people, network.channels))
    finally:
        idle.append(network)


@functools.cache
def _helpers() -> ThreadPoolExecutor:
    """Threads that classify some of the faces of a call, the same for all networks."""
    return ThreadPoolExecutor(max(1, MOST_THREADS - 1), "classify")
