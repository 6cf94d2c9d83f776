"""Exceptions -> the error envelope, and the tree of errors it is made of.

The applications here are made for one test each: they fail in ways that the shop's own routes never do.

See docs/decisions.md#4-error-responses.
"""

import inspect
import logging
from typing import Annotated, Any, Literal

import httpx
import orjson
import pytest
from fastapi import FastAPI, Query, Response
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field, StrictInt, TypeAdapter, ValidationError
from starlette.exceptions import HTTPException

from fluent_cart import errors
from fluent_cart.database.constraints import CONSTRAINT_ERRORS
from fluent_cart.errors import ApiError
from fluent_cart.http.error_handlers import add_handlers, error_body, error_response, internal_error_response
from fluent_cart.models import Base
from fluent_cart.openapi.error_responses import all_error_types
from fluent_cart.schemas.base import Email
from fluent_cart.schemas.error_messages import TEXTS
from tests.support.errors import with_faults

FAILED = "Request data validation failed"


def envelope(status: int, code: str, message: str, details: Any = None) -> dict[str, Any]:
    """Return a whole error with its documented keys, in their order."""
    inner = {"code": code, "message": message} | ({} if details is None else {"details": details})
    text = with_faults(message, details)
    return {"success": False, "error": inner, "code": code, "message": text, "data": {"status": status}}


def assert_whole(response: httpx.Response | Response, expected: dict[str, Any]) -> None:
    """Assert status, type and body, down to the order of its members."""
    content = response.content if isinstance(response, httpx.Response) else bytes(response.body)
    assert (response.status_code, content) == (expected["data"]["status"], orjson.dumps(expected))
    assert response.headers["content-type"] == "application/json"


def client_of(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop.example")


@pytest.fixture
def app() -> FastAPI:
    """An application with nothing but the handlers."""
    made = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    add_handlers(made)
    return made


# Every error without a text of its own, and its response.
ENVELOPES: list[tuple[ApiError, dict[str, Any], dict[str, str]]] = [
    (
        errors.CustomerMerged(),
        envelope(
            410, "customer_merged", "The customer was merged into another customer. Use the ID survivor_id"
        ),
        {},
    ),
    (
        errors.CursorExpired(),
        envelope(
            410,
            "cursor_expired",
            "The changes after this cursor are not stored any more. "
            "Read the whole list, then the changes from now on",
        ),
        {},
    ),
    (
        errors.IdempotencyKeyInUse(),
        envelope(
            409,
            "idempotency_key_in_use",
            "A request with this idempotency key is running. Try again later",
        ),
        {"retry-after": "1"},
    ),
    (
        errors.IdempotencyKeyReused(),
        envelope(
            422,
            "idempotency_key_reused",
            "The idempotency key was sent with another request before. Use a new key for each request",
        ),
        {},
    ),
    (
        errors.PreconditionFailed(),
        envelope(
            412,
            "precondition_failed",
            "The customer does not meet the condition of If-Match or If-None-Match. Read the customer again",
        ),
        {},
    ),
    (
        errors.AuthenticationRequired(),
        envelope(
            401, "authentication_required",
            "Authentication is required: send an application password with HTTP Basic",
        ),
        {},
    ),
    (
        errors.AuthenticationFailed(),
        envelope(401, "authentication_failed", "The user name or the application password is not correct"),
        {},
    ),
    (
        errors.InsufficientPermissions(),
        envelope(403, "insufficient_permissions", "You do not have permission to do this"),
        {},
    ),
    (
        errors.CrossSiteRequest(),
        envelope(
            403,
            "cross_site_request",
            "A page of another site sent this request. Send it from this site, or from a program",
        ),
        {},
    ),
    (
        errors.InvalidNonce(),
        envelope(
            403,
            "rest_cookie_invalid_nonce",
            "The nonce is invalid or has expired. Request a new one",
        ),
        {},
    ),
    (errors.CustomerNotFound(), envelope(404, "customer_not_found", "Customer not found"), {}),
    (errors.CustomerNotFound(7), envelope(404, "customer_not_found", "Customer with ID 7 not found"), {}),
    (errors.AddressNotFound(7), envelope(404, "address_not_found", "Address with ID 7 not found"), {}),
    (
        errors.RouteNotFound(),
        envelope(404, "rest_no_route", "No route was found matching the URL and request method"),
        {},
    ),
    (
        errors.MethodNotAllowed(),
        envelope(405, "rest_no_route", "This route does not support the request method"),
        {},
    ),
    (errors.InvalidRequest(), envelope(400, "validation_error", "The request is not valid HTTP/1.1"), {}),
    (
        errors.RequestTimeout(),
        envelope(408, "request_timeout", "The request did not arrive in time. Send it again"),
        {},
    ),
    (
        errors.HeadersTooLarge(),
        envelope(
            431, "headers_too_large", "The request's address and headers are larger than 64 KiB"
        ),
        {},
    ),
    (
        errors.UnreadableBody(),
        envelope(400, "validation_error", "The request body is not readable JSON or form data"),
        {},
    ),
    (
        errors.PayloadTooLarge(),
        envelope(413, "payload_too_large", "The request body is larger than 1 MiB"),
        {},
    ),
    (
        errors.UnsupportedMediaType(),
        envelope(
            415, "unsupported_media_type",
            "Send the request body as JSON or as application/x-www-form-urlencoded, in UTF-8",
        ),
        {},
    ),
    (
        errors.InvalidEmail(),
        envelope(422, "invalid_email", "The email address is invalid or already exists"),
        {},
    ),
    (
        errors.InvalidUser(),
        envelope(
            422, "invalid_user",
            "The WordPress user does not exist or cannot be attached to this customer",
        ),
        {},
    ),
    (errors.ValidationFailed(), envelope(422, "validation_error", FAILED), {}),
    (
        errors.ValidationFailed(details={"a.b": ["One", "Two"]}),
        envelope(422, "validation_error", FAILED, {"a.b": ["One", "Two"]}),
        {},
    ),
    (errors.ValidationFailed(details={}), envelope(422, "validation_error", FAILED, {}), {}),
    (errors.TooManyRequests(), envelope(429, "rate_limited", "Too many requests"), {"retry-after": "1"}),
    (errors.TooManyRequests(60), envelope(429, "rate_limited", "Too many requests"), {"retry-after": "60"}),
    (
        errors.TooManyAttempts(300),
        envelope(
            429, "too_many_attempts",
            "Too many wrong passwords for this user name or from this address. Try again later",
        ),
        {"retry-after": "300"},
    ),
    (errors.InternalError(), envelope(500, "internal_error", "Something went wrong on our side"), {}),
    (
        errors.ServiceUnavailable(),
        envelope(503, "service_unavailable", "The database is busy or not available. Try again"),
        {"retry-after": "1"},
    ),
    (
        errors.ServiceUnavailable(5),
        envelope(503, "service_unavailable", "The database is busy or not available. Try again"),
        {"retry-after": "5"},
    ),
]  # fmt: skip


class TestErrors:
    def test_every_error_has_a_test(self) -> None:
        assert {type(error) for error, *_ in ENVELOPES} == set(all_error_types())

    @pytest.mark.parametrize(
        ("error", "expected", "headers"), ENVELOPES, ids=[type(error).__name__ for error, *_ in ENVELOPES]
    )
    async def test_error_has_the_whole_envelope(
        self, app: FastAPI, error: ApiError, expected: dict[str, Any], headers: dict[str, str]
    ) -> None:
        @app.get("/")
        async def fail() -> None:
            raise error

        async with client_of(app) as client:
            answer = await client.get("/")
        assert_whole(answer, expected)
        assert error_body(error) == expected
        assert_whole(error_response(error), expected)
        others = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        assert others == headers
        assert str(error) == expected["error"]["message"]

    def test_missing_and_merged_records_are_named(self) -> None:
        for error, text in (
            (errors.CustomerNotFound(), "Customer not found"),
            (errors.CustomerNotFound(0), "Customer with ID 0 not found"),
            (errors.AddressNotFound(7), "Address with ID 7 not found"),
            (errors.CustomerMerged(2, 1), "Customer with ID 2 was merged into customer 1. Use that ID"),
            (
                errors.CustomerMerged(),
                "The customer was merged into another customer. Use the ID survivor_id",
            ),
        ):
            assert (str(error), error.message) == (text, text)
        assert errors.CustomerMerged(2, 1).data == {"survivor_id": 1}
        assert errors.CustomerMerged().data == {}

    def test_message_has_the_first_three_field_errors(self) -> None:
        error = errors.ValidationFailed(details={"a.b": ["One", "Two"], "c": ["Three"]})
        assert error_body(error)["message"] == f"{FAILED}. a.b: One. c: Three"
        assert error_body(error)["error"]["message"] == FAILED
        many = errors.ValidationFailed(details={str(number): ["X"] for number in range(9)})
        assert error_body(many)["message"] == f"{FAILED}. 0: X. 1: X. 2: X. And 6 more"

    async def test_error_can_have_its_own_text_and_headers(self, app: FastAPI) -> None:
        @app.get("/")
        async def fail() -> None:
            raise errors.PayloadTooLarge("Much too large", headers={"Connection": "close", "X-Why": "size"})

        async with client_of(app) as client:
            answer = await client.get("/")
        assert_whole(answer, envelope(413, "payload_too_large", "Much too large"))
        assert (answer.headers["connection"], answer.headers["x-why"]) == ("close", "size")

    def test_errors_do_not_share_their_headers(self) -> None:
        given = {"X-Why": "one"}
        error = errors.InvalidUser(headers=given)
        error.headers["X-Why"] = "other"
        assert (given, errors.InvalidUser().headers) == ({"X-Why": "one"}, {})

    def test_error_of_a_lost_race_belongs_to_a_constraint(self) -> None:
        indexes = {index.name for table in Base.metadata.tables.values() for index in table.indexes}
        constraints = {item.name for table in Base.metadata.tables.values() for item in table.constraints}
        assert set(CONSTRAINT_ERRORS) <= indexes | constraints
        assert [error().status for error in CONSTRAINT_ERRORS.values()] == [422, 422, 422]


class Part(BaseModel):
    name: str


class Everything(BaseModel):
    """A body with a field for every kind of error."""

    model_config = ConfigDict(extra="forbid")

    required: Annotated[str, Field(max_length=255)]
    text: str = ""
    flag: bool = False
    items: list[StrictInt] = []
    mapping: dict[str, StrictInt] = {}
    part: Part | None = None
    number: StrictInt = 0
    choice: Literal["a", "b"] = "a"
    email: Email = "a@example.com"
    other_email: Email = "a@example.com"


WHOLE_NUMBER = ["Must be a whole number"]
FIELD_ERRORS: dict[str, tuple[bytes, dict[str, list[str]]]] = {
    "missing": (b"{}", {"required": ["This field is required"]}),
    "string_type": (b'{"required": 1}', {"required": ["Must be text"]}),
    "string_unicode": (b'{"required": "\\ud800"}', {"required": ["Must be valid Unicode text"]}),
    "bool_parsing": (b'{"required": "", "flag": "maybe"}', {"flag": ["Must be true or false"]}),
    "bool_type": (b'{"required": "", "flag": []}', {"flag": ["Must be true or false"]}),
    "list_type": (b'{"required": "", "items": {}}', {"items": ["Must be a list"]}),
    "dict_type": (b'{"required": "", "mapping": []}', {"mapping": ["Must be an object"]}),
    "model_attributes_type": (b'{"required": "", "part": []}', {"part": ["Must be an object"]}),
    "extra_forbidden": (b'{"required": "", "nope": 1}', {"nope": ["Unknown name"]}),
    "int_type": (b'{"required": "", "number": "1"}', {"number": WHOLE_NUMBER}),
    "whole body": (b"[]", {"body": ["Must be an object"]}),
    "nested": (b'{"required": "", "part": {}, "items": [1, "2"]}',
               {"items.1": WHOLE_NUMBER, "part.name": ["This field is required"]}),
    "own text": (b'{"required": "", "choice": "c"}', {"choice": ["Input should be 'a' or 'b'"]}),
    "email with others": (b'{"required": 1, "email": "nope"}',
                          {"required": ["Must be text"], "email": ["Must be a valid email address"]}),
    "two emails": (b'{"required": "", "email": "nope", "other_email": "nope"}',
                   {"email": ["Must be a valid email address"],
                    "other_email": ["Must be a valid email address"]}),
}  # fmt: skip


class TestFieldErrors:
    @pytest.fixture
    async def client(self, app: FastAPI) -> Any:
        @app.post("/")
        async def take(body: Everything) -> Response:
            raise AssertionError(body)

        @app.get("/")
        async def ask(page: Annotated[StrictInt, Query()]) -> Response:
            raise AssertionError(page)

        async with client_of(app) as client:
            yield client

    @pytest.mark.parametrize("kind", FIELD_ERRORS)
    async def test_field_errors_have_texts_for_people(self, client: httpx.AsyncClient, kind: str) -> None:
        body, details = FIELD_ERRORS[kind]
        answer = await client.post("/", content=body, headers={"Content-Type": "application/json"})
        assert_whole(answer, envelope(422, "validation_error", FAILED, details))

    async def test_fault_of_a_model_has_the_name_of_its_field(self, app: FastAPI) -> None:
        @app.get("/")
        async def fail() -> None:
            try:
                TypeAdapter(Part).validate_python(1)
            except ValidationError as error:
                [found] = error.errors()
                raise RequestValidationError([{**found, "loc": ("body", "part")}]) from None

        async with client_of(app) as client:
            answer = await client.get("/")
        expected = {"part": ["Must be an object"]}
        assert_whole(answer, envelope(422, "validation_error", FAILED, expected))

    def test_field_errors_have_no_text_that_is_never_used(self) -> None:
        assert set(TEXTS) <= {*FIELD_ERRORS, "model_type"}

    async def test_faults_of_the_query_are_named_like_those_of_a_body(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await client.get("/")
        details = {"page": ["This field is required"]}
        assert_whole(answer, envelope(422, "validation_error", FAILED, details))

    async def test_fault_of_an_email_alone_is_invalid_email(self, client: httpx.AsyncClient) -> None:
        for field in ("email", "other_email"):
            answer = await client.post("/", json={"required": "", field: "nope"})
            assert_whole(answer, envelope(422, "invalid_email", "The email address is invalid"))

    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("x" * 52, "mapping." + "x" * 52),
            ("x" * 53, "(unknown)"),
            ("x" * 500_000, "(unknown)"),
            ("n\u00e4me", "(unknown)"),
            ("a\nb", "(unknown)"),
            ("a\x7fb", "(unknown)"),
            ("\0", "(unknown)"),
            ("a b", "mapping.a b"),
            ("", "mapping."),
        ],
    )
    async def test_faults_of_fields_that_the_caller_made_up_repeat_only_harmless_names(
        self, client: httpx.AsyncClient, name: str, shown: str
    ) -> None:
        answer = await client.post("/", json={"required": "", "mapping": {name: "1"}})
        assert_whole(answer, envelope(422, "validation_error", FAILED, {shown: WHOLE_NUMBER}))

    async def test_faults_of_one_name_are_listed_together(self, client: httpx.AsyncClient) -> None:
        strange: dict[str, Any] = {"\u00e4": "1", "x" * 100: [], "\n": None}
        answer = await client.post("/", json={"required": "", "mapping": strange})
        assert_whole(answer, envelope(422, "validation_error", FAILED, {"(unknown)": WHOLE_NUMBER * 3}))


class TestHttpExceptions:
    @pytest.mark.parametrize("status", [400, 401, 403, 409, 415, 418, 422, 500, 503])
    async def test_framework_error_is_a_validation_error_without_details(
        self, app: FastAPI, status: int
    ) -> None:
        @app.get("/")
        async def fail() -> None:
            raise HTTPException(status, "secret detail", {"X-Secret": "secret"})

        async with client_of(app) as client:
            answer = await client.get("/")
        assert_whole(answer, envelope(422, "validation_error", FAILED))
        assert "x-secret" not in answer.headers

    async def test_unparsable_body_is_a_validation_error(self, app: FastAPI) -> None:
        @app.post("/")
        async def take(body: Everything) -> Response:
            raise AssertionError(body)

        async with client_of(app) as client:
            answer = await client.post("/", content=b"\xff", headers={"Content-Type": "application/json"})
        assert_whole(answer, envelope(422, "validation_error", FAILED))

    async def test_unknown_path_is_404(self, app: FastAPI) -> None:
        expected = envelope(404, "rest_no_route", "No route was found matching the URL and request method")
        async with client_of(app) as client:
            for method in ("GET", "POST", "DELETE", "BREW"):
                assert_whole(await client.request(method, "/nothing"), expected)


class TestAllow:
    REFUSED = envelope(405, "rest_no_route", "This route does not support the request method")

    async def test_allow_names_the_methods_of_every_route_with_the_path(self, app: FastAPI) -> None:
        async def handle() -> None: ...

        app.mount("/files", StaticFiles(directory="."))
        for method, path in [
            ("POST", "/things"),
            ("GET", "/things"),
            ("PATCH", "/{word}"),
            ("PUT", "/things/{number}"),
            ("DELETE", "/things/{number}"),
            ("POST", "/other"),
        ]:
            app.add_api_route(path, handle, methods=[method])
        async with client_of(app) as client:
            for path, allowed in [
                ("/things", "GET, HEAD, PATCH, POST"),
                ("/things/1", "DELETE, PUT"),
                ("/other", "PATCH, POST"),
                ("/another", "PATCH"),
                ("/files/LICENSE", "GET, HEAD"),
            ]:
                answer = await client.options(path)
                assert_whole(answer, self.REFUSED)
                assert answer.headers.get_list("allow") == [allowed]


class TestUnexpected:
    def test_unexpected_error_is_logged_with_its_cause_and_returned_without(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        error = RuntimeError("secret cause")
        answer = internal_error_response(error, "id-1")
        text = "Something went wrong on our side. Request ID: id-1"
        assert_whole(answer, envelope(500, "internal_error", text))
        [record] = caplog.records
        assert (record.levelno, record.getMessage()) == (
            logging.ERROR,
            "Unexpected error in request id-1",
        )
        assert record.exc_info == (RuntimeError, error, None)


def test_module_defines_no_error_outside_the_list() -> None:
    defined = [
        value
        for _, value in inspect.getmembers(errors, inspect.isclass)
        if value.__module__ == errors.__name__
    ]
    # Kinds of 503 with a more precise text.
    reasons = {errors.MigrationNeeded, errors.ServerStopping}
    assert set(defined) == {ApiError, errors.RetryableError, *all_error_types()} | reasons
