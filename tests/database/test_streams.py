"""Reads that are larger than memory: one snapshot, a bounded queue, and an end for every kind of reader."""

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.exc import OperationalError

from fluent_cart.database import Database, create_database, streams
from fluent_cart.database.scan_queue import CALLER, Caller
from fluent_cart.database.streams import MAX_STREAMS, PREFETCH, Stream, StreamInterrupted
from fluent_cart.errors import ServiceUnavailable
from fluent_cart.models import Customer
from fluent_cart.schemas.customers import CustomerCreate
from fluent_cart.services import customers
from fluent_cart.settings import Settings

Pieces = Generator[bytes, None, None]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # a thread sets it
            await asyncio.sleep(0.01)


async def all_of(stream: Stream) -> list[bytes]:
    with closing(stream):
        return [piece async for piece in stream]


def counts(connection: Connection) -> Pieces:
    for _ in range(10):
        yield str(connection.scalar(select(func.count()).select_from(Customer))).encode()


class Endless:
    """A read that never ends by itself. It counts its pieces and records the end of its snapshot."""

    def __init__(self) -> None:
        self.made = 0
        self.is_closed = threading.Event()

    def __call__(self, connection: Connection) -> Pieces:
        try:
            while True:
                self.made += 1
                connection.execute(text("SELECT 1"))
                yield b"x"
        finally:
            self.is_closed.set()


async def test_stream_has_all_pieces_of_one_state(database: Database) -> None:
    stream = await database.stream(counts)
    await database.write(customers.create_customer, CustomerCreate(email="late@example.com"))
    assert await all_of(stream) == [b"0"] * 10
    assert await all_of(await database.stream(counts)) == [b"1"] * 10
    assert await all_of(await database.stream(lambda _connection: (_ for _ in ()))) == [b""]


async def test_stream_cannot_write(database: Database) -> None:
    def writes(connection: Connection) -> Pieces:
        yield b"first"
        connection.execute(
            insert(Customer), {"email": "x", "search_text": "", "created_at": "", "updated_at": ""}
        )
        yield b"second"

    stream = await database.stream(writes)
    assert await anext(stream) == b"first"
    with pytest.raises(ServiceUnavailable):
        await anext(stream)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_stream_is_a_few_pieces_ahead_and_ends_with_its_reader(database: Database) -> None:
    endless = Endless()
    with closing(await database.stream(endless)) as stream:
        for _ in range(10):
            assert await anext(stream) == b"x"
        await until(lambda: endless.made >= 10 + PREFETCH)
        await asyncio.sleep(0.05)
        # One more is made, and waits for room.
        assert endless.made <= 10 + PREFETCH + 2
    await until(endless.is_closed.is_set)
    await until(lambda: not stream.runs)


async def test_stream_ends_if_its_reader_stalls(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STALL_SECONDS", 0.1)
    endless = Endless()
    stream = await database.stream(endless)
    await until(endless.is_closed.is_set)
    with pytest.raises(StreamInterrupted, match="too slowly"):
        await all_of(stream)


async def test_stream_has_a_limit_for_the_whole_time(settings: Settings) -> None:
    hasty = settings.model_copy(update={"export_timeout": 0.2})
    endless = Endless()
    async with create_database(hasty) as database:
        started = time.monotonic()
        with pytest.raises(StreamInterrupted, match="too slowly"):
            await all_of(await database.stream(endless))
        assert time.monotonic() - started >= 0.2
    assert endless.is_closed.is_set()


async def test_stream_of_a_failed_database_never_looks_complete(database: Database) -> None:
    def fails(connection: Connection) -> Pieces:
        yield b"first"
        raise OperationalError("SELECT 1", None, Exception("disk I/O error"))

    stream = await database.stream(fails)
    assert await anext(stream) == b"first"
    with pytest.raises(ServiceUnavailable):
        await anext(stream)


async def test_database_error_before_the_first_piece_is_raised(database: Database) -> None:
    def fails(connection: Connection) -> Pieces:
        connection.execute(text("SELECT nothing FROM nowhere"))
        yield b"never"

    with pytest.raises(ServiceUnavailable):
        await database.stream(fails)
    # It takes no place of others.
    for _ in range(MAX_STREAMS):
        assert await all_of(await database.stream(counts))


async def test_stream_over_the_limit_is_503_until_another_ends(database: Database) -> None:
    running = [await database.stream(Endless()) for _ in range(MAX_STREAMS)]
    with pytest.raises(ServiceUnavailable) as refused:
        await database.stream(counts)
    assert refused.value.headers == {"Retry-After": "10"}
    # Everything else goes on.
    assert await database.scan(lambda connection: connection.scalar(select(1))) == 1
    running[0].close()
    await until(lambda: not running[0].runs)
    assert await all_of(await database.stream(counts)) == [b"0"] * 10
    running[1].close()


async def test_last_stream_is_for_another_user(database: Database) -> None:
    """Two slow exports of one user would keep all others from theirs for 15 minutes."""

    async def receive() -> Mapping[str, Any]:
        raise AssertionError("a stream does not read the connection")

    async def stream(user_id: int) -> Stream:
        CALLER.set(Caller(user_id, receive))
        return await database.stream(Endless())

    first = await asyncio.create_task(stream(1))
    with pytest.raises(ServiceUnavailable):
        await asyncio.create_task(stream(1))
    second = await asyncio.create_task(stream(2))
    for running in (first, second):
        running.close()


async def test_stream_ends_with_the_database(settings: Settings) -> None:
    endless = Endless()
    async with create_database(settings) as database:
        stream = await database.stream(endless)
    assert endless.is_closed.is_set()
    with pytest.raises(StreamInterrupted, match="The caller has left"):
        await all_of(stream)


async def test_reader_that_leaves_before_the_first_piece_leaves_nothing_behind(database: Database) -> None:
    wait = threading.Event()
    done = threading.Event()

    def slow(connection: Connection) -> Pieces:
        wait.wait(20)
        yield b"first"
        done.set()
        yield b"second"

    reader = asyncio.create_task(database.stream(slow))
    await asyncio.sleep(0.05)
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    wait.set()
    await until(lambda: all(not stream.runs for stream in database._streams))
    assert not done.is_set()
