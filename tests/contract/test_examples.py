"""The contract's sixteen examples, each on a fresh demo: as printed with curl, and on the canonical paths.

``contract.json`` holds commands and answers of the documentation, unchanged.
"""

import json
import re
import shlex
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from pydantic import TypeAdapter

from fluent_cart import demo
from fluent_cart.database import connect, create_database, migrations
from fluent_cart.settings import Settings
from fluent_cart.wordpress.paths import EXAMPLES_PREFIX, PREFIX
from tests.support.server import demo_file_of, demo_server

EXAMPLES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("contract.json").read_text())
DOCUMENTED = {example["operation"]: example["response"] for example in EXAMPLES}
# Operations beyond the documented ones: method, and path below the prefix.
ADDITIONS = {
    "export_customers": ("get", "/export"),
    "patch_customer": ("patch", "/{customerId}"),
    "delete_customer": ("delete", "/{customerId}"),
    "list_customer_changes": ("get", "/changes"),
    "batch_customers": ("post", "/batch"),
    "list_duplicates": ("get", "/duplicates"),
    "merge_customers": ("post", "/{customerId}/merge"),
    "get_personal_data": ("get", "/{customerId}/personal-data"),
    "erase_customer": ("post", "/{customerId}/erase"),
}
# The examples whose response is a file.
FILES = {"export_customers"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

# Keys beyond the documented ones, always after them (docs/decisions.md#3-documented-keys).
ADDRESS_EXTENSION = ["address_2", "company_name", "phone"]
EXTENSIONS = {
    "get_customer.data.customer": ["user_id", "additional_info"],
    "get_customer.data.customer.addresses[]": ADDRESS_EXTENSION,
    "list_addresses.data.addresses[]": ADDRESS_EXTENSION,
    "create_address.data.address": ADDRESS_EXTENSION,
    "update_address.data.address": ADDRESS_EXTENSION,
    "make_address_primary.data.address": ADDRESS_EXTENSION,
}
# The responses of the demo that differ from the documentation in a value. Times and new ids of writes always
# differ.
INEXACT = {"list_customers", "create_customer", "update_additional_info"}
FREE_ORDER = {
    "id": 3, "status": "completed", "payment_status": "paid", "total_amount": 0, "currency": "USD",
    "created_at": "2024-01-08T09:00:00Z",
}  # fmt: skip

by_operation = pytest.mark.parametrize("example", EXAMPLES, ids=list(DOCUMENTED))


def assert_documented(answer: Any, documented: Any, where: str) -> None:
    """Assert that an answer has the documented keys in their order, types and time format."""
    if where.endswith(".additional_info"):
        # The stored data belongs to the shop and has no fixed shape.
        assert type(answer) is dict, where
    elif isinstance(documented, dict):
        assert type(answer) is dict, where
        assert list(answer) == [*documented, *EXTENSIONS.get(where, [])], where
        for key, value in documented.items():
            assert_documented(answer[key], value, f"{where}.{key}")
    elif isinstance(documented, list):
        assert type(answer) is list, where
        # There are no changes after the present cursor.
        assert bool(answer) is bool(documented), where
        for member in answer:
            assert_documented(member, documented[0], f"{where}[]")
    elif isinstance(documented, str) and TIME.fullmatch(documented):
        assert TIME.fullmatch(answer), where
    elif where == "create_customer.data.customer.phone":
        # Documented with a phone, but the documented curl sends none.
        assert answer is None or type(answer) is str, where
    else:
        assert type(answer) is type(documented), where


def without_extensions(value: Any, where: str) -> Any:
    """Return an answer with the documented keys alone."""
    if isinstance(value, dict):
        return {
            key: without_extensions(member, f"{where}.{key}")
            for key, member in value.items()
            if key not in EXTENSIONS.get(where, [])
        }
    if isinstance(value, list):
        return [without_extensions(member, f"{where}[]") for member in value]
    return value


def demo_answer(operation: str) -> Any:
    """Return the documented answer, completed where the documentation contradicts itself.

    It lists two addresses of John here and one there, and counts three orders but lists two.
    """
    answer = deepcopy(DOCUMENTED[operation])
    if operation == "get_customer":
        answer["data"]["customer"]["addresses"] = DOCUMENTED["list_addresses"]["data"]["addresses"]
    elif operation == "list_customer_orders":
        answer["data"]["orders"].insert(1, FREE_ORDER)
    return answer


def without_new(operation: str, answer: Any) -> Any:
    """Return the answer of a write without times and, of a creation, without the id."""
    new = {"created_at", "updated_at", *(["id"] if operation.startswith("create_") else [])}
    return {
        key: {name: value for name, value in member.items() if name not in new}
        if isinstance(member, dict) else member
        for key, member in answer.get("data", answer).items()
    }  # fmt: skip


def check(operation: str, method: str, answer: Any) -> None:
    assert_documented(answer, DOCUMENTED[operation], operation)
    if operation not in INEXACT:
        values, expected = without_extensions(answer, operation), demo_answer(operation)
        if method != "GET":
            values, expected = without_new(operation, values), without_new(operation, expected)
        assert values == expected
    if operation == "list_customers":
        data = answer["data"]
        assert data["customers"][-1] == DOCUMENTED["list_customers"]["data"]["customers"][0]
        assert data["pagination"] == {"current_page": 1, "per_page": 20, "total": 3, "total_pages": 1}


def command(example: dict[str, Any], address: str) -> list[str]:
    """Return the documented command with only its host replaced."""
    return shlex.split(example["curl"].replace("https://yoursite.com", address).replace("\\\n", " "))


def parsed(arguments: list[str]) -> dict[str, Any]:
    """Return the request of ``curl -X METHOD URL -H HEADER -d BODY`` as arguments of httpx."""
    options = list(zip(arguments[4::2], arguments[5::2], strict=True))
    assert (arguments[:2], {option for option, _ in options} - {"-H", "-d"}) == (["curl", "-X"], set())
    return {
        "method": arguments[2],
        "url": arguments[3],
        "headers": [tuple(value.split(": ", 1)) for option, value in options if option == "-H"],
        "content": next((value for option, value in options if option == "-d"), None),
    }


def run(arguments: list[str]) -> tuple[int, str]:
    """Run a documented command, by httpx if curl is missing. Return status and body."""
    if shutil.which("curl") is None:
        response = httpx.request(**parsed(arguments))
        return response.status_code, response.text
    curl = [*arguments, "--silent", "--write-out", "\n%{http_code}"]
    body, status = subprocess.run(curl, capture_output=True, text=True, check=True).stdout.rsplit("\n", 1)
    return int(status), body


@pytest.fixture(scope="module")
def demo_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo shop, to be copied."""
    path = tmp_path_factory.mktemp("demo") / "demo.db"
    migrations.upgrade(f"sqlite:///{path}")
    with connect(f"sqlite:///{path}") as connection:
        demo.load(connection)
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A demo server: its address, and the file of its database."""
    folder = tmp_path_factory.mktemp("demo")
    with demo_server(folder) as address:
        yield address, demo_file_of(folder)


@pytest.fixture
def fresh_demo(server: tuple[str, Path], demo_file: Path) -> str:
    """The demo server's address, its shop as it is when the server has just started."""
    address, path = server
    with closing(sqlite3.connect(demo_file)) as made, closing(sqlite3.connect(path)) as served:
        made.backup(served)
    return address


@by_operation
@pytest.mark.server
def test_documented_curl_returns_the_documented_response(example: dict[str, Any], fresh_demo: str) -> None:
    arguments = command(example, fresh_demo)
    status, body = run(arguments)
    assert status == 200, body
    check(example["operation"], arguments[2], json.loads(body))


@pytest.fixture
async def owner(shared_app: FastAPI, demo_file: Path, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a fresh demo shop, signed in with the documented credentials."""
    shutil.copy(demo_file, tmp_path / "demo.db")
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'demo.db'}", _env_file=None)
    async with create_database(settings) as database:
        shared_app.state.database = database
        transport = httpx.ASGITransport(shared_app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://shop.example", auth=(demo.LOGIN, demo.SECRET)
        ) as client:
            yield client


def assert_modelled(app: FastAPI, operation: str, content: bytes) -> None:
    """Assert that the route's response model describes an answer: every key, its type, and the order."""
    [described] = [
        route.response_model
        for route in iter_route_contexts(app.routes)
        if route.name == operation and (route.path or "").startswith(PREFIX)
    ]
    adapter: TypeAdapter[Any] = TypeAdapter(described)
    model = adapter.validate_json(content, strict=True)
    assert orjson.dumps(adapter.dump_python(model, mode="json", exclude_unset=True)) == content


class TestCanonicalPaths:
    @by_operation
    async def test_documented_request_works_on_the_canonical_path(
        self, example: dict[str, Any], shared_app: FastAPI, owner: httpx.AsyncClient
    ) -> None:
        request = parsed(command(example, ""))
        assert request["url"].startswith(EXAMPLES_PREFIX)
        request["url"] = request["url"].replace(EXAMPLES_PREFIX, PREFIX)
        response = await owner.request(**request)
        assert response.status_code == 200, response.text
        check(example["operation"], request["method"], response.json())
        assert_modelled(shared_app, example["operation"], response.content)

    @pytest.mark.parametrize("prefix", [PREFIX, EXAMPLES_PREFIX], ids=["v2", "v1"])
    @by_operation
    async def test_documented_body_is_accepted_on_the_canonical_path(
        self, example: dict[str, Any], prefix: str, shared_app: FastAPI, owner: httpx.AsyncClient
    ) -> None:
        """The documentation prints longer bodies than its curls send. All their fields are accepted."""
        operation, body = example["operation"], example.get("request_body")
        request = parsed(command(example, ""))
        url = request["url"].replace(EXAMPLES_PREFIX, prefix)
        response = await owner.request(request["method"], url, json=body)
        assert response.status_code == 200, response.text
        check(operation, request["method"], response.json())
        assert_modelled(shared_app, operation, response.content)
        if operation in ("create_customer", "update_additional_info"):
            expected = without_new(operation, DOCUMENTED[operation])
            assert without_new(operation, response.json()) == expected
