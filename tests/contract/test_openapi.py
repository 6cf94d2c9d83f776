"""The OpenAPI document: complete for every operation, and at one with the contract."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from fastapi import FastAPI
from pydantic import ValidationError

from fluent_cart.openapi.error_responses import all_error_types
from fluent_cart.schemas.addresses import AddressCreate
from fluent_cart.security import session_cookies
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import MakeClient
from tests.contract.test_examples import (
    ADDITIONS,
    DOCUMENTED,
    EXAMPLES,
    FILES,
    assert_documented,
    assert_modelled,
    by_operation,
    command,
    without_extensions,
)
from tests.support.errors import with_faults
from tests.support.openapi import openapi_document

# The other responses of every operation.
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
    "patch_customer": "Patch Customer",
    "delete_customer": "Delete Customer",
    "batch_customers": "Batch Update Customers",
    "get_personal_data": "Get Personal Data",
    "erase_customer": "Erase Customer",
    "list_customer_changes": "List Customer Changes",
    "list_duplicates": "List Duplicate Customers",
    "merge_customers": "Merge Customers",
}

Operation = dict[str, Any]


@pytest.fixture
def document(shared_app: FastAPI) -> dict[str, Any]:
    """The document as clients get it."""
    served: dict[str, Any] = json.loads(json.dumps(shared_app.openapi()))
    return served


@pytest.fixture
def whole(shared_app: FastAPI) -> dict[str, Any]:
    """The document with whole paths, and its shared responses in their places."""
    return openapi_document(shared_app)


@pytest.fixture
def operations(whole: dict[str, Any]) -> list[Operation]:
    return [operation for methods in whole["paths"].values() for operation in methods.values()]


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object within a JSON value."""
    if isinstance(value, dict):
        yield value
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(member)


class TestDocument:
    def test_document_is_valid_openapi_3_1(self, document: dict[str, Any]) -> None:
        assert re.fullmatch(r"3\.1\.\d+", document["openapi"])
        assert document["info"]["title"] == "FluentCart Customers API"
        assert document["info"]["version"]

    def test_document_has_the_operations_of_the_contract(self, whole: dict[str, Any]) -> None:
        """By method and path of the documented commands, under the canonical prefix, and our additions."""
        documented = {name: (method, PREFIX + path) for name, (method, path) in ADDITIONS.items()}
        for example in EXAMPLES:
            [(method, path)] = re.findall(r'-X (\w+) "[^"?]*/v1/customers([^"?]*)', example["curl"])
            path = re.sub(r"/1\b", "/{customerId}", path)
            path = path.replace("get-stats/{customerId}", "get-stats/{customer}")
            documented[example["operation"]] = (method.lower(), PREFIX + path)
        assert {
            operation["operationId"]: (method, path)
            for path, methods in whole["paths"].items()
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
        """FastAPI's own descriptions of responses that this API never returns are removed."""
        used = {node["$ref"].rpartition("/")[2] for node in nodes(document) if "$ref" in node}
        components = document["components"]
        assert {*components["schemas"], *components["responses"]} == used

    def test_document_names_are_readable(self, document: dict[str, Any]) -> None:
        """Generated clients name their types after them."""
        schemas = document["components"]["schemas"]
        assert [name for name in schemas if not re.fullmatch(r"([A-Z][a-z]+)+", name)] == []
        assert [name for name, schema in schemas.items() if schema["title"] != name] == []

    def test_introduction_has_every_error(self, document: dict[str, Any]) -> None:
        rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (.+) \|$", document["info"]["description"], re.M)
        assert sorted(rows) == sorted((str(each.status), each.code, each.when) for each in all_error_types())

    def test_document_describes_every_input(self, document: dict[str, Any]) -> None:
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
        shared = {"#/components/schemas/Country"}
        assert [
            name
            for name, field in fields.items()
            if not shared & {field.get("$ref")} and not field.get("description")
        ] == []
        assert schemas["Country"]["description"]

    def test_document_describes_blank_text_by_character(self, document: dict[str, Any]) -> None:
        """Regular expressions differ in white space: U+0085, for example, does not count in JavaScript."""
        schema = document["components"]["schemas"]["AddressCreate"]["properties"]["address_1"]
        characters = [chr(number) for number in range(1, 0x3100)]
        allowed = [
            character
            for character in characters
            if re.search(schema["pattern"], character) and not re.search(schema["not"]["pattern"], character)
        ]
        assert 20 < len(characters) - len(allowed) < 40
        assert allowed == [character for character in characters if is_street(character)]

    def test_success_is_a_constant_without_a_type(self, document: dict[str, Any]) -> None:
        """openapi-generator compares a constant that has a type with texts, and then fails every response."""
        fields = [node["success"] for node in nodes(document["components"]["schemas"]) if "success" in node]
        constants = [field for field in fields if "const" in field]
        assert len(constants) > 10
        assert [field for field in constants if "type" in field] == []

    def test_patterns_are_readable_by_pcre_re2_and_javascript(self, document: dict[str, Any]) -> None:
        """RE2 has no look-around. RE2 and PCRE do not know ``\\u0000``. Generators skip ``not``."""
        patterns = {
            node["pattern"] for node in nodes(without_not(document)) if isinstance(node.get("pattern"), str)
        }
        assert len(patterns) >= 5
        assert [pattern for pattern in patterns if re.search(r"\\u|\(\?[=!<]", pattern)] == []

    @pytest.mark.skipif(
        not shutil.which("php"), reason="PATTERNS WERE NOT READ BY PCRE: no PHP on this machine"
    )
    def test_patterns_compile_in_php(self, document: dict[str, Any]) -> None:
        patterns = {
            node["pattern"] for node in nodes(without_not(document)) if isinstance(node.get("pattern"), str)
        }
        code = (
            "foreach (json_decode(stream_get_contents(STDIN)) as $p)"
            " if (@preg_match('/' . str_replace('/', '\\/', $p) . '/u', '') === false) echo $p, PHP_EOL;"
        )
        done = subprocess.run(
            ["php", "-r", code],
            input=json.dumps(sorted(patterns)),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == ""

    def test_inline_objects_have_no_name_of_a_component(self, document: dict[str, Any]) -> None:
        """openapi-generator names an inline object after its schema and its field."""
        schemas = document["components"]["schemas"]
        inline = {
            model + "".join(part.title() for part in name.split("_"))
            for model, schema in schemas.items()
            for name, field in schema.get("properties", {}).items()
            if "$ref" not in field
        }
        assert inline & set(schemas) == set()

    def test_ids_and_money_are_64_bit_integers(self, document: dict[str, Any]) -> None:
        """Generators for Java, Go, C# and Swift make 32-bit numbers of integers without the format."""
        fields = {
            f"{model}.{name}": json.dumps(field)
            for model, schema in document["components"]["schemas"].items()
            for name, field in schema.get("properties", {}).items()
            if name == "id" or name.endswith(("_id", "_ids", "_spent", "_amount", "_value"))
        }
        assert len(fields) > 20
        assert [name for name, field in fields.items() if '"format": "int64"' not in field] == []
        assert '"maximum": 9223372036854775807' not in json.dumps(document)

    def test_error_codes_are_an_enum(self, document: dict[str, Any]) -> None:
        codes = document["components"]["schemas"]["ErrorCode"]["enum"]
        assert codes == sorted({error.code for error in all_error_types()})

    def test_paths_are_those_of_the_contract_below_the_server(self, document: dict[str, Any]) -> None:
        assert [server["url"] for server in document["servers"]] == ["/wp-json/fluent-cart/v2"]
        assert all(path.startswith("/customers") for path in document["paths"])

    def test_links_of_the_introduction_stay_on_the_server(self, document: dict[str, Any]) -> None:
        links = re.findall(r"\]\(([^)]+)\)", document["info"]["description"])
        assert "/wp-login.php" in links
        assert [link for link in links if link.startswith("https://yoursite.com")] == []

    def test_tags_are_described(self, document: dict[str, Any], operations: list[Operation]) -> None:
        declared = [tag["name"] for tag in document["tags"] if tag["description"]]
        assert {tag for operation in operations for tag in operation["tags"]} == set(declared)
        assert len(declared) == len(document["tags"]) == len(set(declared))

    async def test_document_is_served_without_credentials(
        self, document: dict[str, Any], client_of: MakeClient
    ) -> None:
        async with client_of(prefix="") as client:
            response = await client.get("/openapi.json")
        assert (response.status_code, response.json()) == (200, document)


def without_not(value: Any) -> Any:
    """Return a schema without the schemas that its values must not match."""
    if isinstance(value, dict):
        return {name: without_not(member) for name, member in value.items() if name != "not"}
    return [without_not(member) for member in value] if isinstance(value, list) else value


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

    def test_operation_has_a_summary_and_a_description(self, operation: Operation) -> None:
        """A sentence, and prose without headings, which would not belong to the operation."""
        assert operation["summary"] == TITLES[operation["operationId"]]
        sentence, _, prose = operation["description"].partition("\n\n")
        assert re.fullmatch(r"[A-Z][^\n]+\.", sentence)
        assert re.fullmatch(r"(?![#])[\s\S]+\.", prose)
        assert len(operation["tags"]) == 1

    def test_operation_has_the_documented_security(
        self, document: dict[str, Any], operation: Operation
    ) -> None:
        """An application password, or a cookie together with its nonce."""
        assert operation["security"] == [{"ApplicationPassword": []}, {"SessionCookie": [], "Nonce": []}]
        schemes = document["components"]["securitySchemes"]
        assert list(schemes) == ["ApplicationPassword", "SessionCookie", "Nonce"]
        assert schemes["ApplicationPassword"]["scheme"] == "basic"
        sent = {(schemes[name]["in"], schemes[name]["name"]) for name in ("SessionCookie", "Nonce")}
        assert sent == {("cookie", session_cookies.NAME), ("header", "X-WP-Nonce")}

    def test_operation_has_the_parameters_of_its_path(
        self, whole: dict[str, Any], operation: Operation
    ) -> None:
        [path] = [path for path, methods in whole["paths"].items() if operation in methods.values()]
        named = [each["name"] for each in operation.get("parameters", []) if each["in"] == "path"]
        assert named == re.findall(r"{(\w+)}", path)

    def test_operation_shows_the_contracts_response(self, operation: Operation) -> None:
        name = operation["operationId"]
        answer = operation["responses"]["200"]
        # FastAPI's own text, which has no detail, begins otherwise.
        assert re.match("(An?|The|All) ", answer["description"])
        shown = {kind: content["example"] for kind, content in answer["content"].items()}
        if name not in FILES:
            assert shown == {JSON: SHOWN[name]["response"]}
            assert answer["content"][JSON]["schema"]["$ref"]
        else:
            assert shown == SHOWN[name]["response"]
            assert set(shown) == {"text/csv", "application/x-ndjson"}
            assert all(content["schema"] == {"type": "string"} for content in answer["content"].values())

    def test_operation_shows_the_contracts_body(self, operation: Operation) -> None:
        name = operation["operationId"]
        example = next((each for each in EXAMPLES if each["operation"] == name), {})
        if name in ADDITIONS and SHOWN[name]["request"] is not None:
            example = {"request_body": SHOWN[name]["request"]}
        content = operation.get("requestBody", {}).get("content", {})
        if "request_body" not in example:
            # A client may send an empty object.
            assert content in ({}, {JSON: {"schema": {}}})
        else:
            merge_patch = ["application/merge-patch+json"] if name == "patch_customer" else []
            assert list(content) == [JSON, "application/x-www-form-urlencoded", *merge_patch]
            assert content[JSON]["example"] == example["request_body"]

    def test_operation_lists_the_errors_of_every_operation(self, operation: Operation) -> None:
        for status, codes in ALWAYS.items():
            examples = operation["responses"][status]["content"][JSON]["examples"].values()
            found = [example["value"]["code"] for example in examples]
            assert [code for code in found if code != "cross_site_request"] == codes

    def test_operation_has_only_optional_headers(self, whole: dict[str, Any], operation: Operation) -> None:
        """A key for each POST, conditions for Get Customer Details and each PUT, and their headers."""
        [method] = [
            method for path in whole["paths"].values() for method, each in path.items() if each is operation
        ]
        headers = [each for each in operation.get("parameters", []) if each["in"] == "header"]
        assert [each for each in headers if each["required"] or not each["description"]] == []
        answers, conditional = (
            operation["responses"],
            method in ("put", "patch") or operation["operationId"] in ("get_customer", "merge_customers"),
        )
        sent = ["Idempotency-Key"] if method == "post" else []
        sent += ["If-Match", "If-None-Match"] if conditional else []
        answered = ["Idempotency-Replayed"] if method == "post" else []
        answered += ["ETag"] if conditional else []
        answered += ["Content-Disposition"] if operation["operationId"] in FILES else []
        assert [each["name"] for each in headers] == sent
        own = [
            name
            for name in answers["200"]["headers"]
            if not name.startswith(("X-RateLimit-", "X-WP-", "X-Request-Id", "Link"))
        ]
        assert own == answered
        assert ("304" in answers) == (operation["operationId"] == "get_customer")
        assert ("412" in answers) == conditional
        assert ("409" in answers) == (method == "post")
        assert method != "post" or list(answers["409"]["headers"]) == ["X-Request-Id", "Retry-After"]

    def test_conditions_have_examples_that_clients_may_send(self, operation: Operation) -> None:
        examples = {each["name"]: each.get("example") for each in operation.get("parameters", [])}
        if "If-Match" in examples:
            assert (examples["If-Match"], examples["If-None-Match"]) == ("*", '"0"')

    def test_every_response_names_the_request_id(self, operation: Operation) -> None:
        assert all("X-Request-Id" in response["headers"] for response in operation["responses"].values())

    def test_pages_name_the_headers_of_wordpress(self, operation: Operation) -> None:
        names = {each["name"] for each in operation.get("parameters", [])}
        described = operation["responses"]["200"]["headers"]
        of_page = {"X-WP-Total", "X-WP-TotalPages", "Link"}
        assert (of_page & set(described)) == (of_page if "page" in names else set())
        assert described["X-RateLimit-Limit"]["schema"] == {"type": "integer"}

    def test_delete_operation_has_its_field_in_query_and_body(self, operation: Operation) -> None:
        if operation["operationId"] == "delete_address":
            in_query = [each["name"] for each in operation["parameters"] if each["in"] == "query"]
            assert (in_query, operation["requestBody"]["required"]) == (["address_id"], False)

    def test_operation_lists_the_headers_of_limits(self, operation: Operation) -> None:
        rate_limit = {f"X-RateLimit-{name}" for name in ("Limit", "Remaining", "Reset")}
        assert set(operation["responses"]["200"]["headers"]) >= {*rate_limit, "X-WP-Nonce"}
        assert set(operation["responses"]["429"]["headers"]) == {"X-Request-Id", "Retry-After", *rate_limit}

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
                code, text = shown["code"], shown["error"]["message"]
                inner = {"code": code, "message": text}
                if (status, code) == ("422", "validation_error"):
                    inner["details"] = shown["error"]["details"]
                survivor = {"survivor_id": 1} if code == "customer_merged" else {}
                assert shown == {
                    "success": False,
                    "error": inner,
                    "code": code,
                    "message": with_faults(text, inner.get("details")),
                    "data": {"status": int(status), **survivor},
                }
                assert f"`{code}`" in response["description"]


class TestExamples:
    """The examples of the docs page equal the contract's, which match the models."""

    def test_every_operation_has_an_example(self) -> None:
        assert list(SHOWN) == [*DOCUMENTED, *ADDITIONS]

    @by_operation
    def test_example_equals_the_contract(self, example: dict[str, Any], shared_app: FastAPI) -> None:
        operation, shown = example["operation"], SHOWN[example["operation"]]
        assert [name for name in shown if name != "query"] == ["request", "response"]
        assert urlencode(shown.get("query", {})) == command(example, "")[3].partition("?")[2]
        assert shown["request"] == example.get("request_body")
        assert_documented(shown["response"], example["response"], operation)
        assert without_extensions(shown["response"], operation) == example["response"]
        assert_modelled(shared_app, operation, orjson.dumps(shown["response"]))
