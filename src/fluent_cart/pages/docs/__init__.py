"""Serve the docs page, at /docs and at /.

It needs no internet, because the viewer (Scalar) is in this folder. The text is there before the viewer is
loaded, and without JavaScript.

See docs/decisions.md#100-docs-page.
"""

from functools import cache
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse

from fluent_cart.http.routing import ApiRoute
from fluent_cart.http.static_content import StaticContent
from fluent_cart.openapi.introduction import SUMMARY, TITLE
from fluent_cart.pages.docs.reference import contents, reference
from fluent_cart.pages.layout import page
from fluent_cart.wordpress.site import discovery

HERE = Path(__file__).parent
# The file @scalar/api-reference/dist/browser/standalone.js of the npm package, unchanged, compressed.
SCALAR = "scalar-1.72.1.js"

# Scripts come from this server only, and nothing is sent elsewhere. The viewer sets styles in elements, and
# its icons have data: addresses.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
    " font-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
SECURITY_HEADERS = {"Content-Security-Policy": _POLICY, "Referrer-Policy": "same-origin"}


def add_docs(app: FastAPI) -> None:
    """Add /docs, which is also at /, to ``app``.

    Both have a header with the address of the API, as in WordPress.
    """

    @cache
    def text() -> StaticContent:
        return StaticContent(_docs_page(app), "text/html")

    @cache
    def asset(name: str, media_type: str) -> StaticContent:
        return StaticContent((HERE / name).read_text("utf-8"), media_type)

    # Not a redirect at /, because clients look there for the API's address with HEAD, and follow no redirect.
    @app.get("/", include_in_schema=False)
    @app.get("/docs", include_in_schema=False)
    async def docs_page(request: Request) -> Response:
        return text().response(request, {**discovery(request), **SECURITY_HEADERS})

    @app.get("/docs/page.js", include_in_schema=False)
    async def docs_script(request: Request) -> Response:
        return asset("page.js", "text/javascript").response(request)

    @app.get("/docs/favicon.svg", include_in_schema=False)
    async def docs_icon(request: Request) -> Response:
        return asset("favicon.svg", "image/svg+xml").response(request)

    @app.get(f"/docs/{SCALAR}", include_in_schema=False)
    async def docs_viewer() -> FileResponse:
        # Every browser accepts gzip. The name changes with the content.
        headers = {"Content-Encoding": "gzip", "Cache-Control": "public, max-age=31536000, immutable"}
        return FileResponse(HERE / f"{SCALAR}.gz", media_type="text/javascript", headers=headers)


def _docs_page(app: FastAPI) -> str:
    routes = [route for route in app.routes if isinstance(route, ApiRoute) and route.include_in_schema]
    return page(
        TITLE,
        reference(routes),
        contents=contents(routes),
        head=(HERE / "head.html").read_text("utf-8"),
        description=f"{SUMMARY}: their addresses, orders, stats, users and bulk actions.",
    )
