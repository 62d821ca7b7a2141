"""What every request passes: only this machine's names, only our own pages, strict headers.

A page of another site may make the browser of this machine ask us. A name that is not loopback's
is refused (DNS rebinding), as is what a browser says another site asked for; what changes anything
needs a token that only our pages have, since no other site can read them.
"""

import secrets

from fastapi import HTTPException, Request, Response
from starlette.middleware.base import RequestResponseEndpoint

HOSTS = ["127.0.0.1", "localhost", "[::1]"]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
}
TOKEN = "X-Dawn-Token"  # noqa: S105 - a header's name


async def guard(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Middleware: refuse what other sites ask for, and say what pages may do."""
    asked_by = request.headers.get("sec-fetch-site", "none")
    opened = request.headers.get("sec-fetch-mode") == "navigate" and request.method == "GET"
    if asked_by not in ("none", "same-origin") and not opened:
        return Response("asked for by another site", 403, _HEADERS)
    response = await call_next(request)
    response.headers.update(_HEADERS)
    response.headers.setdefault("Cache-Control", "no-cache")
    return response


def require_token(request: Request) -> None:
    """Dependency of what changes anything: 403 without the token of our pages."""
    given = request.headers.get(TOKEN, "")
    if not secrets.compare_digest(given.encode(), request.app.state.token.encode()):
        raise HTTPException(403, "open the page again: it was made by another run of dawn view")
