"""Waits for what a test needs to have happened."""

import time


def wait_until(condition, seconds=30, every=0.02):
    """Call the condition again and again until it returns something true, and return that.

    seconds: after which the test fails; many, since other programs may keep the machine busy.
    """
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "what the test waits for has not happened"
        time.sleep(every)
    return result
