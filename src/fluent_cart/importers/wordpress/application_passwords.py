"""Import application passwords with their hashes, so that the same header signs in.

See docs/decisions.md#22-http-basic and #41-import-into-an-existing-shop.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import Connection, delete, select

from fluent_cart.clock import to_text
from fluent_cart.database.prepared import Record
from fluent_cart.formats.php_serialize import PhpError, unserialize
from fluent_cart.importers.row_status import RowStatus
from fluent_cart.importers.wordpress.issues import DataIssue
from fluent_cart.importers.wordpress.row_values import Values
from fluent_cart.importers.wordpress.run import ImportContext
from fluent_cart.importers.wordpress.upsert import write
from fluent_cart.models import ApplicationPassword
from fluent_cart.security import application_passwords as password_hashes

KIND = "application_passwords"
_UUID = re.compile(r"[0-9A-Za-z-]{1,36}")


class Listed(NamedTuple):
    """The application passwords of a user."""

    passwords: list[Record]
    # The list could be read to its end, so passwords that are not in it were revoked at the source.
    is_whole: bool


class ImportedPasswords(NamedTuple):
    """How many passwords had which status, and how many were revoked at the source and so here."""

    statuses: Counter[RowStatus]
    revoked: int


def application_passwords(
    run: ImportContext, row: dict[str, Any], registered: str, *, is_barred: bool
) -> Listed:
    """Return the application passwords of a user, from the list as PHP wrote it."""
    try:
        entries = list(unserialize(row["passwords"] or "a:0:{}").values())
    except (PhpError, AttributeError):
        run.report.read(KIND)
        run.report.skip(KIND, DataIssue.UNREADABLE_LIST, row["id"])
        return Listed([], is_whole=is_barred)
    run.report.read(KIND, len(entries))
    if is_barred:
        run.report.skip(KIND, DataIssue.BARRED_PASSWORD, row["id"], len(entries))
        return Listed([], is_whole=True)
    hashes = [_hash(entry) for entry in entries]
    is_whole = row["passwords"] is not None and None not in hashes
    return Listed(_known(run, row, zip(entries, hashes, strict=True), registered), is_whole)


def _known(
    run: ImportContext, row: dict[str, Any], entries: Iterable[tuple[Any, str | None]], registered: str
) -> list[Record]:
    values, seen, found = Values(run.report, KIND, row), set[str](), list[Record]()
    for entry, password_hash in entries:
        if password_hash is None:
            run.report.skip(KIND, DataIssue.UNKNOWN_HASH, values.id)
            continue
        uuid = _uuid(entry.get("uuid"), values.id, password_hash)
        if {uuid, password_hash} & seen:
            run.report.skip(KIND, DataIssue.REPEATED, values.id)
            continue
        seen |= {uuid, password_hash}
        found.append(
            {
                "user_id": values.id,
                "uuid": uuid,
                "name": values.fit(str(entry.get("name") or ""), 255),
                "password_hash": password_hash,
                "created_at": _created(entry.get("created")) or registered,
            }
        )
    return found


def _hash(entry: Any) -> str | None:
    """Return the hash of an entry, or None if passwords cannot be checked against it here."""
    found = entry.get("password") if isinstance(entry, dict) else None
    return found if isinstance(found, str) and password_hashes.is_known(found) else None


def _uuid(text: Any, user_id: int, password_hash: str) -> str:
    if isinstance(text, str) and _UUID.fullmatch(text):
        return text
    return str(uuid5(NAMESPACE_OID, f"{user_id} {password_hash}"))


def _created(seconds: Any) -> str | None:
    try:
        return to_text(datetime.fromtimestamp(seconds, UTC))
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def import_passwords(
    connection: Connection,
    users: Mapping[int, RowStatus],
    secrets: Mapping[int, Listed],
    *,
    update_existing: bool,
    writing: bool,
) -> ImportedPasswords:
    """Import the passwords of new users, and those of existing users only if ``update_existing``.

    So a password that was revoked here does not come back by itself. Passwords that were created here stay.
    """
    here = _stored(connection, users)
    statuses, new, changed, revoked = Counter[RowStatus](), list[Record](), list[Record](), list[int]()
    for user_id, user_status in users.items():
        may_change = update_existing or user_status is RowStatus.WRITTEN
        gone = {row["id"] for row in here[user_id] if row["uuid"] is not None}
        for password in secrets[user_id].passwords:
            known = next((row for row in here[user_id] if _is_same_password(row, password)), None)
            gone -= {known and known["id"]}
            if known and known["name"] == password["name"]:
                statuses[RowStatus.UNCHANGED] += 1
            elif not may_change:
                statuses[RowStatus.LEFT] += 1
            elif known:
                statuses[RowStatus.CHANGED] += 1
                changed.append({"id": known["id"], "name": password["name"]})
            else:
                statuses[RowStatus.WRITTEN] += 1
                new.append(password)
        revoked += gone if may_change and secrets[user_id].is_whole else ()
    if writing:
        connection.execute(delete(ApplicationPassword).where(ApplicationPassword.id.in_(revoked)))
        write(connection, ApplicationPassword, new, changed)
    return ImportedPasswords(statuses, len(revoked))


def _stored(connection: Connection, users: Mapping[int, RowStatus]) -> dict[int, list[Record]]:
    table = ApplicationPassword.__table__
    found: dict[int, list[Record]] = {user_id: [] for user_id in users}
    for row in connection.execute(select(table).where(table.c.user_id.in_(list(users)))).mappings():
        found[row["user_id"]].append(dict(row))
    return found


def _is_same_password(stored: Record, password: Record) -> bool:
    # An old hash is replaced when its password is used, but a password never becomes another one.
    return bool(stored["uuid"] == password["uuid"] or stored["password_hash"] == password["password_hash"])
