"""The table of roles and their permissions.

See docs/decisions.md#21-permissions-and-roles.
"""

from collections.abc import Mapping

from fluent_cart.enums import Permission

EVERYTHING = frozenset(Permission)
# Of customers: who runs the shop need not run the server.
ALL_OF_CUSTOMERS = EVERYTHING - {Permission.OPERATE, Permission.LIST_USERS}
READ_ONLY = frozenset({Permission.VIEW})

# A role that is not in the table, such as WordPress's editor or subscriber, has no permission.
ROLE_PERMISSIONS: Mapping[str, frozenset[Permission]] = {
    "administrator": EVERYTHING,
    "super_admin": EVERYTHING,
    "manager": ALL_OF_CUSTOMERS,
    "worker": READ_ONLY,
    "accountant": READ_ONLY,
}
