"""Each request has a whole line, soon. A line is dropped before a request has to wait for it."""

import errno
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from fluent_cart.observability import access_log, metrics
from fluent_cart.observability.access_log import MAX_PIECES, RequestLog
from fluent_cart.observability.request_context import RequestContext
from fluent_cart.observability.request_events import BATCH, RequestEvent, RequestEventBuffer
from fluent_cart.observability.standard_error import PIECE_BYTES, write_to_standard_error


def request(number: int = 0, **said: Any) -> RequestEvent:
    context = RequestContext(request_id=f"id-{number}", **said)
    return RequestEvent(1764131580.25, context, "/wp-json/{customerId}", "GET", 200, 321, 0.0012345)


class Reader:
    """A reader of the log, which reads nothing while it is stuck."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.is_stuck = False

    def __call__(self, piece: bytes) -> bool:
        if not self.is_stuck:
            self.pieces.append(piece)
        return not self.is_stuck

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in b"".join(self.pieces).splitlines()]


def test_log_line_of_a_request_has_no_personal_data() -> None:
    log = RequestLog("json", reader := Reader())
    log.on_requests([request(7, user_id=3, account="ann@example.com")])
    assert reader.lines() == [
        {
            "time": "2025-11-26T04:33:00.250000Z",
            "level": "info",
            "logger": "fluent_cart.requests",
            "event": "request",
            "request_id": "id-7",
            "user_id": 3,
            "method": "GET",
            "route": "/wp-json/{customerId}",
            "status": 200,
            "duration_ms": 1.234,
            "bytes": 321,
        }
    ]


def test_lines_are_written_in_pieces_that_a_pipe_takes_whole() -> None:
    log = RequestLog("json", reader := Reader())
    log.on_requests([request(number) for number in range(500)])
    assert [line["request_id"] for line in reader.lines()] == [f"id-{number}" for number in range(500)]
    assert max(map(len, reader.pieces)) <= PIECE_BYTES
    assert all(piece.endswith(b"\n") for piece in reader.pieces)
    assert len(reader.pieces) < 50


def test_request_log_keeps_its_lines_for_a_stuck_reader() -> None:
    log = RequestLog("json", reader := Reader())
    reader.is_stuck = True
    log.on_requests([request(number) for number in range(100)])
    assert reader.pieces == []
    reader.is_stuck = False
    log.on_requests([])
    assert len(reader.lines()) == 100


def test_lines_over_the_limit_of_the_buffer_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "MAX_PIECES", 2)
    assert MAX_PIECES * PIECE_BYTES <= 8 << 20
    log = RequestLog("json", reader := Reader())
    reader.is_stuck = True
    before = metrics.DROPPED_LOG_LINES._value.get()
    log.on_requests([request(number) for number in range(1000)])
    reader.is_stuck = False
    log.on_requests([])
    assert len(reader.lines()) + metrics.DROPPED_LOG_LINES._value.get() - before == 1000
    assert len(reader.lines()) < 100


def test_full_pipe_does_not_block_the_request_log(monkeypatch: pytest.MonkeyPatch) -> None:
    out, into = os.pipe()
    with os.fdopen(out, "rb"), os.fdopen(into, "w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        written = 0
        while write_to_standard_error(b"x" * PIECE_BYTES):
            written += 1
            assert written < 10_000
        assert written > 0


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EPIPE])
def test_unwritable_log_fails_no_request(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A full disk, or a reader that is gone, is a slow reader: the line is kept for later."""
    written: list[bytes] = []

    def write(_file: int, piece: bytes) -> int:
        if not written:
            raise OSError(number, "no")
        written.append(piece)
        return len(piece)

    monkeypatch.setattr(os, "write", write)
    with Path(os.devnull).open("w") as anything:
        monkeypatch.setattr(sys, "stderr", anything)
        log = RequestLog("json")
        log.on_requests([request(1)])
        written.append(b"there is room again")
        log.on_requests([request(2)])
    assert [json.loads(line)["request_id"] for line in written[1].splitlines()] == ["id-1", "id-2"]


def test_request_log_is_enabled_at_level_info_and_below() -> None:
    logger = logging.getLogger("fluent_cart.requests")
    try:
        for level, wanted in ((logging.DEBUG, True), (logging.INFO, True), (logging.WARNING, False)):
            logger.setLevel(level)
            assert RequestLog("json").is_enabled == wanted
    finally:
        logger.setLevel(logging.NOTSET)


class TestReport:
    def test_events_are_passed_on_in_batches_and_on_flush(self) -> None:
        sizes: list[int] = []
        report = RequestEventBuffer(lambda requests: sizes.append(len(requests)))
        for _ in range(BATCH + 1):
            report.record(RequestContext(), "/a", "GET", 200, 1, 0.1)
        assert sizes == [BATCH]
        report.flush()
        report.flush()
        assert sizes == [BATCH, 1, 0]

    def test_metrics_that_cannot_be_written_fail_no_request(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Processes that count together do so in files."""

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "no")

        monkeypatch.setattr(metrics, "count_request", full)
        sizes: list[int] = []
        report = RequestEventBuffer(lambda requests: sizes.append(len(requests)))
        report.record(RequestContext(), "/", "GET", 200, 1, 0.1)
        report.flush()
        assert sizes == [1]


def test_console_line_is_a_single_line(capsys: pytest.CaptureFixture[str]) -> None:
    log = RequestLog("console", reader := Reader())
    log.on_requests([request(1)])
    (piece,) = reader.pieces
    assert piece.count(b"\n") == 1
    assert b"id-1" in piece
