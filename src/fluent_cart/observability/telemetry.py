"""OpenTelemetry, as FastAPI itself speaks it, without personal data in spans.

See docs/decisions.md#92-opentelemetry.
"""

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from starlette.types import ASGIApp, Receive, Scope, Send

OFF: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
# Where to, OTEL_EXPORTER_OTLP_ENDPOINT says. Logs have a place of their own, and their rules.
ON: TelemetryConfig = {"auto_configure": True, "logs": False}
# A query has search terms, a path ids and whatever a stranger asks for; `http.route` has its template.
WITHHELD = ("url.path", "url.query")
INSTEAD = "REDACTED"


class TelemetryMiddleware:
    """Takes out of the span of a request what FastAPI put there, before anything is sent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            span = trace.get_current_span()
            for name in WITHHELD:
                span.set_attribute(name, INSTEAD)
        await self.app(scope, receive, send)
