"""Read the target of a request, which is a path or a whole address (RFC 9112, 3.2)."""

import re

from fluent_cart.errors import InvalidRequest

_ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE | re.DOTALL)


def split_target(target: bytes, method: bytes) -> tuple[bytes, bytes | None]:
    """Return the path with its query, and the host if the target is a whole address.

    Raise ``InvalidRequest`` for every other target. A fragment is one, too: without it, ``?search=#5`` would
    find every customer.
    """
    if b"#" in target:
        raise InvalidRequest("The address of the request has a fragment. Write # as %23")
    if target.startswith(b"/") or (target == b"*" and method == b"OPTIONS"):
        return target, None
    if not (absolute := _ABSOLUTE.fullmatch(target)):
        raise InvalidRequest
    host, path = absolute.groups()
    return path if path.startswith(b"/") else b"/" + path, host
