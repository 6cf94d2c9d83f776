"""What fields mean, in the OpenAPI document: a name means the same in every request and answer."""

from collections.abc import Mapping
from typing import Any

# By name, or by model and name where one of them means something else. What a schema says itself is kept.
FIELD_DESCRIPTIONS: Mapping[str, str] = {
    "success": "True: the request was done",
    "ErrorResponse.success": "False: nothing was done",
    "BulkResult.success": "Whether the action was done to this customer",
    "data": "What was asked for",
    "BulkAction.data": "What the action needs besides: `status` for `update_status`, `format` for `export`",
    "ErrorResponse.data": "The status, where WordPress clients look",
    "message": "What was done, for people",
    "ErrorReason.message": "What is wrong, for people",
    "BulkError.message": "What is wrong, for people",
    "code": "What is wrong, for programs",
    "error": "What is wrong",
    # Customers
    "customer": "The customer, as it is stored now",
    "customers": "The customers of this page",
    "pagination": "Which part of all that match this is",
    "current_page": "The number of this page, beginning with 1",
    "per_page": "How many a page has at most",
    "total": "How many match, on all pages",
    "total_pages": "How many pages there are",
    "id": "Its number, which stays its own",
    "email": "The e-mail address; no other customer has it, in any case",
    "first_name": "Given name",
    "last_name": "Family name",
    "phone": "In any form; a blank one is null",
    "status": "Whether the customer is active",
    "order_count": "How many orders count: those that are paid, also in part",
    "additional_info": "Whatever else the shop keeps about the customer",
    "addresses": "The customer's addresses, the oldest first",
    "user_id": "The WordPress user that is attached; null without one",
    "UserRef.user_id": "A WordPress user that no other customer has; `GET /attachable-user` lists them",
    "created_at": "When it was made, UTC",
    "updated_at": "When it was last changed, UTC",
    # Addresses
    "address": "The address, as it is stored now",
    "address_id": "One of this customer's addresses",
    "type": "What the address is for",
    "is_primary": "Whether it is the customer's primary address; one of them always is",
    "AddressCreate.is_primary": "Make it the primary address; a customer's first one always is",
    "AddressUpdate.is_primary": "True makes it the primary address; make another one primary to end it",
    "company_name": "The company; a blank one is null",
    "address_1": "Street and number",
    "address_2": "Flat, floor or building; a blank one is null",
    "city": "City or town",
    "state": "State, province or region",
    "postcode": "Postal code",
    "country": "Country code of ISO 3166-1, two capital letters",
    # Orders and stats
    "orders": "The customer's orders, the oldest first",
    "OrderListed.status": "How far the order is",
    "payment_status": "How far it is paid",
    "currency": "Currency code of ISO 4217",
    "stats": "What the customer's orders come to",
    "first_order_date": "When the first order was made, UTC; null without one",
    "last_order_date": "When the last order was made, UTC; null without one",
    # WordPress users
    "users": "The users of this page",
    "display_name": "The name that WordPress shows",
    "user_email": "The e-mail address",
    "user_login": "The login name",
    # Bulk actions
    "action": "What to do to each of the customers",
    "processed": "How many customers it was done to",
    "failed": "How many customers it was not done to",
    "results": "What became of each customer, in the order they were sent",
    "customer_id": "The customer",
}
# These hold times in RFC 3339, which generators of clients have types for.
TIMESTAMP_FIELDS = frozenset({"created_at", "updated_at", "first_order_date", "last_order_date"})
# In the document once: a client that is generated from it has one type of countries.
COUNTRY = "Country"


def describe_fields(schemas: dict[str, Any]) -> None:
    """Complete the fields of all ``schemas`` by what their names mean."""
    for model, schema in tuple(schemas.items()):
        fields = schema.get("properties", {})
        for name, field in fields.items():
            meaning = FIELD_DESCRIPTIONS.get(f"{model}.{name}") or FIELD_DESCRIPTIONS.get(name)
            if meaning:
                field.setdefault("description", meaning)
        for name in TIMESTAMP_FIELDS & fields.keys():
            _text_of(fields[name])["format"] = "date-time"
        if "enum" in (country := fields.get("country", {})):
            schemas[COUNTRY] = country | {"title": COUNTRY}
            fields["country"] = {"$ref": f"#/components/schemas/{COUNTRY}"}


def _text_of(field: dict[str, Any]) -> dict[str, Any]:
    """Return the part of a field's schema that is a text: all of it, unless it may be null."""
    return next(each for each in field.get("anyOf", [field]) if each["type"] == "string")
