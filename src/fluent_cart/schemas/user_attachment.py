"""WordPress users in requests and responses."""

from pydantic import BaseModel, Field

from fluent_cart.schemas import fields
from fluent_cart.schemas.base import Id, PageNumber, PerPage, RequestModel, ResponseModel, Text255
from fluent_cart.schemas.envelope import Envelope


class UserListQuery(BaseModel):
    page: PageNumber = Field(1, description="Page number")
    per_page: PerPage = Field(100, description="Items per page (max 100)")
    search: Text255 = Field(
        "", description="Text that must occur in the login, e-mail address or display name"
    )


class UserRef(RequestModel):
    user_id: Id = Field(
        description="Id of a WordPress user who is attached to no other customer: see `GET /attachable-user`"
    )


class AttachableUser(ResponseModel):
    id: fields.Int64 = Field(description="Unique id of the WordPress user")
    display_name: str = Field(description="Name that WordPress shows")
    user_email: str = Field(description="Email address")
    user_login: str = Field(description="Login name")


class UserListData(ResponseModel):
    users: list[AttachableUser] = Field(description="Users of this page")


class CustomerUser(ResponseModel):
    id: fields.CustomerId
    user_id: fields.UserId
    updated_at: fields.UpdatedAt


class CustomerUserData(ResponseModel):
    customer: CustomerUser = Field(description="The customer as it is stored now")


class UserListResponse(Envelope[UserListData]):
    pass


class CustomerUserResponse(Envelope[CustomerUserData]):
    pass
