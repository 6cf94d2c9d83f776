"""The cookie of a session in responses, and its lifetime.

See docs/decisions.md#51-sessions.
"""

from fastapi import Request, Response

from fluent_cart.security import session_cookies

DAY_SECONDS = 24 * 3600
# Without and with "remember me". Without, browsers forget the cookie when they close.
SHORT, LONG = 2 * DAY_SECONDS, 14 * DAY_SECONDS


def set_cookie(request: Request, response: Response, value: str, seconds: int) -> None:
    """Add the cookie of a session to ``response``, with its lifetime in seconds."""
    _set(request, response, value, LONG if seconds == LONG else None)


def forget_cookie(request: Request, response: Response) -> None:
    """Delete the cookie with ``response``."""
    _set(request, response, "", 0)


def _set(request: Request, response: Response, value: str, max_age: int | None) -> None:
    response.set_cookie(
        session_cookies.NAME,
        value,
        max_age=max_age,
        path="/",
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="lax",
    )
