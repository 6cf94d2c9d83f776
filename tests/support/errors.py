"""Assertions on whole error responses."""

from typing import Any

import httpx


def with_faults(text: str, details: Any) -> str:
    """Return the message at the top: the first three errors follow the text."""
    errors = [f"{name}: {texts[0]}" for name, texts in (details or {}).items()]
    more = [f"And {len(errors) - 3} more"] if len(errors) > 3 else []
    return ". ".join([text, *errors[:3], *more])


def assert_error(
    response: httpx.Response,
    status: int,
    code: str,
    message: str | None = None,
    details: Any = None,
    **data: Any,
) -> None:
    """Assert the whole envelope of an error, with ``data``. ``message`` None means any message.

    See docs/decisions.md#4-error-responses.
    """
    body = response.json()
    text = body["error"]["message"] if message is None else message
    inner: dict[str, Any] = {"code": code, "message": text}
    if details is not None:
        inner["details"] = details
    elif code == "validation_error" and status == 422:
        inner["details"] = body["error"].get("details")
    # In the order of the answer, which is that of the errors.
    top = with_faults(text, body["error"].get("details"))
    assert (response.status_code, body) == (
        status,
        {"success": False, "error": inner, "code": code, "message": top, "data": {"status": status, **data}},
    )
    assert isinstance(text, str)
    assert text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
