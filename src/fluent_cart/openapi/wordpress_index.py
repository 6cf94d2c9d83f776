"""Describe the API to WordPress clients: /wp-json/, its namespaces, and OPTIONS of every route.

The descriptions are derived once from the routes as FastAPI describes them.

See docs/decisions.md#70-wordpress-indexes.
"""

import re
from collections.abc import Callable, Coroutine
from copy import copy
from functools import cached_property
from itertools import chain
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from fluent_cart.auth.policies import allow_any
from fluent_cart.http.responses import json_response
from fluent_cart.http.routing import ApiRoute, ApiRouter
from fluent_cart.openapi.introduction import TITLE
from fluent_cart.wordpress.paths import (
    AUTHORIZE,
    EXAMPLES_NAMESPACE,
    EXAMPLES_PREFIX,
    NAMESPACE,
    PREFIX,
    ROOT,
)
from fluent_cart.wordpress.site import site_url

NAMESPACES = (NAMESPACE, EXAMPLES_NAMESPACE, "wp/v2")
DESCRIPTION = "Customers of a FluentCart shop"
HELP = "https://developer.wordpress.org/rest-api/"
# The keywords of an argument that WordPress shows.
KEYWORDS = frozenset({
    "description", "default", "type", "format", "enum", "items", "properties", "additionalProperties",
    "patternProperties", "minProperties", "maxProperties", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "minItems", "maxItems",
    "uniqueItems", "anyOf", "oneOf",
})  # fmt: skip

PUBLIC: dict[str, Any] = {"dependencies": [allow_any], "include_in_schema": False}

Described = dict[str, Any]
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def add_index(app: FastAPI) -> None:
    """Add the indexes to ``app``, and OPTIONS to every route. Set ``allow`` of each route."""
    description = _Description(app)
    router = ApiRouter(tags=["Index"], prefix=ROOT)
    router.add_api_route("", _index(description), name="index", **PUBLIC)
    for namespace in NAMESPACES:
        router.add_api_route(
            f"/{namespace}", _namespace_index(description, namespace), name=f"index of {namespace}", **PUBLIC
        )
    app.router.routes += router.routes
    for path, routes in _by_path(app).items():
        handler = _route_description(description, path)
        options = ApiRoute(path, handler, methods=["OPTIONS"], name=f"OPTIONS of {path}", **PUBLIC)
        # Added after all other routes, so that no other request is compared with it.
        app.router.routes.append(options)
        allowed = {method for route in routes for method in route.methods or ()} | {"OPTIONS"}
        header = ", ".join(sorted(allowed | ({"HEAD"} if "GET" in allowed else set())))
        for route in (*routes, options):
            route.allow = ((b"allow", header.encode()),)


def _by_path(app: FastAPI) -> dict[str, list[ApiRoute]]:
    """Return the routes below /wp-json. A route that FastAPI runs itself has no ``allow``."""
    found: dict[str, list[ApiRoute]] = {}
    for route in app.router.routes:
        if isinstance(route, ApiRoute) and route.path.startswith(ROOT):
            found.setdefault(route.path, []).append(route)
    return found


class _Description:
    """The descriptions of all paths below /wp-json in WordPress's form, built at the first request."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    @cached_property
    def paths(self) -> dict[str, Described]:
        routes = []
        for each in chain.from_iterable(_by_path(self._app).values()):
            if each.methods != {"OPTIONS"}:
                # Routes that are not in the document, too.
                route = copy(each)
                route.include_in_schema = True
                routes.append(route)
        document = get_openapi(title="", version="", routes=routes)
        schemas = document["components"]["schemas"]
        described = {
            path: _described(_namespace_of(path), operations, schemas)
            for path, operations in document["paths"].items()
        }
        examples = {
            path.replace(PREFIX, EXAMPLES_PREFIX): {**route, "namespace": EXAMPLES_NAMESPACE}
            for path, route in described.items()
            if path.startswith(PREFIX)
        }
        return described | examples

    def route(self, path: str, site: str) -> Described:
        """Return the description of a path, with its URL if it has only one."""
        route = self.paths[path]
        return route if "{" in path else {**route, "_links": {"self": [{"href": site + path}]}}

    def routes(self, site: str, namespace: str | None = None) -> dict[str, Described]:
        """Return the descriptions by path, of all routes or of one namespace."""
        return {
            _pattern(path): self.route(path, site)
            for path, route in self.paths.items()
            if namespace in (None, route["namespace"])
        }


def _index(description: _Description) -> Handler:
    async def index(request: Request) -> Response:
        site = site_url(request)
        return json_response(
            {
                "name": TITLE,
                "description": DESCRIPTION,
                "url": site,
                "home": site,
                "gmt_offset": "0",
                "timezone_string": "UTC",
                "namespaces": NAMESPACES,
                # The page to which an application sends a user to get an application password.
                "authentication": {
                    "application-passwords": {"endpoints": {"authorization": f"{site}{AUTHORIZE}"}}
                },
                "routes": description.routes(site),
                "_links": {"help": [{"href": HELP}]},
            }
        )

    return index


def _namespace_index(description: _Description, namespace: str) -> Handler:
    async def namespace_index(request: Request) -> Response:
        site = site_url(request)
        return json_response(
            {
                "namespace": namespace,
                "routes": description.routes(site, namespace),
                "_links": {"up": [{"href": f"{site}{ROOT}/"}]},
            }
        )

    return namespace_index


def _route_description(description: _Description, path: str) -> Handler:
    async def route_description(request: Request) -> Response:
        return json_response(description.route(path, site_url(request)))

    return route_description


def _namespace_of(path: str) -> str:
    """Return the namespace of a path, or "" for the index."""
    return next((each for each in NAMESPACES if path.startswith(f"{ROOT}/{each}")), "")


def _pattern(path: str) -> str:
    """Return a path as WordPress names routes: a pattern in PHP's syntax, in which only ids vary."""
    return re.sub(r"{(\w+)}", r"(?P<\1>[\\d]+)", path.removeprefix(ROOT)) or "/"


def _described(namespace: str, operations: Described, schemas: Described) -> Described:
    endpoints = [
        {"methods": [method.upper()], "args": _arguments(operation, schemas)}
        for method, operation in operations.items()
    ]
    methods = [method for endpoint in endpoints for method in endpoint["methods"]]
    return {"namespace": namespace, "methods": methods, "endpoints": endpoints}


def _arguments(operation: Described, schemas: Described) -> Described:
    """Return the arguments of an operation, from path, query and body."""
    arguments = {}
    for parameter in operation.get("parameters", []):
        described = {**parameter["schema"], "description": parameter.get("description")}
        arguments[parameter["name"]] = _argument(described, schemas, required=parameter["required"])
    if "requestBody" in operation:
        body = _inlined(operation["requestBody"]["content"]["application/json"]["schema"], schemas)
        for name, schema in body.get("properties", {}).items():
            arguments[name] = _argument(schema, schemas, required=name in body.get("required", ()))
    return arguments


def _argument(schema: Described, schemas: Described, *, required: bool) -> Described:
    inlined = _inlined(schema, schemas)
    known = {name: value for name, value in inlined.items() if name in KEYWORDS and value is not None}
    return {**known, "required": required}


def _inlined(schema: Any, schemas: Described) -> Any:
    """Return a schema with its references replaced by the schemas themselves."""
    if isinstance(schema, list):
        return [_inlined(member, schemas) for member in schema]
    if not isinstance(schema, dict):
        return schema
    schema = dict(schema)
    if reference := schema.pop("$ref", None):
        # JSON of any kind has its description in the finished document only, and here no condition.
        schema = {**schemas.get(reference.rpartition("/")[2], {}), **schema}
    # Pydantic's titles repeat the names. A member may have the name "title", too.
    return {
        name: _inlined(member, schemas)
        for name, member in schema.items()
        if name != "title" or isinstance(member, dict)
    }
