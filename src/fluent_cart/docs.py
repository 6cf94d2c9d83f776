"""The docs page at /docs, its assets from an installed package: it needs no internet."""

from importlib.resources import files

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles

from fluent_cart.wordpress.site import discovery

ASSETS = "/docs/assets"


def add_docs(app: FastAPI) -> None:
    """Add /docs to ``app``, at / as well; both tell WordPress clients where the API is."""
    app.mount(ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")), name="docs-assets")

    # Not a redirect at /, where clients look for the API's address with HEAD, and follow none.
    @app.get("/", include_in_schema=False)
    @app.get("/docs", include_in_schema=False)
    async def docs_page(request: Request) -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url=app.openapi_url or "",
            title=app.title,
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon.png",
            swagger_ui_parameters={"displayRequestDuration": True},
        )
        page.headers.update(discovery(request))
        return page
