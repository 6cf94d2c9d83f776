"""ETag, If-Match and If-None-Match: conditions on the state of a customer (RFC 9110).

See docs/decisions.md#28-etags.
"""

import re
from collections.abc import Callable, Iterable
from hashlib import blake2b

from fastapi import Request, Response
from sqlalchemy import Connection

from fluent_cart.errors import PreconditionFailed
from fluent_cart.http.responses import envelope
from fluent_cart.services import customers

_CONDITIONS = frozenset({b"if-match", b"if-none-match"})
_TAG = re.compile(r'(W/)?("[!#-~\x80-\xff]*")')


def etag(response: Response) -> str:
    """Return the entity tag of a response, which is a digest of its body."""
    return f'"{blake2b(response.body, digest_size=16).hexdigest()}"'


def not_modified_or(request: Request, response: Response) -> Response:
    """Return the response to a GET with its tag, or 304 if the caller has this state already."""
    tag = etag(response)
    if is_conditional(request) and _check_preconditions(request, tag):
        response = Response(status_code=304)
    return _tagged(response, tag)


def change_if_match(
    request: Request,
    customer_id: int,
    others: Iterable[int],
    handler: Callable[[Connection], Response],
    connection: Connection,
) -> Response:
    """Run a ``handler`` that changes a customer on a condition, and return its response with the new tag.

    Raise ``PreconditionFailed`` unless the conditions hold. The customer is locked from the check to the
    change.
    """
    if others:
        customers.lock_customers(connection, {customer_id, *others})
    customers.lock_customer(connection, customer_id)
    if _check_preconditions(request, _current_etag(connection, customer_id)):
        raise PreconditionFailed
    return _tagged(handler(connection), _current_etag(connection, customer_id))


def _current_etag(connection: Connection, customer_id: int) -> str:
    """Return the tag of Get Customer Details' response now."""
    return etag(envelope(customer=customers.get_customer(connection, customer_id)))


def _tagged(response: Response, tag: str) -> Response:
    # Not through ``headers``, which would search for an older one.
    response.raw_headers.append((b"etag", tag.encode()))
    return response


def is_conditional(request: Request) -> bool:
    """Return whether a request has a condition."""
    # A request without a condition costs no more than this loop. any() would cost twice as much.
    for name, _ in request.scope["headers"]:  # noqa: SIM110
        if name in _CONDITIONS:
            return True
    return False


def _check_preconditions(request: Request, tag: str) -> bool:
    """Return whether If-None-Match names ``tag``. ``PreconditionFailed`` if If-Match does not."""
    wanted, known = (request.headers.getlist(name) for name in ("if-match", "if-none-match"))
    if wanted and not _names(wanted, tag, weakly=False):
        raise PreconditionFailed
    return _names(known, tag, weakly=True)


def _names(sent: list[str], tag: str, *, weakly: bool) -> bool:
    """Return whether a list of tags, in one header or several, contains ``tag``.

    Weak tags match only if ``weakly``.
    """
    listed = ", ".join(sent)
    return listed == "*" or any(each == tag and (weakly or not weak) for weak, each in _TAG.findall(listed))
