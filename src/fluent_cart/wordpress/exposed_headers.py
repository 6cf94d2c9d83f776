"""The headers that callers read, in WordPress's spelling."""

from collections.abc import Iterable

Headers = Iterable[tuple[bytes, bytes]]

# The headers that scripts of other sites may read, in addition to those of every browser.
EXPOSED = (
    "X-WP-Total",
    "X-WP-TotalPages",
    "Link",
    "ETag",
    "X-WP-Nonce",
    "Retry-After",
    "X-Request-Id",
    "Idempotency-Replayed",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
)
_SPELLINGS = {name.lower(): name for name in (*EXPOSED, "WWW-Authenticate")}
# They describe the bytes of the response, or are not for scripts.
_HIDDEN = frozenset({"content-length", "content-type", "set-cookie"})


def canonical_names(headers: Headers) -> dict[str, str]:
    """Return the headers of a response under their usual names, for ``_envelope``."""
    named: dict[str, str] = {}
    for name, value in headers:
        lower, text = name.decode("latin-1").lower(), value.decode("latin-1")
        if lower not in _HIDDEN:
            spelling = _SPELLINGS.get(lower, lower.title())
            named[spelling] = f"{named[spelling]}, {text}" if spelling in named else text
    return named
