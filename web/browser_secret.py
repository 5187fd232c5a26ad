"""A secret in a cookie, by which a browser gets back what it sent."""

import re
import secrets

from flask import Response, after_this_request, request

from web.access import cookie_name

BYTES = 32
LASTS = 400 * 24 * 3600  # seconds, which is the most that browsers allow; recordings that are kept need it
MADE_HERE = re.compile(r"[A-Za-z0-9_-]{43}")  # what token_urlsafe makes of that many bytes


def browser_secret() -> str:
    """The secret of the browser whose request is answered, which gets one with the answer if it has none.

    It is nobody else's: compare it with hmac.compare_digest, and send it to nobody.
    """
    name = cookie_name("browser")
    secret = request.cookies.get(name, "")
    if MADE_HERE.fullmatch(secret):
        return secret
    secret = secrets.token_urlsafe(BYTES)

    @after_this_request
    def give(response: Response) -> Response:
        response.set_cookie(name, secret, LASTS, httponly=True, samesite="Lax", secure=request.is_secure)
        return response

    return secret
