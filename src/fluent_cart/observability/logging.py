"""Configure the log on standard error: a line for each event, all in the same format.

The format is JSON for programs, or words and colours for people at a terminal. Lines have no personal data:
requests have their route and the id of the user, refusals are as in ``security_log``, and tracebacks have no
values.

See docs/decisions.md#90-log.
"""

import json
import logging
import sys
from collections.abc import Callable
from typing import Any

import orjson
import structlog
from structlog.processors import JSONRenderer, TimeStamper
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

from fluent_cart.observability import metrics, security_log
from fluent_cart.observability.console_line import event_line, painter, request_line
from fluent_cart.observability.standard_error import write_line

JSON, CONSOLE, AUTO = "json", "console", "auto"


def resolve(format_: str) -> str:
    """Return the format that ``auto`` stands for."""
    return (CONSOLE if sys.stderr.isatty() else JSON) if format_ == AUTO else format_


def formatter(format_: str) -> logging.Formatter:
    """Return the formatter of all log records, also of uvicorn and other libraries."""
    steps: list[Processor] = [
        TimeStamper(fmt="%Y-%m-%dT%H:%M:%S.%fZ", utc=True, key="time"),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        ProcessorFormatter.remove_processors_meta,
        _read_security_line,
        structlog.processors.format_exc_info,
    ]
    if format_ == JSON:
        # In ASCII, so that line breaks and control characters, also those of Unicode, are escaped.
        steps += [_in_order, JSONRenderer(serializer=_compact)]
    else:
        paint = painter()
        steps.append(lambda _logger, _name, event: event_line(event, paint))
    return ProcessorFormatter(processors=steps)


def request_renderer(format_: str) -> Callable[[dict[str, Any]], bytes]:
    """Return a function that formats the line of a request, faster than ``formatter``.

    A log record takes longer to create than all other work for a line.
    """
    if format_ == JSON:
        return lambda event: orjson.dumps(event, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)
    paint = painter()
    return lambda event: f"{request_line(event, paint)}\n".encode()


def _compact(event: Any, **options: Any) -> str:
    return json.dumps(event, separators=(",", ":"), **options)


def _read_security_line(_logger: Any, _name: str, event: EventDict) -> EventDict:
    if event["logger"] == security_log.logger.name:
        # The record's own time, because the other has whole seconds.
        event |= orjson.loads(event["event"]) | {"time": event["time"]}
    return event


def _in_order(_logger: Any, _name: str, event: EventDict) -> EventDict:
    return {name: event.pop(name) for name in ("time", "level", "logger")} | dict(event)


class NonBlockingHandler(logging.StreamHandler[Any]):
    """Writes lines to standard error, and drops a line that cannot be written at once.

    The event loop logs, so a reader of the log who has stopped would stop the server after 64 KiB.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or count it as dropped."""
        try:
            line = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
            if not write_line(line):
                metrics.DROPPED_LOG_LINES.inc()
        except Exception:
            self.handleError(record)


def log_config(level: str, format_: str) -> dict[str, Any]:
    """Return the configuration for ``logging.config``, which can be sent to every process."""
    own = {"level": level.upper()}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": f"{__name__}.formatter", "format_": resolve(format_)}},
        "handlers": {"stderr": {"()": f"{__name__}.NonBlockingHandler", "formatter": "line"}},
        "loggers": {"uvicorn": own, "fluent_cart": own},
        # Messages of libraries below this level may contain anything.
        "root": {"handlers": ["stderr"], "level": "WARNING" if level in ("debug", "info") else level.upper()},
    }
