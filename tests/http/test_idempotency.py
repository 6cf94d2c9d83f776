"""Idempotency-Key: repeated requests to every POST, and their stored responses.

See docs/decisions.md#27-idempotency-keys.
"""

from operator import itemgetter
from typing import Any

import httpx
import pytest

from fluent_cart.auth.roles import ROLE_PERMISSIONS
from fluent_cart.database import Database
from fluent_cart.enums import Permission
from fluent_cart.models import Customer, IdempotencyKey
from fluent_cart.services import customers, user_attachment, users
from tests.conftest import MakeAddress, MakeClient, MakeCustomer, credentials, rows
from tests.contract.test_permissions import BODIES, OPERATIONS, bulk, url
from tests.support.errors import assert_error

KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}
POSTS = [(path, BODIES.get(operation)) for method, path, operation in OPERATIONS if method == "POST"] + [
    ("/do-bulk-action", bulk(action)) for action in ("delete", "export")
]
BODY: dict[str, Any] = {"email": "new@example.com", "first_name": "Zoë"}
BAD_KEYS = (b"", b"x" * 256, b"\xc3\xbc", b"a\tb", b"a\x7f")


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress, database: Database) -> None:
    """Customer 1 with two addresses, and customer 2 with user 2."""
    for email in ("a@example.com", "b@example.com"):
        await make_customer(email=email)
    for _ in range(2):
        await make_address(1)
    await database.write(user_attachment.attach_user, 2, 2)


async def kept(database: Database) -> list[dict[str, Any]]:
    return await database.scan(rows, IdempotencyKey)


def assert_replayed(again: httpx.Response, first: httpx.Response) -> None:
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    of_request = {"x-request-id", "idempotency-replayed"}
    assert {name: value for name, value in again.headers.items() if name not in of_request} == {
        name: value for name, value in first.headers.items() if name not in of_request
    }


@pytest.mark.parametrize(("path", "body"), POSTS)
async def test_repeated_post_returns_the_stored_response(
    shop: None, database: Database, manager: httpx.AsyncClient, path: str, body: Any
) -> None:
    without = await manager.post(url(path), json=body, headers={"Idempotency-Key": "another"})
    assert without.status_code == 200
    first = await manager.post(url(path), json=body, headers=KEY)
    if body in (bulk("export"), BODIES["merge_customers"]):
        assert len(await kept(database)) == 0
        assert "idempotency-replayed" not in (await manager.post(url(path), json=body, headers=KEY)).headers
        return
    after = [await database.scan(rows, table) for table in (Customer, IdempotencyKey)]
    assert_replayed(await manager.post(url(path), json=body, headers=KEY), first)
    assert [await database.scan(rows, table) for table in (Customer, IdempotencyKey)] == after


class TestScope:
    async def test_idempotency_key_belongs_to_one_user(
        self, manager: httpx.AsyncClient, client_of: MakeClient, database: Database
    ) -> None:
        first = await manager.post("", json=BODY, headers=KEY)
        async with client_of(credentials("administrator")) as other:
            theirs = await other.post("", json=BODY, headers=KEY)
        assert first.status_code == 200
        assert_error(theirs, 422, "invalid_email")
        assert "idempotency-replayed" not in theirs.headers
        assert len(await kept(database)) == 2

    async def test_idempotency_key_belongs_to_one_path(self, shop: None, manager: httpx.AsyncClient) -> None:
        answers = [await manager.post(f"/{number}/detach-user", headers=KEY) for number in (1, 2)]
        assert [answer.json()["data"]["customer"]["id"] for answer in answers] == [1, 2]

    async def test_equal_input_in_another_form_returns_the_stored_response(
        self, manager: httpx.AsyncClient, client_of: MakeClient
    ) -> None:
        """Form or JSON, in any order, with unknown names, at the addresses of v1 and WordPress."""
        first = await manager.post("", json=BODY, headers=KEY)
        reordered = {"unknown": 1, "first_name": "Zoë ", "email": "new@EXAMPLE.com", "phone": None}
        assert_replayed(await manager.post("", data=BODY, headers=KEY), first)
        assert_replayed(await manager.post("/", json=reordered, headers=KEY), first)
        async with client_of(credentials("manager"), prefix="") as client:
            for path in ("/wp-json/fluent-cart/v1/customers", "/?rest_route=/fluent-cart/v2/customers"):
                assert_replayed(await client.post(path, json=BODY, headers=KEY), first)

    async def test_idempotency_key_with_another_input_is_rejected_without_a_change(
        self, manager: httpx.AsyncClient, database: Database
    ) -> None:
        first = await manager.post("", json=BODY, headers=KEY)
        for other in ({"email": "other@example.com"}, BODY | {"phone": "1"}):
            refused = await manager.post("", json=other, headers=KEY)
            text = "The idempotency key was sent with another request before. Use a new key for each request"
            assert_error(refused, 422, "idempotency_key_reused", text)
        assert_replayed(await manager.post("", json=BODY, headers=KEY), first)
        assert len(await database.scan(rows, Customer)) == 1


class TestRefusals:
    async def test_errors_of_the_operation_are_stored_for_the_key(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        """Even when the cause is gone: the key stands for the request that was refused."""
        taken = await manager.post("", json={"email": "A@example.com"}, headers=KEY)
        assert_error(taken, 422, "invalid_email")
        await manager.put("/1", json={"email": "c@example.com"})
        assert_replayed(await manager.post("", json={"email": "A@example.com"}, headers=KEY), taken)
        unknown = await manager.post("/1/attachable-user", json={"user_id": 999}, headers=KEY)
        assert_error(unknown, 422, "invalid_user", "WordPress user with ID 999 not found")
        assert_replayed(await manager.post("/1/attachable-user", json={"user_id": 999}, headers=KEY), unknown)
        assert {each["status"] for each in await kept(database)} == {422}
        assert len(await database.scan(rows, Customer)) == 2

    async def test_errors_of_the_schema_are_stored_for_the_key(
        self, shop: None, manager: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The e-mail address was free when the operation looked, and is not when it writes."""
        monkeypatch.setattr(customers, "_require_free_email", lambda *_: None)
        lost = await manager.post("", json={"email": "A@example.com"}, headers=KEY)
        assert_error(lost, 422, "invalid_email", "The email address is invalid or already exists")
        assert_replayed(await manager.post("", json={"email": "A@example.com"}, headers=KEY), lost)

    async def test_errors_before_the_operation_are_not_stored_for_the_key(
        self, shop: None, client_of: MakeClient, manager: httpx.AsyncClient, database: Database
    ) -> None:
        for auth, status in ((None, 401), (credentials("worker"), 403)):
            async with client_of(auth) as client:
                refused = await client.post("", json={"email": "new@example.com"}, headers=KEY)
                assert refused.status_code == status
        for body, status in ((b"{", 400), (b'{"email": "x"}', 422), (b"{}", 422), (b"x" * 2**21, 413)):
            refused = await manager.post("", content=body, headers=KEY)
            assert refused.status_code == status
        for path, sent, code in (
            ("/999/detach-user", None, "customer_not_found"),
            ("/1/address/make-primary", {"address_id": 999}, "address_not_found"),
        ):
            assert_error(await manager.post(path, json=sent, headers=KEY), 404, code)
        assert await kept(database) == []
        accepted = await manager.post("", json={"email": "new@example.com"}, headers=KEY)
        assert accepted.status_code == 200

    async def test_unexpected_errors_are_not_stored_for_the_key(
        self, shop: None, manager: httpx.AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_arguments: object) -> None:
            raise RuntimeError

        with monkeypatch.context() as patch:
            patch.setattr(user_attachment, "detach_user", fails)
            broken = await manager.post("/2/detach-user", headers=KEY)
        assert_error(broken, 500, "internal_error")
        assert await kept(database) == []
        assert (await manager.post("/2/detach-user", headers=KEY)).status_code == 200


class TestKeys:
    @pytest.mark.parametrize("key", BAD_KEYS)
    async def test_malformed_idempotency_key_is_rejected(
        self, manager: httpx.AsyncClient, database: Database, key: bytes
    ) -> None:
        refused = await manager.post(
            "", json={"email": "new@example.com"}, headers=[(b"Idempotency-Key", key)]
        )
        text = ["Must be one text of 1 to 255 printable ASCII characters"]
        assert_error(refused, 422, "validation_error", None, {"Idempotency-Key": text})
        assert await database.scan(rows, Customer) == []

    async def test_several_idempotency_keys_are_rejected(self, manager: httpx.AsyncClient) -> None:
        refused = await manager.post("/1/detach-user", headers=[*KEY.items(), *KEY.items()])
        assert_error(refused, 422, "validation_error")

    async def test_printable_idempotency_key_is_accepted(
        self, manager: httpx.AsyncClient, database: Database
    ) -> None:
        keys = ["x" * 255, '"quoted"', "'; DROP TABLE users; --", "a b", "%00"]
        for number, key in enumerate(keys):
            body = {"email": f"{number}@example.com"}
            first = await manager.post("", json=body, headers={"Idempotency-Key": key})
            assert first.status_code == 200
            assert_replayed(await manager.post("", json=body, headers={"Idempotency-Key": key}), first)
        assert [each["key"] for each in await kept(database)] == keys

    async def test_permission_is_checked_before_the_idempotency_key(
        self, anonymous: httpx.AsyncClient
    ) -> None:
        refused = await anonymous.post("", headers={"Idempotency-Key": "x" * 256})
        assert_error(refused, 401, "authentication_required")

    async def test_idempotency_key_of_another_method_is_ignored(
        self, shop: None, manager: httpx.AsyncClient, database: Database
    ) -> None:
        headers = {"Idempotency-Key": "x" * 256}
        assert (await manager.get("/1", headers=headers)).status_code == 200
        assert (await manager.put("/1", json={}, headers=headers)).status_code == 200
        assert (await manager.delete("/1/address?address_id=2", headers=headers)).status_code == 200
        assert await kept(database) == []


async def test_request_without_a_key_stores_no_response(
    shop: None, manager: httpx.AsyncClient, database: Database
) -> None:
    for path, body in POSTS:
        assert (await manager.post(url(path), json=body)).status_code in (200, 404)
    assert await kept(database) == []


async def test_deleted_user_loses_its_idempotency_keys(
    manager: httpx.AsyncClient, database: Database
) -> None:
    await manager.post("", json={"email": "new@example.com"}, headers=KEY)
    await database.write(users.delete_user, "manager")
    assert await kept(database) == []


async def test_stored_responses_about_a_deleted_customer_are_erased(
    manager: httpx.AsyncClient, make_customer: MakeCustomer, database: Database
) -> None:
    """Their keys stay, so that a late retry does not create the customer again."""
    await make_customer(email="stays@example.com")
    created = {"email": "zoe@example.com", "first_name": "Zoe"}
    place = {"address_1": "9 Zoe St", "city": "Rome", "country": "IT"}
    requests = [("", created), ("/2/address", place), ("/1/address", place)]
    first = [await manager.post(path, json=body, headers=KEY) for path, body in requests]
    deletion = {"action": "delete", "customer_ids": [2, 99]}
    assert (await manager.post("/do-bulk-action", json=deletion, headers=KEY)).status_code == 200
    in_order = sorted(await kept(database), key=itemgetter("id"))
    of_zoe, of_address, of_other, of_deletion = [row["body"] for row in in_order]
    assert (of_zoe, of_address) == ("2", "2")
    assert of_other.encode() == first[2].content
    assert '"processed":1' in of_deletion
    before = await database.scan(rows, Customer)
    for path, body in requests[:2]:
        answer = await manager.post(path, json=body, headers=KEY)
        assert_error(answer, 404, "customer_not_found", "Customer with ID 2 not found")
    assert_replayed(await manager.post("/1/address", json=place, headers=KEY), first[2])
    assert await database.scan(rows, Customer) == before


async def test_repeated_bulk_action_needs_its_permission_again(
    shop: None, manager: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await manager.post("/do-bulk-action", json=bulk("delete"), headers=KEY)).status_code == 200
    held = ROLE_PERMISSIONS["manager"] - {Permission.DELETE}
    monkeypatch.setitem(ROLE_PERMISSIONS, "manager", held)
    answer = await manager.post("/do-bulk-action", json=bulk("delete"), headers=KEY)
    assert_error(answer, 403, "insufficient_permissions")
