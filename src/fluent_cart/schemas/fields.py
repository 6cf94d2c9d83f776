"""The fields of requests and responses, each with its description for clients.

A type such as ``fields.FirstName[Text255]`` adds a description to the type of the value. The field means the
same in every request and response that has it.
"""

from typing import Annotated, Literal, TypeVar

from pydantic import Field, WithJsonSchema

from fluent_cart.schemas.base import Id

T = TypeVar("T")

# Some generators of clients use 32-bit numbers for integers without this format.
INT64 = {"format": "int64"}
# Without ``"type": "boolean"``, because openapi-generator would compare the constant with a text.
_TRUE = WithJsonSchema({"const": True, "description": "The request was successful"})

Int64 = Annotated[int, Field(json_schema_extra=INT64)]
Cents = Annotated[int, Field(description="Amount in cents", json_schema_extra=INT64)]
Timestamp = Annotated[str, Field(json_schema_extra={"format": "date-time"})]

Success = Annotated[Literal[True], _TRUE]
Message = Annotated[
    str, Field(description="Text for people. The text may change, so programs must not depend on it")
]

DryRun = Annotated[T, Field(description="Return the results, and change nothing")]

# Customers
CustomerId = Annotated[Int64, Field(description="Unique id of the customer. It is never reused")]
Email = Annotated[T, Field(description="Email address. It is unique among customers, without regard to case")]
FirstName = Annotated[T, Field(description="Given name")]
LastName = Annotated[T, Field(description="Family name")]
Phone = Annotated[T, Field(description="Phone number in any form. A blank phone number is stored as null")]
Status = Annotated[T, Field(description="Whether the customer is active")]
TotalSpent = Annotated[
    Int64, Field(description="Amount of all paid orders of the customer, less refunds, in cents")
]
OrderCount = Annotated[
    int, Field(description="Number of the customer's orders that are paid, fully or partially")
]
AdditionalInfo = Annotated[T, Field(description="Any JSON object that the shop stores for the customer")]
UserId = Annotated[
    Int64 | None, Field(description="Id of the attached WordPress user. It is null if no user is attached")
]
CreatedAt = Annotated[Timestamp, Field(description="Time of creation, in UTC")]
UpdatedAt = Annotated[Timestamp, Field(description="Time of the last change, in UTC")]

# Pages
CurrentPage = Annotated[T, Field(description="Number of this page. The first page is 1")]
Total = Annotated[T, Field(description="Number of all matching items, on all pages")]

# Addresses
AddressId = Annotated[Int64, Field(description="Unique id of the address. It is never reused")]
# In a request, which names one of the customer's addresses.
OwnAddressId = Annotated[Id, Field(description="Id of one of the customer's addresses")]
AddressType = Annotated[T, Field(description="Purpose of the address")]
IsPrimary = Annotated[
    bool, Field(description="Whether this is the customer's primary address. One address always is")
]
CompanyName = Annotated[T, Field(description="Company name. A blank company name is stored as null")]
AddressLine1 = Annotated[T, Field(description="Street and number")]
AddressLine2 = Annotated[T, Field(description="Flat, floor or building. A blank line is stored as null")]
City = Annotated[T, Field(description="City or town")]
State = Annotated[T, Field(description="State, province or region")]
Postcode = Annotated[T, Field(description="Postal code")]
Country = Annotated[str, Field(description="Country code of ISO 3166-1: two capital letters")]
