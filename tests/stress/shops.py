"""Fresh shops on either database, and servers on them."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from sqlalchemy import select

from fluent_cart.database import connect
from fluent_cart.models import Customer
from fluent_cart.schemas.addresses import AddressCreate
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services import addresses, customers, invariants
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import make_template, secret_of
from tests.support.cluster import Cluster
from tests.support.load import Requests
from tests.support.server import COMMAND, Server, server, started, until

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
TEMPLATE = "template_of_fire"
REQUESTS = Requests(PREFIX, "manager", secret_of("manager"))
Entered = TypeVar("Entered")
PLACE = {"address_1": "1 Main St", "city": "Rome", "country": "IT"}
# No caller is limited for too many requests here.
UNLIMITED = {"FLUENT_CART_RATE_LIMIT": "0", "FLUENT_CART_FAILED_LOGIN_LIMIT": "0"}


@dataclass
class Shop:
    """A shop with the test users, and a folder for whatever a guarantee needs."""

    database: str
    url: str
    folder: Path
    cluster: Cluster | None = None
    # Unexpected errors in the logs of its servers.
    tracebacks: int = field(default=0, init=False)

    @property
    def environment(self) -> dict[str, str]:
        return {**UNLIMITED, "FLUENT_CART_DATABASE_URL": self.url}

    @property
    def file(self) -> Path:
        """Where a shop on SQLite is."""
        return Path(self.url.removeprefix("sqlite:///"))

    def add_customers(self, number: int, addresses_each: int = 0) -> None:
        """Store customers. The first one of an empty shop has the id 1."""
        with connect(self.url) as connection:
            for name in range(number):
                email = f"customer{name}@fire.example"
                made = customers.create_customer(connection, CustomerCreate(email=email))
                for _ in range(addresses_each):
                    addresses.create_address(connection, made["id"], AddressCreate(**PLACE))

    def emails(self) -> set[str]:
        """Return which customers there are."""
        with connect(self.url) as connection:
            return set(connection.scalars(select(Customer.email)))

    def violations(self) -> dict[str, list[int]]:
        """Return the rules that are broken, as ``fluent-cart check`` does."""
        with connect(self.url) as connection:
            return invariants.find_violations(connection)

    def run(self, *arguments: str) -> None:
        """Run a command of the command line on the shop. It must succeed."""
        environment = {**os.environ, **self.environment}
        command = [COMMAND, *arguments]
        subprocess.run(command, env=environment, cwd=self.folder, check=True, capture_output=True)

    def elsewhere(self) -> "Shop":
        """Return a shop that is not there yet, on the same database."""
        if self.cluster is None:
            return Shop(self.database, f"sqlite:///{self.folder / 'elsewhere.db'}", self.folder)
        name = f"{self.url.rpartition('/')[2]}_elsewhere"
        self.cluster.execute(f"DROP DATABASE IF EXISTS {name}")
        self.cluster.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return Shop(self.database, self.cluster.url(name), self.folder, self.cluster)


class Shops:
    """Makes shops: copies of a ``file``, and on PostgreSQL if there is a ``cluster``."""

    def __init__(self, folder: Path, file: Path, cluster: Cluster | None = None) -> None:
        self._folder, self._file, self._cluster = folder, file, cluster
        if cluster:
            cluster.execute(f"CREATE DATABASE {TEMPLATE}")
            make_template(cluster.url(TEMPLATE))

    def offers(self, database: str) -> bool:
        return database == SQLITE or self._cluster is not None

    def fresh(self, database: str, name: str) -> Shop:
        """Return a shop with the test users."""
        folder = self._folder / f"{name}-{database}"
        folder.mkdir()
        if database == SQLITE:
            # In a folder of its own, whose every file belongs to the shop.
            (folder / "shop").mkdir()
            return Shop(database, f"sqlite:///{shutil.copy(self._file, folder / 'shop' / 'shop.db')}", folder)
        assert self._cluster
        self._cluster.execute(f"CREATE DATABASE fire_{name.lower()} TEMPLATE {TEMPLATE}")
        return Shop(database, self._cluster.url(f"fire_{name.lower()}"), folder, self._cluster)


@contextmanager
def serving(
    shop: Shop,
    workers: int = 2,
    *,
    environment: Mapping[str, str] | None = None,
    under: Sequence[str] = (),
    listening: socket.socket | None = None,
) -> Iterator[Server]:
    """Serve a shop with workers that are all ready. Keep their log."""
    log = shop.folder / "server.log"
    everything = {**shop.environment, **(environment or {})}
    options = ("--workers", str(workers))
    try:
        with server(
            shop.folder, *options, environment=everything, under=under, listening=listening
        ) as running:
            until(lambda: len(started(shop.folder)) >= workers, "all workers")
            yield running
    finally:
        shop.tracebacks += log.read_text().count("Traceback")


@asynccontextmanager
async def aside(context: AbstractContextManager[Entered]) -> AsyncIterator[Entered]:
    """Enter and leave what waits for a server, while the event loop goes on."""
    entered = await asyncio.to_thread(context.__enter__)
    try:
        yield entered
    finally:
        await asyncio.to_thread(context.__exit__, None, None, None)
