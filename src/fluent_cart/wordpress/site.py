"""Where the site is, as the caller sees it."""

import re

from starlette.requests import Request

from fluent_cart.wordpress.paths import ROOT

# The caller says which host it is; only what can be one is repeated, in JSON and in headers.
_HOST = re.compile(r"(?:[A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")


def origin(request: Request) -> str:
    """Return scheme and host as the caller gave them: ``https://shop.example``."""
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        host = "localhost"
    return f"{request.scope['scheme']}://{host}"


def site_url(request: Request) -> str:
    """Return the site's address without a slash at its end: ``https://shop.example``."""
    return origin(request) + str(request.scope.get("root_path", ""))


def discovery(request: Request) -> dict[str, str]:
    """Return the header by which clients find the API from any page of a site."""
    return {"Link": f'<{site_url(request)}{ROOT}/>; rel="https://api.w.org/"'}
