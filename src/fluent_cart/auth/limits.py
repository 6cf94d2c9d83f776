"""The limits of an application: wrong passwords, slow hashes, requests, and writes of a last use.

An application has one ``Limits`` object. It is in memory, so that no store can be lost or slow.

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
    """Return the limits of the settings."""
    return Limits(
        FailedLoginLimiter(settings.failed_login_limit),
        HashQueue(),
        RateLimiter(settings.rate_limit, settings.rate_limit_file),
        LastUsed(),
    )


__all__ = ["FailedLoginLimiter", "HashQueue", "LastUsed", "Limits", "RateLimiter", "create_limits"]
