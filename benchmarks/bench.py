"""Measures the live app: `pipenv run bench [CLIP ...]`. Exits with 1 where a figure misses its bar.

Without clips it runs on the demo. The first clip should show one face, neutral at first and with another expression at
the end; speed and serving are measured on it too. Nothing else should run at the same time.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import abuse, detection, serving, speed
from benchmarks.figures import measure
from model import FacialExpressionModel
from paths import DEMO


def main(arguments: list[str] | None = None) -> int:
    """Measure what the command line asks for. Returns the exit status: 1 where a figure misses its bar."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.partition("\n")[0])
    parser.add_argument("clips", nargs="*", type=Path, default=[DEMO], help="videos (default: the demo)")
    parser.add_argument("--faces", type=Path, help="FER2013, to compare the compiled network on PublicTest")
    parser.add_argument("--seconds", type=int, default=60, help="of each load test (default: %(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=10, help="of viewers coming and going, or of abuse (default: %(default)s)"
    )
    parser.add_argument("--abuse", action="store_true", help="only what cameras, pages and uploads do to the app")
    options = parser.parse_args(arguments)
    if options.abuse:
        return measure({"Abuse": lambda: abuse.abuse(options.clips[0], options.minutes)}, "results_abuse")
    clip, model = options.clips[0], FacialExpressionModel()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sections = {
            "The network": lambda: speed.inference(model),
            "The network on FER2013": lambda: speed.agreement(model, options.faces) if options.faces else [],
            "Throughput": lambda: speed.throughput(model, clip, folder),
            "Ten faces": lambda: speed.ten_faces(model, folder),
            "Faces": lambda: detection.faces(options.clips, model),
            "Stillness": lambda: detection.stillness(clip, model),
            "Starting": lambda: serving.start(clip, folder),
            "Viewers": lambda: serving.viewers(clip, folder, options.seconds),
            "A network camera that comes and goes": lambda: serving.recovery(clip, model),
            "Staying up": lambda: serving.soak(clip, options.minutes),
        }
        return measure(sections, "results")


if __name__ == "__main__":
    sys.exit(main())
