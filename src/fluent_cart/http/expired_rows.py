"""Remove expired sessions, idempotency keys and changes while the application runs.

See docs/decisions.md#129-expired-rows.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from sqlalchemy import Connection

from fluent_cart.database import Database
from fluent_cart.services import changes, erasure, idempotency_keys, sessions

logger = logging.getLogger(__name__)

# A delay, because a server that starts has other work.
FIRST_SECONDS, EVERY_SECONDS = 60.0, 3600.0
REMAINS_HOURS = 24
# The limit of one transaction, so that no other write waits for long.
BATCH = 100


@asynccontextmanager
async def removing_expired_rows(database: Database, changes_days: int) -> AsyncIterator[None]:
    """Remove expired rows every hour while the application runs."""
    task = asyncio.create_task(_remove_every_hour(database, changes_days))
    try:
        yield
    finally:
        task.cancel()


async def _remove_every_hour(database: Database, changes_days: int) -> None:
    await asyncio.sleep(FIRST_SECONDS)
    removed, hours = 0, 0
    while True:
        await remove_expired_rows(database, changes_days)
        # Once a day, because the remains of deleted rows are not urgent, and a large index takes a minute.
        if hours % REMAINS_HOURS == 0:
            removed = await remove_remains(database, removed)
        hours += 1
        await asyncio.sleep(EVERY_SECONDS)


async def remove_expired_rows(database: Database, changes_days: int) -> None:
    """Remove all expired rows, or log that they were not removed."""
    try:
        while await database.write_many(partial(_remove_some, changes_days=changes_days)):
            pass
    except Exception:
        # An unavailable database is logged elsewhere, too.
        logger.warning("Expired rows were not removed. The next attempt is in an hour")


async def remove_remains(database: Database, removed: int) -> int:
    """Remove from files the remains of customers who were erased or deleted after the change ``removed``.

    Return the id of the last such change.
    """
    try:
        last = await database.scan(erasure.last_removal)
        if last > removed:
            await asyncio.to_thread(database.remove_remains)
    except Exception:
        logger.warning("Remains of deleted rows were not removed. The next attempt is in a day")
        return removed
    return last


def _remove_some(connection: Connection, changes_days: int) -> bool:
    """Remove a batch. Return whether there may be more."""
    remove_changes = partial(changes.remove_expired, days=changes_days)
    removers = (sessions.remove_expired, idempotency_keys.remove_expired, remove_changes)
    return BATCH in [remove(connection, BATCH) for remove in removers]
