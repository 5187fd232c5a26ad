"""Runs main.py as its users do, in a process of its own."""

import os
import re
import signal
import subprocess
import sys
from functools import cached_property

from paths import ROOT

CTRL_C = signal.CTRL_C_EVENT if sys.platform == "win32" else signal.SIGINT


class Program:
    """main.py with arguments: `with Program("clip.mp4") as program`. Whatever still runs at the end is killed."""

    def __init__(self, *arguments, folder=ROOT, working_folder=None, environment=None):
        """folder: where main.py lies. environment: variables to set beside those of this process."""
        # A later --port in the arguments replaces this one.
        command = [sys.executable, folder / "main.py", "--no-browser", "--port", "0", *arguments]
        self.process = subprocess.Popen(
            list(map(str, command)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=working_folder,
            env={**os.environ, **(environment or {})},
        )
        self.lines = []  # what it printed up to the address

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.communicate()

    @cached_property
    def address(self):
        """Where it serves, from what it prints."""
        for line in self.process.stdout:
            self.lines.append(line)
            if serving := re.search(r"https?://127\.0\.0\.1:\d+", line):
                return serving[0]
        raise AssertionError(f"it ended: {self.lines} {self.process.stderr.read()}")

    @property
    def port(self):
        """See address."""
        return int(self.address.rpartition(":")[2])

    def wait(self, seconds=60):
        """Wait until it ends. Returns its exit status and what it printed last, to stdout and to stderr."""
        output, errors = self.process.communicate(timeout=seconds)
        return self.process.returncode, output, errors
