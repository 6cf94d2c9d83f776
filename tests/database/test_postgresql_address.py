"""Addresses of PostgreSQL, as its two drivers take them."""

import pytest

from fluent_cart.database import connect, create_database
from fluent_cart.database.postgresql_address import OF_LIBPQ_ALONE, for_asyncpg, for_libpq, has_pooler
from fluent_cart.settings import Settings
from tests.database.test_postgresql import show
from tests.support import postgres

ADDRESS = "postgres://shop:p%40ss@db.example:6432/shop?sslmode=verify-full&sslrootcert=/ca.crt"


def test_pooler_is_left_out_for_both_drivers() -> None:
    url = f"{ADDRESS}&pooler=transaction"
    assert has_pooler(url)
    wanted = ADDRESS.replace("postgres:", "postgresql:")
    assert for_libpq(url).render_as_string(hide_password=False) == for_asyncpg(url)
    assert for_asyncpg(url).replace("%2F", "/") == wanted


@pytest.mark.parametrize("url", [ADDRESS, f"{ADDRESS}&pooler=session"])
def test_pooler_that_keeps_sessions_is_no_pooler(url: str) -> None:
    assert not has_pooler(url)


def test_parameters_of_libpq_alone_are_left_out_for_asyncpg() -> None:
    url = f"{ADDRESS}&" + "&".join(f"{name}=1" for name in OF_LIBPQ_ALONE)
    assert for_asyncpg(url) == for_asyncpg(ADDRESS)
    assert set(OF_LIBPQ_ALONE) <= set(for_libpq(url).query)


@pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")
async def test_address_of_a_hosting_provider_is_accepted(shared_postgres_settings: Settings) -> None:
    """As providers of databases write them, with an option of libpq."""
    url = shared_postgres_settings.database_url.replace("postgresql:", "postgres:")
    url += "?sslmode=prefer&channel_binding=prefer&connect_timeout=3&keepalives=1&options=-c%20work_mem%3D5MB"
    async with create_database(Settings(database_url=url, _env_file=None)) as database:
        assert await database.scan(show, "work_mem") == "5MB"
    with connect(url) as connection:
        assert show(connection, "work_mem") == "5MB"
