"""Addresses in and out."""

from typing import Annotated, Any

import pycountry
from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from fluent_cart.enums import AddressType
from fluent_cart.schemas.base import (
    Id,
    Input,
    Optional,
    Output,
    PartialInput,
    RequiredText100,
    RequiredText255,
    Text32,
    Text50,
    Text100,
    Text255,
    Truth,
)

COUNTRIES = frozenset(country.alpha_2 for country in pycountry.countries)


def country_code(value: Any) -> str:
    """Return a country code in upper case (decision 18)."""
    # ASCII alone: the upper case of a sharp s is "SS".
    code = value.strip().upper() if isinstance(value, str) and value.isascii() else ""
    if code not in COUNTRIES:
        raise PydanticCustomError("country", "Must be a country code of two letters (ISO 3166-1)")
    return code


Country = Annotated[
    str,
    BeforeValidator(country_code),
    Field(
        description="A country of ISO 3166-1, in upper or lower case",
        json_schema_extra={"enum": sorted(COUNTRIES), "examples": ["US"]},
    ),
]


class AddressCreate(Input):
    type: AddressType = AddressType.BILLING
    is_primary: Truth = False
    first_name: Text255 = ""
    last_name: Text255 = ""
    company_name: Optional[Text255] = None
    address_1: RequiredText255
    address_2: Optional[Text255] = None
    city: RequiredText100
    state: Text100 = ""
    postcode: Text32 = ""
    country: Country
    phone: Optional[Text50] = None


class AddressUpdate(PartialInput):
    """Only the members that are sent are changed."""

    address_id: Id
    type: AddressType = AddressType.BILLING
    is_primary: Truth = False
    first_name: Text255 = ""
    last_name: Text255 = ""
    company_name: Optional[Text255] = None
    address_1: RequiredText255 = ""
    address_2: Optional[Text255] = None
    city: RequiredText100 = ""
    state: Text100 = ""
    postcode: Text32 = ""
    country: Country = ""
    phone: Optional[Text50] = None


class AddressRef(Input):
    address_id: Id


class Address(Output):
    id: int
    type: AddressType
    first_name: str
    last_name: str
    address_1: str
    city: str
    state: str
    postcode: str
    country: str
    is_primary: bool
    address_2: str | None
    company_name: str | None
    phone: str | None


class AddressCreated(Output):
    id: int
    type: AddressType
    first_name: str
    last_name: str
    address_1: str
    city: str
    state: str
    postcode: str
    country: str
    created_at: str
    address_2: str | None
    company_name: str | None
    phone: str | None


class AddressUpdated(Output):
    id: int
    first_name: str
    last_name: str
    address_1: str
    city: str
    state: str
    postcode: str
    country: str
    updated_at: str
    address_2: str | None
    company_name: str | None
    phone: str | None


class AddressMadePrimary(Output):
    id: int
    is_primary: bool
    updated_at: str
    address_2: str | None
    company_name: str | None
    phone: str | None


class AddressListData(Output):
    addresses: list[Address]


class NewAddressData(Output):
    address: AddressCreated


class UpdatedAddressData(Output):
    address: AddressUpdated


class PrimaryAddressData(Output):
    address: AddressMadePrimary
