"""The whole application: behaviour that no test of its parts covers."""

import threading
from pathlib import Path

import httpx
import pytest

from fluent_cart import __version__
from fluent_cart.app import create_app
from fluent_cart.database.sqlite import SQLiteDatabase
from fluent_cart.openapi.introduction import TITLE
from fluent_cart.settings import Settings
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import MakeClient, credentials
from tests.support.errors import assert_error


class TestLifespan:
    async def test_lifespan_opens_the_database_and_closes_it_again(self, sqlite_settings: Settings) -> None:
        before = set(threading.enumerate())
        app = create_app(sqlite_settings)
        assert set(threading.enumerate()) <= before
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, auth=credentials("manager")) as client:
                made = await client.post(f"http://shop.example{PREFIX}", json={"email": "new@example.com"})
                assert made.json()["data"]["customer"]["id"] == 1
            assert "writer" in {thread.name for thread in set(threading.enumerate()) - before}
        left = {thread.name for thread in set(threading.enumerate()) - before}
        assert not any(name == "writer" or name.startswith("scan") for name in left)
        shop = Path(sqlite_settings.database_url.removeprefix("sqlite:///"))
        assert not shop.with_name(f"{shop.name}-wal").exists()

    def test_application_starts_without_a_database(self, tmp_path: Path) -> None:
        create_app(Settings(database_url=f"sqlite:///{tmp_path}/nowhere/shop.db", _env_file=None))
        assert list(tmp_path.iterdir()) == []


class TestSettings:
    def test_application_reads_the_environment_by_default(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("FLUENT_CART_DATABASE_URL", "sqlite:///from-the-environment.db")
        database = create_app().state.database
        assert isinstance(database, SQLiteDatabase)
        assert database.path == Path("from-the-environment.db")

    def test_two_applications_have_their_own_settings(self, tmp_path: Path) -> None:
        made = [
            create_app(Settings(database_url=f"sqlite:///{tmp_path}/{name}.db", _env_file=None))
            for name in ("one", "two")
        ]
        assert [app.state.database.path.stem for app in made] == ["one", "two"]


class TestRoot:
    @pytest.fixture
    def settings(self, sqlite_settings: Settings) -> Settings:
        """One database is enough, because no test runs a query."""
        return sqlite_settings

    async def test_frameworks_own_pages_are_not_served(self, client_of: MakeClient) -> None:
        async with client_of(prefix="") as client:
            for path in ("/redoc", "/docs/oauth2-redirect", "/docs/", "/openapi.yaml"):
                assert_error(await client.get(path), 404, "rest_no_route")

    async def test_document_has_every_served_route(self, client_of: MakeClient) -> None:
        async with client_of(prefix="") as client:
            document = (await client.get("/openapi.json")).json()
        assert (document["info"]["title"], document["info"]["version"]) == (TITLE, __version__)
