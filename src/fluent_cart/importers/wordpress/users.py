"""Import WordPress users and their login passwords.

See docs/decisions.md#20-attachable-users and #54-imported-login-passwords.
"""

from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection

from fluent_cart.database.prepared import Record
from fluent_cart.importers.wordpress import emails
from fluent_cart.importers.wordpress.application_passwords import KIND as PASSWORDS
from fluent_cart.importers.wordpress.application_passwords import (
    ImportedPasswords,
    Listed,
    application_passwords,
    import_passwords,
)
from fluent_cart.importers.wordpress.conflicts import Claimed, find_conflicts
from fluent_cart.importers.wordpress.issues import DataIssue
from fluent_cart.importers.wordpress.roles import NO_ROLE, Rights, read_rights, role_of
from fluent_cart.importers.wordpress.row_values import Values
from fluent_cart.importers.wordpress.run import ImportContext
from fluent_cart.importers.wordpress.staged_table import (
    APPLICATION_PASSWORDS,
    CAPABILITIES,
    SHOP_ROLE,
)
from fluent_cart.importers.wordpress.upsert import AbsentColumns, Identity, UpsertResult, stored_rows, upsert
from fluent_cart.models import User
from fluent_cart.security import login_passwords
from fluent_cart.services.search import search_text
from fluent_cart.services.users import key

KIND = "users"

# If WordPress stores a key twice, the first row counts.
_META = "(SELECT meta_value FROM usermeta WHERE user_id = users.id AND meta_key = ? ORDER BY id LIMIT 1)"
_STATEMENT = f"""
SELECT users.*, emails.email, {_META} AS capabilities, {_META} AS shop_role, {_META} AS passwords,
    (SELECT count(*) FROM usermeta WHERE user_id = users.id) AS metas
FROM users LEFT JOIN emails ON emails.kind = '{KIND}' AND emails.id = users.id ORDER BY users.id
"""  # noqa: S608


_EMAILS = Claimed(User, User.email_key.expression, KIND, "user_registered")
_LOGINS = Claimed(User, User.login_key.expression, KIND, "user_registered")


class _Imported(NamedTuple):
    users: UpsertResult
    passwords: ImportedPasswords


async def import_users(run: ImportContext) -> None:
    """Import all users, each with its application passwords."""
    await run.reserve_ids(User, KIND)
    emails.collect(run, KIND, "user_email")
    keys = (f"{run.prefix}{CAPABILITIES}", SHOP_ROLE, APPLICATION_PASSWORDS)
    rights = read_rights(run)
    for batch in run.batches(KIND, _STATEMENT, keys):
        rows = {row["id"]: row for row in batch}
        absent: dict[int, set[str]] = {}
        mapped = [user for row in batch if (user := _user(run, row, rights, absent))]
        users = await _without_taken_logins(run, mapped)
        barred = {user["id"] for user in users if _is_barred(rows[user["id"]])}
        reassigned = await emails.resolve_conflicts(run, KIND, _EMAILS, users)
        secrets = {
            user["id"]: application_passwords(
                run, rows[user["id"]], user["created_at"], is_barred=user["id"] in barred
            )
            for user in users
        }
        imported = await run.write_batch(
            _import_batch,
            users,
            secrets,
            reassigned,
            absent,
            barred,
            update_existing=run.options.update,
            writing=not run.options.dry_run,
        )
        run.record_result(KIND, imported.users)
        for user_id, status in imported.users.statuses.items():
            run.report.status("usermeta", status, rows[user_id]["metas"])
        for status, number in imported.passwords.statuses.items():
            run.report.status(PASSWORDS, status, number)
        for user_id in imported.users.taken:
            run.report.skip(PASSWORDS, DataIssue.ORPHAN, user_id, len(secrets[user_id].passwords))
        run.report.revoked += imported.passwords.revoked
    run.skip_orphans("usermeta", "user_id", KIND)


def _is_barred(row: dict[str, Any]) -> bool:
    """Return whether WordPress refuses to let the user sign in at any site of its network."""
    return any(row[column] not in (None, "", 0) for column in ("spam", "deleted"))


def _user(
    run: ImportContext, row: dict[str, Any], rights: Rights, absent: dict[int, set[str]]
) -> Record | None:
    values = run.values(KIND, row)
    absent[values.id] = values.absent
    login = values.text("user_login", 255)
    if not login or len(login) > 60 or ":" in login:
        run.report.skip(KIND, DataIssue.NO_LOGIN, values.id)
        return None
    if not run.staging.claim("login", key(login), values.id):
        run.report.skip(KIND, DataIssue.LOGIN_TAKEN, values.id)
        return None
    created_at, _ = values.times("user_registered", "user_registered")
    if is_barred := _is_barred(row):
        values.record_issue(DataIssue.BARRED)
    return {
        "id": values.id,
        "login": login,
        "login_key": key(login),
        "email": emails.email_for(run, KIND, values, row["email"]),
        "display_name": values.text("display_name", 255) or login,
        "role": NO_ROLE if is_barred else role_of(values, login, rights),
        "password_hash": None if is_barred else _password_hash(values),
        "created_at": created_at,
    }


def _password_hash(values: Values) -> str | None:
    """Return the hash of the login password, if passwords can be checked against it here."""
    password_hash = (values.get("user_pass") or "").strip()
    if not password_hash or login_passwords.is_known(password_hash):
        return password_hash or None
    values.record_issue(DataIssue.UNKNOWN_LOGIN_HASH)
    return None


async def _without_taken_logins(run: ImportContext, users: list[Record]) -> list[Record]:
    taken = (await find_conflicts(run, _LOGINS, {user["login_key"]: user["id"] for user in users})).kept
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
    reassigned: list[int],
    absent: AbsentColumns,
    barred: set[int],
    *,
    update_existing: bool,
    writing: bool,
) -> _Imported:
    if writing:
        emails.assign_temporary_emails(connection, User, reassigned)
    stored = stored_rows(connection, User, users)
    outcome = upsert(
        connection,
        User,
        users,
        stored,
        Identity(["login_key"]),
        update_existing=update_existing,
        writing=writing,
        absent=absent,
        complete=partial(_complete, barred=barred),
    )
    imported = import_passwords(
        connection, outcome.statuses, secrets, update_existing=update_existing, writing=writing
    )
    return _Imported(outcome, imported)
