"""fluent-cart duplicates and merge, on the demo shop."""

import json

import pytest

from fluent_cart import demo
from fluent_cart.database import connect, migrations
from fluent_cart.models import Customer, User
from tests.cli.conftest import Run, complained, misused, printed, warned
from tests.conftest import rows

SHOP = "sqlite:///fluent-cart.db"
TEXT = (
    "Customer 40 {} merged into customer 1. Orders moved: 0. Addresses moved: 0, joined: 0."
    " Fields changed: additional_info.\n"
)
GROUPS = (
    "reason        key                   count  ids\n"
    "plus_address  customer@example.com  2      1 40\n"
    "phone         1234567890            2      1 40\n"
)


@pytest.fixture(autouse=True)
def shop(folder: object) -> None:
    migrations.upgrade(SHOP)
    with connect(SHOP) as connection:
        demo.load(connection)


def ids() -> list[int]:
    with connect(SHOP) as connection:
        return [row["id"] for row in rows(connection, Customer)]


def test_duplicates_prints_the_groups_of_customers(run: Run) -> None:
    assert run("duplicates") == printed(GROUPS)
    (group,) = json.loads(run("duplicates", "--reason", "phone", "--json").out)["duplicates"]
    assert [customer["id"] for customer in group["customers"]] == [1, 40]
    text = "No two customers share a mailbox, a phone, or a name and a postcode.\n"
    assert run("duplicates", "--reason", "name_and_postcode") == printed(text)


def test_groups_beyond_the_limit_are_named(run: Run) -> None:
    first = "".join(GROUPS.splitlines(keepends=True)[:2])
    text = "There are more than 1 groups. Merge these, then list again"
    assert run("duplicates", "--limit", "1") == warned(first, text)
    assert json.loads(run("duplicates", "--limit", "1", "--json").out)["has_more"] is True


def test_merge_changes_the_shop_and_its_preview_does_not(run: Run) -> None:
    assert run("merge", "1", "40", "--preview") == printed(TEXT.format("would be"))
    assert 40 in ids()
    assert run("merge", "1", "40") == printed(TEXT.format("is"))
    assert 40 not in ids()
    assert run("check").code == 0
    text = "Customer with ID 40 was merged into customer 1. Use that ID"
    assert run("merge", "1", "40") == complained(text)


def test_merge_is_printed_as_json(run: Run) -> None:
    done = json.loads(run("merge", "1", "2", "--json").out)
    assert (done["customer"]["id"], done["from_id"], done["moved_orders"]) == (1, 2, 2)


def test_merge_of_a_customer_with_itself_is_wrong_usage(run: Run) -> None:
    text = "A customer cannot be merged into itself. Name two customers"
    assert run("merge", "1", "1") == misused(text)


def test_rejected_merge_prints_the_reason(run: Run) -> None:
    with connect(SHOP) as connection:
        assert rows(connection, User)
    assert run("merge", "1", "99") == complained("Customer with ID 99 not found")
    text = "The user is attached to neither customer. Send the user_id of one of the two"
    assert run("merge", "1", "40", "--user-id", "3") == complained(text)
