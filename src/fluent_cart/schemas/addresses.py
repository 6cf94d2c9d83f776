"""Addresses in and out."""

from typing import Annotated, Any

import pycountry
from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from fluent_cart.enums import AddressType
from fluent_cart.schemas.base import (
    BlankAsNone,
    Id,
    LooseBool,
    PartialInput,
    RequestModel,
    RequiredText100,
    RequiredText255,
    ResponseModel,
    Text32,
    Text50,
    Text100,
    Text255,
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


class AddressCreate(RequestModel):
    type: AddressType = AddressType.BILLING
    is_primary: LooseBool = False
    first_name: Text255 = ""
    last_name: Text255 = ""
    company_name: BlankAsNone[Text255] = None
    address_1: RequiredText255
    address_2: BlankAsNone[Text255] = None
    city: RequiredText100
    state: Text100 = ""
    postcode: Text32 = ""
    country: Country
    phone: BlankAsNone[Text50] = None


class AddressUpdate(PartialInput):
    """Only the members that are sent are changed."""

    address_id: Id
    type: AddressType = AddressType.BILLING
    is_primary: LooseBool = False
    first_name: Text255 = ""
    last_name: Text255 = ""
    company_name: BlankAsNone[Text255] = None
    address_1: RequiredText255 = ""
    address_2: BlankAsNone[Text255] = None
    city: RequiredText100 = ""
    state: Text100 = ""
    postcode: Text32 = ""
    country: Country = ""
    phone: BlankAsNone[Text50] = None


class AddressRef(RequestModel):
    address_id: Id


class Address(ResponseModel):
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


class AddressCreated(ResponseModel):
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


class AddressUpdated(ResponseModel):
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


class AddressMadePrimary(ResponseModel):
    id: int
    is_primary: bool
    updated_at: str
    address_2: str | None
    company_name: str | None
    phone: str | None


class AddressListData(ResponseModel):
    addresses: list[Address]


class NewAddressData(ResponseModel):
    address: AddressCreated


class UpdatedAddressData(ResponseModel):
    address: AddressUpdated


class PrimaryAddressData(ResponseModel):
    address: AddressMadePrimary
