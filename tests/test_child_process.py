"""Functions that run in a process of their own."""

import os
import signal
import subprocess
import sys

import pytest

from paths import ROOT
from web.child_process import Stopped, run_in_child

PARENT = """
import multiprocessing.util, os, signal, threading, time
from contextlib import suppress
from web.child_process import Crashed, run_in_child

def run():
    with suppress(Crashed):  # the program ends
        run_in_child(sleep, 60, wanted=lambda: True, report=lambda message: print(message, flush=True))

def sleep(seconds, report):
    report("started")
    time.sleep(seconds)

def start_slowly(*arguments):  # as where the machine is busy
    process = start(*arguments)
    if "--multiprocessing-fork" in arguments[1]:
        started.set()
        time.sleep(0.5)
    return process

if __name__ == "__main__":
    start, started = multiprocessing.util.spawnv_passfds, threading.Event()
    multiprocessing.util.spawnv_passfds = start_slowly
    threading.Thread(target=run, daemon=True).start()
    started.wait()
"""
ENDING = "    print('ends')\n"
CTRL_C = """    signal.signal(signal.SIGINT, lambda *_: None)  # what is ignored would be in the child too
    end = time.monotonic() + 2
    while time.monotonic() < end:
        os.killpg(0, signal.SIGINT)
        time.sleep(0.01)
    print('ends')
"""


def never(*_, **options):
    raise AssertionError


def run_parent(folder, end):
    """What a program prints, to stdout and stderr, that runs a function in a child and then does what `end` says."""
    script = folder / "parent.py"
    script.write_text(PARENT + end)
    command, environment = [sys.executable, script], {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, start_new_session=True, check=True
    )


def test_what_is_not_wanted_is_not_even_started(monkeypatch):
    monkeypatch.setattr("web.child_process.SPAWN.Process", never)
    with pytest.raises(Stopped):
        run_in_child(print, wanted=lambda: False)


@pytest.mark.skipif(sys.platform == "win32", reason="processes are started in another way there")
def test_a_program_that_ends_while_it_starts_a_child_ends_without_a_traceback(tmp_path):
    done = run_parent(tmp_path, ENDING)
    assert (done.stdout, done.stderr) == ("ends\n", "")


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="there is no such thing on Windows")
def test_ctrl_c_never_reaches_a_child(tmp_path):
    done = run_parent(tmp_path, CTRL_C)
    assert (done.stdout, done.stderr) == ("started\nends\n", "")
