"""A network of two sites: each shop gets the users of the network, with their roles at its site."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fluent_cart.database import Database
from fluent_cart.importers.wordpress.shop import Options, Report, import_shop, read_source
from fluent_cart.models import ApplicationPassword, Customer, User
from fluent_cart.security import application_passwords, login_passwords
from tests.conftest import MakeClient, rows
from tests.importers.wordpress.conftest import handled, literal
from tests.support import mariadb
from tests.support.login import sign_in

SECRET = "abcd EFGH 1234 ijkl MNOP 5678"
PASSWORD = "login of the network"
# As the installer of WordPress makes them, with the columns that only a network has.
TABLES = """
SET NAMES utf8mb4;
CREATE TABLE `wp_users` (`ID` bigint unsigned PRIMARY KEY, `user_login` varchar(60), `user_pass` varchar(255),
  `user_email` varchar(100), `display_name` varchar(250), `user_registered` datetime,
  `spam` tinyint NOT NULL DEFAULT 0, `deleted` tinyint NOT NULL DEFAULT 0);
CREATE TABLE `wp_usermeta` (`umeta_id` bigint unsigned PRIMARY KEY AUTO_INCREMENT, `user_id` bigint unsigned,
  `meta_key` varchar(255), `meta_value` longtext);
CREATE TABLE `wp_sitemeta` (`meta_id` bigint PRIMARY KEY, `site_id` bigint, `meta_key` varchar(255),
  `meta_value` longtext);
CREATE TABLE `wp_blogs` (`blog_id` bigint PRIMARY KEY, `domain` varchar(200), `path` varchar(100));
INSERT INTO `wp_blogs` VALUES (1,'shop.example','/'),(2,'shop.example','/second/');
INSERT INTO `wp_sitemeta` VALUES (1,1,'site_admins','a:1:{i:0;s:4:"boss";}'),(2,1,'site_name','Both');
"""
SHOP = """
CREATE TABLE `{prefix}fct_customers` (`id` bigint PRIMARY KEY, `user_id` bigint, `email` varchar(192),
  `first_name` varchar(192), `status` varchar(45), `created_at` timestamp NULL, `updated_at` timestamp NULL);
CREATE TABLE `{prefix}fct_orders` (`id` bigint PRIMARY KEY, `customer_id` bigint, `status` varchar(20),
  `payment_status` varchar(20), `currency` varchar(10), `total_amount` bigint, `total_paid` bigint,
  `total_refund` bigint, `created_at` timestamp NULL, `updated_at` timestamp NULL);
INSERT INTO `{prefix}fct_customers` VALUES
  ({id},{user},'customer{id}@example.com','Ann','active','2024-01-01 10:00:00','2024-01-01 10:00:00');
INSERT INTO `{prefix}fct_orders` VALUES
  ({id},{id},'completed','paid','USD',{id}00,{id}00,0,'2024-01-01 10:00:00','2024-01-01 10:00:00');
"""
# Login, spam, and the roles at the first and at the second site.
USERS = [
    ("boss", 0, None, None),
    ("ann", 0, "subscriber", "administrator"),
    ("bob", 0, "administrator", None),
    ("cleo", 0, None, "editor"),
    ("spammer", 1, "administrator", "administrator"),
]
# The roles of all users here, by the prefix of the shop that is imported.
ROLES = {
    "wp_": ["administrator", "subscriber", "administrator", "none", "none"],
    "wp_2_": ["administrator", "administrator", "none", "editor", "none"],
}


def network() -> bytes:
    statements = [TABLES]
    password = login_passwords.hash_password(PASSWORD)
    for number, (login, spam, *roles) in enumerate(USERS, start=1):
        user = (number, login, password, f"{login}@example.com", login, "2024-01-01 10:00:00", spam, 0)
        statements.append(f"INSERT INTO `wp_users` VALUES ({','.join(map(literal, user))});")
        found = application_passwords.digest(SECRET)
        entry = f's:4:"uuid";s:2:"u{number}";s:4:"name";s:5:"phone";s:8:"password";s:{len(found)}:"{found}";'
        metas = [("_application_passwords", f"a:1:{{i:0;a:3:{{{entry}}}}}")]
        metas += [
            (f"{prefix}capabilities", f'a:1:{{s:{len(role)}:"{role}";b:1;}}')
            for prefix, role in zip(ROLES, roles, strict=True)
            if role
        ]
        statements += [
            f"INSERT INTO `wp_usermeta` VALUES ({10 * number + n},{number},{','.join(map(literal, meta))});"
            for n, meta in enumerate(metas)
        ]
    statements.append(SHOP.format(prefix="wp_", id=1, user=2))
    statements.append(SHOP.format(prefix="wp_2_", id=7, user=4))
    return "\n".join(statements).encode()


@pytest.fixture(scope="module")
def server() -> Iterator[mariadb.Shop]:
    if not mariadb.AVAILABLE:
        pytest.skip("no MariaDB")
    with mariadb.shop(network()) as found:
        yield found


@pytest.fixture(params=["written", "dumped", "live", "socket"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The network as SQL, as mariadb-dump writes it, and as a database that is read by network or socket."""
    if request.param == "written":
        content = network()
    else:
        server: mariadb.Shop = request.getfixturevalue("server")
        if request.param != "dumped":
            return server.url if request.param == "live" else server.socket_url
        content = server.dump
    (path := tmp_path / "network.sql").write_bytes(content)
    return str(path)


async def import_site(database: Database, source: str, prefix: str) -> Report:
    options = Options(prefix=prefix)
    found = read_source(source, prefix, lambda _done, _total: None)
    return await import_shop(database, found, options, lambda _step, _done, _total: None)


def by_id(connection: Any, model: Any, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in rows(connection, model)]


@pytest.mark.parametrize(("prefix", "customer"), [("wp_", (1, 2, 100)), ("wp_2_", (7, 4, 700))])
async def test_each_site_is_imported_with_its_own_roles_and_customers(
    source: str, prefix: str, customer: tuple[int, ...], empty: Database
) -> None:
    report = await import_site(empty, source, prefix)
    assert report.refused() == {}
    users = await empty.scan(by_id, User, "login", "role")
    assert users == [(login, role) for (login, *_), role in zip(USERS, ROLES[prefix], strict=True)]
    assert await empty.scan(by_id, Customer, "id", "user_id", "total_spent") == [customer]
    assert handled(report, "users")["barred_account"] == [5]
    passwords = await empty.scan(by_id, ApplicationPassword, "user_id", "name")
    assert passwords == [(number, "phone") for number in (1, 2, 3, 4)]
    # Of the other site nothing is read.
    assert report.tables["customers"].read == report.tables["orders"].read == 1


async def test_passwords_sign_in_as_far_as_the_role_at_the_site_allows(
    source: str, empty: Database, client_of: MakeClient
) -> None:
    await import_site(empty, source, "wp_2_")
    statuses = {"boss": 200, "ann": 200, "bob": 403, "cleo": 403, "spammer": 401}
    for login, status in statuses.items():
        async with client_of(httpx.BasicAuth(login, SECRET)) as client:
            assert (await client.get("/7")).status_code == status, login
        async with client_of() as client:
            signed_in = await sign_in(client, login, PASSWORD)
            assert signed_in.status_code == (403 if login == "spammer" else 302), login
