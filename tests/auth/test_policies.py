"""The table of roles, and the policy itself. ``contract/test_permissions`` has the routes.

See docs/decisions.md#21-permissions-and-roles.
"""

import re
from itertools import product

import pytest

from fluent_cart.auth import policies
from fluent_cart.auth.policies import BULK_PERMISSIONS, CustomerPolicy
from fluent_cart.auth.roles import ROLE_PERMISSIONS
from fluent_cart.database import Database
from fluent_cart.enums import BulkActionName, Permission
from fluent_cart.errors import InsufficientPermissions
from fluent_cart.models import Customer
from fluent_cart.services.users import CurrentUser
from fluent_cart.settings import Settings
from tests.conftest import MakeClient, MakeCustomer, credentials, rows
from tests.support.errors import assert_error
from tests.support.paths import ROOT

# Wherever users read it: in the guide, and on the docs page.
TABLES = ("docs/secure.md", "src/fluent_cart/openapi/introduction.md")
VIEW, MANAGE, DELETE = Permission.VIEW, Permission.MANAGE, Permission.DELETE
OPERATE, LIST_USERS = Permission.OPERATE, Permission.LIST_USERS


def may(role: str, permission: Permission) -> bool:
    try:
        CustomerPolicy(permission).check(CurrentUser(1, "ada", role))
    except InsufficientPermissions:
        return False
    return True


class TestRoles:
    @pytest.mark.parametrize("page", TABLES)
    def test_roles_are_the_documented_ones(self, page: str) -> None:
        text = (ROOT / page).read_text()
        lines = re.findall(r"^\| (`.+`) \|" + r" (yes|no) \|" * 5 + "$", text, re.M)
        table = {
            role: {
                permission
                for permission, cell in zip((VIEW, MANAGE, DELETE, OPERATE, LIST_USERS), cells, strict=True)
                if cell == "yes"
            }
            for names, *cells in lines
            for role in re.findall("`(.+?)`", names)
        }
        assert table == ROLE_PERMISSIONS

    @pytest.mark.parametrize(
        ("role", "held"),
        [
            ("administrator", {VIEW, MANAGE, DELETE, OPERATE, LIST_USERS}),
            ("super_admin", {VIEW, MANAGE, DELETE, OPERATE, LIST_USERS}),
            ("manager", {VIEW, MANAGE, DELETE}),
            ("worker", {VIEW}),
            ("accountant", {VIEW}),
        ],
    )
    def test_roles_have_the_documented_permissions(self, role: str, held: set[Permission]) -> None:
        assert {permission for permission in Permission if may(role, permission)} == held

    @pytest.mark.parametrize(
        "role",
        ["", " ", "editor", "subscriber", "customer", "Administrator", "administrator ", "admin",
         "super admin", "customers/view", "*", "None", "\0", "\u0430dministrator", "administrator,worker"],
    )  # fmt: skip
    def test_unknown_role_has_no_permission(self, role: str) -> None:
        assert not any(may(role, permission) for permission in Permission)

    def test_permissions_have_fluentcarts_names(self) -> None:
        # It has none for the server and its users, which are WordPress' there.
        own = ["server/operate", "users/list"]
        assert list(Permission) == ["customers/view", "customers/manage", "customers/delete", *own]


class TestPolicy:
    async def test_policy_as_a_dependency_does_the_same_as_its_check(self) -> None:
        for role, permission in product((*ROLE_PERMISSIONS, "editor"), Permission):
            user, policy = CurrentUser(1, "ada", role), CustomerPolicy(permission)
            if may(role, permission):
                await policy(user)
            else:
                with pytest.raises(InsufficientPermissions):
                    await policy(user)

    @pytest.mark.parametrize(
        ("dependency", "permission"),
        [(policies.can_view, VIEW), (policies.can_manage, MANAGE), (policies.can_delete, DELETE)],
    )
    def test_policy_shows_the_name_of_its_permission(
        self, dependency: object, permission: Permission
    ) -> None:
        policy = getattr(dependency, "dependency", None)
        assert isinstance(policy, CustomerPolicy)
        assert policy.permission is permission


# No role of the shop holds one of these sets, so that the roles are made up.
BULK_TABLE = """
                 export  update_status  delete
view             no      no             no
manage           no      yes            no
view,manage      yes     yes            no
manage,delete    no      yes            yes
view,delete      no      no             no
"""
ACTIONS, *LINES = [line.split() for line in BULK_TABLE.strip().splitlines()]


class TestBulkActions:
    @pytest.fixture
    def settings(self, sqlite_settings: Settings) -> Settings:
        """One database is enough, because the tested code runs before any query."""
        return sqlite_settings

    @pytest.mark.parametrize(("held", "cells"), [(held, cells) for held, *cells in LINES])
    async def test_bulk_actions_need_a_permission_in_addition_to_the_routes(
        self, database: Database, make_customer: MakeCustomer, client_of: MakeClient,
        monkeypatch: pytest.MonkeyPatch, held: str, cells: list[str],
    ) -> None:  # fmt: skip
        role = {"worker": frozenset(Permission(f"customers/{name}") for name in held.split(","))}
        monkeypatch.setattr(policies, "ROLE_PERMISSIONS", role)
        await make_customer(email="customer@example.com")
        async with client_of(credentials("worker")) as client:
            for action, cell in zip(ACTIONS, cells, strict=True):
                before = await database.scan(rows, Customer)
                body = {"action": action, "customer_ids": [1], "data": {"status": "inactive"}}
                answer = await client.post("/do-bulk-action", json=body)
                if cell == "yes":
                    assert answer.json()["data"]["processed"] == 1
                else:
                    assert_error(answer, 403, "insufficient_permissions")
                    assert await database.scan(rows, Customer) == before

    def test_every_bulk_action_has_a_permission(self) -> None:
        assert set(BULK_PERMISSIONS) == set(BulkActionName) == set(ACTIONS)
