"""Customers are imported unchanged. Each kind of odd value has a named rule."""

from typing import Any, ClassVar

import pytest
from sqlalchemy import Connection, select

from fluent_cart.database import Database
from fluent_cart.database.prepared import Record
from fluent_cart.importers.wordpress.shop import Options, Report
from fluent_cart.models import Address, Customer, Order
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.schemas.merge import CustomerMerge
from fluent_cart.services import customers
from fluent_cart.services.erasure import erase_customer
from fluent_cart.services.merge import merge_customers
from fluent_cart.settings import Settings
from tests.conftest import rows
from tests.importers.wordpress.conftest import PLAIN, UPDATE, Import, Tables, counts, handled, skipped


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """One database is enough, because this is decided before the database is used."""
    return sqlite_settings


async def stored(database: Database) -> dict[int, Record]:
    return {row["id"]: row for row in await database.scan(rows, Customer)}


class TestCustomer:
    async def test_customer_is_imported_with_all_fields(self, run_import: Import, empty: Database) -> None:
        report = await run_import(
            fct_customers=[
                {"id": 3, "email": "Žofie@Example.COM", "first_name": " Žofie ", "last_name": "Nováková"},
                {
                    "id": 7,
                    "email": "Ann.Lee@Example.COM",
                    "status": "Inactive",
                    "updated_at": "2025-02-03 04:05:06",
                },
            ]
        )
        assert counts(report, "customers") == (2, 2, 0, 0, 0, 0)
        found = (await stored(empty))[7]
        assert found == {
            "id": 7,
            "email": "Ann.Lee@example.com",
            "first_name": "Ann",
            "last_name": "",
            "phone": None,
            "status": "inactive",
            "user_id": None,
            "additional_info": {},
            "total_spent": 0,
            "order_count": 0,
            "first_order_at": None,
            "last_order_at": None,
            "email_key": "ann.lee@example.com",
            "first_name_key": "ann",
            "last_name_key": "",
            "phone_key": "",
            "mailbox_key": "",
            "search_text": "ann\nann.lee@example.com\n",
            "created_at": "2024-01-01T10:00:00Z",
            "updated_at": "2025-02-03T04:05:06Z",
        }

    async def test_unknown_status_of_a_customer_becomes_inactive(
        self, run_import: Import, empty: Database
    ) -> None:
        report = await run_import(
            fct_customers=[{"status": s} for s in ("active", "", None, "archived", "INACTIVE")]
        )
        found = await stored(empty)
        assert [row["status"] for row in found.values()] == [
            "active",
            "active",
            "active",
            "inactive",
            "inactive",
        ]
        assert handled(report, "customers") == {"empty_status": [2, 3], "unknown_status": [4]}
        assert found[4]["additional_info"] == {"wordpress": {"status": "archived"}}

    async def test_missing_date_is_replaced_by_the_other(self, run_import: Import, empty: Database) -> None:
        report = await run_import(
            fct_customers=[
                {"created_at": "0000-00-00 00:00:00", "updated_at": "2024-05-06 07:08:09.123456"},
                {"created_at": "2024-05-06", "updated_at": None},
                {"created_at": "2024-02-31 00:00:00", "updated_at": "tomorrow"},
            ]
        )
        times = [(row["created_at"], row["updated_at"]) for row in (await stored(empty)).values()]
        assert times == [
            ("2024-05-06T07:08:09Z", "2024-05-06T07:08:09Z"),
            ("2024-05-06T00:00:00Z", "2024-05-06T00:00:00Z"),
            ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"),
        ]
        assert handled(report, "customers") == {"zero_date": [1, 2, 3]}

    async def test_long_text_is_cut(self, run_import: Import, empty: Database) -> None:
        report = await run_import(
            fct_customers=[{"first_name": "x" * 300}, {"first_name": "e\u0301\0", "last_name": "\udcff"}]
        )
        found = await stored(empty)
        assert found[1]["first_name"] == "x" * 255
        assert (found[2]["first_name"], found[2]["last_name"]) == ("é", "\ufffd")
        assert handled(report, "customers") == {"text_cut": [1], "unfit_text": [2]}

    async def test_customer_with_an_invalid_id_is_skipped(self, run_import: Import, empty: Database) -> None:
        """Not even the highest id that a database knows: no new customer could be made after it."""
        report = await run_import(
            fct_customers=[{"id": i} for i in ("0", "-1", "abc", None, 2**63 - 1, 2**64, "5", "05", "1.0")]
        )
        assert list(await stored(empty)) == [5]
        assert counts(report, "customers") == (9, 1, 0, 0, 0, 8)
        reasons = report.tables["customers"].skipped
        assert {issue.value: found.number for issue, found in reasons.items()} == {
            "no_id": 7,
            "repeated_id": 1,
        }

    async def test_place_without_an_address_is_kept_in_additional_info(
        self, run_import: Import, empty: Database
    ) -> None:
        """FluentCart copies it from an address. It is kept if the customer has no address."""
        place = {"country": "DE", "city": "Berlin"}
        report = await run_import(fct_customers=[place, place], fct_customer_addresses=[{"customer_id": 2}])
        found = await stored(empty)
        assert found[1]["additional_info"] == {"wordpress": {"country": "DE", "city": "Berlin"}}
        assert found[2]["additional_info"] == {}
        assert handled(report, "customers") == {"place_alone": [1]}


class TestEmail:
    async def test_duplicate_email_gets_the_id_of_the_later_customer(
        self, run_import: Import, empty: Database
    ) -> None:
        """The first keeps it, and who really has an address is never in the way of who gets one."""
        emails = ["race@example.com", "Race@Example.com", "race+2@example.com", "race@example.com"]
        report = await run_import(fct_customers=[{"email": email} for email in emails])
        assert [row["email"] for row in (await stored(empty)).values()] == [
            "race@example.com",
            "Race+2-2@example.com",
            "race+2@example.com",
            "race+4@example.com",
        ]
        assert handled(report, "customers") == {"duplicate_email": [2, 4]}

    async def test_same_address_in_another_form_of_its_domain_is_a_duplicate(
        self, run_import: Import, empty: Database
    ) -> None:
        emails = ["a@xn--bcher-kva.example", "a@b\u00fccher.example", "a@stra\u00dfe.example"]
        source = {"fct_customers": [{"email": email} for email in emails]}
        report = await run_import(**source)
        kept = [emails[0], "a+2@b\u00fccher.example", emails[2]]
        assert [row["email"] for row in (await stored(empty)).values()] == kept
        assert handled(report, "customers") == {"duplicate_email": [2]}
        again = await run_import(**source, options=UPDATE)
        assert counts(again, "customers") == (3, 0, 0, 3, 0, 0)

    async def test_invalid_email_is_replaced(self, run_import: Import, empty: Database) -> None:
        report = await run_import(
            fct_customers=[{"email": email} for email in ("", "no address", None, "ä@example.com")]
        )
        found = await stored(empty)
        assert [row["email"] for row in found.values()] == [
            f"customer-{i}@import.invalid" for i in (1, 2, 3, 4)
        ]
        assert found[2]["additional_info"] == {"wordpress": {"email": "no address"}}
        assert handled(report, "customers") == {"invalid_email": [1, 2, 3, 4]}

    async def test_duplicate_email_that_is_too_long_is_replaced(
        self, run_import: Import, empty: Database
    ) -> None:
        long = f"{'x' * 242}@example.com"
        await run_import(fct_customers=[{"email": long}, {"email": long}])
        assert [row["email"] for row in (await stored(empty)).values()] == [long, "customer-2@import.invalid"]

    async def test_email_of_an_existing_customer_is_kept(self, run_import: Import, empty: Database) -> None:
        for email in ("a@example.com", "A+70@example.com"):
            await empty.write(customers.create_customer, CustomerCreate(email=email))
        for expected in ((1, 1, 0, 0, 0, 0), (1, 0, 0, 1, 0, 0)):
            report = await run_import(fct_customers=[{"id": 70, "email": "A@example.com"}], options=UPDATE)
            assert handled(report, "customers") == {"duplicate_email": [70]}
            assert counts(report, "customers") == expected
            assert [row["email"] for row in (await stored(empty)).values()] == [
                "a@example.com",
                "A+70@example.com",
                "A+70-2@example.com",
            ]

    async def test_email_can_move_between_customers(self, run_import: Import, empty: Database) -> None:
        """Of two who swap their addresses, one has to let go first."""
        await run_import(fct_customers=[{"email": "a@example.com"}, {"email": "b@example.com"}])
        swapped = {"fct_customers": [{"email": "b@example.com"}, {"email": "a@example.com"}]}
        for expected in ((2, 0, 2, 0, 0, 0), (2, 0, 0, 2, 0, 0)):
            report = await run_import(**swapped, options=UPDATE)
            assert counts(report, "customers") == expected
            assert handled(report, "customers") == {}
            assert [row["email"] for row in (await stored(empty)).values()] == [
                "b@example.com",
                "a@example.com",
            ]


class TestUser:
    async def import_users(self, run_import: Import, *user_ids: object, options: Options = PLAIN) -> Report:
        return await run_import(
            users=[{"id": 1}, {"id": 2}], fct_customers=[{"user_id": i} for i in user_ids], options=options
        )

    async def attached(self, database: Database) -> list[int | None]:
        return [row["user_id"] for row in (await stored(database)).values()]

    async def test_imported_user_stays_attached(self, run_import: Import, empty: Database) -> None:
        report = await self.import_users(run_import, 2, 0, None, 1)
        assert await self.attached(empty) == [2, None, None, 1]
        assert handled(report, "customers") == {}

    async def test_customer_without_its_user_is_detached(self, run_import: Import, empty: Database) -> None:
        report = await self.import_users(run_import, 424242, 1, 1, "x", "1.5")
        assert await self.attached(empty) == [None, 1, None, None, None]
        assert handled(report, "customers") == {"stale_user": [1], "user_taken": [3], "wrong_type": [4, 5]}

    async def test_user_can_move_between_customers(self, run_import: Import, empty: Database) -> None:
        await self.import_users(run_import, 1, 2)
        for _ in range(2):
            report = await self.import_users(run_import, 2, 1, options=UPDATE)
            assert await self.attached(empty) == [2, 1]
            assert handled(report, "customers") == {}


class TestAdditionalInfo:
    async def info(self, database: Database, customer_id: int = 1) -> object:
        return await database.scan(
            lambda connection: connection.scalar(
                select(Customer.additional_info).where(Customer.id == customer_id)
            )
        )

    async def test_additional_info_has_meta_notes_and_labels(
        self, run_import: Import, empty: Database
    ) -> None:
        customer = "FluentCart\\App\\Models\\Customer"
        report = await run_import(
            fct_customers=[{"notes": "calls on\nFridays"}],
            fct_customer_meta=[
                {"customer_id": 1, "meta_key": key, "meta_value": value}
                for key, value in {
                    "vat": "DE1",
                    "prefs": '{"a":[1,true]}',
                    "number": "12",
                    "zero": "0",
                    "empty": "",
                    "none": None,
                    "broken": '{"a":',
                    "notes": "theirs",
                }.items()
            ],
            fct_label=[{"value": "VIP"}, {"value": "Wholesale"}, {"value": "unused"}],
            fct_label_relationships=[
                {"label_id": 2, "labelable_id": 1, "labelable_type": customer},
                {"label_id": 1, "labelable_id": 1, "labelable_type": customer},
                {"label_id": 1, "labelable_id": 1, "labelable_type": customer},
                {"label_id": 99, "labelable_id": 1, "labelable_type": customer},
                {"label_id": 1, "labelable_id": 77, "labelable_type": customer},
                {"label_id": 1, "labelable_id": 1, "labelable_type": "FluentCart\\App\\Models\\Order"},
            ],
        )
        assert await self.info(empty) == {
            "vat": "DE1", "prefs": {"a": [1, True]}, "number": 12, "zero": "0", "empty": "", "none": None,
            "broken": '{"a":', "meta_notes": "theirs", "notes": "calls on\nFridays",
            "labels": ["VIP", "Wholesale"],
        }  # fmt: skip
        assert counts(report, "customer_meta") == (8, 8, 0, 0, 0, 0)
        assert counts(report, "label_relationships") == (6, 2, 0, 0, 0, 4)
        assert skipped(report, "label_relationships") == {
            "repeated": [3],
            "unknown_label": [4],
            "orphan": [5],
            "other_object": [6],
        }
        assert skipped(report, "labels") == {"unused_label": [3]}
        assert handled(report, "customers") == {"meta_key_taken": [1]}

    async def test_additional_info_over_the_limit_is_skipped(
        self, run_import: Import, empty: Database
    ) -> None:
        values = ["first", "second", "[" * 20 + "]" * 20, '"\\u0000"', '"' + "x" * 70_000 + '"', "kept"]
        keys = ["a", "a", "deep", "nul", "large", "b"]
        report = await run_import(
            fct_customers=[{}],
            fct_customer_meta=[
                {"customer_id": 1, "meta_key": key, "meta_value": value}
                for key, value in zip(keys, values, strict=True)
            ]
            + [{"customer_id": 8, "meta_key": "of nobody"}],
        )
        assert await self.info(empty) == {"a": "first", "b": "kept"}
        assert skipped(report, "customer_meta") == {"repeated": [2], "unfit_meta": [3, 4, 5], "orphan": [7]}

    async def test_additional_info_that_was_added_here_stays(
        self, run_import: Import, empty: Database
    ) -> None:
        meta = [{"customer_id": 1, "meta_key": "vat", "meta_value": "1"}]
        await run_import(fct_customers=[{"notes": "old"}], fct_customer_meta=meta)

        def add(connection: Connection) -> None:
            info = {"vat": 1, "notes": "old", "ours": "x"}
            connection.execute(Customer.__table__.update().values(additional_info=info))  # type: ignore[attr-defined]

        await empty.write(add)
        # To Python, 1 is true.
        meta[0]["meta_value"] = "true"
        report = await run_import(fct_customers=[{"notes": "old"}], fct_customer_meta=meta, options=UPDATE)
        assert await self.info(empty) == {"vat": True, "ours": "x", "notes": "old"}
        assert counts(report, "customer_meta") == (1, 0, 1, 0, 0, 0)
        await run_import(fct_customers=[{}], fct_customer_meta=meta, options=UPDATE)
        assert await self.info(empty) == {"vat": True, "ours": "x"}


class TestMergedCustomer:
    """Customers who were merged here stay merged, even if the source has them."""

    SHOP: ClassVar[dict[str, list[dict[str, Any]]]] = {
        "fct_customers": [{}, {"email": "two@example.com"}],
        "fct_customer_addresses": [{"address_1": "1 Main St"}, {"customer_id": 2, "address_1": "2 Side St"}],
        "fct_orders": [{}, {"customer_id": 2}],
    }

    @pytest.mark.parametrize("options", [PLAIN, UPDATE])
    async def test_merged_customer_is_not_imported_again(
        self, run_import: Import, empty: Database, options: Options
    ) -> None:
        await run_import(**self.SHOP)
        await empty.write(merge_customers, 1, CustomerMerge(from_id=2))
        before = [await empty.scan(rows, table) for table in (Customer, Address, Order)]
        newer = [*self.SHOP["fct_orders"], {"customer_id": 2, "total_paid": 500}]
        report = await run_import(options=options, **{**self.SHOP, "fct_orders": newer})
        assert skipped(report, "customers") == {"merged_customer": [2]}
        assert skipped(report, "customer_addresses") == {"orphan": [2]}
        assert handled(report, "orders") == {}
        assert report.refused() == {}
        customers_after, addresses_after, orders_after = [
            await empty.scan(rows, table) for table in (Customer, Address, Order)
        ]
        assert addresses_after == before[1]
        assert [order["customer_id"] for order in orders_after] == [1, 1, 1]
        assert [(row["id"], row["order_count"]) for row in customers_after] == [(1, 3)]
        assert [(row["order_count"]) for row in before[0]] == [2]


@pytest.mark.parametrize("options", [PLAIN, UPDATE])
async def test_nothing_of_an_erased_customer_is_imported_again(
    run_import: Import, empty: Database, options: Options
) -> None:
    source: Tables = {
        "fct_customers": [{"id": 1, "notes": "likes tea"}, {"id": 2}],
        "fct_customer_addresses": [{"customer_id": 1}, {"customer_id": 2}],
        "fct_customer_meta": [{"customer_id": 1, "meta_key": "vat", "meta_value": "DE1"}],
        "fct_orders": [{"customer_id": 1}],
    }
    await run_import(**source)
    await empty.write(erase_customer, 1)
    before = [await empty.scan(rows, table) for table in (Customer, Address, Order)]
    report = await run_import(**source, options=options)
    assert [await empty.scan(rows, table) for table in (Customer, Address, Order)] == before
    assert skipped(report, "customers") == {"erased": [1]}
    assert skipped(report, "customer_addresses") == {"erased": [1]}
    assert skipped(report, "customer_meta") == {"erased": [1]}
    assert skipped(report, "orders") == {}
    for table in ("customers", "customer_addresses", "customer_meta", "orders"):
        read, *others = counts(report, table)
        assert read == sum(others)
