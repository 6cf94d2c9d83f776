"""/wp/v2/users/me, with which WordPress clients look up their own user.

See docs/decisions.md#71-profile-of-a-user.
"""

from typing import Annotated

from fastapi import Query, Response

from fluent_cart.auth.dependencies import CurrentUserDep
from fluent_cart.auth.policies import authenticated, capabilities
from fluent_cart.http.dependencies import ReadConnection
from fluent_cart.http.responses import json_response
from fluent_cart.http.routing import ApiRouter
from fluent_cart.schemas.user_profile import UserProfileQuery
from fluent_cart.services import user_profile
from fluent_cart.wordpress.paths import ROOT

router = ApiRouter(tags=["Users"], prefix=f"{ROOT}/wp/v2/users")


@router.get("/me", dependencies=[authenticated], include_in_schema=False)
def get_own_profile(
    query: Annotated[UserProfileQuery, Query()], user: CurrentUserDep, connection: ReadConnection
) -> Response:
    """Retrieve the user whose credentials came with the request."""
    held = capabilities(user.role)
    return json_response(user_profile.get_profile(connection, user.id, query.context, held))
