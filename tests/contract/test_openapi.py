"""The OpenAPI document: complete for every operation, and at one with the contract."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from fluent_cart.errors import all_error_types
from fluent_cart.openapi.fields import COUNTRY, FIELD_DESCRIPTIONS
from fluent_cart.schemas.addresses import AddressCreate
from fluent_cart.security import session_cookies
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import MakeClient
from tests.contract.test_examples import (
    ADDITIONS,
    DOCUMENTED,
    EXAMPLES,
    assert_documented,
    assert_modelled,
    by_operation,
    command,
    without_extensions,
)

# What every operation can answer besides success.
ALWAYS = {
    "401": ["authentication_required", "authentication_failed"],
    "403": ["insufficient_permissions", "rest_cookie_invalid_nonce"],
    "429": ["rate_limited", "too_many_attempts"],
    "500": ["internal_error"],
    "503": ["service_unavailable"],
}
JSON = "application/json"
SHOWN: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "src/fluent_cart/openapi/examples.json").read_text()
)

# The contract's headings.
TITLES = {
    "list_customers": "List Customers",
    "create_customer": "Create Customer",
    "get_customer": "Get Customer Details",
    "update_customer": "Update Customer",
    "update_additional_info": "Update Customer Additional Info",
    "get_customer_stats": "Get Customer Stats",
    "list_customer_orders": "Get Customer Orders",
    "list_addresses": "Get Customer Addresses",
    "update_address": "Update Customer Address",
    "create_address": "Create Customer Address",
    "delete_address": "Delete Customer Address",
    "make_address_primary": "Set Primary Address",
    "list_attachable_users": "Get Attachable Users",
    "attach_user": "Attach User to Customer",
    "detach_user": "Detach User from Customer",
    "do_bulk_action": "Bulk Actions",
    # Ours.
    "export_customers": "Export Customers",
}

Operation = dict[str, Any]


@pytest.fixture
def document(shared_app: FastAPI) -> dict[str, Any]:
    """The document as clients get it."""
    served: dict[str, Any] = json.loads(json.dumps(shared_app.openapi()))
    return served


@pytest.fixture
def operations(document: dict[str, Any]) -> list[Operation]:
    return [operation for methods in document["paths"].values() for operation in methods.values()]


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Give every object within a JSON value."""
    if isinstance(value, dict):
        yield value
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(member)


class TestDocument:
    def test_it_is_openapi_3_1(self, document: dict[str, Any]) -> None:
        assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
        assert document["info"]["title"] == "FluentCart Customers API"
        assert document["info"]["version"]

    def test_its_operations_are_the_contracts(self, document: dict[str, Any]) -> None:
        """By method and path of the documented commands, under the canonical prefix; and our additions."""
        documented = {name: (method, PREFIX + path) for name, (method, path) in ADDITIONS.items()}
        for example in EXAMPLES:
            [(method, path)] = re.findall(r'-X (\w+) "[^"?]*/v1/customers([^"?]*)', example["curl"])
            path = re.sub(r"/1\b", "/{customerId}", path)
            path = path.replace("get-stats/{customerId}", "get-stats/{customer}")
            documented[example["operation"]] = (method.lower(), PREFIX + path)
        assert {
            operation["operationId"]: (method, path)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        } == documented

    def test_operation_ids_are_clean_and_unique(self, operations: list[Operation]) -> None:
        ids = [operation["operationId"] for operation in operations]
        assert [each for each in ids if not re.fullmatch(r"[a-z]+(_[a-z]+)+", each)] == []
        assert sorted(ids) == sorted(set(ids)) == sorted([*DOCUMENTED, *ADDITIONS])

    def test_every_reference_resolves(self, document: dict[str, Any]) -> None:
        references = {node["$ref"] for node in nodes(document) if isinstance(node.get("$ref"), str)}
        assert references
        for reference in references:
            target: Any = document
            assert reference.startswith("#/")
            for part in reference[2:].split("/"):
                assert part in target, reference
                target = target[part]

    def test_every_schema_is_used(self, document: dict[str, Any]) -> None:
        """Nothing is left of what FastAPI describes and this API does not answer."""
        used = {node["$ref"].rpartition("/")[2] for node in nodes(document) if "$ref" in node}
        assert set(document["components"]["schemas"]) == used

    def test_names_read_well(self, document: dict[str, Any]) -> None:
        """Generated clients name their types after them."""
        schemas = document["components"]["schemas"]
        assert [name for name in schemas if not re.fullmatch(r"([A-Z][a-z]+)+", name)] == []
        assert [name for name, schema in schemas.items() if schema["title"] != name] == []

    def test_the_introduction_has_every_error(self, document: dict[str, Any]) -> None:
        rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.+) \|$", document["info"]["description"], re.M)
        assert sorted(rows) == sorted((str(each.status), each.code, each.when) for each in all_error_types())

    def test_all_it_takes_is_described(self, document: dict[str, Any]) -> None:
        parameters = [node for node in nodes(document["paths"]) if {"in", "name", "schema"} <= set(node)]
        assert len(parameters) > 30
        assert [each["name"] for each in parameters if not each.get("description")] == []

    def test_every_field_is_described(self, document: dict[str, Any]) -> None:
        schemas = document["components"]["schemas"]
        fields = {
            f"{model}.{name}": field
            for model, schema in schemas.items()
            for name, field in schema.get("properties", {}).items()
        }
        assert len(fields) > 150
        shared = {f"#/components/schemas/{COUNTRY}"}
        assert [
            name
            for name, field in fields.items()
            if not shared & {field.get("$ref")} and not field.get("description")
        ] == []
        assert schemas[COUNTRY]["description"]

    def test_no_meaning_is_of_a_field_that_is_gone(self, document: dict[str, Any]) -> None:
        names = {
            name
            for model, schema in document["components"]["schemas"].items()
            for field in schema.get("properties", {})
            for name in (field, f"{model}.{field}")
        }
        assert [name for name in FIELD_DESCRIPTIONS if name not in names] == []

    def test_what_counts_as_blank_is_said_to_the_character(self, document: dict[str, Any]) -> None:
        """Regular expressions do not agree on white space: U+0085, for example, is none in JavaScript."""
        pattern = document["components"]["schemas"]["AddressCreate"]["properties"]["address_1"]["pattern"]
        characters = [chr(number) for number in range(1, 0x3100)]
        allowed = [character for character in characters if re.search(pattern, character)]
        assert 20 < len(characters) - len(allowed) < 40
        assert allowed == [character for character in characters if is_street(character)]

    def test_tags_are_described(self, document: dict[str, Any], operations: list[Operation]) -> None:
        declared = [tag["name"] for tag in document["tags"] if tag["description"]]
        assert {tag for operation in operations for tag in operation["tags"]} == set(declared)
        assert len(declared) == len(document["tags"]) == len(set(declared))

    async def test_anyone_may_read_it(self, document: dict[str, Any], client_of: MakeClient) -> None:
        async with client_of(prefix="") as client:
            response = await client.get("/openapi.json")
        assert (response.status_code, response.json()) == (200, document)


def is_street(text: str) -> bool:
    try:
        AddressCreate(address_1=text, city="Rome", country="IT")
    except ValidationError:
        return False
    return True


class TestOperations:
    @pytest.fixture(params=[*DOCUMENTED, *ADDITIONS])
    def operation(self, request: pytest.FixtureRequest, operations: list[Operation]) -> Operation:
        return next(each for each in operations if each["operationId"] == request.param)

    def test_it_says_what_it_does(self, operation: Operation) -> None:
        """A sentence, and prose; headings in Markdown would not be of the operation."""
        assert operation["summary"] == TITLES[operation["operationId"]]
        sentence, _, prose = operation["description"].partition("\n\n")
        assert re.fullmatch(r"[A-Z][^\n]+\.", sentence)
        assert re.fullmatch(r"(?![#])[\s\S]+\.", prose)
        assert len(operation["tags"]) == 1

    def test_it_needs_the_credentials_that_are_described(
        self, document: dict[str, Any], operation: Operation
    ) -> None:
        """An application password; or a cookie and its nonce, both together."""
        assert operation["security"] == [{"ApplicationPassword": []}, {"SessionCookie": [], "Nonce": []}]
        schemes = document["components"]["securitySchemes"]
        assert list(schemes) == ["ApplicationPassword", "SessionCookie", "Nonce"]
        assert schemes["ApplicationPassword"]["scheme"] == "basic"
        sent = {(schemes[name]["in"], schemes[name]["name"]) for name in ("SessionCookie", "Nonce")}
        assert sent == {("cookie", session_cookies.NAME), ("header", "X-WP-Nonce")}

    def test_its_parameters_are_the_paths(self, document: dict[str, Any], operation: Operation) -> None:
        [path] = [path for path, methods in document["paths"].items() if operation in methods.values()]
        named = [each["name"] for each in operation.get("parameters", []) if each["in"] == "path"]
        assert named == re.findall(r"{(\w+)}", path)

    def test_it_shows_the_contracts_answer(self, operation: Operation) -> None:
        name = operation["operationId"]
        answer = operation["responses"]["200"]
        assert answer["description"] == "Success"
        shown = {kind: content["example"] for kind, content in answer["content"].items()}
        if name in DOCUMENTED:
            assert shown == {JSON: SHOWN[name]["response"]}
            assert answer["content"][JSON]["schema"]["$ref"]
        else:
            assert shown == SHOWN[name]["response"]
            assert set(shown) == {"text/csv", "application/x-ndjson"}
            assert all(content["schema"] == {"type": "string"} for content in answer["content"].values())

    def test_it_shows_the_contracts_body(self, operation: Operation) -> None:
        name = operation["operationId"]
        example = next((each for each in EXAMPLES if each["operation"] == name), {})
        assert ("requestBody" in operation) == ("request_body" in example)
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]
            assert list(content) == [JSON, "application/x-www-form-urlencoded"]
            assert content[JSON]["example"] == example["request_body"]

    def test_it_names_the_errors_of_every_operation(self, operation: Operation) -> None:
        for status, codes in ALWAYS.items():
            examples = operation["responses"][status]["content"][JSON]["examples"].values()
            found = [example["value"]["code"] for example in examples]
            assert [code for code in found if code != "cross_site_request"] == codes

    def test_its_headers_may_be_left_out(self, document: dict[str, Any], operation: Operation) -> None:
        """A key for each POST, conditions for Get Customer Details and each PUT, and what they answer."""
        [method] = [
            method
            for path in document["paths"].values()
            for method, each in path.items()
            if each is operation
        ]
        headers = [each for each in operation.get("parameters", []) if each["in"] == "header"]
        assert [each for each in headers if each["required"] or not each["description"]] == []
        answers, conditional = (
            operation["responses"],
            method == "put" or operation["operationId"] == "get_customer",
        )
        sent = (
            ["Idempotency-Key"] if method == "post" else ["If-Match", "If-None-Match"] if conditional else []
        )
        answered = ["Idempotency-Replayed"] if method == "post" else ["ETag"] if conditional else []
        answered += ["Content-Disposition"] if operation["operationId"] in ADDITIONS else []
        assert [each["name"] for each in headers] == sent
        own = [
            name
            for name in answers["200"]["headers"]
            if not name.startswith("X-RateLimit-") and name != "X-WP-Nonce"
        ]
        assert own == answered
        assert ("304" in answers) == (operation["operationId"] == "get_customer")
        assert ("412" in answers) == conditional
        assert ("409" in answers) == (method == "post")
        assert method != "post" or list(answers["409"]["headers"]) == ["Retry-After"]

    def test_it_names_the_headers_of_limits(self, operation: Operation) -> None:
        rate_limit = {f"X-RateLimit-{name}" for name in ("Limit", "Remaining", "Reset")}
        assert set(operation["responses"]["200"]["headers"]) >= {*rate_limit, "X-WP-Nonce"}
        assert set(operation["responses"]["429"]["headers"]) == {"Retry-After", *rate_limit}

    def test_every_error_is_described_and_shown_whole(self, operation: Operation) -> None:
        for status, response in operation["responses"].items():
            if status == "304":
                assert "content" not in response
            if status in ("200", "304"):
                continue
            content = response["content"][JSON]
            assert content["schema"] == {"$ref": "#/components/schemas/ErrorResponse"}
            assert content["examples"]
            for example in content["examples"].values():
                shown = example["value"]
                code, text = shown["code"], shown["message"]
                inner = {"code": code, "message": text}
                if (status, code) == ("422", "validation_error"):
                    inner["details"] = shown["error"]["details"]
                assert shown == {
                    "success": False,
                    "error": inner,
                    "code": code,
                    "message": text,
                    "data": {"status": int(status)},
                }
                assert f"`{code}`" in response["description"]


class TestExamples:
    """The examples of the docs page are the contract's, and those fit the models."""

    def test_there_is_one_for_each_operation(self) -> None:
        assert list(SHOWN) == [*DOCUMENTED, *ADDITIONS]

    @by_operation
    def test_it_is_the_contracts(self, example: dict[str, Any], shared_app: FastAPI) -> None:
        operation, shown = example["operation"], SHOWN[example["operation"]]
        assert [name for name in shown if name != "query"] == ["request", "response"]
        assert urlencode(shown.get("query", {})) == command(example, "")[3].partition("?")[2]
        assert shown["request"] == example.get("request_body")
        assert_documented(shown["response"], example["response"], operation)
        assert without_extensions(shown["response"], operation) == example["response"]
        assert_modelled(shared_app, operation, orjson.dumps(shown["response"]))
