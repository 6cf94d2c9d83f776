"""Decorators of handlers: functions that ``ApiRoute`` runs before or after the handler."""

from collections.abc import Callable
from typing import Any, TypeVar

AnyHandler = TypeVar("AnyHandler", bound=Callable[..., Any])


def check_input(check: Callable[..., None]) -> Callable[[AnyHandler], AnyHandler]:
    """Decorate a handler: ``check`` runs before the handler, or before its stored response is repeated."""

    def decorate(handler: AnyHandler) -> AnyHandler:
        vars(handler)["check_input"] = check
        return handler

    return decorate


def after_success(call: Callable[..., None]) -> Callable[[AnyHandler], AnyHandler]:
    """Decorate a handler: ``call`` gets the request and the input, once the unit of work is committed."""

    def decorate(handler: AnyHandler) -> AnyHandler:
        vars(handler)["after_success"] = call
        return handler

    return decorate
