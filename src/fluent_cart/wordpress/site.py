"""The address of the site, as the caller sees it."""

from starlette.requests import Request

from fluent_cart.formats.host import is_host
from fluent_cart.wordpress.paths import ROOT


def origin(request: Request) -> str:
    """Return scheme and host as the caller sent them: ``https://shop.example``."""
    host = request.headers.get("host", "")
    # A request of HTTP/1.0 may have no host. Other values are not repeated in JSON and headers, because the
    # caller chooses them. ``serve`` rejects them (server/framing.py).
    return f"{request.scope['scheme']}://{host if is_host(host) else 'localhost'}"


def site_url(request: Request) -> str:
    """Return the site's address without a final slash: ``https://shop.example``."""
    return origin(request) + str(request.scope.get("root_path", ""))


def discovery(request: Request) -> dict[str, str]:
    """Return the header by which clients find the API from any page of a site."""
    return {"Link": f'<{site_url(request)}{ROOT}/>; rel="https://api.w.org/"'}
