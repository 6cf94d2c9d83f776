"""Log refusals, sign-ins, changed credentials and erasures to the logger ``fluent_cart.security``.

Each line is JSON. It never contains a secret, and of personal data only the login name. An e-mail address, or
a name that looks like an application password, is logged as a short hash, which differs between processes.
"""

import json
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any

from fluent_cart.clock import now
from fluent_cart.errors import (
    ApiError,
    AuthenticationFailed,
    AuthenticationRequired,
    CrossSiteRequest,
    InsufficientPermissions,
    InvalidNonce,
    TooManyAttempts,
    TooManyRequests,
)
from fluent_cart.observability import metrics
from fluent_cart.observability.request_context import Scope, client_address, request_context

logger = logging.getLogger("fluent_cart.security")

EVENTS: Mapping[type[ApiError], str] = {
    AuthenticationRequired: "authentication",
    AuthenticationFailed: "authentication",
    InvalidNonce: "authentication",
    CrossSiteRequest: "authorization",
    InsufficientPermissions: "authorization",
    TooManyAttempts: "throttling",
    TooManyRequests: "throttling",
}
# The longest possible login name.
MAX_LENGTH = 60
# An application password has 24 letters and digits. Most of one is also secret.
SECRET_LENGTH = 20

_key = secrets.token_bytes(16)


def log_denied(scope: Scope, error: ApiError) -> None:
    """Log the refusal of a request, if ``error`` is one."""
    event = EVENTS.get(type(error))
    if event:
        metrics.REFUSALS.labels(error.code).inc()
    if event == "throttling" and _throttled.already_logged(scope, error.code):
        return
    if event:
        _log(logging.WARNING, event, error.code, scope)


def log_password_upgrade(scope: Scope) -> None:
    """Log that a password of an older site was accepted, and that its new hash is stored."""
    _log(logging.INFO, "password_upgrade", "upgraded", scope)


def log_login(scope: Scope) -> None:
    """Log that a session began."""
    _log(logging.INFO, "authentication", "signed_in", scope)


def log_logout(scope: Scope) -> None:
    """Log that a user ended a session."""
    _log(logging.INFO, "authentication", "signed_out", scope)


def log_credential(scope: Scope, outcome: str) -> None:
    """Log that a user changed the user's own credentials. ``outcome`` is the kind of the change."""
    _log(logging.INFO, "credentials", outcome, scope)


def log_erasure(scope: Scope, customer_id: int) -> None:
    """Log that a customer was erased. The id identifies no person any more."""
    _log(logging.INFO, "privacy", "erased", scope, customer_id=customer_id)


def redact_account(account: str) -> str:
    """Return a name for the log: cut at 60 characters, and hashed if it is an address or may be a secret."""
    if "@" in account or len(re.sub("[^A-Za-z0-9]", "", account)) >= SECRET_LENGTH:
        return f"hash:{blake2b(account.strip().casefold().encode(), key=_key, digest_size=6).hexdigest()}"
    return account[:MAX_LENGTH]


def _log(level: int, event: str, outcome: str, scope: Scope, **more: int) -> None:
    if logger.isEnabledFor(level):
        context = request_context(scope)
        line = {
            "time": now(),
            "event": event,
            "outcome": outcome,
            "account": redact_account(context.account) if context.account is not None else None,
            # The declared path, without ids and query.
            "route": f"{scope['method']} {getattr(scope.get('route'), 'path', None)}",
            "address": client_address(scope)[:MAX_LENGTH],
            "request_id": context.request_id,
            **more,
        }
        # In ASCII, so that line breaks and control characters, also those of Unicode, are escaped.
        logger.log(level, "%s", json.dumps(line))


class _ThrottledCallers:
    """Logs a throttled caller once a minute, and remembers a limited number of callers."""

    QUIET_SECONDS, MAX = 60, 1000

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._minute = 0
        self._logged: set[tuple[Any, ...]] = set()

    def already_logged(self, scope: Scope, code: str) -> bool:
        if (minute := int(self._clock() / self.QUIET_SECONDS)) != self._minute:
            self._minute, self._logged = minute, set()
        throttled = (code, hash(request_context(scope).account), client_address(scope))
        if throttled in self._logged or len(self._logged) >= self.MAX:
            return True
        self._logged.add(throttled)
        return False


_throttled = _ThrottledCallers()
