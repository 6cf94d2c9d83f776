"""A whole shop is imported once, also after interruptions."""

import gzip
import signal
import sys
from functools import reduce
from itertools import zip_longest
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from sqlalchemy import Connection, delete, select

from fluent_cart.database import Database, retries
from fluent_cart.errors import ServiceUnavailable
from fluent_cart.importers.wordpress.shop import Options, SourceError, import_shop, read_source
from fluent_cart.importers.wordpress.source_tables import CUSTOMERS, KINDS, REQUIRED
from fluent_cart.models import Base
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services import customers, invariants
from fluent_cart.settings import Settings
from tests.conftest import MakeClient
from tests.importers.wordpress.conftest import (
    DRY_RUN,
    LOGINS,
    SHOP,
    UPDATE,
    Import,
    counts,
    dump_of,
    handled,
    skipped,
)
from tests.support.login import make_nonce, sign_in, with_nonce

LOGIN_PASSWORDS = {
    "worker": "pass-worker",
    "sub": "pass-sub",
    "legacy": "old login p\u00e4ssword",
    "jurgen": "geheim & s\u00fc\u00df",
}
# Read, written, changed, unchanged, left, skipped.
FRESH = {
    "customers": (63, 63, 0, 0, 0, 0),
    "customer_addresses": (130, 111, 0, 0, 0, 19),
    "customer_meta": (3, 1, 0, 0, 0, 2),
    "orders": (168, 168, 0, 0, 0, 0),
    "labels": (2, 0, 0, 0, 0, 2),
    "label_relationships": (3, 0, 0, 0, 0, 3),
    "users": (10, 10, 0, 0, 0, 0),
    "usermeta": (153, 21, 0, 0, 0, 132),
    "application_passwords": (9, 9, 0, 0, 0, 0),
}
AGAIN = {table: (read, 0, 0, written, 0, skips) for table, (read, written, *_, skips) in FRESH.items()}


def content(connection: Connection) -> dict[str, list[Any]]:
    return {
        table.name: [tuple(row) for row in connection.execute(select(table).order_by(table.c.id))]
        for table in Base.metadata.sorted_tables
        # The log of changes counts its own numbers.
        if not table.name.startswith("customer_change")
    }


class TestRealShop:
    async def test_real_shop_is_imported(self, run_import: Import, empty: Database) -> None:
        report = await run_import(SHOP)
        assert {table: counts(report, table) for table in report.tables} == FRESH
        assert handled(report, "customers") == {
            "unknown_status": [7],
            "empty_status": [10, *range(62, 68)],
            "duplicate_email": [67],
        }
        addresses = handled(report, "customer_addresses")
        assert {name: len(ids) for name, ids in addresses.items()} == {"several_primaries": 55}
        assert handled(report, "users") == handled(report, "orders") == {}
        assert skipped(report, "customer_addresses") == {"orphan": [2, 7, 8, 9, 10, 11, 12, *range(128, 140)]}
        assert skipped(report, "customer_meta") == {"orphan": [1, 2]}
        assert await empty.read(customers.get_customer, 3) == {
            "id": 3,
            "email": "customer3@example.com",
            "first_name": "Žofie",
            "last_name": "Novákova-Łuczak",
            "phone": None,
            "status": "inactive",
            "total_spent": 1509,
            "order_count": 2,
            "created_at": "2024-01-01T00:15:00Z",
            "updated_at": "2026-11-23T08:23:06Z",
            "addresses": [
                {**PATRICIA, "id": 5, "type": "shipping"},
                {
                    **PATRICIA,
                    "id": 6,
                    "is_primary": True,
                    "address_2": "2nd floor",
                    "company_name": "Example Corp",
                    "phone": "+420 777 123 456",
                },
            ],
            "user_id": None,
            "additional_info": {"notes": "VIP customer, calls on Fridays"},
        }
        created = await empty.write(customers.create_customer, CustomerCreate(email="new@example.com"))
        assert created["id"] == 68

    async def test_second_import_changes_nothing(self, run_import: Import, empty: Database) -> None:
        dry = await run_import(SHOP, options=DRY_RUN)
        assert {len(found) for found in (await empty.scan(content)).values()} == {0}
        real = await run_import(SHOP)
        assert dry.as_json() == real.as_json()
        before = await empty.scan(content)
        for options in (Options(), UPDATE, DRY_RUN):
            report = await run_import(SHOP, options=options)
            assert {table: counts(report, table) for table in report.tables} == AGAIN
            assert await empty.scan(content) == before

    async def test_import_with_update_changes_only_changed_rows(
        self, run_import: Import, empty: Database, tmp_path: Path
    ) -> None:
        await run_import(SHOP)
        changed = gzip.decompress(SHOP.read_bytes()).decode()
        paid = "'Stripe','USD',1008,0,0,0,0,0,0,0,1008,1008,"
        for old, new in {
            # A name, an order that was refunded, a role, an address: each in a row of its own.
            "'customer8@example.com','William','Smith'": "'customer8@example.com','Bill','Smith'",
            f"'paid',{paid}0": f"'refunded',{paid}1008",
            "'_fluent_cart_admin_role','worker'": "'_fluent_cart_admin_role','manager'",
            "'Elizabeth Smith','9 Main St'": "'Elizabeth Smith','9 Side St'",
        }.items():
            assert old in changed
            changed = changed.replace(old, new, 1)
        (source := tmp_path / "changed.sql").write_text(changed)
        before = await empty.scan(content)

        report = await run_import(source)
        assert {name: left for name in report.tables if (left := counts(report, name)[4])} == {
            "customers": 1,
            "customer_addresses": 1,
            "orders": 1,
            "users": 1,
            "usermeta": 3,
        }
        assert await empty.scan(content) == before

        planned = await run_import(source, options=Options(update=True, dry_run=True))
        assert await empty.scan(content) == before
        report = await run_import(source, options=UPDATE)
        assert report.as_json() == planned.as_json()
        after = await empty.scan(content)
        differs = {
            name: sum(a != b for a, b in zip(before[name], after[name], strict=True)) for name in before
        }
        assert differs == {
            "users": 1,
            "application_passwords": 0,
            # The other one spent less than before.
            "customers": 1,
            "customer_addresses": 1,
            "orders": 1,
            "idempotency_keys": 0,
            "sessions": 0,
            "merged_customers": 0,
        }
        assert counts(await run_import(source, options=UPDATE), "customers") == AGAIN["customers"]

    async def test_all_users_can_sign_in_after_the_import(
        self, run_import: Import, client_of: MakeClient, empty: Database
    ) -> None:
        """The same header as on the old site, for passwords of every WordPress version."""
        await run_import(SHOP)
        for login, (secret, view, manage) in LOGINS.items():
            for name in (login, f"{'juergen' if login == 'jurgen' else login}@example.com"):
                async with client_of(httpx.BasicAuth(name, secret)) as client:
                    assert (await client.get("/3")).status_code == view
                    assert (await client.put("/3", json={"first_name": "Žofie"})).status_code == manage
            async with client_of(httpx.BasicAuth(login, secret[:-1])) as client:
                assert (await client.get("/3")).status_code == 401
        # By form, too, with the login password.
        async with client_of() as client:
            for login, password in LOGIN_PASSWORDS.items():
                for wrong in (LOGINS[login][0], password[:-1]):
                    assert (await sign_in(client, login, wrong)).status_code == 403
                assert (await sign_in(client, login, password)).status_code == 302
                response = await client.get("/3", headers=with_nonce(await make_nonce(client)))
                assert response.status_code == LOGINS[login][1]
        # The old hash was replaced when it was used. The password is still the same one.
        report = await run_import(SHOP, options=UPDATE)
        assert counts(report, "application_passwords") == AGAIN["application_passwords"]


PATRICIA = {
    "id": 6,
    "type": "billing",
    "first_name": "Patricia",
    "last_name": "Smith",
    "address_1": "3 Main St",
    "city": "New York",
    "state": "NY",
    "postcode": "10001",
    "country": "US",
    "is_primary": False,
    "address_2": None,
    "company_name": None,
    "phone": None,
}

# Ends itself as hard as a machine that loses its power, after so many batches.
KILLED = """
import asyncio, os, signal, sys
from fluent_cart.database import create_database
from fluent_cart.settings import Settings
from fluent_cart.importers.wordpress.shop import Options, import_shop, read_source
from fluent_cart.importers.wordpress import run

url, dump, batches = sys.argv[1], sys.argv[2], int(sys.argv[3])
run.BATCH = 10

def progress(step, done, total):
    global batches
    batches -= done > 0
    if batches < 0:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    async with create_database(Settings(database_url=url, _env_file=None)) as database:
        await import_shop(database, read_source(dump, None, lambda *_: None), Options(), progress)

asyncio.run(main())
"""


async def test_killed_import_continues(settings: Settings, run_import: Import, empty: Database) -> None:
    # In the middle of the addresses.
    done = await anyio.run_process(
        [sys.executable, "-c", KILLED, settings.database_url, str(SHOP), "14"], check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    half = await empty.scan(content)
    assert 0 < sum(map(len, half.values())) < sum(written for _, written, *_ in FRESH.values())
    # Every batch is whole, and so is every customer in it.
    assert await empty.scan(invariants.find_violations) == {}
    report = await run_import(SHOP)
    for table, (read, written, *_, skips) in FRESH.items():
        found = counts(report, table)
        assert (found[0], found[1] + found[3], found[5]) == (read, written, skips)
    assert await empty.scan(content) == await whole(run_import, empty)


async def whole(run_import: Import, database: Database) -> dict[str, list[Any]]:
    """Return the rows after an undisturbed import, without the ids of passwords."""
    found = await database.scan(content)

    def clear(connection: Connection) -> None:
        for table in reversed(Base.metadata.sorted_tables):
            connection.execute(delete(table))

    await database.write(clear)
    await run_import(SHOP)
    again = await database.scan(content)
    name = "application_passwords"
    assert [row[1:] for row in again[name]] == [row[1:] for row in found[name]]
    return {**again, name: found[name]}


def _without_column(dump: str, lacking: tuple[str, str]) -> str:
    """Return a dump in which a column of a table has another name."""
    suffix, column = lacking
    begin = dump.index(f"CREATE TABLE `wp_{suffix}`")
    end = dump.index(";\n", begin)
    definition = dump[begin:end]
    assert f"  `{column}` " in definition
    return dump[:begin] + definition.replace(f"  `{column}` ", f"  `other_{column}` ") + dump[end:]


class TestSource:
    async def test_source_is_read_to_its_end_before_anything_is_written(
        self, run_import: Import, empty: Database
    ) -> None:
        text = f"{dump_of(fct_customers=[{}])}\nINSERT INTO wp_fct_customers VALUES (2"
        with pytest.raises(SourceError, match="ends within a row"):
            await run_import(text)
        assert not any((await empty.scan(content)).values())

    async def test_source_without_some_tables_is_imported(self, run_import: Import, empty: Database) -> None:
        table = "shop_fct_customers"
        report = await run_import(
            f"CREATE TABLE {table} (id int, email text); INSERT INTO {table} VALUES (5,'a@example.com');"
        )
        assert counts(report, "customers") == (1, 1, 0, 0, 0, 0)
        assert report.missing == [
            f"shop_{name}"
            for name in (
                "fct_customer_addresses",
                "fct_customer_meta",
                "fct_orders",
                "fct_label",
                "fct_label_relationships",
                "users",
                "usermeta",
            )
        ]

    async def test_missing_table_changes_and_revokes_nothing(
        self, run_import: Import, empty: Database
    ) -> None:
        """A missing table is not an empty one, so an update keeps the stored rows."""
        await run_import(SHOP)
        before = await empty.scan(content)
        whole = gzip.decompress(SHOP.read_bytes()).decode()
        for suffix in KINDS:
            if suffix in (CUSTOMERS, "sitemeta"):
                continue
            assert f"`wp_{suffix}`" in whole
            report = await run_import(whole.replace(f"`wp_{suffix}`", f"`old_{suffix}x`"), options=UPDATE)
            assert report.missing == [f"wp_{suffix}"]
            assert (suffix, report.revoked, await empty.scan(content)) == (suffix, 0, before)

    async def test_missing_column_changes_nothing(self, run_import: Import, empty: Database) -> None:
        await run_import(SHOP)
        before = await empty.scan(content)
        whole = gzip.decompress(SHOP.read_bytes()).decode()
        optional = {
            suffix: sorted(set(kind.columns) - REQUIRED[kind.name] - {"spam", "deleted", "mode"})
            for suffix, kind in KINDS.items()
            if suffix != "sitemeta"
        }
        # Each import lacks one column of every table that still has one to lack.
        for columns in zip_longest(*optional.values()):
            lacking = {suffix: column for suffix, column in zip(optional, columns, strict=True) if column}
            report = await run_import(reduce(_without_column, lacking.items(), whole), options=UPDATE)
            assert set(report.missing_columns) == {f"wp_{suffix}.{name}" for suffix, name in lacking.items()}
            assert (lacking, await empty.scan(content)) == (lacking, before)

    async def test_dump_of_rows_only_is_rejected(self, run_import: Import) -> None:
        report = await run_import("INSERT INTO wp_fct_customers (email, id) VALUES ('a@example.com', 5);")
        assert counts(report, "customers") == (1, 1, 0, 0, 0, 0)

    async def test_source_without_a_shop_is_rejected(self, run_import: Import) -> None:
        with pytest.raises(SourceError, match="no FluentCart shop in it"):
            await run_import("CREATE TABLE `wp_users` (`ID` int, user_login text, user_email text);")

    async def test_source_with_several_shops_needs_a_prefix(
        self, run_import: Import, empty: Database
    ) -> None:
        """On a network of sites, users are those of the first one, and roles are each site's own."""
        shop = dump_of(
            users=[{"id": 1}],
            usermeta=[
                {
                    "user_id": 1,
                    "meta_key": "wp_capabilities",
                    "meta_value": 'a:1:{s:13:"administrator";b:1;}',
                },
                {"user_id": 1, "meta_key": "wp_2_capabilities", "meta_value": 'a:1:{s:6:"editor";b:1;}'},
            ],
            fct_customers=[{"id": 1}],
        )
        second = dump_of("wp_2_", fct_customers=[{"id": 2, "user_id": 1}])
        second = "\n".join(line for line in second.split("\n") if "_fct_" in line)
        with pytest.raises(SourceError, match=r"several shops\. Choose one with --prefix: wp_, wp_2_"):
            await run_import(shop + second)
        with pytest.raises(SourceError, match=r"no table blog_fct_customers"):
            await run_import(shop + second, options=Options(prefix="blog_"))
        await run_import(shop + second, options=Options(prefix="wp_2_"))
        found = await empty.scan(content)
        [customer] = found["customers"]
        assert (customer[0], customer[6]) == (2, 1)
        assert [row[6] for row in found["users"]] == ["editor"]


async def test_import_retries_while_the_shop_is_busy(
    empty: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rejected batch is retried."""
    monkeypatch.setattr(retries, "PAUSE", 0)
    refused = iter([True, True, False, True])

    class Busy:
        def __init__(self, database: Database) -> None:
            self.scan, self._write = database.scan, database.write

        async def write(self, *args: Any, **kwargs: Any) -> Any:
            if next(refused, False):
                raise ServiceUnavailable
            return await self._write(*args, **kwargs)

    (path := tmp_path / "dump.sql").write_text(dump_of(users=[{}], fct_customers=[{}]))
    rows = read_source(str(path), None, lambda *_: None)
    await import_shop(Busy(empty), rows, Options(), lambda *_: None)  # type: ignore[arg-type]
    assert len((await empty.scan(content))["customers"]) == 1
