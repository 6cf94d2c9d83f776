"""Addresses are imported with their customers. Each customer with addresses has exactly one primary one."""

from typing import Any

import pytest
from sqlalchemy import Connection, update

from fluent_cart.database import Database
from fluent_cart.database.prepared import Record
from fluent_cart.models import Address
from fluent_cart.settings import Settings
from tests.conftest import MakeAddress, rows
from tests.importers.wordpress.conftest import UPDATE, Import, counts, handled, skipped


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """One database is enough, because this is decided before the database is used."""
    return sqlite_settings


async def stored(database: Database) -> dict[int, Record]:
    return {row["id"]: row for row in await database.scan(rows, Address)}


async def primaries(database: Database) -> list[int]:
    return [row["id"] for row in (await stored(database)).values() if row["is_primary"]]


class TestAddress:
    async def test_address_is_imported_with_all_fields(self, run_import: Import, empty: Database) -> None:
        report = await run_import(
            fct_customers=[{"id": 3}],
            fct_customer_addresses=[
                {
                    "id": 6,
                    "customer_id": 3,
                    "type": "shipping",
                    "address_2": "2nd floor",
                    "state": "",
                    "postcode": "10115",
                    "phone": "+49 30 1",
                    "meta": '{"other_data":{"company_name":"ACME"}}',
                }
            ],
        )
        assert counts(report, "customer_addresses") == (1, 1, 0, 0, 0, 0)
        assert handled(report, "customer_addresses") == {}
        assert await stored(empty) == {
            6: {
                "id": 6,
                "customer_id": 3,
                "type": "shipping",
                "is_primary": True,
                "first_name": "Ann",
                "last_name": "Lee",
                "company_name": "ACME",
                "address_1": "1 Main St",
                "address_2": "2nd floor",
                "city": "Berlin",
                "state": "",
                "postcode": "10115",
                "country": "DE",
                "phone": "+49 30 1",
                "created_at": "2024-01-01T10:00:00Z",
                "updated_at": "2024-01-01T10:00:00Z",
            }
        }

    async def test_address_without_a_customer_is_skipped(self, run_import: Import, empty: Database) -> None:
        report = await run_import(
            fct_customers=[{}],
            fct_customer_addresses=[{"customer_id": owner} for owner in (1, 999, 0, None, "x")],
        )
        assert list(await stored(empty)) == [1]
        assert skipped(report, "customer_addresses") == {"orphan": [2, 3, 4, 5]}

    @pytest.mark.parametrize(
        ("name", "meta", "names"),
        [
            ("Ann Lee", None, ("Ann", "Lee")),
            ("Ann Mary van Dyke", None, ("Ann Mary van", "Dyke")),
            ("  Solo ", None, ("Solo", "")),
            ("Ann  Lee", None, ("Ann", "Lee")),
            ("", None, ("", "")),
            (None, None, ("", "")),
            ("Ann Lee", '{"other_data":{"first_name":"Mary Ann","last_name":"Lee"}}', ("Mary Ann", "Lee")),
            ("Ann Lee", '{"other_data":{"first_name":7}}', ("Ann", "Lee")),
            ("Ann Lee", '{"other_data":[]}', ("Ann", "Lee")),
            ("Ann Lee", "[1]", ("Ann", "Lee")),
        ],
    )
    async def test_full_name_is_split_at_the_last_word(
        self, run_import: Import, empty: Database, name: str | None, meta: str | None, names: tuple[str, str]
    ) -> None:
        await run_import(fct_customers=[{}], fct_customer_addresses=[{"name": name, "meta": meta}])
        [found] = (await stored(empty)).values()
        assert (found["first_name"], found["last_name"]) == names

    async def test_country_name_becomes_its_code(self, run_import: Import, empty: Database) -> None:
        countries = ["de", "DEU", "Germany", "", None, "XX", "Atlantis"]
        report = await run_import(
            fct_customers=[{}], fct_customer_addresses=[{"country": country} for country in countries]
        )
        assert [row["country"] for row in (await stored(empty)).values()] == [
            "DE",
            "DE",
            "DE",
            "",
            "",
            "",
            "",
        ]
        issues = handled(report, "customer_addresses")
        assert issues["country_name"] == [2, 3]
        assert issues["unknown_country"] == [4, 5, 6, 7]

    async def test_odd_address_is_reported_with_its_issue(self, run_import: Import, empty: Database) -> None:
        odd: list[dict[str, Any]] = [
            {"type": ""},
            {"type": "weird"},
            {"address_1": ""},
            {"city": None},
            {"status": "archived"},
            {"meta": '{"other_data"'},
            {"is_primary": "yes"},
        ]
        report = await run_import(
            fct_customers=[{} for _ in odd],
            fct_customer_addresses=[{**row, "customer_id": i} for i, row in enumerate(odd, start=1)],
        )
        assert {row["type"] for row in (await stored(empty)).values()} == {"billing"}
        assert handled(report, "customer_addresses") == {
            "unknown_type": [1, 2],
            "incomplete_address": [3, 4],
            "archived_address": [5],
            "unreadable_meta": [6],
            "wrong_type": [7],
            "no_primary": [7],
        }


class TestPrimary:
    @pytest.mark.parametrize(
        ("addresses", "primary"),
        [
            # is_primary, type, status
            ([(1, "shipping", "active"), (1, "billing", "active")], 2),
            ([(1, "shipping", "active"), (0, "billing", "active")], 1),
            ([(1, "billing", "active"), (1, "billing", "active"), (1, "shipping", "active")], 1),
            ([(0, "shipping", "active"), (0, "billing", "active")], 2),
            ([(1, "billing", "archived"), (1, "shipping", "active")], 2),
            ([(0, "shipping", "archived")], 1),
        ],
    )
    async def test_exactly_one_imported_address_is_primary(
        self, run_import: Import, empty: Database, addresses: list[tuple[int, str, str]], primary: int
    ) -> None:
        report = await run_import(
            fct_customers=[{"id": 9}],
            fct_customer_addresses=[
                {"customer_id": 9, "is_primary": p, "type": t, "status": s} for p, t, s in addresses
            ],
        )
        assert await primaries(empty) == [primary]
        number = sum(p for p, _, _ in addresses)
        expected = {0: {"no_primary": [9]}, 1: {}}.get(number, {"several_primaries": [9]})
        issues = handled(report, "customer_addresses")
        issues.pop("archived_address", None)
        assert issues == expected

    async def test_primary_address_that_was_created_here_stays(
        self, run_import: Import, empty: Database
    ) -> None:
        """It stays one, unless the source is to prevail."""
        two = [{"is_primary": 1}, {"is_primary": 0}]
        await run_import(fct_customers=[{}], fct_customer_addresses=two)

        def move(connection: Connection) -> None:
            connection.execute(update(Address).values(is_primary=False))
            connection.execute(update(Address).where(Address.id == 2).values(is_primary=True))

        await empty.write(move)
        report = await run_import(fct_customers=[{}], fct_customer_addresses=[*two, {"is_primary": 1}])
        assert await primaries(empty) == [2]
        assert counts(report, "customer_addresses") == (3, 1, 0, 2, 0, 0)
        report = await run_import(fct_customers=[{}], fct_customer_addresses=two, options=UPDATE)
        assert await primaries(empty) == [1]
        assert counts(report, "customer_addresses") == (2, 0, 2, 0, 0, 0)

    async def test_primary_address_can_move_to_another_customer(
        self, run_import: Import, empty: Database
    ) -> None:
        customers: list[Any] = [{}, {}]
        addresses = [{"customer_id": 1}, {"customer_id": 1, "is_primary": 0}, {"customer_id": 2}]
        await run_import(fct_customers=customers, fct_customer_addresses=addresses)
        addresses[0]["customer_id"] = 2
        for _ in range(2):
            report = await run_import(
                fct_customers=customers, fct_customer_addresses=addresses, options=UPDATE
            )
            assert await primaries(empty) == [1, 2]
        assert counts(report, "customer_addresses") == (3, 0, 0, 3, 0, 0)

    async def test_moved_primary_address_promotes_the_oldest(
        self, run_import: Import, empty: Database, make_address: MakeAddress
    ) -> None:
        await run_import(fct_customers=[{}, {}], fct_customer_addresses=[{"customer_id": 1}])
        ours = await make_address(1)
        await run_import(fct_customers=[{}, {}], fct_customer_addresses=[{"customer_id": 2}], options=UPDATE)
        assert await primaries(empty) == [1, ours["id"]]

    async def test_primary_address_with_a_taken_id_is_not_imported(
        self, run_import: Import, empty: Database
    ) -> None:
        """The address here is another one, so the next imported address becomes primary."""
        await run_import(fct_customers=[{}], fct_customer_addresses=[{"id": 5}])
        report = await run_import(
            fct_customers=[{}, {}],
            fct_customer_addresses=[
                {"id": 5, "customer_id": 2, "created_at": "2025-01-01 00:00:00"},
                {"id": 6, "customer_id": 2, "is_primary": 0},
            ],
            options=UPDATE,
        )
        assert await primaries(empty) == [5, 6]
        assert skipped(report, "customer_addresses") == {"id_taken": [5]}
