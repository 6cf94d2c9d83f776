"""TLS to PostgreSQL, as ``sslmode`` and ``sslrootcert`` in the address ask for it."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from fluent_cart.database import connect, create_database
from fluent_cart.errors import ServiceUnavailable
from fluent_cart.services import customers
from fluent_cart.settings import Settings
from tests.conftest import make_template
from tests.database.test_postgresql import create
from tests.support import cluster as clusters
from tests.support import postgres

pytestmark = pytest.mark.skipif(
    not (postgres.INSTALLED and shutil.which("openssl")),
    reason="TLS TO POSTGRESQL WAS NOT TESTED: no PostgreSQL of our own, or no openssl",
)
ENCRYPTED = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder with the key and the certificate of a server at 127.0.0.1, and the certificate of another."""
    assert postgres.OWNER
    folder = Path(tempfile.mkdtemp(prefix="fluent-cart-tls-"))
    for name in ("server", "other"):
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=shop",
        ]
        command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", f"{name}.key", "-out", f"{name}.crt"]
        subprocess.run(command, check=True, cwd=folder, capture_output=True)
    folder.chmod(0o755)
    (folder / "server.key").chmod(0o600)
    shutil.chown(folder / "server.key", postgres.OWNER)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """The address of a shop on a server that takes encrypted connections alone."""
    certificate = (f"ssl_cert_file={folder}/server.crt", f"ssl_key_file={folder}/server.key")
    with clusters.running("ssl=on", *certificate) as cluster:
        cluster.execute("CREATE DATABASE shop")
        make_template(cluster.url("shop"))
        yield cluster.url("shop")


def settings_for(url: str) -> Settings:
    return Settings(database_url=url, _env_file=None)


@pytest.mark.parametrize("options", ["", "sslmode=require", "sslmode=verify-full&sslrootcert={}/server.crt"])
async def test_every_connection_is_encrypted(address: str, folder: Path, options: str) -> None:
    url = f"{address}?{options.format(folder)}"
    with connect(url) as connection:
        assert connection.scalar(ENCRYPTED)
    async with create_database(settings_for(url)) as database:
        assert await database.scan(lambda connection: connection.scalar(ENCRYPTED))
        created = await database.write(create, f"{len(options)}@example.com")
        assert (await database.read(customers.get_customer, created))["id"] == created


async def test_certificate_of_another_authority_is_rejected(address: str, folder: Path) -> None:
    url = f"{address}?sslmode=verify-full&sslrootcert={folder}/other.crt"
    async with create_database(settings_for(url)) as database:
        for run in (database.read, database.scan):
            with pytest.raises(ServiceUnavailable):
                await run(customers.get_customer, 1)


async def test_server_without_tls_is_rejected_if_tls_is_required(shared_postgres_settings: Settings) -> None:
    async with create_database(
        settings_for(f"{shared_postgres_settings.database_url}?sslmode=require")
    ) as database:
        with pytest.raises(ServiceUnavailable):
            await database.read(customers.get_customer, 1)
