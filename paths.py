"""Where the project's own files lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent
MODEL_JSON = ROOT / "model.json"
MODEL_WEIGHTS = ROOT / "model_weights.h5"
CASCADE = ROOT / "haarcascade_frontalface_default.xml"
DEMO = ROOT / "demo.mp4"
TEMPLATES = ROOT / "templates"
STATIC = ROOT / "static"
OPENAPI = ROOT / "web" / "openapi.json"
PYPROJECT = ROOT / "pyproject.toml"
BENCHMARKS = ROOT / "benchmarks"
