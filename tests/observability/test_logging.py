"""The log of the server: one format for all lines, without personal data."""

import json
import logging
import pickle
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from logging.config import dictConfig
from typing import Any

import pytest
from structlog.dev import GREEN, RESET_ALL

from fluent_cart.errors import AuthenticationFailed
from fluent_cart.observability import logging as log_setup
from fluent_cart.observability import security_log
from fluent_cart.observability.console_line import painter
from fluent_cart.observability.request_context import RequestContext

# As the lines of requests have it.
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
CANARY = "Zq7CanaryXw9"
NAMES = ("uvicorn.error", "fluent_cart.security", "fluent_cart.http.error_handlers")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    # A test that starts uvicorn with its own log configuration leaves these without a way to the root.
    for name in ("uvicorn", *NAMES):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate, logger.disabled = [], True, False
    yield
    root.handlers[:], root.level = before
    for name in ("uvicorn", "fluent_cart", *NAMES):
        logging.getLogger(name).setLevel(logging.NOTSET)


def configure(level: str, format_: str) -> None:
    # Every worker process is sent it.
    dictConfig(pickle.loads(pickle.dumps(log_setup.log_config(level, format_))))


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.isascii()
    return [json.loads(line) for line in err.splitlines()]


class TestJson:
    def test_every_logger_writes_json_of_one_form(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure("info", "json")
        logging.getLogger("uvicorn.error").info(
            "Started server process [%d]", 7, extra={"color_message": "x"}
        )
        logging.getLogger("fluent_cart.auth.limits").warning("two\nlines\u2028 \x1b[2J")
        first, second = written(capsys)
        assert list(first) == ["time", "level", "logger", "event"]
        assert TIME.fullmatch(first.pop("time"))
        assert first == {"level": "info", "logger": "uvicorn.error", "event": "Started server process [7]"}
        assert second["event"] == "two\nlines\u2028 \x1b[2J"

    def test_security_log_line_has_its_own_fields(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure("info", "json")
        scope = {
            "method": "GET",
            "state": {"context": RequestContext(account="a\x1b\u202e", request_id="mine")},
        }
        security_log.log_denied(scope, AuthenticationFailed())
        (line,) = written(capsys)
        assert {name: line[name] for name in ("level", "logger", "event", "outcome", "account")} == {
            "level": "warning",
            "logger": "fluent_cart.security",
            "event": "authentication",
            "outcome": "authentication_failed",
            "account": "a\x1b\u202e",
        }
        assert TIME.fullmatch(line["time"])

    def test_traceback_is_one_line_of_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure("error", "json")
        fail()
        (line,) = written(capsys)
        assert line["exception"].startswith("Traceback (most recent call last)")
        assert "ValueError" in line["exception"]

    @pytest.mark.parametrize(("level", "lines"), [("debug", 3), ("info", 2), ("warning", 1), ("error", 0)])
    def test_log_lines_below_the_level_are_dropped(
        self, capsys: pytest.CaptureFixture[str], level: str, lines: int
    ) -> None:
        configure(level, "json")
        for name in ("uvicorn.error", "fluent_cart.security.x"):
            logger = logging.getLogger(name)
            for number in (logging.DEBUG, logging.INFO, logging.WARNING):
                logger.log(number, "said")
            assert len(written(capsys)) == lines
        # Libraries may log anything, such as values of a statement.
        logging.getLogger("sqlalchemy.engine.x").info("4")
        assert written(capsys) == []


class TestConsole:
    def test_console_format_has_no_colours_in_a_file(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure("info", "console")
        logging.getLogger("uvicorn.error").info("Started")
        err = capsys.readouterr().err
        assert re.fullmatch(r"\d\d:\d\d:\d\dZ  Started\n", err)

    def test_console_traceback_has_no_values(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The library that draws pretty ones shows variables."""
        configure("info", "console")
        fail()
        err = capsys.readouterr().err
        assert "ValueError" in err
        assert CANARY not in err

    def test_console_escapes_what_a_stranger_sent(self, capsys: pytest.CaptureFixture[str]) -> None:
        configure("info", "console")
        scope = {"method": "GET", "state": {"context": RequestContext(account="a\x1b[2J\nb")}}
        security_log.log_denied(scope, AuthenticationFailed())
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert "\x1b" not in err

    def test_console_line_of_a_request_is_short(self) -> None:
        event = {
            "time": datetime(2026, 11, 27, 7, 32, 10, 946774, tzinfo=UTC),
            "level": "info",
            "event": "request",
            "request_id": "8ef1a2b3c4d5",
            "user_id": 3,
            "method": "GET",
            "route": "/customers/{customerId}",
            "duration_ms": 5.082,
            "status": 200,
        }
        line = log_setup.request_renderer("console")(event).decode()
        assert line == "07:32:10Z  200 GET /customers/{customerId}  5 ms  user 3  8ef1a2b3\n"
        line = log_setup.request_renderer("console")(event | {"user_id": None, "status": 0}).decode()
        assert line == "07:32:10Z    0 GET /customers/{customerId}  5 ms  8ef1a2b3\n"

    def test_status_is_coloured_at_a_terminal_without_no_color(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FORCE_COLOR", "1")
        assert painter()("200", GREEN) == f"{GREEN}200{RESET_ALL}"
        assert painter()("200", "") == "200"
        monkeypatch.setenv("NO_COLOR", "1")
        assert painter()("200", GREEN) == "200"


def test_auto_format_is_console_at_a_terminal_and_json_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert log_setup.resolve("auto") == "json"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert [log_setup.resolve(format_) for format_ in ("auto", "json", "console")] == [
        "console",
        "json",
        "console",
    ]


def fail() -> None:
    secret = "".join(CANARY)  # a variable of the frame that fails
    try:
        raise ValueError(len(secret))
    except ValueError:
        logging.getLogger("fluent_cart.http.error_handlers").exception("Unexpected")
