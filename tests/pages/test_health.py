"""/healthz and /readyz, which need no credentials."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from fluent_cart.database import create_database, migrations
from fluent_cart.http import error_handlers
from fluent_cart.settings import Settings
from tests.conftest import MakeClient
from tests.support.errors import assert_error

BUSY = "The database is busy or not available. Try again"


MIGRATE = (
    "The database is not at the migration of this version. Run fluent-cart migrate,"
    " or install the version that migrated the database"
)
STOPPING = "The server is stopping"


def assert_not_ready(response: httpx.Response, why: str = BUSY) -> None:
    assert_error(response, 503, "service_unavailable", why)
    assert response.headers["retry-after"] == "1"


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture
async def probe(client_of: MakeClient) -> AsyncIterator[httpx.AsyncClient]:
    """A caller without credentials at the root of the site."""
    async with client_of(prefix="") as client:
        yield client


@pytest.fixture
async def lost(shared_app: FastAPI, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The same where there is no database."""
    nowhere = Settings(database_url=f"sqlite:///{tmp_path}/shop.db", _env_file=None)
    async with (
        create_database(nowhere) as database,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(shared_app), base_url="http://shop.example"
        ) as client,
    ):
        shared_app.state.database = database
        yield client


class TestHealthz:
    async def test_healthz_returns_without_a_database(self, lost: httpx.AsyncClient, tmp_path: Path) -> None:
        answer = await lost.get("/healthz")
        assert (answer.status_code, answer.json()) == (200, {"success": True, "data": {"status": "ok"}})
        assert names_in(tmp_path) == []


class TestReadyz:
    async def test_readyz_returns_200_at_the_newest_migration(self, probe: httpx.AsyncClient) -> None:
        answer = await probe.get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"success": True, "data": {"status": "ready"}})

    async def test_readyz_returns_503_at_an_older_migration_until_it_is_applied(
        self, settings: Settings, probe: httpx.AsyncClient
    ) -> None:
        migrations.downgrade(settings.database_url, "-1")
        assert_not_ready(await probe.get("/readyz"), MIGRATE)
        migrations.upgrade(settings.database_url)
        assert (await probe.get("/readyz")).status_code == 200

    async def test_readyz_is_503_during_shutdown(self, probe: httpx.AsyncClient, app: FastAPI) -> None:
        app.state.stopping = True
        try:
            assert_not_ready(await probe.get("/readyz"), STOPPING)
            assert (await probe.get("/healthz")).status_code == 200
        finally:
            app.state.stopping = False

    async def test_readyz_returns_503_without_a_database(
        self, lost: httpx.AsyncClient, tmp_path: Path
    ) -> None:
        """The check creates no file, because an empty file would look like a shop that lost its data."""
        assert_not_ready(await lost.get("/readyz"))
        assert names_in(tmp_path) == []

    async def test_reason_of_503_is_logged(
        self, lost: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        error_handlers.log_unavailable.__self__._quiet_until = 0.0  # type: ignore[attr-defined]
        await lost.get("/readyz")
        [line] = [record for record in caplog.records if record.name == "fluent_cart.unavailable"]
        assert line.getMessage().startswith("Answered 503: unable to open database file")
        assert line.levelname == "WARNING"


class TestReadyzOnSQLite:
    @pytest.fixture
    def settings(self, sqlite_settings: Settings) -> Settings:
        return sqlite_settings

    @pytest.mark.parametrize("revision", ["from-the-future", ""])
    async def test_readyz_on_sqlite_returns_503_at_a_migration_that_this_version_does_not_know(
        self, settings: Settings, probe: httpx.AsyncClient, revision: str
    ) -> None:
        with sqlite3.connect(settings.database_url.removeprefix("sqlite:///")) as connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", [revision])
        connection.close()
        assert_not_ready(await probe.get("/readyz"), MIGRATE)

    @pytest.mark.parametrize("content", [b"", b"this is no database" * 100], ids=["empty", "rubbish"])
    async def test_readyz_is_503_for_a_file_that_is_no_shop(
        self, shared_app: FastAPI, lost: httpx.AsyncClient, tmp_path: Path, content: bytes
    ) -> None:
        (path := tmp_path / "other.db").write_bytes(content)
        other = Settings(database_url=f"sqlite:///{path}", _env_file=None)
        async with create_database(other) as database:
            shared_app.state.database = database
            assert_not_ready(await lost.get("/readyz"))


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
class TestBoth:
    @pytest.fixture
    def settings(self, sqlite_settings: Settings) -> Settings:
        return sqlite_settings

    async def test_health_checks_accept_head_and_get_only(self, probe: httpx.AsyncClient, path: str) -> None:
        head = await probe.head(path)
        assert (head.status_code, head.content) == (200, b"")
        refused = await probe.post(path)
        assert_error(refused, 405, "rest_no_route", "This route does not support the request method")
        assert refused.headers["allow"] == "GET, HEAD"

    def test_health_checks_are_not_in_the_document(self, shared_app: FastAPI, path: str) -> None:
        assert path not in shared_app.openapi()["paths"]
