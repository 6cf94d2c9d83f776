"""Plan the dependencies of a route once, and run them for each request.

FastAPI solves dependencies in a general way, which takes longer than a short read. Here they are async
functions of the request and of other dependencies.
"""

from collections.abc import Awaitable, Callable
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any, NamedTuple

from fastapi import Request
from fastapi.dependencies.models import Dependant

from fluent_cart.http.dependencies import ConnectionOf

Arguments = dict[str, Any]
# The arguments of a function by name. Each is the index of an earlier call, whose result it gets.
Results = tuple[tuple[str, int], ...]


class DependencyPlan:
    """The calls of a route's dependencies: each once, and after its own dependencies."""

    def __init__(self, dependant: Dependant) -> None:
        """Raise ``TypeError`` for a dependency that is not an async function."""
        self._calls: list[_Call] = []
        self._request_name = dependant.request_param_name
        self._results = _plan_dependencies(dependant, self._calls)

    async def solve(self, request: Request) -> list[Any]:
        """Run the dependencies, and return their results in the order of the calls."""
        results: list[Any] = []
        for call in self._calls:
            results.append(
                await call.function(**_arguments(call.request_name, request, call.results, results))
            )
        return results

    def arguments(self, request: Request, results: list[Any]) -> Arguments:
        """Return the arguments of the handler that are results, and its request."""
        return _arguments(self._request_name, request, self._results, results)


class _Call(NamedTuple):
    """A call of a dependency."""

    function: Callable[..., Awaitable[Any]]
    request_name: str | None
    results: Results


def _plan_dependencies(dependant: Dependant, calls: list[_Call]) -> Results:
    """Add the dependencies of ``dependant`` to ``calls``, each once and after its own dependencies.

    Return the arguments of its function that are results.
    """
    results = []
    for needed in dependant.dependencies:
        if isinstance(needed.call, ConnectionOf):
            continue
        function = _checked(needed)
        own = _plan_dependencies(needed, calls)
        functions = [call.function for call in calls]
        if function not in functions:
            functions.append(function)
            calls.append(_Call(function, needed.request_param_name, own))
        if needed.name:
            results.append((needed.name, functions.index(function)))
    return tuple(results)


def _checked(dependency: Dependant) -> Callable[..., Awaitable[Any]]:
    """Return the function of a supported dependency. Raise an error for another kind at startup."""
    function = dependency.call
    is_async = iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__)
    has_input = dependency.path_params or dependency.query_params or dependency.body_params
    if function is None or not is_async or isasyncgenfunction(function) or has_input:
        raise TypeError(f"{function} must be an async function of the request and of other dependencies")
    return function


def _arguments(request_name: str | None, request: Request, results: Results, values: list[Any]) -> Arguments:
    arguments = {name: values[place] for name, place in results}
    if request_name:
        arguments[request_name] = request
    return arguments
