"""The one clock.

See docs/decisions.md#7-time-and-money.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from fluent_cart import clock


class TestNow:
    def test_now_is_utc_in_whole_seconds(self) -> None:
        before = datetime.now(UTC).replace(microsecond=0)
        now = clock.now()
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", now)
        assert before <= datetime.fromisoformat(now) <= datetime.now(UTC)

    def test_now_is_written_as_other_moments_are(self) -> None:
        assert clock.to_text(datetime.fromisoformat(now := clock.now())) == now


class TestAgo:
    def test_ago_returns_the_time_before_now(self) -> None:
        before = datetime.now(UTC).replace(microsecond=0)
        moment = datetime.fromisoformat(clock.ago(timedelta(hours=24)))
        assert before <= moment + timedelta(hours=24) <= datetime.now(UTC)


class TestToText:
    @pytest.mark.parametrize(
        ("moment", "text"),
        [
            (datetime(2024, 1, 1, 10, tzinfo=UTC), "2024-01-01T10:00:00Z"),
            (datetime(2024, 12, 31, 23, 59, 59, 999_999, UTC), "2024-12-31T23:59:59Z"),
            (datetime(2024, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=5.5))), "2023-12-31T20:00:00Z"),
            (datetime(2024, 2, 28, 20, tzinfo=timezone(timedelta(hours=-8))), "2024-02-29T04:00:00Z"),
            (datetime(2024, 1, 1, tzinfo=timezone(timedelta(seconds=-0.5))), "2024-01-01T00:00:00Z"),
            (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
            (datetime(999, 12, 31, 23, tzinfo=UTC), "0999-12-31T23:00:00Z"),
            (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), "9999-12-31T23:59:59Z"),
        ],
    )
    def test_to_text_is_utc_with_its_fraction_cut_off(self, moment: datetime, text: str) -> None:
        assert clock.to_text(moment) == text
