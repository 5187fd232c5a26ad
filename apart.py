"""Runs a function in a process of its own, where it can neither crash this one nor hold up its threads."""

import multiprocessing
import os
import signal

SPAWN = multiprocessing.get_context("spawn")  # a fork would take over locks that other threads hold
POLL = 0.1  # seconds
NICENESS = 10  # what is seen live comes first


class Stopped(Exception):
    """It was not wanted any more."""


class Crashed(Exception):
    """The process ended before the function did."""


def run_apart(function, *arguments, wanted, report=None):
    """What function(*arguments, report=…) returns or raises; the function is one of a module, all of it is pickled.

    report: called here with what the function gives to its own. wanted: asked again and again; once it is false, the
    process is killed. Raises Stopped then, and Crashed.
    """
    ours, theirs = SPAWN.Pipe(duplex=False)
    process = SPAWN.Process(target=_work, args=(theirs, function, arguments), daemon=True)
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


def _work(connection, function, arguments):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the process that started this one
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    try:
        message = "result", function(*arguments, report=lambda value: connection.send(("report", value)))
    except Exception as error:  # whatever it is, it is raised where run_apart was called
        message = "error", error
    connection.send(message)
