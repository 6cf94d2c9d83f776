"""Retry the transactions of imports, which can wait while a running server has priority."""

import asyncio
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection

from fluent_cart.database.base import Database
from fluent_cart.errors import InvalidEmail, InvalidUser, ServiceUnavailable

P = ParamSpec("P")
T = TypeVar("T")

# The number of attempts, and the seconds between them.
ATTEMPTS, PAUSE = 5, 1.0


async def write_with_retry(
    database: Database, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run a transaction. Run it again a little later if it was rejected as busy or lost a conflict."""
    for _ in range(ATTEMPTS - 1):
        try:
            return await database.write(work, *args, **kwargs)
        except (ServiceUnavailable, InvalidEmail, InvalidUser):
            await asyncio.sleep(PAUSE)
    return await database.write(work, *args, **kwargs)
