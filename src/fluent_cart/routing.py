"""The route class of the API: FastAPI's own, but for how input is read (decisions 5, 8).

FastAPI reads and parses a body before it runs the dependencies. Here whatever is wrong with a body is kept
back until the caller is authenticated and permitted: a stranger learns nothing from input errors.
"""

from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import Any, cast

from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.datastructures import ImmutableMultiDict, QueryParams
from starlette.types import Receive, Scope

from fluent_cart.errors import ApiError
from fluent_cart.php_query import parse_query
from fluent_cart.request_body import parse, read_bytes


class ApiRequest(Request):
    """A request whose query and body are what the client meant, however it wrote them.

    ``unreadable`` is why the body could not be read, until the caller is known to be allowed to hear of it.
    """

    unreadable: ApiError | None = None

    def __init__(self, scope: Scope, receive: Receive, fields: frozenset[str]) -> None:
        original = Request(scope)
        self._content_type = original.headers.get("content-type", "")
        self._content_encoding = original.headers.get("content-encoding", "").lower()
        # Without a content type FastAPI leaves the reading to ``json`` below.
        headers = [header for header in scope["headers"] if header[0] != b"content-type"]
        super().__init__({**scope, "headers": headers}, receive)
        self._fields = fields

    @cached_property
    def _query_fields(self) -> dict[str, Any]:
        return parse_query(self.scope["query_string"].decode("latin-1"))

    @cached_property
    def query_params(self) -> QueryParams:  # asked for once per dependency
        """The query, its objects and lists put together: a field that is a text refuses them."""
        return cast(QueryParams, ImmutableMultiDict(self._query_fields))

    async def body(self) -> bytes:
        """Tell FastAPI that there is a body, so that it asks for ``json``."""
        return b"{}"

    async def json(self) -> Any:
        """Return the body's fields, completed by those of the query that the route knows."""
        try:
            body = parse(await read_bytes(self), self._content_type, self._content_encoding)
        except ApiError as error:
            # None is a missing body: FastAPI refuses it once the dependencies have let the caller through.
            self.unreadable = error
            return None
        if not isinstance(body, dict):
            return body
        return {name: value for name, value in self._query_fields.items() if name in self._fields} | body


class ApiRoute(APIRoute):
    """A route that reads its input as ``ApiRequest``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        # additional-info has no fields of its own: nothing of the query may end up in it.
        body_type = self.body_field.field_info.annotation if self.body_field else None
        fields = frozenset(getattr(body_type, "model_fields", ()))

        async def handle_request(request: Request) -> Response:
            api_request = ApiRequest(request.scope, request.receive, fields)
            try:
                return await handle(api_request)
            except RequestValidationError:
                if api_request.unreadable:
                    raise api_request.unreadable from None
                raise

        return handle_request


class ApiRouter(APIRouter):
    """A router of ``ApiRoute``; its operation ids are the names of the handlers."""

    def __init__(self, *, tags: list[str]) -> None:
        super().__init__(
            tags=list(tags),
            route_class=ApiRoute,
            strict_content_type=False,
            generate_unique_id_function=lambda route: route.name,
        )
