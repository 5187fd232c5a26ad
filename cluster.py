"""Spreads jobs over the processes of this machine, or over a cluster of others, with Dask."""

import itertools
import logging
import pickle
from contextlib import contextmanager

import dask
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, as_completed, wait

from job import clear, get_ready, steps
from model import ROOT
from source import SourceError

KILLS_SURVIVED = 20  # workers that may die under a step before it is to blame; a cluster of others has its own setting
WAITING_FOR_EACH = 3  # jobs at the scheduler for each worker: enough that none is idle, few for any number of videos
CONNECT_TIMEOUT = 10  # seconds
DASK = {
    "distributed.scheduler.allowed-failures": KILLS_SURVIVED,
    # Dask has its processes give freed memory back at once. With frames that costs a quarter of the time, since each is
    # megabytes, and would be asked for anew.
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None,
    # Fifty to a hundred looks a second at what its processes are doing take each of them four hundredths of a core.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
}


@contextmanager
def connected(scheduler=None, workers=None):
    """A Client of the scheduler at that address, or of as many single-threaded processes as there are cores here.

    Raises OSError where no scheduler answers.
    """
    if scheduler:
        with Client(scheduler, timeout=CONNECT_TIMEOUT) as client:
            yield client
        return
    with (
        dask.config.set(DASK),
        LocalCluster(
            n_workers=workers or CPU_COUNT,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=logging.CRITICAL,  # what went wrong is in each job's outcome
        ) as cluster,
        Client(cluster) as client,
    ):
        _get_ready(client)
        yield client


def _get_ready(client):
    """Have each worker load what its steps need: all at once, while the machine has nothing else to do."""
    caller, step = _caller(str(ROOT)), pickle.dumps((get_ready, ()))
    wait([client.submit(caller, step, pure=False, workers=worker) for worker in client.nthreads()])


def _caller(root):
    def call(step):  # a function within one travels whole, while one of a module has to be found there first
        import pickle
        import sys

        if root not in sys.path:
            sys.path.insert(0, root)
        from distributed import get_worker

        import compiled
        from opencv import cv2

        compiled.THREADS = 1  # the workers share the machine
        cv2.setNumThreads(1)
        function, arguments = pickle.loads(step)
        return function(*arguments), get_worker().address

    return call


class _Running:
    """A job under way."""

    def __init__(self, job):
        self.job, self.steps = job, steps(job)
        self.share, self.frames = 0.0, 0  # of the job that is done, and frames looked at
        self.workers = {}  # addresses, by the call that was done there


def run(client, jobs):
    """Do the jobs. Yields (job, share, frames, outcome) whenever a step is done.

    share: of the job that this step was, 0..1. frames: how many it looked at. outcome: None while there is more to
    do, and at last a Done, or the exception that ended the job. A step whose worker was killed is done again.
    """
    jobs, futures, places = iter(jobs), as_completed(), {}  # by future: the running job, and which of its calls
    caller = _caller(str(ROOT))

    def go_on(running, done=None):
        """Hand out a job's next calls; done: one of them and its result. Returns the job's outcome, or None."""
        try:
            calls = running.steps.send(done)
        except StopIteration as end:
            return end.value
        except SourceError as error:
            return error
        for call in calls:
            # As bytes, since a scheduler elsewhere would unpack them, and has none of these modules.
            step, worker = pickle.dumps((call.function, call.arguments)), running.workers.pop(call.after, None)
            where = {"workers": worker, "allow_other_workers": True} if worker else {}
            future = client.submit(caller, step, pure=False, priority=2 if call.urgent else bool(call.after), **where)
            places[future] = running, call
            futures.add(future)
        return None

    for job in itertools.islice(jobs, WAITING_FOR_EACH * max(1, sum(client.nthreads().values()))):
        go_on(_Running(job))
    while places:
        future = next(futures)
        if future not in places:
            continue  # of a job that has failed
        running, call = places.pop(future)
        outcome = future.exception()
        if outcome is None:
            result, running.workers[call] = future.result()
            outcome = go_on(running, (call, result))
        share, frames = call.share, call.frames
        if isinstance(outcome, Exception):
            for other in [other for other, (owner, _) in places.items() if owner is running]:
                del places[other]
                other.cancel()
            clear(running.job)
            share, frames = 1 - running.share, 0
        elif outcome:
            share, frames = 1 - running.share, outcome.frames - running.frames
        running.share += share
        running.frames += frames
        yield running.job, share, frames, outcome
        if outcome and (job := next(jobs, None)):
            go_on(_Running(job))
