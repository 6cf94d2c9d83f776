"""Store the last use of an application password once a day, without a delay of the response."""

import asyncio
import logging
import time
from datetime import UTC, datetime

from fluent_cart.clock import to_text
from fluent_cart.database import Database
from fluent_cart.services.application_passwords import AuthenticatedPassword, record_last_used

logger = logging.getLogger(__name__)

HOUR, DAY = 3600, 24 * 3600


class LastUsed:
    """Stores the last use of passwords.

    Each is checked at most once an hour and written at most once a day.
    """

    def __init__(self) -> None:
        self._hour, self._a_day_ago = 0, ""
        self._tried: set[int] = set()
        # A reference, because the event loop does not keep its tasks alive.
        self._tasks: set[asyncio.Task[None]] = set()

    def record(self, database: Database, sign_in: AuthenticatedPassword) -> None:
        """Note that a password is used. The caller does not wait for the database."""
        # Most requests only compare a text that is computed once an hour.
        if (hour := int(time.time()) // HOUR) != self._hour:
            self._hour, self._tried = hour, set()
            self._a_day_ago = to_text(datetime.fromtimestamp(hour * HOUR - DAY, UTC))
        if sign_in.last_used is not None and sign_in.last_used >= self._a_day_ago:
            return
        if sign_in.password_id not in self._tried:
            self._tried.add(sign_in.password_id)
            task = asyncio.create_task(self._write(database, sign_in.password_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _write(self, database: Database, password_id: int) -> None:
        try:
            await database.write(record_last_used, password_id, self._a_day_ago)
        except Exception:
            # No request waits for this, so only the log has the error. Requests report an unavailable
            # database.
            logger.warning("The last use of application password %s was not written", password_id)
