"""Spreads jobs over the processes of this machine, or over a cluster of others, with Dask."""

import heapq
import itertools
import logging
import pickle
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import dask
from dask.system import CPU_COUNT
from distributed import Client, Future, KilledWorker, LocalCluster, as_completed, wait
from distributed.client import FutureCancelledError

from paths import ROOT
from videos import ctrl_c
from videos.job import Done, Job
from videos.outputs import clear
from videos.reasons import ClusterError, cause
from videos.steps import Call, load_model, shared_steps
from vision.source import SourceError

log = logging.getLogger(__name__)
KILLS_SURVIVED = 20  # workers that may die under a step before it is given up; another cluster has its own setting
WAITING_FOR_EACH = 3  # steps at the scheduler for each worker: enough that none is idle, few for any number of videos
MUCH = 10_000_000  # bytes of a step, before which a worker frees memory: the faces of an hour are as many
COUNT_WORKERS_EVERY = 5.0  # seconds: on some clusters they come and go
CONNECT_TIMEOUT = 10  # seconds
KILLED = "Each process that tried it was killed; it may be damaged, or need more memory than there is."
DASK = {
    "distributed.scheduler.allowed-failures": KILLS_SURVIVED,
    # By default Dask's workers return freed memory to the system at once. Frames are megabytes each, and asking for it
    # again would take a quarter of the time.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    # Dask's profiler and ticks look at a worker 50 to 100 times a second, which takes 4 % of a core.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
    "distributed.admin.large-graph-warning-threshold": "1GB",  # the faces of an hour are some 50 MB
}


@contextmanager
def connected(scheduler: str | None = None, workers: int | None = None) -> Iterator[Client]:
    """A Client of the scheduler at that address, or of as many single-threaded processes as there are cores here.

    Raises ClusterError.
    """
    with ExitStack() as stack:
        try:
            client = stack.enter_context(_connect(scheduler) if scheduler else _start(workers))
        except (OSError, ValueError, RuntimeError) as error:
            log.debug("no cluster", exc_info=error)
            if not scheduler:
                raise ClusterError(f"The processes cannot be started{_because(error)}.") from error
            raise ClusterError(f"No scheduler answers at {scheduler}; is it running, at this address?") from error
        yield client


def _because(error: Exception) -> str:
    return f": {clause}" if (clause := cause(error)) else ""


@contextmanager
def _connect(scheduler: str) -> Iterator[Client]:
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # what goes wrong is told here
    with dask.config.set(DASK), Client(scheduler, timeout=CONNECT_TIMEOUT) as client:
        yield client


@contextmanager
def _start(workers: int | None) -> Iterator[Client]:
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(DASK))
        with ctrl_c.held_back(), warnings.catch_warnings():  # Dask cannot close a cluster that is half started
            warnings.filterwarnings("ignore", "Creating scratch directories")  # it takes seconds where much else runs
            cluster = stack.enter_context(
                LocalCluster(
                    n_workers=workers or CPU_COUNT,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    silence_logs=logging.CRITICAL,  # what went wrong is in each job's outcome
                )
            )
        try:
            client = stack.enter_context(Client(cluster))
            _prepare_workers(client)
            yield client
        finally:
            with ctrl_c.held_back():  # a second Ctrl-C would break the closing off, and Dask wait for ten seconds
                stack.close()


def _prepare_workers(client: Client) -> None:
    """Have each worker load the network: all at once, while the machine has nothing else to do."""
    caller, step = _caller(str(ROOT)), pickle.dumps((load_model, ()))
    wait([client.submit(caller, step, pure=False, workers=worker) for worker in client.nthreads()])


def _caller(root: str) -> Callable[[bytes], tuple[Any, str]]:
    def call(
        step: bytes,
    ) -> tuple[Any, str]:  # Dask sends a nested function whole; another would need to be found there
        import pickle
        import sys

        if root not in sys.path:
            sys.path.insert(0, root)
        from distributed import get_worker

        from videos.job import Job, program_and_network
        from videos.reasons import explain
        from videos.steps import free_memory
        from vision.opencv import cv2
        from vision.source import SourceError

        cv2.setNumThreads(1)  # the workers share the machine
        if len(step) > MUCH:
            free_memory()
        function, arguments = pickle.loads(step)
        job = arguments[0] if arguments else None
        if isinstance(job, Job) and job.maker != program_and_network():
            raise SourceError(
                f"The worker {get_worker().address} has another version of the program or another network."
            )
        try:
            return function(*arguments), get_worker().address
        except Exception as error:
            reason = explain(error, job) if isinstance(job, Job) else None
            if reason is None:
                raise
        raise SourceError(reason)  # by itself, since not every library's error can be sent to another process

    return call


class _Running:
    """A job under way."""

    def __init__(self, job: Job) -> None:
        self.job, self.steps, self.has_failed = job, shared_steps(job), False
        self.share, self.frames = 0.0, 0  # of the job that is done, and frames analysed
        self.workers: dict[Call | None, str] = {}  # addresses, by the call that was done there


class _Run:
    """The jobs of one call of `run`, as they go through the cluster."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._caller = _caller(str(ROOT))
        self._futures = as_completed()
        self._places: dict[Future, tuple[_Running, Call]] = {}  # of what is at the scheduler
        # What is not there yet: its priority, the lowest first, its number, its job and itself. A scheduler with all
        # the steps of long videos would need gigabytes.
        self._waiting: list[tuple[int, int, _Running, Call]] = []
        self._numbers = itertools.count()
        self._workers, self._counted = 0, -COUNT_WORKERS_EVERY

    def __bool__(self) -> bool:
        return bool(self._places)

    def has_room(self) -> bool:
        """Whether the scheduler should get more steps, so that no worker is ever idle."""
        if (now := time.monotonic()) - self._counted >= COUNT_WORKERS_EVERY:
            self._counted = now
            with suppress(OSError):  # whether the scheduler has gone, the next result says
                self._workers = sum(self._client.nthreads().values())
        return len(self._places) < WAITING_FOR_EACH * max(1, self._workers)

    def advance(self, running: _Running, done: tuple[Call, Any] | None = None) -> Done | Exception | None:
        """Have a job's next calls made. done: one of its calls and the result. Returns the job's outcome, or None."""
        try:
            calls = running.steps.send(done) if done else next(running.steps)
        except StopIteration as end:
            return end.value
        except Exception as error:  # whatever is wrong with one video, the others are done all the same
            return error
        for call in calls:
            heapq.heappush(self._waiting, (-_priority(call), next(self._numbers), running, call))
        self._hand_out()
        return None

    def _hand_out(self) -> None:
        """Give the scheduler as many of the waiting calls as it has room for."""
        while self._waiting and self.has_room():
            *_, running, call = heapq.heappop(self._waiting)
            if running.has_failed:
                continue
            # As bytes, since a scheduler elsewhere would unpack them, and has none of these modules.
            step, worker = pickle.dumps((call.function, call.arguments)), running.workers.pop(call.after, None)
            where = {"workers": worker, "allow_other_workers": True} if worker else {}
            future = self._client.submit(self._caller, step, pure=False, priority=_priority(call), **where)
            self._places[future] = running, call
            self._futures.add(future)

    def next(self) -> tuple[_Running, Call, Done | Exception | None]:
        """Wait for a call to be done, and hand out what follows. Returns its job, itself, and the job's outcome."""
        while (future := next(self._futures)) not in self._places:
            pass  # of a job that has failed
        running, call = self._places.pop(future)
        try:
            outcome = future.exception()
            if outcome is None:
                result, running.workers[call] = future.result()
        except FutureCancelledError as error:  # those that are cancelled here have left _places before
            raise ClusterError(
                "The scheduler has gone. What is finished stays, and the same command goes on from there."
            ) from error
        if outcome is None:
            outcome = self.advance(running, (call, result))
        if isinstance(outcome, KilledWorker):
            outcome = SourceError(KILLED)
        if isinstance(outcome, Exception):
            self._drop(running)
        self._hand_out()
        return running, call, outcome

    def _drop(self, running: _Running) -> None:
        """Cancel the other calls of a job that has failed, and remove what is not whole of it."""
        running.has_failed = True
        for other in [other for other, (owner, _) in self._places.items() if owner is running]:
            del self._places[other]
            other.cancel()
        clear(running.job)


def _priority(call: Call) -> int:
    """Dask's priority of a call; higher is earlier."""
    return 2 if call.urgent else int(call.after is not None)


def run(client: Client, jobs: Iterable[Job]) -> Iterator[tuple[Job, float, int, Done | Exception | None]]:
    """Do the jobs. Yields (job, share, frames, outcome) whenever a step is done.

    share: of the job that this step was, 0..1. frames: how many it analysed. outcome: None while there is more to
    do, and at last a Done, or the exception that ended the job. A step whose worker was killed is done again.
    """
    jobs, under_way = iter(jobs), _Run(client)

    def begin() -> Iterator[tuple[Job, float, int, Done | Exception | None]]:
        """Begin jobs as long as the scheduler has room, and of those that cannot even begin yield why."""
        while under_way.has_room() and (job := next(jobs, None)):
            if outcome := under_way.advance(_Running(job)):
                yield job, 1.0, 0, outcome

    yield from begin()
    while under_way:
        running, call, outcome = under_way.next()
        share, frames = call.share, call.frames
        if isinstance(outcome, Done):
            share, frames = 1 - running.share, outcome.frames - running.frames
        elif outcome:
            share, frames = 1 - running.share, 0
        running.share += share
        running.frames += frames
        yield running.job, share, frames, outcome
        yield from begin()
