"""The policies of routes, which check the user's role in the table of roles.

See docs/decisions.md#21-permissions-and-roles.
"""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends

from fluent_cart.auth.dependencies import current_user
from fluent_cart.auth.roles import ROLE_PERMISSIONS
from fluent_cart.enums import BulkActionName, Permission
from fluent_cart.errors import InsufficientPermissions
from fluent_cart.services.users import CurrentUser

# The permission of each action, in addition to the permission of the bulk route itself.
BULK_PERMISSIONS: Mapping[BulkActionName, Permission] = {
    BulkActionName.UPDATE_STATUS: Permission.MANAGE,
    BulkActionName.DELETE: Permission.DELETE,
    BulkActionName.EXPORT: Permission.VIEW,
}


class Policy:
    """The policy of a route, as one of its dependencies.

    An application with a route without one does not start.
    """


class AllowAny(Policy):
    """Allows every request, because the response is public."""

    async def __call__(self) -> None: ...


class Authenticated(Policy):
    """Allows every user of any role, because the response has only the user's own data."""

    async def __call__(self, _user: Annotated[CurrentUser, Depends(current_user)]) -> None: ...


class CustomerPolicy(Policy):
    """Allows a request only if its user's role has ``permission``."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(self, user: Annotated[CurrentUser, Depends(current_user)]) -> None:
        self.check(user)

    def check(self, user: CurrentUser) -> None:
        """Raise ``InsufficientPermissions`` unless the user's role has the permission."""
        if self.permission not in ROLE_PERMISSIONS.get(user.role, frozenset()):
            raise InsufficientPermissions


def capabilities(role: str) -> list[str]:
    """Return the names of a role's permissions, in a fixed order."""
    held = ROLE_PERMISSIONS.get(role, frozenset())
    return [permission.value for permission in Permission if permission in held]


allow_any = Depends(AllowAny())
authenticated = Depends(Authenticated())
can_view = Depends(CustomerPolicy(Permission.VIEW))
can_manage = Depends(CustomerPolicy(Permission.MANAGE))
deletion = CustomerPolicy(Permission.DELETE)
can_delete = Depends(deletion)
can_operate = CustomerPolicy(Permission.OPERATE)
can_list_users = CustomerPolicy(Permission.LIST_USERS)
