"""Write and check the cookie and the nonces of a session.

Both have the form of WordPress. Only the session has the key that signs them.

See docs/decisions.md#51-sessions and #52-nonces.
"""

import math
import time
from collections.abc import Iterable
from hmac import compare_digest
from hmac import digest as hmac
from typing import NamedTuple
from urllib.parse import quote, unquote

# The name of WordPress with a suffix of this program, because both may have the same host and cookie jar.
NAME = "wordpress_logged_in_eb476206d9594589529e7f184f233308"
_STARTS = f"{NAME}=".encode()

TICK_SECONDS = 12 * 3600
NONCE_ACTION = "wp_rest"


class Cookie(NamedTuple):
    """The parts of a cookie as it was sent. None of them has been checked yet."""

    login: str
    # Seconds since 1970.
    expires: str
    token: str
    signature: str


def read(headers: Iterable[tuple[bytes, bytes]]) -> Cookie | None:
    """Return the cookie in the headers of a request, if there is one of the right form."""
    for name, value in headers:
        if name == b"cookie" and _STARTS in value:
            for pair in value.split(b";"):
                if pair.strip().startswith(_STARTS):
                    text = unquote(pair.strip().removeprefix(_STARTS).decode("latin-1"))
                    # Split from the right, because a login may contain bars.
                    parts = text.rsplit("|", 3)
                    return Cookie(*parts) if len(parts) == len(Cookie._fields) else None
    return None


def write(login: str, expires: int, token: str, key: str, password_hash: str) -> str:
    """Return the value of a cookie."""
    signed = f"{login}|{expires}|{token}"
    return quote(f"{signed}|{_sign(signed, key + password_hash)}", safe="")


def is_valid(cookie: Cookie, key: str, password_hash: str) -> bool:
    """Return whether a cookie was written with this key, while the user had this password, not long ago."""
    signed = "|".join(cookie[:-1])
    # The signed text was written here, so the time is a number.
    return compare_digest(
        _sign(signed, key + password_hash).encode(), cookie.signature.encode()
    ) and time.time() < int(cookie.expires)


def nonce(user_id: int, token: str, key: str, *, ago: int = 0) -> str:
    """Return the nonce of a session, now or a number of 12-hour ticks ago."""
    tick = math.ceil(time.time() / TICK_SECONDS) - ago
    return _sign(f"{tick}|{NONCE_ACTION}|{user_id}|{token}", key)[-12:-2]


def is_nonce(text: str, user_id: int, token: str, key: str) -> bool:
    """Return whether a text is a nonce of the session: of this tick, or of the last one."""
    return any(compare_digest(nonce(user_id, token, key, ago=ago).encode(), text.encode()) for ago in (0, 1))


def _sign(text: str, key: str) -> str:
    return hmac(key.encode(), text.encode(), "sha256").hex()
