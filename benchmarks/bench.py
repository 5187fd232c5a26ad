"""All figures that the README quotes: `pipenv run bench [CLIP ...]`; exits 1 where one does not meet its bar.

Without clips it runs on the demo. The first clip should show one face, neutral at first and happy at the end; it is
also what speed and serving are measured on. Let nothing else run meanwhile.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import analysis, detection, serving, speed
from benchmarks.figures import draw_chart, machine, table
from model import FacialExpressionModel
from source import DEMO

RESULTS = Path(__file__).resolve().parent / "results.md"
CHART = Path(__file__).resolve().parent / "results.png"


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.partition("\n")[0])
    parser.add_argument("clips", nargs="*", type=Path, default=[DEMO], help="videos (default: the demo)")
    parser.add_argument("--faces", type=Path, help="FER2013, to compare the compiled network on PublicTest")
    parser.add_argument(
        "--fer", metavar="PYTHON", help="the Python of an environment that has the package fer, to compare"
    )
    parser.add_argument("--seconds", type=int, default=60, help="of each load test (default: %(default)s)")
    parser.add_argument("--minutes", type=int, default=10, help="of viewers coming and going (default: %(default)s)")
    options = parser.parse_args(arguments)
    clip, model = options.clips[0], FacialExpressionModel()
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for title, measure in (
            ("The network", lambda: speed.inference(model)),
            ("The network on FER2013", lambda: speed.agreement(model, options.faces) if options.faces else []),
            ("Throughput", lambda: speed.throughput(model, clip, folder)),
            ("Ten faces", lambda: speed.ten_faces(model, folder)),
            ("Saved videos", lambda: analysis.workers(clip, folder)),
            ("Killed workers", lambda: analysis.killed(clip, folder)),
            ("Many videos", lambda: analysis.stubs(folder)),
            ("fer", lambda: analysis.against_fer(clip, folder, options.fer) if options.fer else []),
            ("Faces", lambda: detection.faces(options.clips, model)),
            ("Stillness", lambda: detection.stillness(clip, model)),
            ("Starting", lambda: serving.start(clip, folder)),
            ("Viewers", lambda: serving.viewers(clip, folder, options.seconds)),
            ("A network camera that comes and goes", lambda: serving.recovery(clip, model)),
            ("Staying up", lambda: serving.soak(clip, options.minutes)),
        ):
            print(title, flush=True)
            measured = measure()
            for figure in measured:
                print(" ", figure.row(), flush=True)
            figures += measured
    RESULTS.write_text(f"Measured on {machine()}.\n\n{table(figures)}\n", encoding="utf-8")
    draw_chart(figures, CHART)
    return 0 if all(figure.passes for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
