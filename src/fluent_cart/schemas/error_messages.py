"""Texts for the input errors that Pydantic finds, by field."""

from collections.abc import Mapping, Sequence
from typing import Any

from fluent_cart.errors import ApiError, InvalidEmail, ValidationFailed

WHOLE_BODY = "body"
# Pydantic's own texts are kept if they help. Some would repeat the input or name Python's types.
TEXTS: Mapping[str, str] = {
    "missing": "This field is required",
    "string_type": "Must be text",
    "string_unicode": "Must be valid Unicode text",
    "bool_parsing": "Must be true or false",
    "bool_type": "Must be true or false",
    "list_type": "Must be a list",
    "dict_type": "Must be an object",
    "model_type": "Must be an object",
    "model_attributes_type": "Must be an object",
    "extra_forbidden": "Unknown name",
    "int_type": "Must be a whole number",
}


def to_validation_error(errors: Sequence[Mapping[str, Any]], skip: int = 0) -> ApiError:
    """Return ``invalid_email`` if that is the only error, or one ``validation_error`` with all errors.

    The first ``skip`` parts of each location are left out.
    """
    if [error["type"] for error in errors] == ["invalid_email"]:
        return InvalidEmail("The email address is invalid")
    return ValidationFailed(details=messages_by_field(errors, whole=WHOLE_BODY, skip=skip))


def messages_by_field(
    errors: Sequence[Mapping[str, Any]], *, whole: str, skip: int = 0
) -> dict[str, list[str]]:
    """Return the texts of ``errors`` by the dotted names of their fields.

    The first ``skip`` parts of each location are left out. An error of the whole input has the name
    ``whole``.
    """
    texts: dict[str, list[str]] = {}
    for error in errors:
        field = ".".join(str(part) for part in error["loc"][skip:]) or whole
        texts.setdefault(_printable(field), []).append(TEXTS.get(error["type"], error["msg"]))
    return texts


def _printable(field: str) -> str:
    """Return a field's name if it can be repeated. A name that the caller chose is replaced."""
    return field if len(field) <= 60 and field.isascii() and field.isprintable() else "(unknown)"
