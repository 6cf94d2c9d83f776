"""Limit wrong passwords: after too many for one name or from one address, the response is 429 instead of 401.

A correct password is not counted, and wrong ones of others do not block it, because a limit that locked
accounts would let anyone lock out their owners. An application password has 142 random bits, so it needs no
lock. The limit saves the work of wrong passwords, and 429 makes a client stop.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from fluent_cart.errors import TooManyAttempts

WINDOW_SECONDS = 300
# Limit for names and for addresses each. Beyond it, the entry without a failure for the longest time is
# removed.
MAX_KEYS = 5_000
# The owner of one IPv6 address usually has its whole network of this size.
IPV6_HOST_BITS = 64

Clock = Callable[[], float]


class FailedLoginLimiter:
    """Counts failures by name and by address, at most ``limit`` each in five minutes.

    Names are counted whether they exist or not. Each process counts for itself. A ``limit`` of 0 disables
    counting.
    """

    def __init__(self, limit: int, clock: Clock = time.monotonic) -> None:
        self._names, self._addresses = _Failures(limit, clock), _Failures(limit, clock)

    def require_allowed(self, address: str) -> None:
        """Raise ``TooManyAttempts`` if an address may not cause slow work now.

        Names do not count here, because failures from elsewhere must not block the owner of a name.
        """
        if wait := self.retry_after(address):
            raise TooManyAttempts(wait)

    def count(self, name: str, address: str) -> None:
        """Count a failure. Raise ``TooManyAttempts`` if there were too many before."""
        if wait := self.record_failure(name, address):
            raise TooManyAttempts(wait)

    def retry_after(self, address: str) -> int:
        """Return the seconds for which an address may not cause slow work, or 0."""
        return self._addresses.retry_after(_network(address))

    def record_failure(self, name: str, address: str) -> int:
        """Count a failure. Return the seconds to wait if there were too many before, or 0."""
        # The address is checked first, so that one address alone cannot fill the memory with names.
        return self._addresses.record_failure(_network(address)) or self._names.record_failure(name)


class _Failures:
    """The times of each key's last failures, ordered by the last failure of each key."""

    def __init__(self, limit: int, clock: Clock) -> None:
        self._limit, self._clock = limit, clock
        # Keyed by hash value, so that no name stays in memory, of any length. Python's seed differs between
        # processes.
        self._times: OrderedDict[int, list[float]] = OrderedDict()

    def retry_after(self, key: str) -> int:
        times = self._times.get(hash(key), ())
        if not self._limit or len(times) < self._limit:
            return 0
        return max(0, math.ceil(times[-self._limit] + WINDOW_SECONDS - self._clock()))

    def record_failure(self, key: str) -> int:
        if wait := self.retry_after(key):
            return wait
        if self._limit:
            times = self._times.pop(hash(key), [])
            times.append(self._clock())
            del times[: -self._limit]
            self._times[hash(key)] = times
            if len(self._times) > MAX_KEYS:
                self._times.popitem(last=False)
        return 0


def _network(address: str) -> str:
    """Return the key to count by: the full IPv4 address, or the network of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:  # a Unix socket, or another name from a proxy
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or int(parsed) >> IPV6_HOST_BITS)
    return address
