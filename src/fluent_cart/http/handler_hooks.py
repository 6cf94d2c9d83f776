"""Decorators of handlers: functions that ``ApiRoute`` calls with the input of the handler."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Any])
# The ids of the customers that a request changes in addition to the one of its path, by its input.
OtherCustomers = Callable[[Mapping[str, Any]], Iterable[int]]


def check_input(check: Callable[..., None]) -> Callable[[AnyHandler], AnyHandler]:
    """Decorate a handler: ``check`` runs before the handler, or before its stored response is repeated."""
    return _with_hook("check_input", check)


def after_success(call: Callable[..., None]) -> Callable[[AnyHandler], AnyHandler]:
    """Decorate a handler: ``call`` gets the request and the input, once the unit of work is committed."""
    return _with_hook("after_success", call)


def accept_conditions(others: OtherCustomers) -> Callable[[AnyHandler], AnyHandler]:
    """Decorate the handler of a POST that changes a customer on a condition, and ``others`` as well."""
    return _with_hook("other_customers", others)


def _with_hook(name: str, hook: Callable[..., Any]) -> Callable[[AnyHandler], AnyHandler]:
    def decorate(handler: AnyHandler) -> AnyHandler:
        vars(handler)[name] = hook
        return handler

    return decorate
