"""The sessions of PostgreSQL are checked again before one opens, where the check of the start does not count.

A server may be away when `serve` starts, and may come back behind a connection pooler that loses settings.
"""

import asyncio
import threading
import time

from sqlalchemy.exc import DBAPIError

from fluent_cart.database.session_check import find_problem
from fluent_cart.errors import ServiceUnavailable

# After a failure. A server that is away is not called by each request.
PAUSE_SECONDS = 0.2


class SessionsUnusable(Exception):
    """Sessions of the server lose their settings."""


class SessionGate:
    """Lets new sessions open. They are checked first after one could not open, or after ``require_check``.

    It may be used from several event loops.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._is_due = False
        self._failure: ServiceUnavailable | None = None
        self._failed_at = 0.0
        self._checking = threading.Lock()

    def require_check(self) -> None:
        """Have the sessions checked before the next one opens."""
        self._is_due = True

    def report_failure(self) -> None:
        """Note that a session could not open: another server may answer the next."""
        self.require_check()

    async def enter(self) -> None:
        """Return if a session may open. 503 if the server is away, or if its sessions are unusable."""
        if self._is_due:
            # In a thread, because the check is made with the driver of commands.
            await asyncio.to_thread(self._check)

    def _check(self) -> None:
        with self._checking:
            if not self._is_due:
                return
            if self._failure and time.monotonic() < self._failed_at + PAUSE_SECONDS:
                raise ServiceUnavailable from self._failure.__cause__
            try:
                self._require_no_problem()
            except ServiceUnavailable as failure:
                self._failure, self._failed_at = failure, time.monotonic()
                raise
            self._is_due, self._failure = False, None

    def _require_no_problem(self) -> None:
        try:
            problem = find_problem(self._url)
        except DBAPIError as error:
            raise ServiceUnavailable from error
        if problem:
            raise ServiceUnavailable from SessionsUnusable(f"{problem.text}. {problem.advice}")
