"""Spreads jobs over the processes of this machine, or over a cluster of others, with Dask."""

import itertools
import pickle
from contextlib import contextmanager

import dask
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster, as_completed

from job import clear, steps
from model import ROOT
from source import SourceError

KILLS_SURVIVED = 20  # workers that may die under a step before it is to blame; a cluster of others has its own setting
WAITING_FOR_EACH = 3  # jobs at the scheduler for each worker: enough that none is idle, few for any number of videos
STAGE_SHARE = 0.45  # of a job that is shared out: the search for faces, and the drawing
CONNECT_TIMEOUT = 10  # seconds
# Dask has its processes give freed memory back at once. With frames that costs a quarter of the time, since each is
# megabytes, and would be asked for anew.
KEEP_MEMORY = {"distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}


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
        dask.config.set({"distributed.scheduler.allowed-failures": KILLS_SURVIVED, **KEEP_MEMORY}),
        LocalCluster(
            n_workers=workers or CPU_COUNT,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def _caller(root):
    def call(step):  # a function within one travels whole, while one of a module has to be found there first
        import pickle
        import sys

        if root not in sys.path:
            sys.path.insert(0, root)
        import runtime
        from opencv import cv2

        runtime.THREADS = 1  # the workers share the machine
        cv2.setNumThreads(1)
        function, arguments = pickle.loads(step)
        return function(*arguments)

    return call


class _Running:
    """A job under way: its steps, and the results of those that are being done."""

    def __init__(self, job):
        self.job, self.steps = job, steps(job)
        self.calls, self.results, self.left = (), None, 0
        self.share = 0.0  # of the job that is done


def run(client, jobs):
    """Do the jobs. Yields (job, share, frames, outcome) whenever a step is done.

    share: of the job that this step was, 0..1. frames: how many it looked at. outcome: None while there is more to
    do, and at last a Done, or the exception that ended the job. A step whose worker was killed is done again.
    """
    jobs, futures, places = iter(jobs), as_completed(), {}  # by future: the running job, and which of its calls
    caller = _caller(str(ROOT))

    def go_on(running):
        """Hand out a job's next calls. Returns its outcome, or None."""
        try:
            running.calls = running.steps.send(running.results)
        except StopIteration as end:
            return end.value
        except SourceError as error:
            return error
        running.results, running.left = [None] * len(running.calls), len(running.calls)
        for index, call in enumerate(running.calls):
            # As bytes, since a scheduler elsewhere would unpack them, and has none of these modules.
            future = client.submit(caller, pickle.dumps((call.function, call.arguments)), pure=False)
            places[future] = running, index
            futures.add(future)
        return None

    for job in itertools.islice(jobs, WAITING_FOR_EACH * max(1, sum(client.nthreads().values()))):
        go_on(_Running(job))
    while places:
        future = next(futures)
        if future not in places:
            continue  # of a job that has failed
        running, index = places.pop(future)
        call, several, outcome = running.calls[index], len(running.calls), future.exception()
        if outcome is None:
            result = running.results[index] = future.result()
            running.left -= 1
            outcome = None if running.left else go_on(running)
            frames = result.frames if several == 1 and not running.share and outcome else call.frames
        else:
            frames = 0
            for other in [other for other, (owner, _) in places.items() if owner is running]:
                del places[other]
                other.cancel()
            clear(running.job)
        share = 1 - running.share if outcome else STAGE_SHARE * (several > 1) / several
        running.share += share
        yield running.job, share, frames, outcome
        if outcome and (job := next(jobs, None)):
            go_on(_Running(job))
