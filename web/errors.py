"""Requests that cannot be served: one exception, and every error as JSON with one sentence."""

from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException


class RequestError(Exception):
    """The request cannot be served; the message is one sentence for the person who sent it."""

    def __init__(self, message: str, status: int) -> None:
        """status: the answer's status in HTTP, 400 to 599."""
        super().__init__(message)
        self.status = status


def answer_errors_as_json(app: Flask) -> None:
    """Have the app answer every error with {"error": "One sentence."}."""

    @app.errorhandler(RequestError)
    def refused(error: RequestError) -> ResponseReturnValue:
        return jsonify(error=str(error)), error.status

    @app.errorhandler(HTTPException)
    def failed(error: HTTPException) -> ResponseReturnValue:
        code = error.code or 500
        sentence = {
            404: "There is nothing at this address.",
            413: f"That is too much at once; send at most {(request.max_content_length or 0) // 1024**2} MB.",
        }.get(code, error.description)
        response: Response = jsonify(error=sentence)
        response.status_code = code
        if code == 405:
            response.headers.extend(error.get_headers())
            response.headers["Content-Type"] = "application/json"
        return response
