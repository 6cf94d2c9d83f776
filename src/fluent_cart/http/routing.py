"""Run a request of the API: dependencies, then input, then the handler.

Routes are declared as in any FastAPI application, and FastAPI describes them, but the few steps below run
them. FastAPI reads a body before it checks the credentials, while here a stranger learns nothing from input
errors. Its general ways to solve dependencies and to match included routers also take longer than a whole
short read.

A handler that takes a connection (``http.dependencies``) is a plain function and one unit of work. The route
opens the connection and runs the handler in its transaction, with an idempotency key or a condition around
it. So the response is known before the transaction ends, and a handler calls its service as any function.

See docs/decisions.md#5-order-of-checks and #8-forms-of-input.
"""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from fluent_cart.database import Database
from fluent_cart.database.prepared import LookupConnection
from fluent_cart.errors import ApiError, UnreadableBody
from fluent_cart.formats.php_query import parse_query
from fluent_cart.http import etags, idempotency
from fluent_cart.http.dependencies import ConnectionOf
from fluent_cart.http.dependency_plan import Arguments, DependencyPlan
from fluent_cart.http.request_body import read_fields
from fluent_cart.observability.request_context import request_context
from fluent_cart.services.users import CurrentUser
from fluent_cart.wordpress.field_aliases import NAMES, apply_aliases
from fluent_cart.wordpress.paths import PREFIX

Handler = Callable[..., Response] | Callable[..., Coroutine[Any, Any, Response]]
CUSTOMER = "customer_id"


class CustomerConvertor(StringConvertor):
    """A segment of a path that may be a customer's id. Fixed paths do not match, for any method.

    See docs/decisions.md#80-fixed-paths.
    """

    regex = "(?!(?:attachable-user|batch|changes|do-bulk-action|duplicates|export)$)[^/]+"


register_url_convertor("customer", CustomerConvertor())


class ApiRoute(APIRoute):
    """A route whose handler is a unit of work, or an async function without a connection.

    The handler returns a ``Response``. Its dependencies are async functions.

    ``allow`` is the header with the methods of its path. It is set once all routes are known.
    """

    allow: tuple[tuple[bytes, bytes], ...] = ()

    def __init__(self, path: str, endpoint: Handler, **options: Any) -> None:
        super().__init__(path.replace("{customerId}", "{customerId:customer}"), endpoint, **options)
        # The path without the convertor, so that logs and metrics show it as it is documented.
        self.path = self.path_format
        # The name of the argument that takes a connection, and the kind of that connection.
        self._connection, self._opens = _find_connection(self.dependant)
        self._dependencies = DependencyPlan(self.dependant)
        self._names = NAMES.get(self.name, {})
        # Fields of the query may replace missing fields of the body, except for additional info.
        body = self.body_field.field_info.annotation if self.body_field else None
        self._body_names = frozenset((*getattr(body, "model_fields", ()), *self._names))
        writes = self._opens is not None and self._opens.writes
        of_customer = any(field.name == CUSTOMER for field in self.dependant.path_params)
        self._accepts_idempotency_key = writes and self.methods == {"POST"}
        self._others = getattr(endpoint, "other_customers", None)
        changes_one = self.methods in ({"PUT"}, {"PATCH"}) or self._others is not None
        self._accepts_if_match = writes and changes_one and of_customer
        # A permission that depends on the input. It is also checked before a stored response is repeated.
        self._check_input = getattr(endpoint, "check_input", None)
        self._after_success = getattr(endpoint, "after_success", None)
        self.app = self._answer

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        # Most routes do not match, and skipping them takes a twentieth of a look-up's time.
        if not scope.get("root_path") and not self.path_regex.match(scope["path"]):
            return Match.NONE, {}
        return super().matches(scope)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        request_context(scope).allow = self.allow
        results = await self._dependencies.solve(request)
        arguments = self._dependencies.arguments(request, results)
        key = idempotency.read_key(request) if self._accepts_idempotency_key else None
        values = await self._read_input(request)
        arguments |= values
        if self._opens is None:
            response = await self.endpoint(**arguments)
            await response(scope, receive, send)
            return
        if self._check_input is not None:
            self._check_input(_user_among(results), **values)
        database: Database = request.app.state.database
        run_unit = self._opens.choose(database, values)
        # The connection is the first argument, as of every unit of work.
        handler = partial(_call_with_connection, self.endpoint, self._connection, arguments)
        if self._accepts_if_match and etags.is_conditional(request):
            others = self._others(values) if self._others else ()
            handler = partial(etags.change_if_match, request, values[CUSTOMER], others, handler)
        if key is not None:
            attempt = idempotency.fingerprint(request, _user_among(results).id, key, values)
            response = await idempotency.execute_once(run_unit, attempt, handler)
        else:
            response = await run_unit(handler)
        if self._after_success is not None and response.status_code == 200:
            self._after_success(request, **values)
        await response(scope, receive, send)

    async def _read_input(self, request: Request) -> Arguments:
        """Return the checked input of path, query and body. Raise all errors at once."""
        values: Arguments = {}
        invalid: list[Any] = []
        # Existence is checked last, even if the id alone is enough (docs/decisions.md#5-order-of-checks).
        not_found: ApiError | None = None
        for field in self.dependant.path_params:
            try:
                values[field.name], errors = field.validate(
                    request.path_params[field.alias], loc=("path", field.alias)
                )
                invalid += errors
            except ApiError as error:
                not_found = error
        # Decoded even if no field is read, because otherwise a broken ?_method= or _fields would be ignored
        # silently.
        sent = _sent_in_query(request) if request.scope["query_string"] else {}
        for field in self.dependant.query_params:
            fields = apply_aliases(sent, self._names)
            values[field.name], errors = field.validate(fields, loc=("query",))
            invalid += errors
        for field in self.dependant.body_params:
            body = await read_fields(request)
            if isinstance(body, dict):
                body = {name: value for name, value in sent.items() if name in self._body_names} | body
                body = apply_aliases(body, self._names)
            values[field.name], errors = field.validate(body, loc=("body",))
            invalid += errors
        if invalid:
            raise RequestValidationError(invalid)
        if not_found:
            raise not_found
        return values


def _user_among(results: list[Any]) -> CurrentUser:
    [user] = (result for result in results if isinstance(result, CurrentUser))
    return user


def _sent_in_query(request: Request) -> dict[str, Any]:
    """Return the fields of the query. Raise an error for bytes that are not UTF-8, as in a form.

    See docs/decisions.md#120-queries-that-are-not-utf-8.
    """
    try:
        return parse_query(request.scope["query_string"].decode("latin-1"), errors="strict")
    except UnicodeDecodeError:
        raise UnreadableBody("The query is not valid UTF-8. Encode it as UTF-8") from None


def _find_connection(dependant: Dependant) -> tuple[str, ConnectionOf | None]:
    """Return the argument of a handler that takes a connection, and its kind, or ``("", None)``."""
    for needed in dependant.dependencies:
        if isinstance(needed.call, ConnectionOf):
            return str(needed.name), needed.call
    return "", None


def _call_with_connection(
    handler: Callable[..., Response], name: str, arguments: Arguments, connection: LookupConnection
) -> Response:
    return handler(**arguments, **{name: connection})


class ApiRouter(APIRouter):
    """Routes below /customers, or another ``prefix``. Their operation ids are the names of the handlers."""

    def __init__(self, *, tags: list[str], prefix: str = PREFIX) -> None:
        super().__init__(
            prefix=prefix,
            tags=list(tags),
            route_class=ApiRoute,
            generate_unique_id_function=lambda route: route.name,
        )
