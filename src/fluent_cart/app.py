"""Build the application: database, routers, error handlers, middleware."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from fluent_cart import __version__
from fluent_cart.auth.limits import create_limits
from fluent_cart.auth.policies import Policy
from fluent_cart.database import create_database
from fluent_cart.http.error_handlers import add_handlers
from fluent_cart.http.expired_rows import removing_expired_rows
from fluent_cart.http.request_id import RequestIdMiddleware
from fluent_cart.observability import telemetry
from fluent_cart.observability.request_events import RequestEventBuffer, RequestSink
from fluent_cart.openapi import document, introduction, wordpress_index
from fluent_cart.pages import account, docs, guides, health, login, metrics
from fluent_cart.routers import ROUTERS
from fluent_cart.settings import Settings
from fluent_cart.wordpress.cors import allow_origins
from fluent_cart.wordpress.middleware import WordPressMiddleware
from fluent_cart.wordpress.paths import ROOT


class MissingPolicy(Exception):
    """A route of the API declares no permission, so the server does not start."""


def create_app(settings: Settings | None = None, on_requests: RequestSink | None = None) -> FastAPI:
    """Return the application. The first request opens its database, and shutdown closes it.

    ``on_requests`` is called with finished requests.
    """
    settings = settings or Settings()
    database = create_database(settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        # The check of `serve` was skipped if the server was away, and another server may answer by now.
        database.require_session_check()
        async with database, metrics.flushing(app), removing_expired_rows(database, settings.changes_days):
            yield

    app = FastAPI(
        title=introduction.TITLE,
        version=__version__,
        summary=introduction.SUMMARY,
        description=introduction.describe(),
        license_info=introduction.LICENSE,
        servers=introduction.SERVERS,
        openapi_tags=introduction.TAGS,
        # Served by ``document`` and ``docs``.
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        # Disabled, because it checks the configuration of three interfaces on every request.
        telemetry=telemetry.ON if settings.telemetry else telemetry.OFF,
    )
    app.state.database = database
    app.state.limits = create_limits(settings)
    app.state.report = RequestEventBuffer(on_requests)
    app.state.metrics_allow = settings.metrics_allow
    app.state.backup_folder = settings.backup_folder
    # Set by the server before it stops.
    app.state.stopping = False
    for router in ROUTERS:
        # Not include_router, because matching through included routers takes longer than a look-up.
        app.router.routes += router.routes
    wordpress_index.add_index(app)
    app.include_router(guides.router)
    app.include_router(health.router)
    app.include_router(login.router)
    for pages in account.ROUTERS:
        app.include_router(pages)
    app.include_router(metrics.router)
    docs.add_docs(app)
    add_handlers(app)
    app.add_middleware(RequestIdMiddleware, report=app.state.report)
    app.add_middleware(WordPressMiddleware)
    origins = frozenset(origin.strip() for origin in settings.cors_origins.split(",") if origin.strip())
    app.state.cors_origins = origins
    if origins:
        allow_origins(app, origins)
    if settings.telemetry:
        app.add_middleware(telemetry.TelemetryMiddleware)
    require_policies(app)
    document.install(app)
    return app


def require_policies(app: FastAPI) -> None:
    """Raise ``MissingPolicy`` if a route under /wp-json declares no policy.

    Public routes declare ``allow_any``.
    """
    for route in iter_route_contexts(app.routes):
        if route.path and route.path.startswith(ROOT):
            # Only FastAPI's own routes have dependencies. A mounted application declares no permission
            # either.
            dependant = getattr(route, "dependant", None)
            calls = [dependency.call for dependency in dependant.dependencies] if dependant else []
            if not any(isinstance(call, Policy) for call in calls):
                raise MissingPolicy(f"{route.path} declares no permission. Add a policy to its route")
