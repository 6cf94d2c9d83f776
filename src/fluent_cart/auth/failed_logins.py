"""Wrong passwords: so many for one name and from one address, then 429 in place of 401.

A right password is not counted, and not refused for the wrong ones of others: a limit that locked accounts
would be a way to lock out their owners. Nor is it needed for that: an application password has 142 random
bits. The limit saves the work that wrong passwords cost, and 429 makes a client stop.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from fluent_cart.errors import TooManyAttempts

WINDOW_SECONDS = 300
# For names and for addresses each. Beyond it the one that has been quiet for longest is forgotten.
MAX_KEYS = 5_000
# Who has one address of IPv6 has its whole network of this size.
IPV6_HOST_BITS = 64

Clock = Callable[[], float]


class FailedLoginLimiter:
    """Counts failures by name and by address, known names or not; at most ``limit`` each in five minutes.

    Each process counts for itself. With a ``limit`` of 0 nothing is counted.
    """

    def __init__(self, limit: int, clock: Clock = time.monotonic) -> None:
        self._names, self._addresses = _Failures(limit, clock), _Failures(limit, clock)

    def require_allowed(self, address: str) -> None:
        """Raise ``TooManyAttempts`` if slow work for an address is refused now.

        Names do not count here: failures from elsewhere must not keep the owner of a name from signing in.
        """
        if wait := self.wait(address):
            raise TooManyAttempts(wait)

    def count(self, name: str, address: str) -> None:
        """Count a failure; raise ``TooManyAttempts`` if there were too many before."""
        if wait := self.fail(name, address):
            raise TooManyAttempts(wait)

    def wait(self, address: str) -> int:
        """Return for how many seconds slow work for an address is refused; 0 if it is not."""
        return self._addresses.wait(_network(address))

    def fail(self, name: str, address: str) -> int:
        """Count a failure; return how many seconds to wait if there were too many before, else 0."""
        # One address alone cannot fill the memory with names: its own limit comes first.
        return self._addresses.fail(_network(address)) or self._names.fail(name)


class _Failures:
    """The times of each key's last failures, in the order of the keys' last ones."""

    def __init__(self, limit: int, clock: Clock) -> None:
        self._limit, self._clock = limit, clock
        # By hash value: no name stays in memory, however long. Python uses another seed in each process.
        self._times: OrderedDict[int, list[float]] = OrderedDict()

    def wait(self, key: str) -> int:
        times = self._times.get(hash(key), ())
        if not self._limit or len(times) < self._limit:
            return 0
        return max(0, math.ceil(times[-self._limit] + WINDOW_SECONDS - self._clock()))

    def fail(self, key: str) -> int:
        if wait := self.wait(key):
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
    """Return what one client has of addresses: one of IPv4, a network of IPv6."""
    try:
        parsed = ip_address(address)
    except ValueError:  # a socket that is no network's, or what a proxy calls its client
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or int(parsed) >> IPV6_HOST_BITS)
    return address
