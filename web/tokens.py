"""Tokens: with the full one people may do everything, with the watch token they only watch."""

import hmac

from flask import Flask, g, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue

from web.access import SAFE_METHODS, cookie_name

FULL, WATCH = "token", "watch"  # the kinds of tokens, and of their cookies
WATCH_PATHS = {"/", "/video_feed", "/events", "/snapshot.jpg"}  # beside the page's own files


def require_token(app: Flask, token: str, watch_token: str | None = None) -> None:
    """Let an app answer only to requests with one of the tokens; only /healthz needs none.

    A token is sent as ?token=… or as Authorization: Bearer; the page keeps it in a cookie. With the watch token,
    requests may read WATCH_PATHS and the page's files. With both, the full one counts.
    """
    tokens = {FULL: token} | ({WATCH: watch_token} if watch_token else {})

    def kind_of(offered: str | None) -> str | None:
        """FULL, WATCH, or None where it is no token."""
        return next((kind for kind, right in tokens.items() if _are_equal(offered or "", right)), None)

    @app.before_request
    def check() -> ResponseReturnValue | None:
        if request.path == "/healthz":
            return None
        linked = kind_of(request.args.get("token")) if request.method in SAFE_METHODS else None
        if linked and request.path == "/":
            return _move_into_cookie(linked, tokens[linked])
        bearer = request.authorization.token if request.authorization else None
        cookies = [request.cookies.get(cookie_name(kind)) for kind in tokens]
        # One in the address of another path counts at once: programs that show the picture often keep no cookie.
        kinds = {linked, *map(kind_of, [bearer, *cookies])}
        if FULL in kinds:
            return None
        if WATCH in kinds:
            g.is_watching = True
            return None if _may_watch() else (jsonify(error="With this link you can only watch."), 403)
        return _ask_for_token()


def is_watching() -> bool:
    """Whether the request that is answered has the watch token alone."""
    return g.get("is_watching", False)


def _are_equal(offered: str, right: str) -> bool:
    return hmac.compare_digest(offered.encode(), right.encode())


def _may_watch() -> bool:
    """Whether the request is one for which the watch token is enough."""
    return request.method in ("GET", "HEAD") and (request.path in WATCH_PATHS or request.endpoint == "static")


def _move_into_cookie(kind: str, token: str) -> ResponseReturnValue:
    """The answer to the page's link, so that the token leaves the address bar."""
    response = redirect(f"{request.script_root}/")
    response.set_cookie(cookie_name(kind), token, httponly=True, samesite="Lax", secure=request.is_secure)
    return response


def _ask_for_token() -> ResponseReturnValue:
    """The answer to a request without a token: a page with a field for it, or an error."""
    if request.path == "/" and "text/html" in request.headers.get("Accept", ""):
        return render_template("token.html", wrong="token" in request.args), 401, {"Cache-Control": "no-store"}
    sentence = "Open the link that the program printed when it started, or send its token as Authorization: Bearer."
    return jsonify(error=sentence), 401, {"WWW-Authenticate": "Bearer"}
