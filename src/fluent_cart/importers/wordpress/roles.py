"""Decide the role of a WordPress user here, from the capabilities in the source.

See docs/decisions.md#21-permissions-and-roles, #45-imported-roles and #110-users-of-a-network.
"""

from typing import NamedTuple

from fluent_cart.auth.roles import ROLE_PERMISSIONS
from fluent_cart.formats.php_serialize import PhpError, unserialize
from fluent_cart.importers.wordpress.issues import DataIssue
from fluent_cart.importers.wordpress.row_values import Values
from fluent_cart.importers.wordpress.run import ImportContext
from fluent_cart.importers.wordpress.source_tables import network_prefix
from fluent_cart.importers.wordpress.staged_table import CAPABILITIES, SITE_ADMINS

ADMINISTRATOR, NO_ROLE = "administrator", "none"
# FluentCart's own roles. All other permissions come from WordPress, where only administrator has any.
SHOP_ROLES = ROLE_PERMISSIONS.keys() - {ADMINISTRATOR}
# Names that FluentCart adds to a role, which are not roles.
NO_ROLES = {"fluent_cart_admin"}
GRANTED = (True, "1")


class Rights(NamedTuple):
    """The rights in the source as a whole. Rights that are missing in the source are not removed."""

    # Some user has a role at this site.
    has_roles: bool
    # The logins of a network's administrators, or None if the source does not name them.
    administrators: frozenset[str] | None


def read_rights(run: ImportContext) -> Rights:
    """Return the rights in the source, and report lists that are missing."""
    staging = run.staging
    key = f"{run.prefix}{CAPABILITIES}"
    has_roles = bool(staging.value("SELECT 1 FROM usermeta WHERE meta_key = ? LIMIT 1", (key,)))
    if not has_roles and staging.value("SELECT 1 FROM users LIMIT 1") and not staging.is_missing("usermeta"):
        run.report.missing_lists.append(f"{key}: the roles of all users")
    return Rights(has_roles, _administrators(run))


def _administrators(run: ImportContext) -> frozenset[str] | None:
    """Return the logins of a network's administrators, or None if a network does not name them."""
    staging, network = run.staging, network_prefix(run.prefix)
    text = staging.value("SELECT meta_value FROM sitemeta WHERE meta_key = ? ORDER BY id", (SITE_ADMINS,))
    is_network = network != run.prefix or not {"spam", "deleted"} <= staging.absent["users"]
    if text is None and not (is_network and staging.is_missing("sitemeta")):
        return frozenset()
    try:
        return frozenset(map(str, unserialize(text or "").values()))
    except (PhpError, AttributeError):
        run.report.missing_lists.append(f"{network}sitemeta, {SITE_ADMINS}: the network's administrators")
        return None


def role_of(values: Values, login: str, rights: Rights) -> str:
    """Return the one role that decides the user's permissions here."""
    try:
        capabilities = unserialize(values.get("capabilities") or "a:0:{}")
        roles = [str(name) for name, granted in capabilities.items() if granted in GRANTED]
        is_complete = rights.has_roles and rights.administrators is not None
    except (PhpError, AttributeError):
        roles, is_complete = [], False
    if ADMINISTRATOR in roles or login in (rights.administrators or ()):
        return ADMINISTRATOR
    if not is_complete:
        values.absent.add("role")
    if shop_role := (values.get("shop_role") or "").strip():
        if shop_role in SHOP_ROLES:
            return shop_role
        values.record_issue(DataIssue.UNKNOWN_SHOP_ROLE)
    role = values.fit(next((name for name in roles if name not in NO_ROLES), ""), 60)
    if not role:
        values.record_issue(DataIssue.UNREADABLE_ROLE)
        return NO_ROLE
    if role in ROLE_PERMISSIONS:
        # Another plugin's role, or a name like administrator's, must not have permissions in the shop.
        values.record_issue(DataIssue.ROLE_NAME_TAKEN)
        return f"wordpress_{role}"
    return role
