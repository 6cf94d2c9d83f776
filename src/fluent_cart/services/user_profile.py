"""A user's own profile, in WordPress's form.

See docs/decisions.md#71-profile-of-a-user.
"""

import re
from collections.abc import Sequence

from sqlalchemy import bindparam, select

from fluent_cart.database.prepared import LookupConnection, Prepared, Record
from fluent_cart.enums import Context
from fluent_cart.errors import AuthenticationFailed
from fluent_cart.models import User

_profile = Prepared(
    select(User.login, User.email, User.display_name, User.role, User.created_at).where(
        User.id == bindparam("user_id")
    )
)


def get_profile(
    connection: LookupConnection, user_id: int, context: Context, capabilities: Sequence[str]
) -> Record:
    """Return a user. E-mail address, role and ``capabilities`` are only in the context ``edit``."""
    rows = _profile.rows(connection, user_id=user_id)
    if not rows:
        # The user was deleted after the password was checked.
        raise AuthenticationFailed
    login, email, display_name, role, created_at = rows[0]
    profile: Record = {"id": user_id, "name": display_name, "url": "", "description": "", "slug": slug(login)}
    if context is Context.EDIT:
        profile |= {
            "username": login,
            "email": email,
            "registered_date": created_at,
            "roles": [role],
            "capabilities": dict.fromkeys((*capabilities, role), True),
            "extra_capabilities": {role: True},
        }
    return profile


def slug(login: str) -> str:
    """Return a login as WordPress writes it in URLs."""
    return re.sub(r"[^a-z0-9_-]+", "-", login.casefold()).strip("-")
