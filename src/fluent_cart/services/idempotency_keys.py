"""Run a request once, even if it is sent several times.

See docs/decisions.md#27-idempotency-keys.
"""

import re
from collections.abc import Callable, Collection
from datetime import timedelta
from hashlib import blake2b
from typing import NamedTuple

from sqlalchemy import BigInteger, Connection, bindparam, delete, func, insert, select, update

from fluent_cart.clock import ago, now
from fluent_cart.database.prepared import Prepared, Record
from fluent_cart.errors import CustomerNotFound, IdempotencyKeyInUse, IdempotencyKeyReused
from fluent_cart.models import IdempotencyKey
from fluent_cart.services.expired_rows import remove_oldest
from fluent_cart.services.merged_customers import missing_customer

RETENTION = timedelta(hours=24)
# Each new key removes up to this many expired keys, so that the table does not grow.
EXPIRED_PER_WRITE = 10
# Stored in place of a response about a deleted, merged or erased customer: the customer's id. Older versions
# stored an empty text.
_NO_BODY = re.compile(r"\d*")
# The beginning of the text that is stored in place of the key of such a response. No client can send it.
_ERASED = "\u2020"

# The customer of a stored response: the id in the request's path, or the id of the created customer.
_IN_ROUTE = re.compile(r"/customers/(\d+)(?:/|$)")
_IN_BODY = re.compile(r'\{"success":true,"data":\{"customer":\{"id":(\d+),')
_BODY_START = 80
# The response to an erasure has no personal data.
_ERASURE = "/erase"


class Attempt(NamedTuple):
    """A request that may have been sent before. ``route`` is its method and path."""

    user_id: int
    route: str
    key: str
    fingerprint: str


class Answer(NamedTuple):
    status: int
    body: bytes
    replayed: bool = False
    # False for a read, which runs again if it is sent again.
    is_stored: bool = True


_columns = (*Attempt._fields, "status", "body", "created_at")
_kept = Prepared(
    select(
        IdempotencyKey.id,
        IdempotencyKey.fingerprint,
        IdempotencyKey.status,
        IdempotencyKey.body,
        IdempotencyKey.created_at,
    ).where(
        IdempotencyKey.user_id == bindparam("user_id"),
        IdempotencyKey.route == bindparam("route"),
        IdempotencyKey.key.in_([bindparam("key"), bindparam("erased_key")]),
    )
)
_inserted = Prepared(insert(IdempotencyKey), _columns)
_deleted = Prepared(delete(IdempotencyKey).where(IdempotencyKey.id == bindparam("key_id")))
# SKIP LOCKED, because another transaction is about to remove those rows.
_expired = Prepared(
    select(IdempotencyKey.id)
    .where(IdempotencyKey.created_at < bindparam("oldest"))
    .order_by(IdempotencyKey.created_at)
    .limit(EXPIRED_PER_WRITE)
    .with_for_update(skip_locked=True)
)
_locked = Prepared(select(func.pg_try_advisory_xact_lock(bindparam("number", type_=BigInteger))))


def execute_once(connection: Connection, attempt: Attempt, act: Callable[[Connection], Answer]) -> Answer:
    """Run ``act`` and return its response, or the stored response of the same request within 24 hours.

    Raise ``IdempotencyKeyInUse`` while that request is running, ``IdempotencyKeyReused`` if the key was sent
    with another request, and ``CustomerNotFound`` or ``CustomerMerged`` if the customer of the response does
    not exist any more.
    """
    _claim(connection, attempt)
    oldest = ago(RETENTION)
    for kept in _kept.records(connection, attempt._asdict(), erased_key=_erased_key(attempt.key)):
        if kept["created_at"] >= oldest:
            if _NO_BODY.fullmatch(kept["body"]):
                raise missing_customer(connection, int(kept["body"])) if kept["body"] else CustomerNotFound
            if kept["fingerprint"] != attempt.fingerprint:
                raise IdempotencyKeyReused
            return Answer(kept["status"], kept["body"].encode(), replayed=True)
        _deleted.rows(connection, key_id=kept["id"])
    answer = act(connection)
    if answer.is_stored:
        _inserted.rows(
            connection, attempt._asdict(), status=answer.status, body=answer.body.decode(), created_at=now()
        )
    for (key_id,) in _expired.rows(connection, oldest=oldest):
        _deleted.rows(connection, key_id=key_id)
    return answer


def remove_expired(connection: Connection, limit: int) -> int:
    """Remove up to ``limit`` expired keys with their responses. Return how many were removed."""
    time = IdempotencyKey.created_at
    return remove_oldest(connection, IdempotencyKey, time < ago(RETENTION), time.expression, limit)


def erase_answers(connection: Connection, customer_ids: Collection[int]) -> None:
    """Erase stored responses about customers who are deleted, merged or erased.

    The keys stay, so that no request runs twice. They become digests, because a client may have put a name
    into a key.
    """
    found = _about(connection, customer_ids)
    if found:
        values = {"key": bindparam("erased_key"), "fingerprint": "", "body": bindparam("owner")}
        connection.execute(
            update(IdempotencyKey).where(IdempotencyKey.id == bindparam("key_id")).values(values),
            [
                {"key_id": key_id, "erased_key": _erased_key(key), "owner": str(owner)}
                for key_id, key, owner in found
            ],
        )


def answers_about(connection: Connection, customer_id: int) -> list[Record]:
    """Return the stored requests about a customer, with their responses."""
    key = IdempotencyKey
    kept = select(key.route.label("request"), key.key, key.status, key.body, key.created_at)
    ids = [key_id for key_id, _, _ in _about(connection, {customer_id})]
    rows = connection.execute(kept.where(key.id.in_(ids)).order_by(key.id))
    return [dict(row) for row in rows.mappings() if not _NO_BODY.fullmatch(row["body"])]


def _about(connection: Connection, customer_ids: Collection[int]) -> list[tuple[int, str, int]]:
    """Return the id, the key and the customer of each stored response about one of the customers."""
    start = func.substr(IdempotencyKey.body, 1, _BODY_START)
    rows = connection.execute(select(IdempotencyKey.id, IdempotencyKey.key, IdempotencyKey.route, start))
    return [
        (key_id, key, owner)
        for key_id, key, route, body in rows
        if (owner := _customer_of(route, body)) in customer_ids and owner is not None
    ]


def _erased_key(key: str) -> str:
    """Return the text that replaces a key when its response is erased. An erased key stays the same."""
    if key.startswith(_ERASED):
        return key
    return _ERASED + blake2b(key.encode(), digest_size=16).hexdigest()


def _customer_of(route: str, body: str) -> int | None:
    if route.endswith(_ERASURE):
        return None
    found = _IN_ROUTE.search(route) or _IN_BODY.match(body)
    return int(found[1]) if found else None


def _claim(connection: Connection, attempt: Attempt) -> None:
    """Keep other transactions from using the key until this transaction ends.

    SQLite runs one transaction at a time, so that this one finds the response that the one before it stored.
    """
    if connection.dialect.name == "postgresql":
        # A lock instead of the row, because a second insert would wait and hold a connection.
        scope = "\n".join((str(attempt.user_id), attempt.route, attempt.key))
        number = int.from_bytes(blake2b(scope.encode(), digest_size=8).digest(), signed=True)
        ((claimed,),) = _locked.rows(connection, number=number)
        if not claimed:
            raise IdempotencyKeyInUse
