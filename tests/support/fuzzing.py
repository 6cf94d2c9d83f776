"""Schemathesis sends requests from the OpenAPI document and compares every response with it.

It knows only the document. Input that is valid there must not be rejected as invalid, and invalid input must
be rejected. No response may have a status, a header or a body that the document does not name.

Measured in docs/guarantees.md, C2, C7.
"""

import logging
import re
from collections import Counter
from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson
import schemathesis
from fastapi import FastAPI
from schemathesis.config import ChecksConfig
from schemathesis.engine import events, from_schema
from schemathesis.python.asgi import shutdown_lifespans
from sqlalchemy import Connection

from fluent_cart.schemas.additional_info import NOT_STORABLE, NUL, TOO_DEEP, TOO_LARGE
from fluent_cart.schemas.addresses import AddressCreate
from fluent_cart.schemas.batch import TOO_MANY
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services import addresses, customers, orders
from tests.conftest import secret_of

# All that there are. Two have nothing to do here: no header is required, no object is a user's own.
CHECKS = frozenset(
    {
        "allow_header_conformance", "content_type_conformance", "ensure_resource_availability",
        "ignored_auth", "missing_required_header", "negative_data_rejection", "not_a_server_error",
        "object_level_authorization", "positive_data_acceptance", "response_headers_conformance",
        "response_schema_conformance", "status_code_conformance", "unsupported_method", "use_after_free",
        "valid_input_is_refused_for_what_is_stored_alone",
        "errors_tell_nothing_of_the_insides_and_repeat_nothing",
    }
)  # fmt: skip
PHASES = ("examples", "coverage", "fuzzing", "stateful")
CUSTOMERS = 5
# Facts about the inside of the server, which no response contains.
INSIDES = re.compile(
    r"Traceback|File \"|site-packages|sqlalchemy|sqlite|psycopg|pydantic|starlette|\bSELECT\b|\bINSERT\b",
    re.I,
)
STRANGE = 8
FORM = "application/x-www-form-urlencoded"


class Fuzzed(NamedTuple):
    """The numbers of requests of each operation and of each check, and the findings."""

    requests: Counter[str]
    checks: Counter[str]
    complaints: list[str]


def fill(connection: Connection, seed: int) -> None:
    """Store customers with addresses and orders, because requests for missing ones test little."""
    for number in range(CUSTOMERS):
        made = customers.create_customer(connection, CustomerCreate(email=f"{number}@{seed}.example.com"))
        for city in ("Rome", "Bonn"):
            place = AddressCreate(address_1="1 Main St", city=city, country="IT")
            addresses.create_address(connection, made["id"], place)
        orders.record_order(
            connection,
            {
                "customer_id": made["id"], "status": "completed", "payment_status": "paid", "currency": "USD",
                "total_amount": 2500, "total_paid": 2500, "total_refund": 0,
                "created_at": "2024-01-01T10:00:00Z",
            },
        )  # fmt: skip


def fuzz(
    app: FastAPI, examples: int, seed: int, phases: Collection[str] = PHASES, without: Collection[str] = ()
) -> Fuzzed:
    """Send requests to each operation of ``app``: about ``examples``, and those that its limits suggest.

    ``phases`` are Schemathesis's own: the document's examples, values at the limits of its schemas, values in
    between and beyond, and sequences in which an operation gets values from the response of another.
    """
    found = Fuzzed(Counter(), Counter(), [])
    schema = schemathesis.openapi.from_asgi("/openapi.json", app, config=_config(examples, seed, phases))
    if "fuzzing" not in phases:
        # The phase of limits looks for a text that has the pattern but not the format. There is none, and to
        # find that out took two thirds of its time.
        _drop_email_format(schema.raw_schema)
    chosen = schema.exclude(operation_id=list(without)) if without else schema
    # Thousands of refusals are logged, as they should be.
    logging.disable(logging.WARNING)
    try:
        for event in from_schema(chosen).execute():
            if isinstance(event, (events.NonFatalError, events.FatalError)):
                found.complaints.append(f"Schemathesis itself failed: {event}")
            elif isinstance(event, events.ScenarioFinished):
                _count(event, found)
    finally:
        logging.disable(logging.NOTSET)
        shutdown_lifespans()
    return found


def _drop_email_format(part: Any) -> None:
    """Drop the format of e-mail addresses from a document, because their pattern is stricter."""
    if isinstance(part, dict):
        if part.get("format") == "email" and "pattern" in part:
            del part["format"]
        part = list(part.values())
    if isinstance(part, list):
        for member in part:
            _drop_email_format(member)


def _config(examples: int, seed: int, phases: Collection[str]) -> schemathesis.Config:
    usual = ChecksConfig()
    accepted = usual.positive_data_acceptance.expected_statuses
    rejected = usual.negative_data_rejection.expected_statuses
    return schemathesis.Config.from_dict(
        {
            "seed": seed,
            "continue-on-failure": True,
            "auth": {"basic": {"username": "manager", "password": secret_of("manager")}},
            "generation": {
                "max-examples": examples,
                "deterministic": True,
                "no-shrink": True,
                "database": "none",
                # Credentials are those above. Another check covers missing credentials.
                "with-security-parameters": False,
            },
            "phases": {
                **{phase: {"enabled": phase in phases} for phase in PHASES},
                # Values of other responses make Hypothesis' examples depend on more than its own choices, and
                # it gives an operation up silently after a few. Sequences get the values that they need.
                "fuzzing": {"enabled": "fuzzing" in phases, "extra-data-sources": {"responses": False}},
            },
            "checks": {
                # Stored rows can cause an error for valid input. A check below verifies the reason.
                "positive_data_acceptance": {"expected-statuses": [*accepted, "410", "412", "422"]},
                "negative_data_rejection": {"expected-statuses": [*rejected, "412"]},
            },
        }
    )


def _count(event: events.ScenarioFinished, found: Fuzzed) -> None:
    for case_id, checks in event.recorder.checks.items():
        interaction = event.recorder.interactions.get(case_id)
        case = event.recorder.cases[case_id].value
        found.requests[case.operation.label] += 1
        for check in checks:
            found.checks[check.name] += 1
            if check.failure_info:
                sent = interaction and interaction.request
                answer = interaction and interaction.response
                if check.name == "negative_data_rejection" and _is_lost_in_writing(case, sent):
                    continue
                found.complaints.append(
                    f"{check.name}: {check.failure_info.failure.message}\n"
                    f"{sent and (sent.method, sent.uri, sent.headers, sent.body)}\n"
                    f"{answer and (answer.status_code, answer.content)}"
                )


def _is_lost_in_writing(case: schemathesis.Case[Any], sent: Any) -> bool:
    """Return whether an invalid value may be valid as text, in a query or in a form.

    Null and empty values become an empty text, which does not filter, or are left out. A list becomes a
    repeated name, of which PHP and this server use the last.
    """
    written = [part for part in urlsplit(sent.uri).query.split("&") if part.startswith("filters")]
    if any(part.endswith("=") for part in written):
        return True
    filters = [value for name, value in (case.query or {}).items() if name.partition("[")[0] == "filters"]
    body: Any = case.body
    in_form = case.media_type == FORM and isinstance(body, dict)
    return any(map(_is_lost, filters)) or (in_form and _is_lost(body.get("data")))


def _is_lost(value: Any) -> bool:
    if isinstance(value, dict) and value:
        return any(map(_is_lost, value.values()))
    return isinstance(value, list) or value in (None, "", {})


@schemathesis.check
def valid_input_is_refused_for_what_is_stored_alone(
    _context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """Fail if the server rejects input that is valid by the document."""
    is_valid = case.meta is not None and case.meta.generation.mode.is_positive
    if not is_valid or response.status_code not in (412, 422):
        return
    error = response.json()["error"]
    body: Any = case.body
    in_form = case.media_type == FORM and isinstance(body, dict)
    assert (
        error["code"] in ("precondition_failed", "idempotency_key_reused", "invalid_user")
        or error["message"] == "The email address belongs to another customer"
        # Of the primary address.
        or list(error.get("details", ())) == ["is_primary"]
        # JSON Schema cannot describe depth, or the size of merged values. Generated clients do not understand
        # its terms for the content of any JSON, or for a field that only one action needs.
        or [*chain(*error.get("details", {}).values())] in ([TOO_DEEP], [TOO_LARGE], [NUL], [NOT_STORABLE])
        or list(error.get("details", ())) == ["data.status"]
        # DELETE takes the id of an address from the query or the body, so that neither requires the id.
        or error.get("details") == {"address_id": ["This field is required"]}
        # The sum of three lists.
        or error.get("details") == {"body": [TOO_MANY]}
        # Of the server's own making.
        or list(error.get("details", ())) == ["cursor"]
        # An object whose members have no names is a list, once it is written in a form.
        or list(error.get("details", ())) == ["data"]
        # So is a null.
        or (in_form and all(body.get(name) is None for name in error["details"]))
        # The id in the path.
        or error.get("details") == {"from_id": ["Must be the id of another customer"]}
    ), f"valid input was refused: {error}"


@schemathesis.check
def errors_tell_nothing_of_the_insides_and_repeat_nothing(
    _context: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]
) -> None:
    """Fail if an error names what it should not, or has a text of the request in it.

    Measured in docs/guarantees.md, C7.
    """
    if response.status_code < 400:
        return
    text = response.text
    # The name of a field is repeated, so that its caller finds it: one that was made up may be any word.
    asked = f"{case.query} {case.body!r}"
    assert [word for word in INSIDES.findall(text) if word not in asked] == [], text
    own = orjson.dumps(case.operation.schema.raw_schema).decode()
    # A batch with an unknown name is refused by it.
    own += "".join(response.json()["error"].get("details", ()))
    repeated = [
        sent for sent in {*_texts(case.body), *_texts(case.query)} if sent in text and sent not in own
    ]
    assert repeated == [], f"the answer repeats {repeated}"


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts in a value that our own texts do not have by chance. Ids may be repeated."""
    if isinstance(value, str) and len(value) >= STRANGE and not value.isdigit():
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield from _texts(name)
            yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)
