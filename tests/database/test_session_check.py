"""PostgreSQL behind a connection pooler: it works, or it is refused before anything is served."""

import pytest
from sqlalchemy import text

from fluent_cart.cli import runner
from fluent_cart.cli.output import CommandError
from fluent_cart.database import connect, create_database
from fluent_cart.database.postgresql_engine import LIMITS
from fluent_cart.database.session_check import find_fault
from fluent_cart.doctor import Severity, run_checks
from fluent_cart.services import customers
from fluent_cart.settings import Settings
from tests.database.test_postgresql import create, show
from tests.support import pgbouncer, postgres

pytestmark = pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")
needs_pgbouncer = pytest.mark.skipif(
    not pgbouncer.INSTALLED, reason="CONNECTION POOLERS WERE NOT TESTED: no PgBouncer on this machine"
)


def test_sessions_of_the_server_itself_have_no_fault(shared_postgres_settings: Settings) -> None:
    assert find_fault(shared_postgres_settings.database_url) is None


def test_a_database_in_another_time_zone_is_read_in_utc(postgres_settings: Settings) -> None:
    set_time_zone(postgres_settings.database_url, "Asia/Tokyo")
    assert find_fault(postgres_settings.database_url) is None


def set_time_zone(url: str, name: str) -> None:
    with connect(url) as connection:
        database = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f"ALTER DATABASE \"{database}\" SET timezone TO '{name}'"))


@needs_pgbouncer
async def test_pgbouncer_with_session_pooling_serves_with_all_limits(postgres_settings: Settings) -> None:
    set_time_zone(postgres_settings.database_url, "Asia/Tokyo")
    with pgbouncer.pooled(postgres_settings.database_url, "session") as url:
        assert find_fault(url) is None
        async with create_database(postgres_settings.model_copy(update={"database_url": url})) as database:
            for name, milliseconds in LIMITS.items():
                assert await database.scan(show, name) == f"{milliseconds // 1000}s"
            assert await database.scan(show, "TimeZone") == "UTC"
            created = await database.write(create, "a@example.com")
            assert (await database.read(customers.get_customer, created))["id"] == created


@needs_pgbouncer
def test_serve_and_doctor_refuse_pgbouncer_with_transaction_pooling(postgres_settings: Settings) -> None:
    with pgbouncer.pooled(postgres_settings.database_url, "transaction") as url:
        pooled = postgres_settings.model_copy(update={"database_url": url})
        with pytest.raises(CommandError, match="pool_mode=session"):
            runner.require_sessions(pooled)
        [finding] = [finding for finding in run_checks(pooled) if finding.check == "sessions"]
        assert finding.state is Severity.FAILURE
        assert "pool_mode=session" in finding.advice


@needs_pgbouncer
def test_a_pooler_that_drops_settings_is_refused(
    postgres_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings have a check of their own: by chance a pooler can give two connections two sessions."""
    monkeypatch.setattr("fluent_cart.database.session_check._find_shared_session", lambda *_: None)
    resetting = ("server_reset_query = DISCARD ALL", "server_reset_query_always = 1")
    with pgbouncer.pooled(postgres_settings.database_url, "transaction", *resetting) as url:
        fault = find_fault(url)
    assert fault
    assert fault.text == "Sessions have statement_timeout=0, though the server sets statement_timeout=5000"
