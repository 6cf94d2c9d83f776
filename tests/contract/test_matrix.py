"""Every operation, by every kind of caller, on existing, missing and impossible targets, in both versions.

A caller without the permission learns nothing and changes nothing. test_permissions has the responses for
callers with the permission, if they change the shop.

Measured in docs/guarantees.md, B1.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from itertools import combinations, product

import httpx
import pytest
from sqlalchemy import Connection

from fluent_cart.auth import policies
from fluent_cart.auth.roles import ROLE_PERMISSIONS
from fluent_cart.database import Database
from fluent_cart.enums import Permission
from fluent_cart.services.application_passwords import (
    create_application_password,
    list_application_passwords,
    revoke_application_password,
)
from fluent_cart.settings import Settings
from fluent_cart.wordpress.paths import EXAMPLES_PREFIX, PREFIX
from tests.conftest import ROLES, MakeAddress, MakeClient, MakeCustomer, credentials, secret_of
from tests.contract.test_permissions import BODIES, EXTENSIONS, MAY, OPERATIONS, bulk, everything, url, whole
from tests.support.login import store_user

PATHS = {operation: (method, path) for method, path, operation in OPERATIONS + EXTENSIONS}
TARGETS = {"there": "1", "missing": "999", "malformed": "abc"}
# The permission of each row of the table, written a second time.
NEEDS: Mapping[str, set[str]] = {
    **{row: {"view" if cells["worker"] == "yes" else "manage"} for row, cells in MAY.items()},
    "delete_address": {"delete"},
    "delete_customer": {"delete"},
    "erase_customer": {"delete"},
    "bulk_delete": {"manage", "delete"},
    "merge_customers": {"manage", "delete"},
    "bulk_export": {"manage", "view"},
}
KINDS = ("view", "manage", "delete")
# Roles that no shop has: each permission alone, and each pair of them.
MADE_UP = {"+".join(kinds): set(kinds) for size in (1, 2) for kinds in combinations(KINDS, size)}
HELD: Mapping[str, set[str]] = {
    **MADE_UP,
    **{role: set(KINDS) for role in ("administrator", "super_admin", "manager")},
    **{role: {"view"} for role in ("worker", "accountant")},
    "subscriber": set(),
}
STRANGERS: Mapping[str, httpx.Auth | None] = {
    "nobody at all": None,
    "a wrong password": httpx.BasicAuth("manager", "wrong"),
    "an unknown name": httpx.BasicAuth("unknown", "wrong"),
    "a name without a password": httpx.BasicAuth("manager", ""),
    "another's password": httpx.BasicAuth("worker", secret_of("manager")),
}


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """One database is enough, because permissions are checked before any query."""
    return sqlite_settings


@pytest.fixture
async def callers(
    database: Database, client_of: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[dict[tuple[str, str], httpx.AsyncClient]]:
    """All users, in both versions of the API."""
    roles = {
        name: frozenset(Permission(f"customers/{kind}") for kind in kinds) for name, kinds in MADE_UP.items()
    }
    monkeypatch.setattr(policies, "ROLE_PERMISSIONS", {**ROLE_PERMISSIONS, **roles})
    known: dict[str, httpx.Auth | None] = {role: credentials(role) for role in ROLES}
    for role in MADE_UP:
        known[role] = httpx.BasicAuth(role, await database.write(_signed_up, role))
    secret = await database.write(_signed_up, "revoked")
    [kept] = await database.scan(list_application_passwords, "revoked")
    await database.write(revoke_application_password, kept["id"])
    strangers = {
        **STRANGERS,
        "a revoked password": httpx.BasicAuth("revoked", secret),
    }
    async with AsyncExitStack() as stack:
        yield {
            (name, prefix): await stack.enter_async_context(client_of(auth, prefix))
            for name, auth in {**strangers, **known}.items()
            for prefix in (PREFIX, EXAMPLES_PREFIX)
        }


def _signed_up(connection: Connection, login: str) -> str:
    store_user(connection, login, role=login)
    return create_application_password(connection, login, "client")


async def ask(client: httpx.AsyncClient, row: str, target: str) -> httpx.Response:
    is_bulk = row.startswith("bulk_")
    method, path = PATHS["do_bulk_action" if is_bulk else row]
    body = bulk(row.removeprefix("bulk_")) if is_bulk else BODIES.get(row)
    return await client.request(method, url(path, target), json=body)


def has_target(row: str) -> bool:
    return not row.startswith("bulk_") and "{" in PATHS[row][1]


async def test_every_role_is_allowed_exactly_what_its_permissions_cover(
    callers: dict[tuple[str, str], httpx.AsyncClient],
    database: Database,
    make_customer: MakeCustomer,
    make_address: MakeAddress,
    record_property: Callable[[str, object], None],
) -> None:
    await make_customer(email="customer@example.com")
    for _ in range(2):
        await make_address(1)
    before, cells = await everything(database), 0
    refusals: dict[int, set[object]] = {401: set(), 403: set()}
    for (name, prefix), row, target in product(callers, NEEDS, TARGETS):
        held = HELD.get(name)
        may = held is not None and NEEDS[row] <= held
        if may and (target == "there" or not has_target(row)):
            continue  # it may change the shop
        cells += 1
        answer = await ask(callers[name, prefix], row, TARGETS[target])
        label = (name, prefix, row, target, answer.text)
        if may:
            status, code = (404, "customer_not_found") if target == "missing" else (422, "validation_error")
            assert (answer.status_code, answer.json()["code"]) == (status, code), label
        else:
            status = 401 if held is None else 403
            assert answer.status_code == status, label
            # The methods of a path are public, because every response names them.
            answer.headers.pop("allow", None)
            refusals[status].add(whole(answer))
    assert await everything(database) == before
    # Two for missing and wrong credentials, and one for any missing permission.
    assert (len(refusals[401]), len(refusals[403])) == (2, 1)
    assert "You do not have permission to do this" in str(refusals[403])
    record_property("cells", cells)
