"""WordPress users, their roles and login passwords (decisions 20, 21, 45, 54)."""

from typing import Any, NamedTuple

from sqlalchemy import Connection, update

from fluent_cart.auth.policies import ROLE_PERMISSIONS
from fluent_cart.database.prepared import Record
from fluent_cart.formats.php_serialize import PhpError, unserialize
from fluent_cart.importers.wordpress import emails
from fluent_cart.importers.wordpress.application_passwords import KIND as PASSWORDS
from fluent_cart.importers.wordpress.application_passwords import (
    BroughtPasswords,
    application_passwords,
    bring_passwords,
)
from fluent_cart.importers.wordpress.conflicts import Claimed, others
from fluent_cart.importers.wordpress.issues import Oddity
from fluent_cart.importers.wordpress.row_values import Values
from fluent_cart.importers.wordpress.run import Run
from fluent_cart.importers.wordpress.staging import APPLICATION_PASSWORDS, CAPABILITIES, SHOP_ROLE
from fluent_cart.importers.wordpress.upsert import Outcome, bring, stored_rows
from fluent_cart.models import User
from fluent_cart.security import login_passwords
from fluent_cart.services.search import search_text
from fluent_cart.services.users import key

KIND = "users"
ADMINISTRATOR = "administrator"
# FluentCart's own roles; everyone else's permissions come from WordPress, where administrator alone has any.
SHOP_ROLES = ROLE_PERMISSIONS.keys() - {ADMINISTRATOR}
# What FluentCart adds beside a role is none.
NO_ROLES = {"fluent_cart_admin"}
GRANTED = (True, "1")

# If WordPress has kept something twice, its first row is the one that counts.
_META = "(SELECT meta_value FROM usermeta WHERE user_id = users.id AND meta_key = ? ORDER BY id LIMIT 1)"
_STATEMENT = f"""
SELECT users.*, emails.email, {_META} AS capabilities, {_META} AS shop_role, {_META} AS passwords,
    (SELECT count(*) FROM usermeta WHERE user_id = users.id) AS metas
FROM users LEFT JOIN emails ON emails.kind = '{KIND}' AND emails.id = users.id ORDER BY users.id
"""  # noqa: S608


_EMAILS = Claimed(User, User.email_key.expression, KIND, "user_registered")
_LOGINS = Claimed(User, User.login_key.expression, KIND, "user_registered")


class _Brought(NamedTuple):
    users: Outcome
    passwords: BroughtPasswords


async def bring_users(run: Run) -> None:
    """Bring all users, each with its application passwords."""
    await run.reserve_ids(User, KIND)
    emails.collect(run, KIND, "user_email")
    keys = (f"{run.prefix}{CAPABILITIES}", SHOP_ROLE, APPLICATION_PASSWORDS)
    for batch in run.batches(KIND, _STATEMENT, keys):
        rows = {row["id"]: row for row in batch}
        users = await _without_taken_logins(run, [user for row in batch if (user := _user(run, row))])
        moving = await emails.settle(run, KIND, _EMAILS, users)
        secrets = {
            user["id"]: list(application_passwords(run, rows[user["id"]], user["created_at"]))
            for user in users
        }
        brought = await run.unit(
            _bring, users, secrets, moving, changing=run.options.update, writing=not run.options.dry_run
        )
        run.account(KIND, brought.users)
        for user_id, fate in brought.users.fates.items():
            run.report.fate("usermeta", fate, rows[user_id]["metas"])
        for fate, number in brought.passwords.fates.items():
            run.report.fate(PASSWORDS, fate, number)
        for user_id in brought.users.taken:
            run.report.skip(PASSWORDS, Oddity.ORPHAN, user_id, len(secrets[user_id]))
        run.report.revoked += brought.passwords.revoked
    run.skip_orphans("usermeta", "user_id", KIND)


def _user(run: Run, row: dict[str, Any]) -> Record | None:
    values = Values(run.report, KIND, row)
    login = values.text("user_login", 255)
    if not login or len(login) > 60 or ":" in login:
        run.report.skip(KIND, Oddity.NO_LOGIN, values.id)
        return None
    if not run.staging.claim("login", key(login), values.id):
        run.report.skip(KIND, Oddity.LOGIN_TAKEN, values.id)
        return None
    created_at, _ = values.times("user_registered", "user_registered")
    return {
        "id": values.id,
        "login": login,
        "login_key": key(login),
        "email": emails.own(run, KIND, values, row["email"]),
        "display_name": values.text("display_name", 255) or login,
        "role": _role(values),
        "password_hash": _password_hash(values),
        "created_at": created_at,
    }


def _role(values: Values) -> str:
    """Return the one role that says what the user may do here (decisions 21, 45)."""
    try:
        capabilities = unserialize(values.raw("capabilities") or "a:0:{}")
        roles = [str(name) for name, granted in capabilities.items() if granted in GRANTED]
    except (PhpError, AttributeError):
        roles = []
    if ADMINISTRATOR in roles:
        return ADMINISTRATOR
    if shop_role := (values.raw("shop_role") or "").strip():
        if shop_role in SHOP_ROLES:
            return shop_role
        values.note(Oddity.UNKNOWN_SHOP_ROLE)
    role = values.fit(next((name for name in roles if name not in NO_ROLES), ""), 60)
    if not role:
        values.note(Oddity.UNREADABLE_ROLE)
        return "none"
    if role in ROLE_PERMISSIONS:
        # Some other plugin's role, or a name like administrator's: that alone must not open the shop.
        values.note(Oddity.ROLE_NAME_TAKEN)
        return f"wordpress_{role}"
    return role


def _password_hash(values: Values) -> str | None:
    """Return the hash of the login password as it is, if passwords can be checked against it here."""
    password_hash = (values.raw("user_pass") or "").strip()
    if not password_hash or login_passwords.is_known(password_hash):
        return password_hash or None
    values.note(Oddity.UNKNOWN_LOGIN_HASH)
    return None


async def _without_taken_logins(run: Run, users: list[Record]) -> list[Record]:
    taken = (await others(run, _LOGINS, {user["login_key"]: user["id"] for user in users})).staying
    for user in users:
        if user["login_key"] in taken:
            run.report.skip(KIND, Oddity.LOGIN_TAKEN, user["id"])
    return [user for user in users if user["login_key"] not in taken]


def _complete(user: Record, stored: Record | None) -> Record:
    text = search_text(user["login"], user["email"], user["display_name"])
    # A password that was set here does not go because the source has none that is known.
    password_hash = user["password_hash"] or (stored and stored["password_hash"])
    return user | {"email_key": key(user["email"]), "search_text": text, "password_hash": password_hash}


def _bring(
    connection: Connection,
    users: list[Record],
    secrets: dict[int, list[Record]],
    moving: list[int],
    *,
    changing: bool,
    writing: bool,
) -> _Brought:
    if writing:
        for user_id in moving:
            address = emails.on_the_move(user_id)
            connection.execute(
                update(User).where(User.id == user_id).values(email=address, email_key=address)
            )
    stored = stored_rows(connection, User, users)
    outcome = bring(
        connection, User, users, stored, ["login_key"], changing=changing, writing=writing, complete=_complete
    )
    brought = bring_passwords(connection, outcome.fates, secrets, changing=changing, writing=writing)
    return _Brought(outcome, brought)
