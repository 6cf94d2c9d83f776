"""Build the OpenAPI document from FastAPI's own, with errors and the contract's examples."""

import json
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from importlib.resources import files
from typing import Any

from anyio import to_thread
from fastapi import FastAPI, Request, Response

from fluent_cart import errors
from fluent_cart.errors import ApiError
from fluent_cart.http.static_content import StaticContent
from fluent_cart.openapi.code_samples import code_samples
from fluent_cart.openapi.error_responses import ERROR_SCHEMAS, error_responses
from fluent_cart.openapi.forms import form
from fluent_cart.openapi.headers import (
    FILE,
    PAGE,
    RATE_LIMIT,
    REQUEST_ID,
    describe_conditions,
    errors_by_headers,
    headers,
)
from fluent_cart.openapi.introduction import LICENSE as LICENSE
from fluent_cart.openapi.introduction import SERVER, SERVERS
from fluent_cart.openapi.introduction import SUMMARY as SUMMARY
from fluent_cart.openapi.introduction import TAGS as TAGS
from fluent_cart.openapi.introduction import TITLE as TITLE
from fluent_cart.openapi.introduction import describe as describe
from fluent_cart.openapi.security import FRESH_NONCE, SESSION_SCHEMES

# The errors of every operation, and those of every operation with input or with a body.
ALWAYS: tuple[type[ApiError], ...] = (
    errors.AuthenticationRequired,
    errors.AuthenticationFailed,
    errors.InsufficientPermissions,
    errors.InvalidNonce,
    errors.TooManyRequests,
    errors.TooManyAttempts,
    errors.InternalError,
    errors.ServiceUnavailable,
)
WITH_BODY: tuple[type[ApiError], ...] = (
    errors.UnreadableBody,
    errors.PayloadTooLarge,
    errors.UnsupportedMediaType,
)

Described = dict[str, Any]

_JSON = "application/json"
# RFC 7396
_MERGE_PATCH = "application/merge-patch+json"
_OWN_ERRORS = "x-errors"


def documented(*own: type[ApiError]) -> dict[int | str, dict[str, Any]]:
    """Return ``responses`` for a route with these errors, in addition to the errors of every route."""
    # By name, because FastAPI copies this value as JSON.
    return {
        error.status: {_OWN_ERRORS: [each.__name__ for each in own if each.status == error.status]}
        for error in own
    }


def file_response() -> dict[int | str, dict[str, Any]]:
    """Return ``responses`` for a route that returns a file in a format that the caller chooses."""
    kinds = ("text/csv", "application/x-ndjson")
    content = {kind: {"schema": {"type": "string"}} for kind in kinds}
    return {200: {"content": content, "headers": headers(FILE)}}


def install(app: FastAPI) -> None:
    """Make ``app.openapi()`` return the complete document, built once. Serve it at /openapi.json."""
    derive = app.openapi

    def build() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(derive())
        return app.openapi_schema

    app.openapi = build  # type: ignore[method-assign]  # FastAPI's documented way to extend the document

    @lru_cache(maxsize=4)
    def content(prefix: str) -> StaticContent:
        servers = [{**server, "url": prefix + server["url"]} for server in SERVERS]
        return StaticContent(json.dumps({**build(), "servers": servers}), _JSON)

    @app.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> Response:
        # In a thread, because the first request of a process builds the document, which takes 0.2 s.
        text = await to_thread.run_sync(content, str(request.scope.get("root_path", "")))
        return text.response(request)


def _complete(document: Described) -> Described:
    components = document["components"]
    for unused in ("HTTPValidationError", "ValidationError", "InvalidItem", "ListCursor"):
        components["schemas"].pop(unused, None)
    components["schemas"].update(deepcopy(ERROR_SCHEMAS))
    components["responses"] = {}
    components["securitySchemes"] |= SESSION_SCHEMES
    examples = json.loads((files(__package__) / "examples.json").read_text("utf-8"))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            example = examples[operation["operationId"]]
            _describe(method, operation, example, components)
            operation["x-codeSamples"] = code_samples(method, path, example)
    # The server of the document includes the prefix, so that paths are those of the contract.
    document["paths"] = {path.removeprefix(SERVER): methods for path, methods in document["paths"].items()}
    _make_whole(document)
    return document


def _make_whole(value: Any) -> None:
    """Convert bounds that FastAPI stores as floats to whole numbers."""
    if isinstance(value, dict):
        for name in ("minimum", "maximum"):
            if isinstance(value.get(name), float):
                value[name] = int(value[name])
        value = list(value.values())
    for member in value if isinstance(value, list) else ():
        _make_whole(member)


def _describe(method: str, operation: Described, example: Mapping[str, Any], components: Described) -> None:
    possible = _possible_errors(method, operation)
    success = operation["responses"]["200"]
    operation["responses"] = {"200": success}
    _describe_success(operation, success, example["response"])
    describe_conditions(method, operation, possible)
    operation["responses"] |= error_responses(possible, components["responses"])
    # Either the password, which FastAPI has found already, or both the cookie and the nonce.
    operation["security"].append({name: [] for name in SESSION_SCHEMES})
    if "requestBody" in operation:
        _describe_body(operation, example["request"], components["schemas"])
        if method == "patch":
            content = operation["requestBody"]["content"]
            content[_MERGE_PATCH] = content[_JSON]
    elif method in ("post", "put"):
        # Many clients send an empty object if there are no fields. The route does not read it.
        operation["requestBody"] = {"required": False, "content": {_JSON: {"schema": {}}}}
    for parameter in operation.get("parameters", []):
        if parameter["name"] == "filters":
            # An empty example, because "Try it out" would otherwise send made-up values for every filter.
            parameter |= {"style": "deepObject", "explode": True, "example": {}}
            parameter["schema"].pop("default", None)
        elif parameter["name"] == "include":
            parameter |= {"style": "form", "explode": False}
            parameter["schema"].pop("default", None)
        elif parameter["name"] == "cursor":
            # The start of the list. Collections that are made of the document send the example.
            parameter["example"] = ""
        elif parameter["in"] == "path":
            # The customer of the contract's examples, so that "Try it out" needs no typing.
            parameter["example"] = 1


def _possible_errors(method: str, operation: Described) -> list[type[ApiError]]:
    names = [name for each in operation["responses"].values() for name in each.get(_OWN_ERRORS, [])]
    has_body = "requestBody" in operation
    # A query that is not UTF-8 is 400 on every route. The other two errors need a body.
    possible = [*ALWAYS, *(WITH_BODY if has_body else (errors.UnreadableBody,))]
    possible += [*errors_by_headers(method, has_body=has_body), *(getattr(errors, name) for name in names)]
    if errors.CustomerNotFound in possible:
        possible.append(errors.CustomerMerged)
    if method != "get":
        possible.append(errors.CrossSiteRequest)
    if has_body or operation.get("parameters"):
        possible.append(errors.ValidationFailed)
    return possible


def _describe_success(operation: Described, success: Described, example: Any) -> None:
    is_page = any(parameter["name"] == "page" for parameter in operation.get("parameters", []))
    described = headers(REQUEST_ID | RATE_LIMIT | FRESH_NONCE | (PAGE if is_page else {}))
    success.setdefault("headers", {}).update(described)
    for kind, content in success["content"].items():
        content["example"] = example if kind == _JSON else example[kind]


def _describe_body(operation: Described, example: Any, schemas: Mapping[str, Any]) -> None:
    body, content = operation["requestBody"], operation["requestBody"]["content"]
    schema = content[_JSON]["schema"]
    content[_JSON]["example"] = example
    content["application/x-www-form-urlencoded"] = form(schema, schemas)
    # An empty body has no fields. This is valid if no field is required, or if the query has them.
    reference = schema.get("$ref", "").rpartition("/")[2]
    in_query = {each["name"] for each in operation.get("parameters", []) if each["in"] == "query"}
    body["required"] = bool(set(schemas.get(reference, schema).get("required", ())) - in_query)
