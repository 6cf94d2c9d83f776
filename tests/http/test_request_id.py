"""The outermost layer: an error is answered also when the head of a response cannot be sent."""

import httpx
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fluent_cart.http.request_id import RequestIdMiddleware
from tests.support.errors import assert_error


async def test_response_with_an_invalid_header_becomes_internal_error() -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        response = Response(b"x")
        response.raw_headers.append((b"link", b"<http://a/\n>"))
        await response(scope, receive, send)

    transport = httpx.ASGITransport(RequestIdMiddleware(application))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        answer = await client.get("/", headers={"X-Request-Id": "id-1"})
    assert_error(answer, 500, "internal_error")
    assert answer.headers["x-request-id"] == "id-1"
    assert "id-1" in answer.json()["message"]
