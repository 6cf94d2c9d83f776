"""The sessions of a PostgreSQL that was away are checked before they serve: another server may have come."""

import asyncio
import threading

import pytest
from sqlalchemy.exc import OperationalError

from fluent_cart.database import SessionProblem, create_database, session_gate
from fluent_cart.database.session_gate import PAUSE_SECONDS, SessionGate, SessionsUnusable
from fluent_cart.errors import ServiceUnavailable
from fluent_cart.observability.unavailable_log import reason_of
from fluent_cart.settings import Settings
from tests.database.test_postgresql import create
from tests.support import pgbouncer, postgres
from tests.support.server import free_port

needs_pgbouncer = pytest.mark.skipif(
    not (pgbouncer.INSTALLED and postgres.AVAILABLE),
    reason="CONNECTION POOLERS WERE NOT TESTED: no PgBouncer on this machine",
)
SHARED = SessionProblem("Sessions are shared", "Connect without a pooler.")


@needs_pgbouncer
async def test_pooler_that_comes_in_place_of_a_server_that_was_away_is_rejected(
    postgres_settings: Settings,
) -> None:
    url, port = postgres_settings.database_url, free_port()
    moved = postgres_settings.model_copy(update={"database_url": f"postgresql://shop@127.0.0.1:{port}/shop"})
    async with create_database(moved) as database:
        with pytest.raises(ServiceUnavailable):
            await database.write(create, "away@example.com")
        with pgbouncer.pooled(url, "transaction", port=port):
            for run in (database.write, database.write_many):
                with pytest.raises(ServiceUnavailable) as refused:
                    await run(create, "pooled@example.com")
                assert "pooler=transaction" in reason_of(refused.value)
        with pgbouncer.pooled(url, "session", port=port):
            await asyncio.sleep(PAUSE_SECONDS)
            assert await database.write(create, "back@example.com")


@needs_pgbouncer
async def test_first_session_of_a_process_is_checked_if_the_application_says_so(
    postgres_settings: Settings,
) -> None:
    with pgbouncer.pooled(postgres_settings.database_url, "transaction") as url:
        async with create_database(postgres_settings.model_copy(update={"database_url": url})) as database:
            database.require_session_check()
            with pytest.raises(ServiceUnavailable) as refused:
                await database.write(create, "a@example.com")
    assert isinstance(refused.value.__cause__, SessionsUnusable)


class TestGate:
    @pytest.fixture
    def checks(self, monkeypatch: pytest.MonkeyPatch) -> list[SessionProblem | Exception | None]:
        """The results of the next checks. A check that is not expected fails."""
        outcomes: list[SessionProblem | Exception | None] = []

        def find(_: str) -> SessionProblem | None:
            outcome = outcomes.pop(0)
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        monkeypatch.setattr(session_gate, "find_problem", find)
        return outcomes

    async def test_open_gate_lets_callers_in_without_a_check(self, checks: list[object]) -> None:
        await SessionGate("").enter()

    async def test_one_check_is_enough_for_all_who_wait(self, checks: list[object]) -> None:
        gate = SessionGate("")
        gate.report_failure()
        checks.append(None)
        await asyncio.gather(*(gate.enter() for _ in range(10)))
        assert checks == []

    async def test_faulty_sessions_are_503_until_a_check_succeeds(self, checks: list[object]) -> None:
        gate = SessionGate("")
        gate.require_check()
        checks += [SHARED, OperationalError("", {}, Exception("gone")), None]
        for words in ("Sessions are shared. Connect without a pooler.", "gone"):
            with pytest.raises(ServiceUnavailable) as refused:
                await gate.enter()
            assert reason_of(refused.value) == words
            await asyncio.sleep(PAUSE_SECONDS)
        await gate.enter()
        await gate.enter()

    async def test_server_that_is_away_is_not_called_by_each_request(self, checks: list[object]) -> None:
        gate = SessionGate("")
        gate.require_check()
        checks.append(OperationalError("", {}, Exception("gone")))
        answers = await asyncio.gather(*(gate.enter() for _ in range(10)), return_exceptions=True)
        assert [type(answer) for answer in answers] == [ServiceUnavailable] * 10

    async def test_check_leaves_the_event_loop_to_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        release = threading.Event()
        monkeypatch.setattr(session_gate, "find_problem", lambda _: release.wait(10) and None)
        gate = SessionGate("")
        gate.require_check()
        entering = asyncio.create_task(gate.enter())
        await asyncio.sleep(0.05)
        assert not entering.done()
        release.set()
        await entering
