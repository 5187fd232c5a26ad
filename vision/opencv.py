"""OpenCV with its own logging turned down, and one line in place of a traceback where it cannot be loaded."""

import os

# Every failure to open or read is reported by this project in a sentence of its own; these are read when cv2 loads.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

try:
    import cv2
except ImportError as error:
    raise SystemExit(
        f"OpenCV cannot be loaded ({error}). Run `pipenv sync`; on Debian or Ubuntu also "
        "`sudo apt-get install libgl1 libglib2.0-0`."
    ) from error

__all__ = ["cv2"]
