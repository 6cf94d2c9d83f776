"""Customer exports of other programs are imported with a ready mapping, or with one from a file."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run, complained

WOOCOMMERCE = """\
Name,Username,Last Active,Sign Up,Email,Orders,Total Spend,AOV,Country / Region,City,Region,Postal Code
Ann Mary Lee,ann,2025-01-02 10:00:00,2024-01-02 10:00:00,ann@example.com,3,10.00,3.33,US,Portland,OR,97201
Bob,,,,bob@example.com,0,0,0,,,,
"""
SHOPIFY = """\
Customer ID,First Name,Last Name,Email,Accepts Email Marketing,Default Address Company,\
Default Address Address1,Default Address Address2,Default Address City,Default Address Province Code,\
Default Address Country Code,\
Default Address Zip,Default Address Phone,Phone,Accepts SMS Marketing,Total Spent,\
Total Orders,Note,Tax Exempt,Tags
'8779761975521,Ann,Lee,ann@example.com,yes,Example Corp,1 Main St,Floor 2,Dhaka,,BD,1207,'+8801912010701,\
'+8801912010702,no,0.00,0,VIP,no,"gold, new"
"""


def customer(run: Run) -> dict[str, Any]:
    """Return the data of Ann in an export, without ids and times."""
    lines = run("export", "-", "--format", "ndjson", "--search", "ann@example.com").out.splitlines()
    found: dict[str, Any] = json.loads(lines[0])
    for address in found["addresses"]:
        for name in ("id", "created_at", "updated_at"):
            address.pop(name, None)
    return found


def test_export_of_woocommerce_is_imported(run: Run, folder: Path, shop: str) -> None:
    (folder / "woo.csv").write_text(WOOCOMMERCE)
    for counts in ("2     2        0        0          0", "2     0        0        2          0"):
        done = run("import", "csv", "woo.csv", "--format", "woocommerce")
        assert (done.code, f"customers  {counts}" in done.out) == (0, True)
    ann = customer(run)
    assert (ann["first_name"], ann["last_name"], ann["created_at"]) == (
        "Ann Mary",
        "Lee",
        "2024-01-02T10:00:00Z",
    )
    assert ann["additional_info"] == {"username": "ann"}
    [address] = ann["addresses"]
    assert (address["country"], address["city"], address["state"], address["postcode"]) == (
        "US", "Portland", "OR", "97201"
    )  # fmt: skip
    bob = json.loads(run("export", "-", "--format", "ndjson", "--search", "bob").out)
    assert (bob["first_name"], bob["last_name"], bob["addresses"]) == ("Bob", "", [])


def test_export_of_shopify_is_imported(run: Run, folder: Path, shop: str) -> None:
    (folder / "shopify.csv").write_text(SHOPIFY)
    assert run("import", "csv", "shopify.csv", "--format", "shopify").code == 0
    ann = customer(run)
    assert (ann["first_name"], ann["phone"]) == ("Ann", "+8801912010702")
    assert ann["additional_info"] == {
        "shopify_customer_id": "8779761975521",
        "notes": "VIP",
        "tags": "gold, new",
        "tax_exempt": "no",
        "accepts_email_marketing": "yes",
        "accepts_sms_marketing": "no",
    }
    [address] = ann["addresses"]
    assert (address["company_name"], address["address_2"], address["phone"]) == (
        "Example Corp", "Floor 2", "+8801912010701"
    )  # fmt: skip


def test_mapping_file_names_the_field_of_each_column(run: Run, folder: Path, shop: str) -> None:
    (folder / "a.csv").write_text("E-mail;Street;Town;Fax;Colour\nann@example.com;1 Main St;Rome;123;red\n")
    mapping = {"E-mail": "email", "Street": "address.address_1", "Town": "address.city", "Fax": None}
    (folder / "map.json").write_text(json.dumps(mapping))
    assert "Unknown column 'Colour'" in run("import", "csv", "a.csv", "--mapping", "map.json").err
    assert run("import", "csv", "a.csv", "--mapping", "map.json", "--ignore", "Colour").code == 0
    assert customer(run)["addresses"][0]["city"] == "Rome"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[]", 'must be a JSON object such as {"E-mail": "email", "Fax": null}'),
        ("{", "must be a JSON object"),
        ('{"A": 1}', "must be a JSON object"),
        ('{"A": "mail", "B": "address.street", "C": "additional_info."}',
         "there is no field 'mail', 'address.street', 'additional_info.'. Use "),
    ],
)  # fmt: skip
def test_wrong_mapping_file_is_rejected(run: Run, folder: Path, shop: str, text: str, complaint: str) -> None:
    (folder / "a.csv").write_text("A\n")
    (folder / "map.json").write_text(text)
    done = run("import", "csv", "a.csv", "--mapping", "map.json")
    assert (done.code, f"--mapping: {complaint}" in done.err) == (1, True)


def test_format_and_mapping_exclude_each_other(run: Run, shop: str) -> None:
    done = run("import", "csv", "a.csv", "--format", "shopify", "--mapping", "map.json")
    assert "--format and --mapping exclude each other" in done.err
    assert run("import", "csv", "a.csv", "--mapping", "no.json") == complained(
        "no.json: No such file or directory"
    )
