"""What every error answer looks like, whole."""

from typing import Any

import httpx


def assert_error(
    response: httpx.Response, status: int, code: str, message: str | None = None, details: Any = None
) -> None:
    """Assert the whole envelope of an error (decision 4); ``message`` None means any."""
    body = response.json()
    text = body["message"] if message is None else message
    inner: dict[str, Any] = {"code": code, "message": text}
    if details is not None:
        inner["details"] = details
    elif code == "validation_error" and status == 422:
        inner["details"] = body["error"].get("details")
    assert (response.status_code, body) == (
        status,
        {"success": False, "error": inner, "code": code, "message": text, "data": {"status": status}},
    )
    assert isinstance(text, str)
    assert text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
