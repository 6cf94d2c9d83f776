"""An erased person is searched for in every table, index and file."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg

from fluent_cart.database import connect
from fluent_cart.models import Customer, Order
from fluent_cart.services.orders import record_order
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import credentials, make_template, rows
from tests.stress.guarantees import Figure, Scale, exactly, guarantee, measured, none
from tests.stress.shops import POSTGRESQL, SQLITE, Shop, serving
from tests.support import cluster as clusters
from tests.support.person import MARKS, add_person, in_files, in_tables

# Of Zaphodqx and Beeblebroxw, as the search index of each database has them.
TRIGRAMS = {SQLITE: (b"dqx", b"oxw"), POSTGRESQL: (b"xqd\0", b"wxo\0")}
TOTALS = ("order_count", "total_spent", "first_order_at", "last_order_at")


@guarantee("E21", "an erased person, searched for in every table, index and file")
async def erased(shop: Shop, scale: Scale) -> list[Figure]:
    with _own(shop) as (own, files):
        with serving(own) as running:
            async with httpx.AsyncClient(
                base_url=f"{running.address}{PREFIX}", auth=credentials("manager"), timeout=60
            ) as manager:
                await add_person(manager, lambda order: asyncio.to_thread(_record, own, order))
            before, books = _tables(own), _books(own)
            files_before = in_files(files)
            await asyncio.to_thread(own.run, "erase", "1")
            after = _tables(own)
        left = in_files(files)
        if own.database != SQLITE:
            _rewrite(own.url)
        return [
            exactly("marks in tables before", _number(before), len(MARKS)),
            exactly("marks in files before", _number(files_before), len(MARKS)),
            none("marks in tables", _number(after)),
            measured("files that have marks until the tables are rewritten", ", ".join(left) or "none"),
            none("marks in files of the database", _number(in_files(files))),
            none("files that have trigrams of the person", _with_trigrams(files, own.database)),
            none("marks in the server's log", _number(in_files(shop.folder))),
            exactly("orders and totals are as before", _books(own) == books, True),
        ]


@contextmanager
def _own(shop: Shop) -> Iterator[tuple[Shop, Path]]:
    """Yield the shop and the folder of all files of its database, which no other shop uses."""
    if shop.database == SQLITE:
        yield shop, shop.file.parent
        return
    # The log has the person until its files are removed. To overwrite them takes a gigabyte of writes.
    with clusters.running("wal_recycle=off") as cluster:
        cluster.execute("CREATE DATABASE shop")
        make_template(cluster.url("shop"))
        yield Shop(shop.database, cluster.url("shop"), shop.folder, cluster), cluster.data


def _record(shop: Shop, order: dict[str, Any]) -> None:
    with connect(shop.url) as connection:
        record_order(connection, order)


def _tables(shop: Shop) -> dict[str, set[str]]:
    with connect(shop.url) as connection:
        return in_tables(connection)


def _books(shop: Shop) -> list[Any]:
    with connect(shop.url) as connection:
        totals = [
            {name: row[name] for name in TOTALS} for row in rows(connection, Customer) if row["id"] == 1
        ]
        return [*totals, rows(connection, Order)]


def _number(found: Mapping[str, set[str]]) -> int:
    return len(set().union(*found.values()))


def _with_trigrams(folder: Path, database: str) -> int:
    contents = (path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return sum(any(each in content for each in TRIGRAMS[database]) for content in contents)


def _rewrite(url: str) -> None:
    """Rewrite every table and index, and let PostgreSQL remove older files, as in docs/privacy.md."""
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in ("VACUUM FULL", "CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT"):
            connection.execute(statement)
