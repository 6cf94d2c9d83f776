"""Where the server's logs go: all of them to standard error."""

from typing import Any

from uvicorn.config import LOGGING_CONFIG


def log_config(level: str) -> dict[str, Any]:
    """Return uvicorn's own logging and, beside it, the bare lines of the security log."""
    handler = {"class": "logging.StreamHandler", "formatter": "bare", "stream": "ext://sys.stderr"}
    logger = {"handlers": ["bare"], "level": level.upper(), "propagate": False}
    return LOGGING_CONFIG | {
        "formatters": LOGGING_CONFIG["formatters"] | {"bare": {"format": "%(message)s"}},
        "handlers": LOGGING_CONFIG["handlers"] | {"bare": handler},
        "loggers": LOGGING_CONFIG["loggers"] | {"fluent_cart.security": logger},
    }
