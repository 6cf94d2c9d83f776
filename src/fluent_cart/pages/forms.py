"""The fields that a form sent, and the redirect after it, for all pages with a form."""

import re
from urllib.parse import urlsplit

from fastapi import Request, Response

from fluent_cart.errors import UnreadableBody, UnsupportedMediaType
from fluent_cart.http.request_body import FORM, parse_form, read_bytes

# A limit, because strangers send it. A password has at most 4,096 bytes, which are three times as many in a
# form.
MAX_FORM_BYTES = 16 * 1024

# The rest of an address on this site. A browser takes "//" and "/\\" for the beginning of another one.
_PATH = re.compile(r"/(?![/\\])[!-\[\]-~]*")


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form, without those with brackets. Raise 400, 413 or 415 if it is not a form."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise UnsupportedMediaType(f"Send the form as {FORM}, in UTF-8")
    try:
        fields = parse_form((await read_bytes(request, MAX_FORM_BYTES)).decode())
    except UnicodeDecodeError:
        raise UnreadableBody from None
    return {name: value for name, value in fields.items() if isinstance(value, str)}


def own_address(request: Request, address: str, otherwise: str) -> str:
    """Return ``address`` if it is on this site, because a link must not lead to another site."""
    base = urlsplit(str(request.base_url))
    path = address.removeprefix(f"{base.scheme}://{base.netloc}")
    return address if _PATH.fullmatch(path) else otherwise


def moved(address: str) -> Response:
    """Return a redirect, which a browser follows with GET."""
    return Response(status_code=302, headers={"Location": address})
