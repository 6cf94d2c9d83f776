"""Addresses in requests and responses."""

from typing import Annotated, Any

import pycountry
from pydantic import BaseModel, BeforeValidator, Field
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import PydanticCustomError
from typing_extensions import TypeAliasType

from fluent_cart.enums import AddressType
from fluent_cart.schemas import fields
from fluent_cart.schemas.base import (
    BlankAsNone,
    FullName,
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
from fluent_cart.schemas.envelope import Envelope

COUNTRIES = frozenset(country.alpha_2 for country in pycountry.countries)


def country_code(value: Any) -> str:
    """Return a country code in upper case.

    See docs/decisions.md#18-fields-of-an-address.
    """
    # ASCII only, because the upper case of a sharp s is "SS".
    code = value.strip().upper() if isinstance(value, str) and value.isascii() else ""
    if code not in COUNTRIES:
        raise PydanticCustomError("country", "Must be a country code of two letters (ISO 3166-1)")
    return code


# A type alias, so that the OpenAPI document has the list of countries once.
Country = TypeAliasType(
    "Country",
    Annotated[
        str,
        BeforeValidator(country_code),
        Field(
            title="Country",
            description="Country code of ISO 3166-1, in upper or lower case",
            json_schema_extra={"enum": sorted(COUNTRIES), "examples": ["US"]},
        ),
    ],
)


class AddressCreate(RequestModel):
    type: fields.AddressType[AddressType] = AddressType.BILLING
    is_primary: LooseBool = Field(
        False,
        description="True makes this the primary address. The first address of a customer always is primary",
    )
    first_name: fields.FirstName[Text255] = ""
    last_name: fields.LastName[Text255] = ""
    company_name: fields.CompanyName[BlankAsNone[Text255]] = None
    address_1: fields.AddressLine1[RequiredText255]
    address_2: fields.AddressLine2[BlankAsNone[Text255]] = None
    city: fields.City[RequiredText100]
    state: fields.State[Text100] = ""
    postcode: fields.Postcode[Text32] = ""
    country: Country
    phone: fields.Phone[BlankAsNone[Text50]] = None


class AddressUpdate(PartialInput):
    """An update of an address. Only the members that are sent are changed."""

    address_id: fields.OwnAddressId
    type: fields.AddressType[AddressType] = AddressType.BILLING
    is_primary: LooseBool = Field(
        False,
        description="True makes this the primary address. To change that, make another address primary",
    )
    first_name: fields.FirstName[Text255] = ""
    last_name: fields.LastName[Text255] = ""
    company_name: fields.CompanyName[BlankAsNone[Text255]] = None
    address_1: fields.AddressLine1[RequiredText255] = ""
    address_2: fields.AddressLine2[BlankAsNone[Text255]] = None
    city: fields.City[RequiredText100] = ""
    state: fields.State[Text100] = ""
    postcode: fields.Postcode[Text32] = ""
    country: Country = ""
    phone: fields.Phone[BlankAsNone[Text50]] = None
    full_name: FullName = Field(default_factory=dict)


class AddressRef(RequestModel):
    address_id: fields.OwnAddressId
    # The live plugin's clients send this field, which has no effect.
    type: SkipJsonSchema[BlankAsNone[AddressType]] = None


class AddressListQuery(BaseModel):
    type: BlankAsNone[AddressType] = Field(None, description="Only addresses of this type")


class Address(ResponseModel):
    id: fields.AddressId
    type: fields.AddressType[AddressType]
    first_name: fields.FirstName[str]
    last_name: fields.LastName[str]
    address_1: fields.AddressLine1[str]
    city: fields.City[str]
    state: fields.State[str]
    postcode: fields.Postcode[str]
    country: fields.Country
    is_primary: fields.IsPrimary
    address_2: fields.AddressLine2[str | None]
    company_name: fields.CompanyName[str | None]
    phone: fields.Phone[str | None]


class AddressCreated(ResponseModel):
    id: fields.AddressId
    type: fields.AddressType[AddressType]
    first_name: fields.FirstName[str]
    last_name: fields.LastName[str]
    address_1: fields.AddressLine1[str]
    city: fields.City[str]
    state: fields.State[str]
    postcode: fields.Postcode[str]
    country: fields.Country
    created_at: fields.CreatedAt
    address_2: fields.AddressLine2[str | None]
    company_name: fields.CompanyName[str | None]
    phone: fields.Phone[str | None]


class AddressUpdated(ResponseModel):
    id: fields.AddressId
    first_name: fields.FirstName[str]
    last_name: fields.LastName[str]
    address_1: fields.AddressLine1[str]
    city: fields.City[str]
    state: fields.State[str]
    postcode: fields.Postcode[str]
    country: fields.Country
    updated_at: fields.UpdatedAt
    address_2: fields.AddressLine2[str | None]
    company_name: fields.CompanyName[str | None]
    phone: fields.Phone[str | None]


class AddressMadePrimary(ResponseModel):
    id: fields.AddressId
    is_primary: fields.IsPrimary
    updated_at: fields.UpdatedAt
    address_2: fields.AddressLine2[str | None]
    company_name: fields.CompanyName[str | None]
    phone: fields.Phone[str | None]


class AddressListData(ResponseModel):
    addresses: list[Address] = Field(description="Addresses of the customer, in order of creation")


class NewAddressData(ResponseModel):
    address: AddressCreated = Field(description="The address as it is stored now")


class UpdatedAddressData(ResponseModel):
    address: AddressUpdated = Field(description="The address as it is stored now")


class PrimaryAddressData(ResponseModel):
    address: AddressMadePrimary = Field(description="The address as it is stored now")


class AddressListResponse(Envelope[AddressListData]):
    pass


class NewAddressResponse(Envelope[NewAddressData]):
    pass


class UpdatedAddressResponse(Envelope[UpdatedAddressData]):
    pass


class PrimaryAddressResponse(Envelope[PrimaryAddressData]):
    pass
