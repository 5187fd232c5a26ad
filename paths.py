"""Where the project's own files lie."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent
MODEL_JSON = ROOT / "model.json"
MODEL_WEIGHTS = ROOT / "model_weights.h5"
MODEL_INT8 = ROOT / "model_int8.tflite"  # the network of these two, compiled in eight bits
CASCADE = ROOT / "haarcascade_frontalface_default.xml"
SECOND_CASCADE = ROOT / "vision" / "haarcascade_frontalface_alt2.xml"
PROFILE_CASCADE = ROOT / "vision" / "haarcascade_profileface.xml"
FACE_CHECK = ROOT / "vision" / "face_check.json"
DEMO = ROOT / "demo.mp4"
TEMPLATES = ROOT / "templates"
STATIC = ROOT / "static"
OPENAPI = ROOT / "web" / "openapi.json"
PYPROJECT = ROOT / "pyproject.toml"
BENCHMARKS = ROOT / "benchmarks"
