"""Hostile input against every operation: no 5xx, a documented answer, and nothing of it echoed back."""

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import count
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from fluent_cart.settings import Settings
from tests.conftest import MakeAddress, MakeCustomer
from tests.contract import hostile
from tests.contract.hostile import FORM, JSON, MARK
from tests.contract.test_permissions import BODIES, OPERATIONS, every_operation, url
from tests.support.errors import assert_error
from tests.support.openapi import openapi_document

WITH_BODY = [operation for operation in OPERATIONS if operation[2] in BODIES]
with_body = pytest.mark.parametrize(
    ("method", "path", "operation"), WITH_BODY, ids=[operation for *_, operation in WITH_BODY]
)
IDS_IN_BODIES = {
    "update_address": ("address_id", '"address_id": %s'),
    "make_address_primary": ("address_id", '"address_id": %s'),
    "delete_address": ("address_id", '"address_id": %s'),
    "attach_user": ("user_id", '"user_id": %s'),
    "merge_customers": ("from_id", '"from_id": %s'),
    "do_bulk_action": ("customer_ids", '"customer_ids": [%s]'),
}
MEBIBYTE, CHUNK = 2**20, 2**16

Survive = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress) -> None:
    """Customer 1 with the addresses 1 and 2, and customer 2."""
    await make_customer(email="customer@example.com", first_name="John")
    await make_customer(email="other@shop.example")
    for _ in range(2):
        await make_address(1)


@pytest.fixture(scope="session")
def documented(shared_app: FastAPI) -> dict[str, dict[int, set[str]]]:
    """Operation -> status -> the error codes that the OpenAPI document names for it."""
    return {
        operation["operationId"]: {
            int(status): {
                example["value"]["code"]
                for example in response.get("content", {}).get(JSON, {}).get("examples", {}).values()
            }
            for status, response in operation["responses"].items()
        }
        for methods in openapi_document(shared_app)["paths"].values()
        for operation in methods.values()
    }


@pytest.fixture
def survive(shop: None, manager: httpx.AsyncClient, documented: dict[str, dict[int, set[str]]]) -> Survive:
    """Send a request. The response must be quick, documented and whole, and must not repeat the input."""

    async def send(operation: str, target: str, sent: str = "", **request: Any) -> httpx.Response:
        method = next(method for method, _, name in OPERATIONS if name == operation)
        label = (operation, target[:80], sent[:80])
        # Of this process, not of the clock: the machine may have other work.
        started = time.process_time()
        response = await manager.request(method, target, **request)
        assert time.process_time() - started < 1, label
        assert response.status_code < 500, label
        assert response.status_code in documented[operation], (label, response.status_code)
        if response.status_code != 200:
            code = response.json()["code"]
            assert code in documented[operation][response.status_code], label
            assert_error(response, response.status_code, code)
            assert MARK not in response.text, label
            # The id of something that was not found is repeated, and the largest one is named as a bound.
            if re.fullmatch('"?-?[0-9]{,20}"?', sent):
                return response
            windows = {sent[n : n + 8] for n in range(min(len(sent), 500) - 7)}
            assert not [window for window in windows if window in response.text], label
            assert len(response.content) < 1500, label
        return response

    return send


@with_body
@pytest.mark.slow
class TestValues:
    async def test_hostile_value_in_any_field_is_never_5xx(
        self, survive: Survive, shared_app: FastAPI, manager: httpx.AsyncClient, settings: Settings,
        method: str, path: str, operation: str,
    ) -> None:  # fmt: skip
        document = openapi_document(shared_app)
        described = next(
            each
            for methods in document["paths"].values()
            for each in methods.values()
            if each["operationId"] == operation
        )
        numbers = count()
        is_sqlite = settings.database_url.startswith("sqlite")
        values = hostile.VALUES | hostile.UNREADABLE_VALUES if is_sqlite else hostile.FOR_DATABASES
        for member, place in hostile.places(document, described):
            for label, value in values.items():
                valid = BODIES[operation]
                if "email" in valid:
                    valid = {"email": f"new{next(numbers)}@example.com"}
                content = hostile.body_with(place, member, value, valid)
                response = await survive(operation, url(path), value, content=content)
                if label in hostile.UNREADABLE_VALUES:
                    assert_error(response, 400, "validation_error")
                elif "." in member:
                    # An item of a batch, whose error is in its result.
                    assert MARK not in response.text, (label, place)
                    # A body is too large if it has the largest value twice.
                    assert response.status_code == 200 or label.startswith("900 kB"), (label, place)
                    is_valid = response.status_code == 200 and response.json()["data"]["failed"] == 0
                    assert not (is_valid and label in hostile.UNSTORABLE), (label, place)
                elif label in hostile.UNSTORABLE and member != "unknown":
                    assert response.status_code == 422, (label, place)
        answer = await manager.get("/1")
        assert answer.status_code == 200
        assert b"\\u0000" not in answer.content

    async def test_hostile_value_as_an_id_is_422_or_404(
        self, survive: Survive, method: str, path: str, operation: str
    ) -> None:
        if operation not in IDS_IN_BODIES:
            return  # no id in its body
        member, place = IDS_IN_BODIES[operation]
        for value, status in hostile.IDS.items():
            content = hostile.body_with(place, member, value, BODIES[operation])
            response = await survive(operation, url(path), value, content=content)
            if operation == "merge_customers" and status == 200:
                status = 422  # a customer is not merged into itself
            if status == 422:
                field = f"{member}.0" if member == "customer_ids" else member
                assert_error(response, 422, "validation_error")
                assert set(response.json()["error"]["details"]) == {field}, value
            elif status == 404 and operation == "do_bulk_action":
                assert response.json()["data"]["failed"] == 1
            elif status == 404 and operation == "attach_user":
                assert_error(response, 422, "invalid_user")
            else:
                # Once address 1 is deleted, it is not found a second time.
                again = operation == "delete_address" and value != "1"
                assert response.status_code == (404 if again else status), value

    async def test_hostile_value_as_a_key_is_ignored_or_rejected(
        self, survive: Survive, method: str, path: str, operation: str
    ) -> None:
        """An unknown key is ignored. Additional info keeps keys, or rejects those that it cannot store."""
        keys = (("\\ud800", 422), ("a\\u0000b", 422), ("x" * 70_000, 422), ("", 200), ("__proto__", 200))
        for key, status in keys:
            content = hostile.body_with(f'"{key}": %s', "", f'"{MARK}"', BODIES[operation])
            # A batch is refused by the name that it does not know.
            sent = "" if operation == "batch_customers" else key
            response = await survive(operation, url(path), sent, content=content)
            if operation == "update_additional_info":
                assert response.status_code == status, key

    async def test_last_of_two_equal_keys_counts(
        self, survive: Survive, method: str, path: str, operation: str
    ) -> None:
        """As in PHP, in every browser and in every database: the last one counts."""
        first = [f'"{member}": "{MARK}"' for member in BODIES[operation]]
        content = f"{{{', '.join(first)}, ".encode() + hostile.body_with("", "", "", BODIES[operation])[1:]
        content = content.removesuffix(b", }") + b"}"
        assert (await survive(operation, url(path), content=content)).status_code == 200


@with_body
class TestBodies:
    @pytest.fixture
    def settings(self, sqlite_settings: Settings) -> Settings:
        """One database will do: hardly any of these bodies gets as far."""
        return sqlite_settings

    async def test_malformed_body_is_400_or_422(
        self, survive: Survive, method: str, path: str, operation: str
    ) -> None:
        for label, (content, content_type, status) in hostile.RAW_BODIES.items():
            headers = {"Content-Type": content_type}
            response = await survive(operation, url(path), content=content, headers=headers)
            assert status in (None, response.status_code), (label, response.text)

    async def test_compressed_body_is_415(
        self, survive: Survive, method: str, path: str, operation: str
    ) -> None:
        for coding in ("gzip", "GZIP", "deflate", "br", "gzip, gzip", "x"):
            response = await survive(
                operation, url(path), content=b"\x1f\x8b\x08{}", headers={"Content-Encoding": coding}
            )
            assert_error(response, 415, "unsupported_media_type")

    async def test_body_of_ten_megabytes_is_413(
        self, survive: Survive, method: str, path: str, operation: str
    ) -> None:
        content = hostile.body_with('"first_name": %s', "", f'"{MARK}{"x" * 10_000_000}"', BODIES[operation])
        assert_error(await survive(operation, url(path), content=content), 413, "payload_too_large")


@every_operation
class TestHundredMegabytes:
    @pytest.fixture
    def settings(self, sqlite_settings: Settings) -> Settings:
        """One database will do: none of these bodies gets as far."""
        return sqlite_settings

    async def test_body_of_a_hundred_megabytes_is_not_read(
        self, survive: Survive, method: str, path: str, operation: str
    ) -> None:
        """The server stops reading at its limit. A route without a body does not read one at all."""
        taken = 0

        async def endless() -> AsyncIterator[bytes]:
            nonlocal taken
            for _ in range(1600):
                taken += CHUNK
                yield b" " * CHUNK

        for content_type in (JSON, FORM):
            for length in ({}, {"Content-Length": "104857600"}):
                taken = 0
                headers = {"Content-Type": content_type} | length
                response = await survive(operation, url(path), content=endless(), headers=headers)
                if operation in BODIES:
                    assert_error(response, 413, "payload_too_large")
                    assert taken <= MEBIBYTE + CHUNK
                else:
                    # Once customer 1 is deleted, it is not found a second time.
                    assert response.status_code == 200 or operation == "delete_customer"
                    assert taken <= CHUNK


@every_operation
class TestAddresses:
    @pytest.fixture
    def settings(self, sqlite_settings: Settings) -> Settings:
        """One database is enough, because ``TestValues`` sends to both all input that reaches one."""
        return sqlite_settings

    @pytest.mark.slow
    async def test_hostile_query_is_never_5xx(
        self, survive: Survive, manager: httpx.AsyncClient, method: str, path: str, operation: str
    ) -> None:
        for query in hostile.QUERIES:
            if method == "POST" and query == "_method=PUT":
                continue  # this one makes it another operation
            response = await survive(operation, f"{url(path)}?{query}", json=BODIES.get(operation))
            assert "x-injected" not in response.headers
            assert "\r" not in response.headers.get("link", "")

    async def test_hostile_id_in_a_path_is_never_5xx(
        self, survive: Survive, method: str, path: str, operation: str
    ) -> None:
        if "{customer" not in path:
            return
        for written, status in hostile.PATH_IDS.items():
            response = await survive(operation, url(path, written), json=BODIES.get(operation))
            assert_error(response, status, "validation_error" if status == 422 else "customer_not_found")

    async def test_hostile_path_is_404(
        self, shop: None, manager: httpx.AsyncClient, method: str, path: str, operation: str
    ) -> None:
        for written in hostile.PATHS_ELSEWHERE:
            response = await manager.request(method, url(path, written), json=BODIES.get(operation))
            if response.status_code != 200:
                code = response.json()["code"]
                assert response.status_code in (404, 405, 422), written
                assert_error(response, response.status_code, code)


@pytest.mark.parametrize(
    "query",
    ["filters[nope]=1", "filters=%7B%22stauts%22%3A%22active%22%7D", "filters[status]=actve",
     "filters=active", "filters[status][]=active", "filters[]=active", "order_by=nope"],
)  # fmt: skip
async def test_misspelt_filter_is_rejected(survive: Survive, query: str) -> None:
    assert_error(await survive("list_customers", f"?{query}"), 422, "validation_error")
    assert_error(await survive("export_customers", f"/export?{query}"), 422, "validation_error")


@pytest.mark.parametrize("operation", ["get_customer", "get_customer_stats"])
async def test_integer_of_any_length_is_an_integer(survive: Survive, operation: str) -> None:
    """Out of range, so not found. One operation for each name of the parameter.

    See docs/decisions.md#6-ids.
    """
    path = next(path for _, path, name in OPERATIONS if name == operation)
    for digits in (100, 101, 5000):
        assert_error(await survive(operation, url(path, "9" * digits)), 404, "customer_not_found")


@pytest.mark.parametrize("country", ["\u00df", "\ufb01", "\u0131n"])
async def test_letter_that_is_a_country_only_in_upper_case_is_rejected(
    survive: Survive, country: str
) -> None:
    """Sharp s, the ligature fi and a dotless i: SS, FI and IN once they are in upper case."""
    body = BODIES["create_address"] | {"country": country}
    assert_error(await survive("create_address", "/1/address", json=body), 422, "validation_error")


def test_corpus_is_as_large_as_promised() -> None:
    assert len(hostile.VALUES | hostile.UNREADABLE_VALUES) + len(hostile.RAW_BODIES) >= 42
    assert len(OPERATIONS) == 25
    assert len(WITH_BODY) == 12


async def test_long_run_of_accents_is_rejected_at_once(manager: httpx.AsyncClient) -> None:
    """Composing 240,000 accents took over ten seconds, during which nothing else was answered."""
    name = "e" + "\u0301" * 120_000 + "\u0327" * 120_000
    began = time.perf_counter()
    response = await manager.post("", json={"email": "a@example.com", "first_name": name})
    assert_error(response, 422, "validation_error")
    assert time.perf_counter() - began < 1
