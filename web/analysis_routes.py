"""Routes for finished recordings and uploaded videos: their faces for the player, people's changes, and downloads."""

import json
from collections.abc import Callable
from pathlib import Path

from flask import Blueprint, abort, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.utils import secure_filename

from videos.analysis import EDITS, FACES, PARQUET, TABLE, read_info, write_whole
from videos.edits import EditsError, from_json, read_edits
from videos.reasons import cause
from vision.endings import VIDEO_SUFFIXES
from web.downloads import send_output
from web.errors import RequestError
from web.outputs import NAMES, Outputs, Wish

TABLES = {"csv": TABLE, "parquet": PARQUET}
NO_SUCH_OUTPUT = f"Send a JSON object with an output, one of {', '.join(NAMES)}."


def add_analysis_routes(routes: Blueprint, base: str, find: Callable[[str], Path | None], outputs: Outputs) -> None:
    """Add the routes to a blueprint.

    base: what their addresses begin with, such as /recordings. find: returns the folder of an analysis by its id, or
    None where there is none that this request may see.
    """

    def folder_of(id: str) -> Path:
        return find(id) or abort(404)

    @routes.get(f"{base}/<id>/faces.bin", endpoint=f"faces of {base[1:]}")
    def faces(id: str) -> ResponseReturnValue:
        return send_output(folder_of(id) / FACES, FACES)

    @routes.get(f"{base}/<id>/edits", endpoint=f"edits of {base[1:]}")
    def edits(id: str) -> ResponseReturnValue:
        try:
            return jsonify(read_edits(folder_of(id) / EDITS).to_json())
        except EditsError as error:
            raise RequestError(str(error), 500) from error

    @routes.put(f"{base}/<id>/edits", endpoint=f"change {base[1:]}")
    def change(id: str) -> ResponseReturnValue:
        folder = folder_of(id)
        try:
            edits = from_json(request.get_json(silent=True))
        except EditsError as error:
            raise RequestError(str(error), 400) from error
        try:
            write_whole(folder / EDITS, json.dumps(edits.to_json()))
        except OSError as error:
            raise RequestError(f"Your changes could not be stored: {cause(error) or error}.", 503) from error
        return jsonify(edits.to_json())

    @routes.post(f"{base}/<id>/outputs", endpoint=f"make of {base[1:]}")
    def make(id: str) -> ResponseReturnValue:
        body = request.get_json(silent=True)
        if not isinstance(body, dict) or body.get("output") not in NAMES:
            raise RequestError(NO_SUCH_OUTPUT, 400)
        return jsonify(outputs.state(folder_of(id), _wish(body["output"], body.get("table"), body.get("boxes"))))

    @routes.get(f"{base}/<id>/<name>", endpoint=f"output of {base[1:]}")
    def output(id: str, name: str) -> ResponseReturnValue:
        folder = folder_of(id)
        if name not in NAMES:
            abort(404)
        wish = _wish(name, request.args.get("table"), request.args.get("boxes") != "false")
        title, dot, ending = read_info(folder).name.rpartition(".")
        title = title if f".{ending.lower()}" in VIDEO_SUFFIXES else f"{title}{dot}{ending}"
        return send_output(outputs.get(folder, wish), f"{secure_filename(title) or 'recording'}_{name}")


def _wish(name: str, table: object, boxes: object) -> Wish:
    """Raises RequestError."""
    if table is not None and table not in TABLES:
        raise RequestError(f"A table is one of {', '.join(TABLES)}.", 400)
    return Wish(name, TABLES[str(table or "csv")], boxes is not False)
