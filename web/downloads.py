"""Files that were made here, sent to be shown or to be saved."""

from pathlib import Path

from flask import Response, abort, request, send_file


def send_output(path: Path | None, saved_as: str) -> Response:
    """The file, to be saved under that name where the address says ?download. Ends the request with 404 without one."""
    if path is None:
        abort(404)
    return send_file(path.absolute(), as_attachment="download" in request.args, download_name=saved_as, max_age=0)
