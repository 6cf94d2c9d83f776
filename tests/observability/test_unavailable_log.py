"""Why requests were answered 503: one line each second at most, in the driver's words."""

import pytest

from fluent_cart.errors import ServerStopping, ServiceUnavailable
from fluent_cart.observability.unavailable_log import QUIET_SECONDS, UnavailableLog, reason_of


class DriverError(Exception):
    def __init__(self, orig: Exception) -> None:
        super().__init__("statement and values")
        self.orig = orig


def caused(cause: BaseException) -> ServiceUnavailable:
    error = ServiceUnavailable()
    error.__cause__ = cause
    return error


def test_many_503_within_a_second_are_one_line_and_the_next_one_counts_them(
    caplog: pytest.LogCaptureFixture,
) -> None:
    times = iter([0.0, QUIET_SECONDS / 2, QUIET_SECONDS * 0.9, QUIET_SECONDS, QUIET_SECONDS * 3])
    log = UnavailableLog(lambda: 100 + next(times)).log
    for _ in range(5):
        log(caused(OSError("disk full")))
    assert [record.getMessage() for record in caplog.records] == [
        "Answered 503: disk full",
        "Answered 503: disk full (2 others since the last line)",
        "Answered 503: disk full",
    ]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (caused(DriverError(OSError("connection refused\nIs it running?"))), "connection refused"),
        (caused(caused(OSError("no route to host"))), "no route to host"),
        (caused(TimeoutError()), "TimeoutError"),
        (ServerStopping(), "The server is stopping"),
    ],
)
def test_reason_is_the_first_line_of_the_first_error(error: ServiceUnavailable, reason: str) -> None:
    assert reason_of(error) == reason
