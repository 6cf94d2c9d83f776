"""The address of the site, as the caller sees it."""

import re

from starlette.requests import Request

from fluent_cart.wordpress.paths import ROOT

# A valid host name. The caller chooses the Host header, so other values are not repeated in JSON and headers.
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def origin(request: Request) -> str:
    """Return scheme and host as the caller sent them: ``https://shop.example``."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        host = "localhost"
    return f"{request.scope['scheme']}://{host}"


def site_url(request: Request) -> str:
    """Return the site's address without a final slash: ``https://shop.example``."""
    return origin(request) + str(request.scope.get("root_path", ""))


def discovery(request: Request) -> dict[str, str]:
    """Return the header by which clients find the API from any page of a site."""
    return {"Link": f'<{site_url(request)}{ROOT}/>; rel="https://api.w.org/"'}
