"""The docs pages: /docs to read and to try (Scalar), /swagger as FastAPI's users know it (decision 100).

Neither needs the internet: what they load is in this folder, or in an installed package.
"""

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse
from fastapi.staticfiles import StaticFiles

from fluent_cart.wordpress.site import discovery

HERE = Path(__file__).parent
SWAGGER_ASSETS = "/swagger/assets"
# The file @scalar/api-reference/dist/browser/standalone.js of the npm package, as it is, compressed.
SCALAR = "scalar-1.72.1.js"

# Scripts come from this server only, and nothing is sent elsewhere. Both viewers set styles in elements, and
# their icons have data: addresses.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:;"
    " font-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


def security_headers(inline_script: str = "") -> dict[str, str]:
    """Return the headers of a page that takes credentials; one inline script may run, if it is this one."""
    policy = POLICY
    if inline_script:
        digest = b64encode(sha256(inline_script.encode()).digest()).decode()
        policy = policy.replace("script-src 'self'", f"script-src 'self' 'sha256-{digest}'")
    return {"Content-Security-Policy": policy, "Referrer-Policy": "same-origin"}


def add_docs(app: FastAPI) -> None:
    """Add /docs, at / as well, and /swagger to ``app``; both of the first tell WordPress where the API is."""

    # Not a redirect at /, where clients look for the API's address with HEAD, and follow none.
    @app.get("/", include_in_schema=False)
    @app.get("/docs", include_in_schema=False)
    async def docs_page(request: Request) -> FileResponse:
        return FileResponse(HERE / "page.html", headers={**discovery(request), **security_headers()})

    @app.get("/docs/page.js", include_in_schema=False)
    async def docs_script() -> FileResponse:
        return FileResponse(HERE / "page.js", media_type="text/javascript")

    @app.get(f"/docs/{SCALAR}", include_in_schema=False)
    async def docs_viewer() -> FileResponse:
        # Every browser takes gzip; the name changes with the content.
        headers = {"Content-Encoding": "gzip", "Cache-Control": "public, max-age=31536000, immutable"}
        return FileResponse(HERE / f"{SCALAR}.gz", media_type="text/javascript", headers=headers)

    app.mount(SWAGGER_ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")), name="swagger")

    @app.get("/swagger", include_in_schema=False)
    async def swagger_page() -> HTMLResponse:
        page = get_swagger_ui_html(
            openapi_url=app.openapi_url or "",
            title=app.title,
            swagger_js_url=f"{SWAGGER_ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{SWAGGER_ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{SWAGGER_ASSETS}/favicon.png",
            swagger_ui_parameters={"displayRequestDuration": True},
        )
        [script] = re.findall(r"<script>(.*?)</script>", bytes(page.body).decode(), re.S)
        page.headers.update(security_headers(script))
        return page
