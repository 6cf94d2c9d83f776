"""PostgreSQL behind a connection pooler: it works, or it is refused before anything is served."""

import asyncio

import pytest
from sqlalchemy import text

from fluent_cart.cli import runner
from fluent_cart.cli.output import CommandError
from fluent_cart.database import connect, create_database
from fluent_cart.database.postgresql_engine import LIMITS
from fluent_cart.database.session_check import find_problem
from fluent_cart.doctor import Severity, run_checks
from fluent_cart.services import customers
from fluent_cart.settings import Settings
from tests.database.test_postgresql import create, show
from tests.support import pgbouncer, postgres

pytestmark = pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")
needs_pgbouncer = pytest.mark.skipif(
    not pgbouncer.INSTALLED, reason="CONNECTION POOLERS WERE NOT TESTED: no PgBouncer on this machine"
)


def test_direct_sessions_have_no_error(shared_postgres_settings: Settings) -> None:
    assert find_problem(shared_postgres_settings.database_url) is None


def test_database_in_another_time_zone_is_read_in_utc(postgres_settings: Settings) -> None:
    set_time_zone(postgres_settings.database_url, "Asia/Tokyo")
    assert find_problem(postgres_settings.database_url) is None


def set_time_zone(url: str, name: str) -> None:
    with connect(url) as connection:
        database = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f"ALTER DATABASE \"{database}\" SET timezone TO '{name}'"))


@needs_pgbouncer
async def test_pgbouncer_with_session_pooling_serves_with_all_limits(postgres_settings: Settings) -> None:
    set_time_zone(postgres_settings.database_url, "Asia/Tokyo")
    with pgbouncer.pooled(postgres_settings.database_url, "session") as url:
        assert find_problem(url) is None
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
        with pytest.raises(CommandError, match="pooler=transaction"):
            runner.require_sessions(pooled)
        [finding] = [finding for finding in run_checks(pooled) if finding.check == "sessions"]
        assert finding.state is Severity.FAILURE
        assert "pooler=transaction" in finding.advice


@needs_pgbouncer
async def test_pgbouncer_with_transaction_pooling_serves_if_the_address_says_so(
    postgres_settings: Settings,
) -> None:
    """More connections than sessions: each transaction has its limits and its time zone in any session."""
    set_time_zone(postgres_settings.database_url, "Asia/Tokyo")
    few = ("default_pool_size = 4", "max_client_conn = 100")
    with pgbouncer.pooled(postgres_settings.database_url, "transaction", *few) as address:
        url = f"{address}?pooler=transaction"
        assert find_problem(url) is None
        one = create_database(postgres_settings.model_copy(update={"database_url": url}))
        other = create_database(postgres_settings.model_copy(update={"database_url": url}))
        async with one, other:
            created = await asyncio.gather(
                *(each.write(create, f"{n}@{id(each)}.example") for n in range(40) for each in (one, other))
            )
            customer = await one.read(customers.get_customer, created[0])
            for each in (one, other):
                answers = await asyncio.gather(
                    *(run(customers.get_customer, created[0]) for run in (each.read, each.scan) * 40),
                    *(each.write_many(customers.get_customer, created[0]) for _ in range(5)),
                )
                assert all(answer == customer for answer in answers)
            shown = {name: await one.scan(show, name) for name in (*LIMITS, "TimeZone")}
            with connect(url) as connection:
                assert show(connection, "TimeZone") == "UTC"
                assert show(connection, "statement_timeout") == "0"
    assert shown == {name: f"{limit // 1000}s" for name, limit in LIMITS.items()} | {"TimeZone": "UTC"}
    assert sorted(created) == sorted(set(created))


@needs_pgbouncer
def test_pooler_that_drops_settings_is_rejected(
    postgres_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Settings have a check of their own: by chance a pooler can give two connections two sessions."""
    monkeypatch.setattr("fluent_cart.database.session_check._find_shared_session", lambda *_: None)
    resetting = ("server_reset_query = DISCARD ALL", "server_reset_query_always = 1")
    with pgbouncer.pooled(postgres_settings.database_url, "transaction", *resetting) as url:
        problem = find_problem(url)
    assert problem
    assert problem.text == "Sessions have statement_timeout=0, though the server sets statement_timeout=5000"
