"""Expired sessions and idempotency keys go without new ones.

See docs/decisions.md#129-expired-rows.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, insert, text

from fluent_cart.clock import ago, now
from fluent_cart.database import Database
from fluent_cart.errors import ServiceUnavailable
from fluent_cart.http import expired_rows
from fluent_cart.http.expired_rows import remove_expired_rows, removing_expired_rows
from fluent_cart.models import IdempotencyKey, Session
from fluent_cart.services import idempotency_keys, sessions
from fluent_cart.services.idempotency_keys import RETENTION
from tests.conftest import rows


def fill(connection: Connection) -> None:
    """Store five sessions and five keys that have expired, and one of each that has not."""
    for number in range(6):
        time = ago(2 * RETENTION) if number else now()
        kept = {"user_id": 1, "route": "POST /", "key": str(number), "fingerprint": "", "status": 200}
        connection.execute(insert(IdempotencyKey), kept | {"body": "{}", "created_at": time})
        expires = ago(RETENTION) if number else ago(-RETENTION)
        session = {"user_id": 1, "token_hash": str(number), "key": "", "created_at": time}
        connection.execute(insert(Session), session | {"expires_at": expires})


async def left(database: Database) -> tuple[list[Any], list[Any]]:
    keys, kept = await database.scan(rows, IdempotencyKey), await database.scan(rows, Session)
    return [row["key"] for row in keys], [row["token_hash"] for row in kept]


async def test_all_expired_rows_are_removed_in_batches(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expired_rows, "BATCH", 2)
    await database.write(fill)
    await remove_expired_rows(database, 30)
    assert await left(database) == (["0"], ["0"])


@pytest.mark.parametrize("service", [idempotency_keys, sessions])
async def test_batch_is_not_larger_than_its_limit_with_any_plan(database: Database, service: Any) -> None:
    def remove(connection: Connection) -> int:
        if connection.dialect.name == "postgresql":
            for way in ("hashjoin", "mergejoin", "hashagg", "sort", "material"):
                connection.execute(text(f"SET LOCAL enable_{way} = off"))
        removed: int = service.remove_expired(connection, 2)
        return removed

    await database.write(fill)
    assert await database.write(remove) == 2


async def test_expired_rows_are_removed_while_the_application_runs(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expired_rows, "FIRST_SECONDS", 0)
    await database.write(fill)
    async with removing_expired_rows(database, 30), asyncio.timeout(10):
        while await left(database) != (["0"], ["0"]):  # noqa: ASYNC110  # the database has no event
            await asyncio.sleep(0.01)


async def test_failed_removal_of_expired_rows_is_logged_and_retried(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(_unit: Callable[..., Any]) -> None:
        raise ServiceUnavailable

    monkeypatch.setattr(database, "write_many", refuse)
    with caplog.at_level(logging.WARNING):
        await remove_expired_rows(database, 30)
    assert caplog.messages == ["Expired rows were not removed. The next attempt is in an hour"]
