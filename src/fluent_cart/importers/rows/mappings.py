"""Map the columns of other programs to fields.

See docs/decisions.md#144-exports-of-other-programs.
"""

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from fluent_cart.errors import UnreadableBody
from fluent_cart.formats.row_reader import Columns, FileError, Line
from fluent_cart.formats.strict_json import parse_json
from fluent_cart.schemas.rows import AddressRow, CustomerRow

# A column of the file and its field. None is left out. ``name`` is split into the first and the last name.
ColumnMapping = Mapping[str, str | None]
ADDRESS, INFO, NAME = "address.", "additional_info.", "name"
_REQUIRED = dict.fromkeys(("address_1", "city", "country"), "")
FIELDS = (frozenset(CustomerRow.model_fields) - {"addresses", "additional_info"}) | {NAME}
TIMES = {"created_at", "updated_at"}
# A time as spreadsheets write it, without a zone, which counts as UTC.
_LOCAL_TIME = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)", re.ASCII)
ADDRESS_FIELDS = frozenset(AddressRow.model_fields)


class Program(StrEnum):
    """Programs whose exports of customers can be imported as they are."""

    WOOCOMMERCE = "woocommerce"
    SHOPIFY = "shopify"


# WooCommerce > Analytics > Customers > Download. The browser makes short lists, the server long ones.
_WOOCOMMERCE: ColumnMapping = {
    "Name": NAME,
    "Username": "additional_info.username",
    "Sign Up": "created_at",
    "Date registered": "created_at",
    "Email": "email",
    "Country / Region": "address.country",
    "City": "address.city",
    "Region": "address.state",
    "Postal Code": "address.postcode",
    "Postal code": "address.postcode",
    # Totals come from orders.
    **dict.fromkeys(("Last Active", "Last active", "Orders", "Total Spend", "Total spend", "AOV")),
}
_ADDRESS = {
    "Company": "address.company_name",
    "Address1": "address.address_1",
    "Address2": "address.address_2",
    "City": "address.city",
    "Province Code": "address.state",
    "Country Code": "address.country",
    "Zip": "address.postcode",
}
# Customers > Export, for Excel and plain CSV. Exports before 2022 call the columns of the address otherwise.
_SHOPIFY: ColumnMapping = {
    "Customer ID": "additional_info.shopify_customer_id",
    "First Name": "first_name",
    "Last Name": "last_name",
    "Email": "email",
    "Phone": "phone",
    **_ADDRESS,
    **{f"Default Address {column}": field for column, field in _ADDRESS.items()},
    "Default Address Phone": "address.phone",
    "Note": "additional_info.notes",
    "Tags": "additional_info.tags",
    "Tax Exempt": "additional_info.tax_exempt",
    "Accepts Marketing": "additional_info.accepts_email_marketing",
    "Accepts Email Marketing": "additional_info.accepts_email_marketing",
    "Accepts SMS Marketing": "additional_info.accepts_sms_marketing",
    "Accepts WhatsApp Marketing": "additional_info.accepts_whatsapp_marketing",
    **dict.fromkeys(("Province", "Country", "Total Spent", "Total Orders")),
}
MAPPINGS = {Program.WOOCOMMERCE: _WOOCOMMERCE, Program.SHOPIFY: _SHOPIFY}


def parse_mapping(text: str) -> ColumnMapping:
    """Return the mapping in a JSON file. Raise ``FileError`` that names an error in it."""
    try:
        mapping = parse_json(text)
    except UnreadableBody:
        mapping = None
    if not isinstance(mapping, dict) or not all(isinstance(each, str | None) for each in mapping.values()):
        raise FileError('--mapping: must be a JSON object such as {"E-mail": "email", "Fax": null}')
    if unknown := [field for field in mapping.values() if field is not None and not _is_field(field)]:
        names, known = ", ".join(map(repr, unknown)), ", ".join(sorted(FIELDS))
        raise FileError(
            f"--mapping: there is no field {names}. Use {known}, address.FIELD or additional_info.KEY"
        )
    return mapping


def columns_of(mapping: ColumnMapping) -> Columns:
    """Return the ways to read the columns of a file with this mapping. An empty cell means no value."""
    names = frozenset(mapping)
    return Columns(names, silent=names, ignored=frozenset(name for name in names if mapping[name] is None))


def mapped(lines: Iterator[Line], mapping: ColumnMapping) -> Iterator[Line]:
    """Yield the lines of a file with the fields of customers in the place of its own columns."""
    for line in lines:
        yield line if line.errors else line._replace(values=_customer(line.values, mapping))


def _is_field(field: str) -> bool:
    if field.startswith(ADDRESS):
        return field.removeprefix(ADDRESS) in ADDRESS_FIELDS
    return field in FIELDS or (field.startswith(INFO) and field != INFO)


def _customer(values: Mapping[str, str], mapping: ColumnMapping) -> dict[str, Any]:
    fields = {mapping[column] or "": _plain(cell) for column, cell in values.items()}
    address, info = _below(ADDRESS, fields), _below(INFO, fields)
    customer: dict[str, Any] = {field: cell for field, cell in fields.items() if field in FIELDS}
    for field in TIMES & customer.keys():
        customer[field] = _LOCAL_TIME.sub(r"\1T\2Z", customer[field])
    if name := customer.pop(NAME, None):
        first, _, last = name.rpartition(" ")
        customer |= {"first_name": first or last, "last_name": last if first else ""}
    if address:
        customer["addresses"] = [{**_REQUIRED, **address}]
    if info:
        customer["additional_info"] = info
    return customer


def _below(prefix: str, fields: Mapping[str, str]) -> dict[str, str]:
    return {field.removeprefix(prefix): cell for field, cell in fields.items() if field.startswith(prefix)}


def _plain(cell: str) -> str:
    """Return a cell without the apostrophe with which Shopify makes a number a text for Excel."""
    return cell[1:] if cell.startswith("'") and cell[1:].isdecimal() else cell
