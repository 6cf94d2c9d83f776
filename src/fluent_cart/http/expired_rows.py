"""Expired sessions and idempotency keys are removed also if no new ones come (decision 129)."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import Connection

from fluent_cart.database import Database
from fluent_cart.services import idempotency_keys, sessions

logger = logging.getLogger(__name__)

# Not at once: a server that starts has other work.
FIRST_SECONDS, EVERY_SECONDS = 60.0, 3600.0
# In one transaction, so that no other write waits for long.
BATCH = 100


@asynccontextmanager
async def removing_expired_rows(database: Database) -> AsyncIterator[None]:
    """Remove what has expired, every hour while the application runs."""
    task = asyncio.create_task(_remove_every_hour(database))
    try:
        yield
    finally:
        task.cancel()


async def _remove_every_hour(database: Database) -> None:
    await asyncio.sleep(FIRST_SECONDS)
    while True:
        await remove_expired_rows(database)
        await asyncio.sleep(EVERY_SECONDS)


async def remove_expired_rows(database: Database) -> None:
    """Remove all that has expired, or log that the database refused."""
    try:
        while await database.write(_remove_some):
            pass
    except Exception:
        # A database that is gone is logged elsewhere, too.
        logger.warning("Expired rows were not removed. The next attempt is in an hour")


def _remove_some(connection: Connection) -> bool:
    """Remove a batch; return whether there may be more."""
    removers = (sessions.remove_expired, idempotency_keys.remove_expired)
    return BATCH in [remove(connection, BATCH) for remove in removers]
