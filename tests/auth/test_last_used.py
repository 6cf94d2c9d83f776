"""The last use of an application password: written once a day, not before the answer, not in its place."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from sqlite3 import connect as sqlite
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, select, update

from fluent_cart.auth.limits import LastUsed
from fluent_cart.clock import now, to_text
from fluent_cart.database import Database, create_database
from fluent_cart.models import ApplicationPassword
from fluent_cart.services.application_passwords import (
    AuthenticatedPassword,
    list_application_passwords,
    record_last_used,
)
from fluent_cart.services.users import CurrentUser
from fluent_cart.settings import Settings
from tests.conftest import MakeClient, credentials
from tests.support.login import assert_signed_in

WORKERS = 4  # the id of its password, and of itself


def set_last_used(connection: Connection, moment: str | None) -> None:
    password = update(ApplicationPassword).where(ApplicationPassword.id == WORKERS)
    connection.execute(password.values(last_used=moment))


def last_used(connection: Connection) -> str | None:
    return connection.scalar(select(ApplicationPassword.last_used).where(ApplicationPassword.id == WORKERS))


def ago(**time: int) -> str:
    return to_text(datetime.now(UTC) - timedelta(**time))


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    deadline = time.monotonic() + 20
    while not await condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "before", [None, "2024-01-01T10:00:00Z", ago(hours=26)], ids=["never", "long", "day"]
)
async def test_last_use_is_written_by_the_first_request_of_a_day(
    database: Database, viewer: httpx.AsyncClient, before: str | None
) -> None:
    await database.write(set_last_used, before)
    began = now()
    assert_signed_in(await viewer.get(""))

    async def is_written() -> bool:
        return (await database.scan(last_used) or "") >= began

    await until(is_written)
    listed = await database.scan(list_application_passwords, "worker")
    assert began <= listed[0]["last_used"] <= now()


async def test_last_use_is_written_by_a_request_that_is_rejected_later(
    database: Database, no_permissions: httpx.AsyncClient
) -> None:
    """The password was used, even if its user has no permission."""

    def all_used(connection: Connection) -> bool:
        return None not in connection.scalars(select(ApplicationPassword.last_used)).all()

    def forget(connection: Connection) -> None:
        connection.execute(update(ApplicationPassword).values(last_used=now()))
        connection.execute(
            update(ApplicationPassword).where(ApplicationPassword.id == 6).values(last_used=None)
        )

    await database.write(forget)
    assert (await no_permissions.get("")).status_code == 403
    await until(lambda: database.scan(all_used))


async def test_last_use_is_not_written_again_within_a_day(
    database: Database, viewer: httpx.AsyncClient
) -> None:
    for moment in (ago(hours=1), ago(hours=23), to_text(datetime.now(UTC) + timedelta(days=400))):
        await database.write(set_last_used, moment)
        assert_signed_in(await viewer.get(""))
        # A queued write would run before this one.
        await database.write(record_last_used, 999, now())
        assert await database.scan(last_used) == moment


class Failing:
    """A database whose writes fail, or wait, and are counted."""

    def __init__(self, error: Exception | None) -> None:
        self.error, self.writes = error, 0

    async def write(self, *_: object) -> None:
        self.writes += 1
        if self.error:
            raise self.error
        await asyncio.sleep(3600)


@pytest.mark.parametrize("error", [OSError("disk full"), None], ids=["fails", "waits"])
async def test_write_of_the_last_use_is_tried_once_an_hour(
    caplog: pytest.LogCaptureFixture, error: Exception | None
) -> None:
    noted, database = LastUsed(), Failing(error)
    user = CurrentUser(1, "ada", "manager")
    with caplog.at_level(logging.WARNING):
        for password_id in (1, 1, 2, 1, 2):
            noted.record(database, AuthenticatedPassword(user, password_id, None))  # type: ignore[arg-type]
        noted.record(database, AuthenticatedPassword(user, 3, now()))  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
    assert database.writes == 2
    text = "The last use of application password {} was not written"
    expected = [text.format(number) for number in (1, 2)] if error else []
    assert [record.getMessage() for record in caplog.records] == expected
    for task in noted._tasks:
        task.cancel()


async def test_read_succeeds_at_once_while_the_last_use_cannot_be_written(
    sqlite_settings: Settings, shared_app: Any, client_of: MakeClient
) -> None:
    """Another program holds SQLite's write lock for longer than a write may wait."""
    hasty = sqlite_settings.model_copy(update={"write_timeout": 0.2})
    async with create_database(hasty) as database, client_of(credentials("worker")) as client:
        await database.write(set_last_used, None)
        shared_app.state.database = database
        path = Path(hasty.database_url.removeprefix("sqlite:///"))
        holder = sqlite(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            assert_signed_in(await client.get(""))
        assert shared_app.state.limits.last_used._tasks, "it still waits for its turn"
        await asyncio.sleep(0.3)
        assert_signed_in(await client.get(""))
        holder.execute("ROLLBACK")
        holder.close()
        assert await database.scan(last_used) is None


async def test_write_of_the_last_use_is_tried_again_in_the_next_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    used, database, clock = LastUsed(), Failing(OSError("disk full")), [7200.0]
    monkeypatch.setattr("fluent_cart.auth.last_used.time.time", lambda: clock[0])
    user = CurrentUser(1, "ada", "manager")
    for seconds, writes in ((0, 1), (3599, 1), (1, 2)):
        clock[0] += seconds
        used.record(database, AuthenticatedPassword(user, 1, None))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        assert database.writes == writes
