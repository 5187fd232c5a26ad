"""Runs a function in a process of its own, where it can neither crash this process nor hold up its threads."""

import atexit
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from videos import ctrl_c

SPAWN = multiprocessing.get_context("spawn")  # a fork would take over locks that other threads hold
POLL = 0.1  # seconds
NICENESS = 10  # the live view comes first

_starting = threading.Lock()  # held while a process is started
# A child prints a traceback if its parent ends before telling it what to do.
atexit.register(_starting.acquire)


class Stopped(Exception):
    """The result was no longer wanted, so the process was killed."""


class Crashed(Exception):
    """The process ended before the function did."""


def run_in_child(
    function: Callable[..., Any],
    *arguments: Any,
    wanted: Callable[[], bool],
    report: Callable[[Any], None] | None = None,
) -> Any:
    """What function(*arguments, report=…) returns or raises, run in a process of its own.

    The function belongs to a module, and everything is pickled. report: is called here with each value that the
    function gives to its own `report`. wanted: is asked before the process is started, and again and again from then
    on; once it is false, the process is killed. Raises Stopped then, and Crashed.
    """
    if not wanted():
        raise Stopped
    ours, theirs = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=_work, args=(theirs, function, arguments), daemon=True)
    with _starting, ctrl_c.held_back():
        process.start()
    theirs.close()
    try:
        while wanted():
            if not ours.poll(POLL):
                continue
            kind, value = ours.recv()
            if kind == "result":
                return value
            if kind == "error":
                raise value
            if report:
                report(value)
        raise Stopped
    except EOFError as error:
        raise Crashed from error
    finally:
        process.kill()
        process.join()
        ours.close()


def _work(connection: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for Windows, where Ctrl-C cannot be held back
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    message: tuple[str, Any]
    try:
        message = "result", function(*arguments, report=lambda value: connection.send(("report", value)))
    except Exception as error:  # whatever it is, run_in_child raises it again
        message = "error", error
    with suppress(BrokenPipeError):  # the process that started this one is gone
        connection.send(message)
