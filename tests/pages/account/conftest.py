"""Browsers that are signed in, without a browser."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.conftest import MakeClient, login_password_of
from tests.support.login import sign_in


@pytest.fixture
async def visitor(client_of: MakeClient) -> AsyncIterator[httpx.AsyncClient]:
    """The worker, signed in by form."""
    async with client_of(prefix="") as client:
        await sign_in(client, "worker", login_password_of("worker"))
        yield client


@pytest.fixture
async def stranger(client_of: MakeClient) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that has not signed in."""
    async with client_of(prefix="") as client:
        yield client
