"""WordPress users in and out."""

from pydantic import BaseModel, Field

from fluent_cart.schemas.base import Id, PageNumber, PerPage, RequestModel, ResponseModel, Text255


class UserListQuery(BaseModel):
    page: PageNumber = Field(1, description="Page number")
    per_page: PerPage = Field(100, description="Items per page (max 100)")
    search: Text255 = Field(
        "", description="Text that must occur in the login, e-mail address or display name"
    )


class UserRef(RequestModel):
    user_id: Id


class AttachableUser(ResponseModel):
    id: int
    display_name: str
    user_email: str
    user_login: str


class UserListData(ResponseModel):
    users: list[AttachableUser]


class CustomerUser(ResponseModel):
    id: int
    user_id: int | None
    updated_at: str


class CustomerUserData(ResponseModel):
    customer: CustomerUser
