"""One greenlet for many functions: their results, errors and contexts."""

import asyncio
import gc
from contextvars import ContextVar
from importlib.metadata import version

import pytest
from sqlalchemy.util import await_only

from fluent_cart.database.kept_greenlet import KeptGreenlet, _Greenlet

CALLER: ContextVar[str] = ContextVar("caller")


async def test_function_in_a_kept_greenlet_waits_and_returns() -> None:
    kept = KeptGreenlet()
    for number in range(3):
        assert await kept.run(lambda: await_only(asyncio.sleep(0, number)) + 1) == number + 1  # noqa: B023  # it runs at once
    assert await kept.run(dict) == {}
    kept.end()


async def test_error_reaches_the_caller_and_the_greenlet_serves_the_next() -> None:
    kept = KeptGreenlet()

    async def fail() -> None:
        raise KeyError("within")

    for function in (lambda: 1 // 0, lambda: await_only(fail())):
        with pytest.raises((ZeroDivisionError, KeyError)):
            await kept.run(function)
    assert await kept.run(lambda: await_only(asyncio.sleep(0, "next"))) == "next"


async def test_function_that_is_cancelled_can_clean_up() -> None:
    kept, cleaned = KeptGreenlet(), []

    def wait() -> None:
        try:
            await_only(asyncio.sleep(5))
        finally:
            cleaned.append(await_only(asyncio.sleep(0, "cleaned")))

    running = asyncio.create_task(kept.run(wait))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert cleaned == ["cleaned"]


async def test_function_sees_the_context_of_its_own_caller() -> None:
    kept = KeptGreenlet()

    async def ask(name: str) -> str:
        CALLER.set(name)
        return await kept.run(lambda: await_only(asyncio.sleep(0, "")) + CALLER.get())

    for name in ("one", "two"):
        assert await asyncio.create_task(ask(name)) == name


async def test_kept_greenlet_keeps_no_result() -> None:
    class Result:
        pass

    kept = KeptGreenlet()
    await kept.run(Result)
    gc.collect()
    assert not [each for each in gc.get_objects() if isinstance(each, Result)]


def test_sqlalchemy_knows_the_greenlet_by_the_name_that_this_version_has() -> None:
    """The name is not documented: look at SQLAlchemy's own greenlet again with each new version."""
    from sqlalchemy.util.concurrency import _concurrency_shim

    assert version("sqlalchemy").startswith("2.1."), "Does await_only still look for this name?"
    [name] = (name for name in vars(_Greenlet) if name.startswith("__sqlalchemy"))
    assert getattr(_concurrency_shim._AsyncIoGreenlet, name) is True
