"""Application passwords: their hashes stay as they are, so the same header signs in (decisions 22, 41)."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import NAMESPACE_OID, uuid5

from sqlalchemy import Connection, delete, select

from fluent_cart.clock import to_text
from fluent_cart.database.prepared import Record
from fluent_cart.formats.php_serialize import PhpError, unserialize
from fluent_cart.importers.wordpress.issues import Oddity
from fluent_cart.importers.wordpress.report import Fate
from fluent_cart.importers.wordpress.row_values import Values
from fluent_cart.importers.wordpress.run import Run
from fluent_cart.importers.wordpress.upsert import write
from fluent_cart.models import ApplicationPassword
from fluent_cart.security import application_passwords as password_hashes

KIND = "application_passwords"
_HASH = re.compile(r"[!-~]{1,255}")
_UUID = re.compile(r"[0-9A-Za-z-]{1,36}")


class BroughtPasswords(NamedTuple):
    """How many passwords had which fate, and how many were revoked at the source and so here."""

    fates: Counter[Fate]
    revoked: int


def application_passwords(run: Run, row: dict[str, Any], registered: str) -> Iterator[Record]:
    """Give the application passwords of a user, whose row has the list as PHP wrote it."""
    try:
        entries = list(unserialize(row["passwords"] or "a:0:{}").values())
    except (PhpError, AttributeError):
        entries = [None]
    run.report.read(KIND, len(entries))
    values, seen = Values(run.report, KIND, row), set[str]()
    for entry in entries:
        password_hash = entry.get("password") if isinstance(entry, dict) else None
        if not isinstance(password_hash, str) or not _is_known(password_hash):
            run.report.skip(KIND, Oddity.UNKNOWN_HASH, values.id)
            continue
        uuid = _uuid(entry.get("uuid"), values.id, password_hash)
        if {uuid, password_hash} & seen:
            run.report.skip(KIND, Oddity.REPEATED, values.id)
            continue
        seen |= {uuid, password_hash}
        yield {
            "user_id": values.id,
            "uuid": uuid,
            "name": values.fit(str(entry.get("name") or ""), 255),
            "password_hash": password_hash,
            "created_at": _created(entry.get("created")) or registered,
        }


def _is_known(password_hash: str) -> bool:
    return bool(
        _HASH.fullmatch(password_hash) and password_hashes.application_passwords.identify(password_hash)
    )


def _uuid(text: Any, user_id: int, password_hash: str) -> str:
    if isinstance(text, str) and _UUID.fullmatch(text):
        return text
    return str(uuid5(NAMESPACE_OID, f"{user_id} {password_hash}"))


def _created(seconds: Any) -> str | None:
    try:
        return to_text(datetime.fromtimestamp(seconds, UTC))
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def bring_passwords(
    connection: Connection,
    users: Mapping[int, Fate],
    secrets: Mapping[int, list[Record]],
    *,
    changing: bool,
    writing: bool,
) -> BroughtPasswords:
    """Bring the passwords of new users; those of users who are here only if ``changing``.

    So a password that was revoked here does not come back by itself. Passwords that were made here stay.
    """
    here = _stored(connection, users)
    fates, new, changed, revoked = Counter[Fate](), list[Record](), list[Record](), list[int]()
    for user_id, user_fate in users.items():
        may_change = changing or user_fate is Fate.WRITTEN
        gone = {row["id"] for row in here[user_id] if row["uuid"] is not None}
        for password in secrets[user_id]:
            known = next((row for row in here[user_id] if _is_same(row, password)), None)
            gone -= {known and known["id"]}
            if known and known["name"] == password["name"]:
                fates[Fate.UNCHANGED] += 1
            elif not may_change:
                fates[Fate.LEFT] += 1
            elif known:
                fates[Fate.CHANGED] += 1
                changed.append({"id": known["id"], "name": password["name"]})
            else:
                fates[Fate.WRITTEN] += 1
                new.append(password)
        revoked += gone if may_change else ()
    if writing:
        connection.execute(delete(ApplicationPassword).where(ApplicationPassword.id.in_(revoked)))
        write(connection, ApplicationPassword, new, changed)
    return BroughtPasswords(fates, len(revoked))


def _stored(connection: Connection, users: Mapping[int, Fate]) -> dict[int, list[Record]]:
    table = ApplicationPassword.__table__
    found: dict[int, list[Record]] = {user_id: [] for user_id in users}
    for row in connection.execute(select(table).where(table.c.user_id.in_(list(users)))).mappings():
        found[row["user_id"]].append(dict(row))
    return found


def _is_same(stored: Record, password: Record) -> bool:
    # An old hash is stored anew when its password is used, but no password ever becomes another one.
    return bool(stored["uuid"] == password["uuid"] or stored["password_hash"] == password["password_hash"])
