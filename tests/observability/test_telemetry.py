"""OpenTelemetry: the span of a request has no personal data. Without the setting there is no span.

The SDK is not a dependency, so the test has a tracer with the API's interface. docs/operate.md describes
the tests with the real one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TracerProvider

from fluent_cart.app import create_app
from fluent_cart.settings import Settings
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import credentials


class Span(NonRecordingSpan):
    """A span that records its calls."""

    def __init__(self, name: str, attributes: Any) -> None:
        super().__init__(SpanContext(1, 1, False, TraceFlags(1)))
        self.name, self.attributes = name, dict(attributes or {})

    def is_recording(self) -> bool:
        return True

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def update_name(self, name: str) -> None:
        self.name = name


class Tracer(trace.NoOpTracer):
    def __init__(self, spans: list[Span]) -> None:
        self.spans = spans

    def start_span(self, name: str, *_: Any, attributes: Any = None, **__: Any) -> Span:
        self.spans.append(span := Span(name, attributes))
        return span

    @contextmanager
    def start_as_current_span(self, name: str, *_: Any, **options: Any) -> Iterator[Span]:  # type: ignore[override]
        with trace.use_span(span := self.start_span(name, attributes=options.get("attributes"))):
            yield span


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> list[Span]:
    found: list[Span] = []

    class Provider(TracerProvider):
        def get_tracer(self, *_: Any, **__: Any) -> Tracer:
            return Tracer(found)

    monkeypatch.setattr(trace, "get_tracer_provider", Provider)
    return found


@pytest.mark.parametrize("telemetry", [True, False])
async def test_spans_have_neither_query_nor_path(
    sqlite_settings: Settings, spans: list[Span], telemetry: bool
) -> None:
    app = create_app(sqlite_settings.model_copy(update={"telemetry": telemetry}))
    transport = httpx.ASGITransport(app)
    async with (
        app.state.database,
        httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client,
    ):
        for path in (
            f"{PREFIX}?search=Canary",
            f"{PREFIX}/canary@shop.example?x=Canary",
            "/canary@shop.example",
        ):
            await client.get(path, auth=credentials("worker"))
    requests = [span for span in spans if "http.request.method" in span.attributes]
    assert len(requests) == (3 if telemetry else 0)
    assert "canary" not in str([(span.name, span.attributes) for span in spans]).lower()
    for span in requests:
        assert (span.attributes["url.path"], span.attributes["url.query"]) == ("REDACTED", "REDACTED")
