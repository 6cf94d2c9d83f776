"""Import WordPress users, their roles and login passwords.

See docs/decisions.md#20-attachable-users, #21-permissions-and-roles, #45-imported-roles and
#54-imported-login-passwords.
"""

from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, update

from fluent_cart.auth.roles import ROLE_PERMISSIONS
from fluent_cart.database.prepared import Record
from fluent_cart.formats.php_serialize import PhpError, unserialize
from fluent_cart.importers.wordpress import emails
from fluent_cart.importers.wordpress.application_passwords import KIND as PASSWORDS
from fluent_cart.importers.wordpress.application_passwords import (
    ImportedPasswords,
    Listed,
    application_passwords,
    import_passwords,
)
from fluent_cart.importers.wordpress.conflicts import Claimed, others
from fluent_cart.importers.wordpress.issues import DataIssue
from fluent_cart.importers.wordpress.row_values import Values
from fluent_cart.importers.wordpress.run import ImportContext
from fluent_cart.importers.wordpress.source_tables import network_prefix
from fluent_cart.importers.wordpress.staged_table import (
    APPLICATION_PASSWORDS,
    CAPABILITIES,
    SHOP_ROLE,
    SITE_ADMINS,
)
from fluent_cart.importers.wordpress.upsert import Identity, Outcome, Unsaid, stored_rows, upsert
from fluent_cart.models import User
from fluent_cart.security import login_passwords
from fluent_cart.services.search import search_text
from fluent_cart.services.users import key

KIND = "users"
ADMINISTRATOR, NO_ROLE = "administrator", "none"
# FluentCart's own roles. All other permissions come from WordPress, where only administrator has any.
SHOP_ROLES = ROLE_PERMISSIONS.keys() - {ADMINISTRATOR}
# Names that FluentCart adds to a role, which are not roles.
NO_ROLES = {"fluent_cart_admin"}
GRANTED = (True, "1")

# If WordPress stores a key twice, the first row counts.
_META = "(SELECT meta_value FROM usermeta WHERE user_id = users.id AND meta_key = ? ORDER BY id LIMIT 1)"
_STATEMENT = f"""
SELECT users.*, emails.email, {_META} AS capabilities, {_META} AS shop_role, {_META} AS passwords,
    (SELECT count(*) FROM usermeta WHERE user_id = users.id) AS metas
FROM users LEFT JOIN emails ON emails.kind = '{KIND}' AND emails.id = users.id ORDER BY users.id
"""  # noqa: S608


_EMAILS = Claimed(User, User.email_key.expression, KIND, "user_registered")
_LOGINS = Claimed(User, User.login_key.expression, KIND, "user_registered")


class _Rights(NamedTuple):
    """The rights in the source as a whole. Rights that are missing in the source are not removed."""

    # Some user has a role at this site.
    has_roles: bool
    # The logins of a network's administrators, or None if the source does not name them.
    administrators: frozenset[str] | None


class _Imported(NamedTuple):
    users: Outcome
    passwords: ImportedPasswords


async def import_users(run: ImportContext) -> None:
    """Import all users, each with its application passwords."""
    await run.reserve_ids(User, KIND)
    emails.collect(run, KIND, "user_email")
    keys = (f"{run.prefix}{CAPABILITIES}", SHOP_ROLE, APPLICATION_PASSWORDS)
    rights = _rights(run)
    for batch in run.batches(KIND, _STATEMENT, keys):
        rows = {row["id"]: row for row in batch}
        unsaid: dict[int, set[str]] = {}
        mapped = [user for row in batch if (user := _user(run, row, rights, unsaid))]
        users = await _without_taken_logins(run, mapped)
        barred = {user["id"] for user in users if _is_barred(rows[user["id"]])}
        moving = await emails.resolve_conflicts(run, KIND, _EMAILS, users)
        secrets = {
            user["id"]: application_passwords(
                run, rows[user["id"]], user["created_at"], is_barred=user["id"] in barred
            )
            for user in users
        }
        imported = await run.unit(
            _import_batch,
            users,
            secrets,
            moving,
            unsaid,
            barred,
            changing=run.options.update,
            writing=not run.options.dry_run,
        )
        run.account(KIND, imported.users)
        for user_id, status in imported.users.statuses.items():
            run.report.status("usermeta", status, rows[user_id]["metas"])
        for status, number in imported.passwords.statuses.items():
            run.report.status(PASSWORDS, status, number)
        for user_id in imported.users.taken:
            run.report.skip(PASSWORDS, DataIssue.ORPHAN, user_id, len(secrets[user_id].passwords))
        run.report.revoked += imported.passwords.revoked
    run.skip_orphans("usermeta", "user_id", KIND)


def _rights(run: ImportContext) -> _Rights:
    staging = run.staging
    key = f"{run.prefix}{CAPABILITIES}"
    has_roles = bool(staging.value("SELECT 1 FROM usermeta WHERE meta_key = ? LIMIT 1", (key,)))
    if not has_roles and staging.value("SELECT 1 FROM users LIMIT 1") and not staging.is_missing("usermeta"):
        run.report.missing_lists.append(f"{key}: the roles of all users")
    return _Rights(has_roles, _administrators(run))


def _administrators(run: ImportContext) -> frozenset[str] | None:
    """Return the logins of a network's administrators, or None if a network does not name them."""
    staging, network = run.staging, network_prefix(run.prefix)
    text = staging.value("SELECT meta_value FROM sitemeta WHERE meta_key = ? ORDER BY id", (SITE_ADMINS,))
    is_network = network != run.prefix or not {"spam", "deleted"} <= staging.absent[KIND]
    if text is None and not (is_network and staging.is_missing("sitemeta")):
        return frozenset()
    try:
        return frozenset(map(str, unserialize(text or "").values()))
    except (PhpError, AttributeError):
        run.report.missing_lists.append(f"{network}sitemeta, {SITE_ADMINS}: the network's administrators")
        return None


def _is_barred(row: dict[str, Any]) -> bool:
    """Return whether WordPress refuses to let the user sign in at any site of its network."""
    return any(row[column] not in (None, "", 0) for column in ("spam", "deleted"))


def _user(
    run: ImportContext, row: dict[str, Any], rights: _Rights, unsaid: dict[int, set[str]]
) -> Record | None:
    values = run.values(KIND, row)
    unsaid[values.id] = values.unsaid
    login = values.text("user_login", 255)
    if not login or len(login) > 60 or ":" in login:
        run.report.skip(KIND, DataIssue.NO_LOGIN, values.id)
        return None
    if not run.staging.claim("login", key(login), values.id):
        run.report.skip(KIND, DataIssue.LOGIN_TAKEN, values.id)
        return None
    created_at, _ = values.times("user_registered", "user_registered")
    if is_barred := _is_barred(row):
        values.note(DataIssue.BARRED)
    return {
        "id": values.id,
        "login": login,
        "login_key": key(login),
        "email": emails.own(run, KIND, values, row["email"]),
        "display_name": values.text("display_name", 255) or login,
        "role": NO_ROLE if is_barred else _role(values, login, rights),
        "password_hash": None if is_barred else _password_hash(values),
        "created_at": created_at,
    }


def _role(values: Values, login: str, rights: _Rights) -> str:
    """Return the one role that decides the user's permissions here.

    See docs/decisions.md#21-permissions-and-roles, #45-imported-roles and #110-users-of-a-network.
    """
    try:
        capabilities = unserialize(values.raw("capabilities") or "a:0:{}")
        roles = [str(name) for name, granted in capabilities.items() if granted in GRANTED]
        is_said = rights.has_roles and rights.administrators is not None
    except (PhpError, AttributeError):
        roles, is_said = [], False
    if ADMINISTRATOR in roles or login in (rights.administrators or ()):
        return ADMINISTRATOR
    if not is_said:
        values.unsaid.add("role")
    if shop_role := (values.raw("shop_role") or "").strip():
        if shop_role in SHOP_ROLES:
            return shop_role
        values.note(DataIssue.UNKNOWN_SHOP_ROLE)
    role = values.fit(next((name for name in roles if name not in NO_ROLES), ""), 60)
    if not role:
        values.note(DataIssue.UNREADABLE_ROLE)
        return NO_ROLE
    if role in ROLE_PERMISSIONS:
        # Another plugin's role, or a name like administrator's, must not give permissions in the shop.
        values.note(DataIssue.ROLE_NAME_TAKEN)
        return f"wordpress_{role}"
    return role


def _password_hash(values: Values) -> str | None:
    """Return the hash of the login password, if passwords can be checked against it here."""
    password_hash = (values.raw("user_pass") or "").strip()
    if not password_hash or login_passwords.is_known(password_hash):
        return password_hash or None
    values.note(DataIssue.UNKNOWN_LOGIN_HASH)
    return None


async def _without_taken_logins(run: ImportContext, users: list[Record]) -> list[Record]:
    taken = (await others(run, _LOGINS, {user["login_key"]: user["id"] for user in users})).staying
    for user in users:
        if user["login_key"] in taken:
            run.report.skip(KIND, DataIssue.LOGIN_TAKEN, user["id"])
    return [user for user in users if user["login_key"] not in taken]


def _complete(user: Record, stored: Record | None, barred: set[int]) -> Record:
    text = search_text(user["login"], user["email"], user["display_name"])
    # A password that was set here stays if the source has no known hash.
    stays = stored and user["id"] not in barred
    password_hash = user["password_hash"] or (stored["password_hash"] if stored and stays else None)
    return user | {"email_key": key(user["email"]), "search_text": text, "password_hash": password_hash}


def _import_batch(
    connection: Connection,
    users: list[Record],
    secrets: dict[int, Listed],
    moving: list[int],
    unsaid: Unsaid,
    barred: set[int],
    *,
    changing: bool,
    writing: bool,
) -> _Imported:
    if writing:
        for user_id in moving:
            address = emails.on_the_move(user_id)
            connection.execute(
                update(User).where(User.id == user_id).values(email=address, email_key=address)
            )
    stored = stored_rows(connection, User, users)
    outcome = upsert(
        connection,
        User,
        users,
        stored,
        Identity(["login_key"]),
        changing=changing,
        writing=writing,
        unsaid=unsaid,
        complete=partial(_complete, barred=barred),
    )
    imported = import_passwords(connection, outcome.statuses, secrets, changing=changing, writing=writing)
    return _Imported(outcome, imported)
