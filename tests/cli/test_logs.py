"""Where the server's logs go."""

import logging
from collections.abc import Iterator
from logging.config import dictConfig

import pytest
from uvicorn.config import LOGGING_CONFIG

from fluent_cart.cli.logs import log_config

SECURITY = "fluent_cart.security"


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The security log, afterwards as it was."""
    logger = logging.getLogger(SECURITY)
    yield logger
    logger.handlers.clear()
    logger.propagate, logger.level = True, logging.NOTSET


@pytest.mark.parametrize(("level", "written"), [("info", 2), ("warning", 1), ("error", 0)])
def test_the_security_log_is_bare_lines_on_standard_error(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str], level: str, written: int
) -> None:
    config = log_config(level)
    dictConfig(config | {"loggers": {SECURITY: config["loggers"][SECURITY]}})
    logger.warning("%s", '{"outcome": "refused"}')
    logger.info("%s", '{"outcome": "upgraded"}')
    lines = ['{"outcome": "refused"}\n', '{"outcome": "upgraded"}\n'][:written]
    assert capsys.readouterr() == ("", "".join(lines))


def test_uvicorns_own_logs_are_as_they_were() -> None:
    config = log_config("info")
    for part, configured in LOGGING_CONFIG.items():
        if isinstance(configured, dict):
            assert {name: config[part][name] for name in configured} == configured
        else:
            assert config[part] == configured
