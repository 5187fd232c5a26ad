"""Measures the live app: `pipenv run bench [CLIP ...]`. Exits with 1 where a figure misses its bar.

Without clips it runs on the demo. Speed is measured on each clip, which should show one face. The first should be
neutral at its beginning and show another expression at the end; serving is measured on it too. Nothing else should run
at the same time.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import abuse, detection, heads, many_faces, marks, serving, speed, stills
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
    parser.add_argument(
        "--clips",
        dest="marked",
        metavar="FOLDER",
        type=Path,
        help="with the clips of marks.json: measure only heads that tilt and turn",
    )
    parser.add_argument(
        "--pictures",
        metavar="FOLDER",
        type=Path,
        help="with a folder of faces for each expression, and beside it press_people, by person: the same",
    )
    options = parser.parse_args(arguments)
    if options.abuse:
        return measure({"Abuse": lambda: abuse.abuse(options.clips[0], options.minutes)}, "results_abuse")
    if options.marked or options.pictures:
        return _measure_heads(options.marked, options.pictures)
    clip, model = options.clips[0], FacialExpressionModel()
    model.settle()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sections = {
            "The network": lambda: speed.inference(model),
            "The network on FER2013": lambda: speed.agreement(model, options.faces) if options.faces else [],
            "Throughput": lambda: speed.throughput(model, options.clips, folder),
            "Many faces": lambda: many_faces.many_faces(model, folder),
            "Faces": lambda: detection.faces(options.clips, model),
            "Stillness": lambda: detection.stillness(clip, model),
            "Starting": lambda: serving.start(clip, folder),
            "Viewers": lambda: serving.viewers(clip, folder, options.seconds),
            "A network camera that comes and goes": lambda: serving.recovery(clip, model),
            "Staying up": lambda: serving.soak(clip, options.minutes),
        }
        return measure(sections, "results")


def _measure_heads(clips: Path | None, pictures: Path | None) -> int:
    """Measure heads that tilt and turn, and what is mistaken for one. Returns the exit status."""
    model = FacialExpressionModel()
    model.settle()
    return measure(
        {
            "Marked frames": lambda: marks.marked(clips, model) if clips else [],
            "Pictures of turned heads": lambda: heads.tilted(pictures, model) if pictures else [],
            "Small faces in a large picture": lambda: stills.large(pictures, model) if pictures else [],
            "Swinging heads": lambda: heads.swinging(clips, pictures, model),
            "Pictures without faces": lambda: stills.without_faces(model),
        },
        "results_heads",
    )


if __name__ == "__main__":
    sys.exit(main())
