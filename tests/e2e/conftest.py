"""The server as people install it."""

from pathlib import Path

import pytest

from tests.support import wheel


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel of this checkout."""
    return wheel.install(tmp_path_factory.mktemp("installed"))
