"""The types of all input: texts, numbers, ids and e-mail addresses."""

import re
import unicodedata
from functools import cache
from types import ModuleType
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError

MAX_ID = 2**63 - 1
# Larger integers are not exact in a JavaScript client.
MAX_SAFE_INTEGER = 2**53


class RequestModel(BaseModel):
    """A request body. Unknown members are ignored.

    See docs/decisions.md#9-unknown-fields.
    """

    model_config = ConfigDict(extra="ignore")


def _drop_defaults(schema: dict[str, Any]) -> None:
    for member in schema["properties"].values():
        member.pop("default", None)


class PartialInput(RequestModel):
    """A request body in which only the sent members count, so that the document has no defaults."""

    model_config = ConfigDict(json_schema_extra=_drop_defaults)


class ResponseModel(BaseModel):
    """A response. It describes the results of the services for the docs page and the tests."""

    model_config = ConfigDict(extra="forbid")


def whole_number(value: Any) -> Any:
    """Accept an integer or its plain decimal digits, but not ``true``, ``1_0``, ``+1`` or `` 1``."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    # 1.0 and 1 are the same number in JSON and WordPress (docs/decisions.md#81-numbers-and-booleans).
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_SAFE_INTEGER:
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?(?:0|[1-9][0-9]{0,18})", value):
        return int(value)
    raise PydanticCustomError("whole_number", "Must be a whole number in the allowed range")


def truth(value: Any) -> Any:
    """Accept true, false, 1, 0 and the texts of these four, as WordPress does."""
    text = str(value).lower() if isinstance(value, (bool, int, str)) else ""
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    raise PydanticCustomError("bool_type", "Must be true or false")


# A little more than four times the longest text. The time to compose a text grows with the square of a run of
# accents: 240,000 characters took over ten seconds.
MAX_UNCOMPOSED = 2000


def clean_text(value: Any) -> Any:
    """Reject NUL, which no database stores, and normalize a text to NFC.

    The form is computed before the length is checked, because one composed character may have been three.
    """
    if not isinstance(value, str):
        return value
    if "\0" in value:
        raise PydanticCustomError("text_nul", "Must not contain the character NUL")
    if len(value) > MAX_UNCOMPOSED and len(value.strip()) > MAX_UNCOMPOSED:
        # The limit of the field rejects this text in any case, because at most four characters become one.
        return value
    return unicodedata.normalize("NFC", value)


def blank_as_none(value: Any) -> Any:
    """Return None for a text that has only white space."""
    return None if isinstance(value, str) and not value.strip() else value


def list_of_php(value: Any) -> Any:
    """Return a list for an object whose keys are all numbers.

    PHP's ``json_encode`` writes a list as such an object after ``array_filter`` or ``array_unique``. An empty
    list it writes as a list.
    """
    if isinstance(value, dict) and value and all(re.fullmatch("[0-9]{1,18}", str(name)) for name in value):
        return list(value.values())
    return value


@cache
def email_rules() -> ModuleType:
    """Load the library that checks e-mail addresses."""
    # Loading it compiles its patterns, which is a twentieth of a command's start. Most commands do not.
    import email_validator

    # A reserved domain is bad luck for delivery, not for syntax, and imported shops have some
    # (docs/decisions.md#13-e-mail-addresses).
    email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()
    return email_validator


def checked_email(value: Any) -> str:
    """Return an e-mail address as typed, its domain in lower case.

    See docs/decisions.md#13-e-mail-addresses and #128-domains-beyond-ascii.
    """
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
        # The library's own text would repeat parts of the input.
        raise PydanticCustomError("invalid_email", "Must be a valid email address") from None


T = TypeVar("T")

Clean = BeforeValidator(clean_text)
PhpList = BeforeValidator(list_of_php)
# Rules that the limits of lengths cannot express: no NUL, and more than white space in a required text. PCRE
# and RE2 do not know \u0000, so clients in PHP and Go could not read a pattern with it.
NO_NUL = r"^[^\x00]*$"
WithoutNul = Field(json_schema_extra={"pattern": NO_NUL})
# Unicode's white space, character by character, because \s differs between languages. Generators of clients
# ignore ``not``, so \u is allowed there.
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
# The library accepts in ASCII at most 64 characters before the @, and after it the name of a domain whose
# last character is a letter.
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
# The bounds come first, because otherwise the OpenAPI document would not have them under their names.
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
