"""Makes videos of many kinds at random, and compares what comes out of the analysis with what was drawn into them.

Half a minute in the suite. For an hour by hand: `HOURS=1 pipenv run test tests/test_any_file_property.py`.
"""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from test_any_file import analyse, assert_same_planes, film, number_of, numbered, shown, turned

HOURS = float(os.environ.get("HOURS", 0))
EXAMPLES = max(12, round(10_000 * HOURS))  # each takes about a third of a second

CONTAINERS = {
    "mp4": ["yuv420p"],
    "mkv": ["yuv420p", "yuv420p10le", "yuv422p", "yuv444p"],
    "avi": ["yuv420p"],
    "ts": ["yuv420p"],
}
SOUNDS = {
    "mp4": [None, ("aac", 44100, "mono"), ("aac", 48000, "stereo")],
    "mkv": [None, ("pcm_s16le", 192000, "mono"), ("flac", 22050, "stereo"), ("ac3", 48000, "stereo")],
    "avi": [None, ("libmp3lame", 44100, "stereo"), ("pcm_s16le", 8000, "mono")],
    "ts": [None, ("aac", 44100, "stereo"), ("mp2", 48000, "stereo")],
}
TURNS = [(1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0), (-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0)]


@st.composite
def films(draw):
    """How a video is made: its kind, size, frames, times, sound, and how it is turned, cut or joined."""
    ending = draw(st.sampled_from(sorted(CONTAINERS)))
    return {
        "ending": ending,
        "name": draw(st.sampled_from(CONTAINERS[ending])),
        "size": (2 * draw(st.integers(74, 170)), 2 * draw(st.integers(50, 130))),
        "count": draw(st.integers(2, 60)),
        "rate": draw(st.sampled_from([5, 12, 24, 25, 30, 50, 60])),
        "gaps": draw(st.booleans()) if ending in ("mp4", "mkv") else False,
        "bframes": draw(st.sampled_from(["0", "2"])),
        "keys": draw(st.sampled_from(["5", "30", "250"])),
        "sound": draw(st.sampled_from(SOUNDS[ending])),
        "turn": draw(st.sampled_from(TURNS)) if ending == "mp4" else TURNS[0],
        "joined": draw(st.booleans()) if ending == "ts" else False,
    }


@seed(16)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(made=films())
def test_what_is_drawn_into_a_video_comes_out_of_it(made):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        frames = [numbered(index, *made["size"]) for index in range(made["count"])]
        times = 1000 * np.arange(made["count"]) / made["rate"]
        if made["gaps"]:
            times = np.cumsum(np.random.default_rng(made["count"]).integers(8, 300, made["count"])).astype(float)
        options = {"bf": made["bframes"], "g": made["keys"]}
        path = film(
            folder / f"clip.{made['ending']}",
            frames,
            rate=made["rate"],
            name=made["name"],
            options=options,
            times=times if made["gaps"] else None,
            sound=made["sound"],
        )
        if made["turn"] != TURNS[0]:
            turned(path, made["turn"])
        expected = times
        if made["joined"]:
            path.write_bytes(path.read_bytes() * 2)
            frames, expected = frames * 2, 1000 * np.arange(2 * made["count"]) / made["rate"]
        done, out = analyse(path, folder / "out")
        result = shown(out)
        assert done.note is None
        assert len(result) == done.frames == len(frames)
        if made["turn"] == TURNS[0]:
            assert [number_of(parts) for parts, _ in result] == [number_of(parts) for parts in frames]
            assert_same_planes(result[0][0], frames[0])
            assert_same_planes(result[-1][0], frames[-1])
        else:
            swapped = made["turn"][0] == 0
            assert result[0][0][0].shape == (made["size"] if swapped else made["size"][::-1])
        seconds = [time for _, time in result]
        assert seconds == pytest.approx((expected - expected[0]) / 1000, abs=0.06 if made["joined"] else 3e-3)
