"""What is kept within bounds: wrong passwords, slow hashes, requests, and notes of a last use.

An application has one ``Limits``, all of it in memory: there is no store that could be lost or be slow.

See docs/decisions.md#29-rate-limits.
"""

from typing import NamedTuple

from fluent_cart.auth.failed_logins import FailedLoginLimiter
from fluent_cart.auth.hash_queue import HashQueue
from fluent_cart.auth.last_used import LastUsed
from fluent_cart.auth.rate_limit import RateLimiter
from fluent_cart.settings import Settings


class Limits(NamedTuple):
    failed_logins: FailedLoginLimiter
    hash_queue: HashQueue
    requests: RateLimiter
    last_used: LastUsed


def create_limits(settings: Settings) -> Limits:
    """Return the limits that the settings name."""
    return Limits(
        FailedLoginLimiter(settings.failed_login_limit),
        HashQueue(),
        RateLimiter(settings.rate_limit, settings.rate_limit_file),
        LastUsed(),
    )


__all__ = ["FailedLoginLimiter", "HashQueue", "LastUsed", "Limits", "RateLimiter", "create_limits"]
