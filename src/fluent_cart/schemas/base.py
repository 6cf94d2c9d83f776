"""The types of which all input is made: what a text, a number, an id and an e-mail address may be."""

import re
import unicodedata
from functools import cache
from types import ModuleType
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

MAX_ID = 2**63 - 1
# Integers beyond this are not exact in a JavaScript client.
MAX_SAFE_INTEGER = 2**53


class RequestModel(BaseModel):
    """A request body; members it does not know are ignored.

    See docs/decisions.md#9-unknown-fields.
    """

    model_config = ConfigDict(extra="ignore")


def _drop_defaults(schema: dict[str, Any]) -> None:
    for member in schema["properties"].values():
        member.pop("default", None)


class PartialInput(RequestModel):
    """A request body of which only the sent members count: their defaults are never used, nor documented."""

    model_config = ConfigDict(json_schema_extra=_drop_defaults)


class ResponseModel(BaseModel):
    """An answer; it describes what the services return, for the docs page and the tests."""

    model_config = ConfigDict(extra="forbid")


def whole_number(value: Any) -> Any:
    """Accept an integer or its plain decimal digits; not ``true``, ``1_0``, ``+1`` or `` 1``."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    # To JSON, and to WordPress, 1.0 is the same number as 1 (docs/decisions.md#81-numbers-and-booleans).
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_SAFE_INTEGER:
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?(?:0|[1-9][0-9]{0,18})", value):
        return int(value)
    raise PydanticCustomError("whole_number", "Must be a whole number in the allowed range")


def truth(value: Any) -> Any:
    """Accept what WordPress takes for true and false: besides these, 1 and 0, and the texts of the four."""
    text = str(value).lower() if isinstance(value, (bool, int, str)) else ""
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    raise PydanticCustomError("bool_type", "Must be true or false")


# Four times the longest text, and some. Composing takes time that grows with the square of a run of accents:
# 240,000 characters took over ten seconds.
MAX_UNCOMPOSED = 2000


def clean_text(value: Any) -> Any:
    """Refuse NUL, which no database takes, and normalize a text to NFC.

    Before its length is checked: some characters are composed of three in that form.
    """
    if not isinstance(value, str):
        return value
    if "\0" in value:
        raise PydanticCustomError("text_nul", "Must not contain the character NUL")
    if len(value) > MAX_UNCOMPOSED and len(value.strip()) > MAX_UNCOMPOSED:
        # The limit of the field rejects it, composed or not: at most four characters become one.
        return value
    return unicodedata.normalize("NFC", value)


def blank_as_none(value: Any) -> Any:
    """Take a text of white space alone for no value."""
    return None if isinstance(value, str) and not value.strip() else value


def list_of_php(value: Any) -> Any:
    """Return a list for an object whose names are all numbers.

    PHP's ``json_encode`` writes a list as such an object after ``array_filter`` or ``array_unique``. An empty
    list it writes as a list.
    """
    if isinstance(value, dict) and value and all(re.fullmatch("[0-9]{1,18}", str(name)) for name in value):
        return list(value.values())
    return value


@cache
def email_rules() -> ModuleType:
    """Load the library that checks e-mail addresses."""
    # Loading it compiles its patterns, which is a twentieth of a command's start; most commands never do.
    import email_validator

    # A reserved domain is bad luck for delivery, not for syntax, and imported shops have some (decision 13).
    email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()
    return email_validator


def checked_email(value: Any) -> str:
    """Return an e-mail address as typed, its domain in lower case (decisions 13, 128)."""
    rules = email_rules()
    try:
        typed = value.strip()
        if len(typed) > MAX_UNCOMPOSED:
            # The library composes the address before it looks at its length: 900 kB of accents took 1.4 s.
            raise rules.EmailSyntaxError
        checked = rules.validate_email(typed, check_deliverability=False, allow_smtputf8=False)
        domain = checked.ascii_domain if typed.isascii() else checked.domain
        return f"{checked.local_part}@{domain}"
    except (AttributeError, rules.EmailNotValidError):
        # The library's own text would repeat parts of what was sent.
        raise PydanticCustomError("invalid_email", "Must be a valid email address") from None


T = TypeVar("T")

Clean = BeforeValidator(clean_text)
PhpList = BeforeValidator(list_of_php)
# What the limits of lengths do not say: no NUL, and where a text is required, more than white space.
# PCRE and RE2 do not know \u0000, so clients in PHP and Go could not read the pattern.
NO_NUL = r"^[^\x00]*$"
WithoutNul = Field(json_schema_extra={"pattern": NO_NUL})
# White space as Unicode has it, character by character: to regular expressions it differs by language.
# Generators of clients do not read ``not``, so \u is allowed there.
_BLANK = r"^[\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]*$"
NotBlank = Field(json_schema_extra={"pattern": NO_NUL, "not": {"pattern": _BLANK}})
Text255 = Annotated[str, StringConstraints(strip_whitespace=True, max_length=255), Clean, WithoutNul]
Text100 = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100), Clean, WithoutNul]
Text50 = Annotated[str, StringConstraints(strip_whitespace=True, max_length=50), Clean, WithoutNul]
Text32 = Annotated[str, StringConstraints(strip_whitespace=True, max_length=32), Clean, WithoutNul]
RequiredText255 = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255), Clean, NotBlank
]
RequiredText100 = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), Clean, NotBlank
]
BlankAsNone = Annotated[T | None, BeforeValidator(blank_as_none)]
# What the library takes in ASCII: at most 64 characters before the @, and after it the name of a domain
# whose last character is a letter.
_ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_TOP = "[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z])?"
EMAIL_SCHEMA = {
    "format": "email",
    "pattern": rf"^{_ATOM}(\.{_ATOM})*@({_LABEL}\.)+{_TOP}$",
    # RE2 has no look-ahead, so the length of the local part is a pattern of its own.
    "allOf": [{"pattern": "^[^@]{1,64}@"}],
}
Email = Annotated[str, BeforeValidator(checked_email), Field(max_length=254, json_schema_extra=EMAIL_SCHEMA)]
# The parts of a full name, which the live plugin's clients send as one text
# (docs/decisions.md#137-full-names).
FullName = SkipJsonSchema[dict[str, Text255]]

WholeNumber = BeforeValidator(whole_number)
# The bounds come first, or the OpenAPI document would not know them by their names.
Id = Annotated[
    int,
    Field(ge=1, le=MAX_ID),
    WholeNumber,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_SAFE_INTEGER},
                {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"},
            ]
        }
    ),
]
LooseBool = Annotated[
    bool,
    BeforeValidator(truth),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "boolean"},
                {"enum": [0, 1]},
                {"type": "string", "pattern": "^([01]|[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])$"},
            ]
        }
    ),
]
Money = Annotated[
    int,
    Field(ge=-MAX_SAFE_INTEGER, le=MAX_SAFE_INTEGER, json_schema_extra={"format": "int64"}),
    WholeNumber,
]
PageNumber = Annotated[
    int, Field(ge=1, le=MAX_SAFE_INTEGER, json_schema_extra={"format": "int64"}), WholeNumber
]
PerPage = Annotated[int, Field(ge=1, le=100), WholeNumber]
