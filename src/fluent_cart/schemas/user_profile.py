"""A user's own profile: the query, and a response in the form of WordPress.

See docs/decisions.md#71-profile-of-a-user.
"""

from pydantic import BaseModel, Field

from fluent_cart.enums import Context


class UserProfileQuery(BaseModel):
    context: Context = Field(Context.VIEW, description="Amount of detail: `edit` returns all fields")
