"""Record OpenTelemetry spans with FastAPI's own instrumentation, without personal data.

See docs/decisions.md#92-opentelemetry.
"""

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from starlette.types import ASGIApp, Receive, Scope, Send

OFF: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
# OTEL_EXPORTER_OTLP_ENDPOINT names the receiver. Logs are not sent, because they have a format and rules of
# their own.
ON: TelemetryConfig = {"auto_configure": True, "logs": False}
# A query has search terms, and a path has ids or any other text. `http.route` has the template.
REDACTED_ATTRIBUTES = ("url.path", "url.query")
REDACTED = "REDACTED"


class TelemetryMiddleware:
    """Removes personal attributes from the span of a request before it is sent."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            span = trace.get_current_span()
            for name in REDACTED_ATTRIBUTES:
                span.set_attribute(name, REDACTED)
        await self.app(scope, receive, send)
