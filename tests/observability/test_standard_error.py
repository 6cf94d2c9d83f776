"""A reader of the log who has stopped does not stop the server."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fluent_cart.observability import metrics
from fluent_cart.observability.logging import NonBlockingHandler


@contextmanager
def pipe_as_standard_error() -> Iterator[int]:
    """Make standard error a pipe, and yield its end to read. pytest sets standard error after fixtures."""
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with os.fdopen(writer, "w") as stream, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        yield reader
    os.close(reader)


def dropped() -> float:
    return float(metrics.DROPPED_LOG_LINES._value.get())


@pytest.mark.parametrize("length", [100, 9000])
def test_lines_that_are_not_read_are_dropped_and_counted(length: int) -> None:
    before = dropped()
    with pipe_as_standard_error() as pipe:
        handler = NonBlockingHandler()
        for _ in range(2000):
            handler.emit(logging.makeLogRecord({"msg": "x" * length}))
        assert dropped() > before
        assert os.read(pipe, 200).startswith(b"x" * 100)


def test_long_line_is_written_whole() -> None:
    with pipe_as_standard_error() as pipe:
        NonBlockingHandler().emit(logging.makeLogRecord({"msg": "y" * 9000}))
        assert os.read(pipe, 20_000) == b"y" * 9000 + b"\n"
