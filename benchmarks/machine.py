"""The conditions of a measurement for its table: versions, machine, load, date."""

import os
import platform
import re
import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.load import describe

PACKAGES = (
    "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic", "sqlalchemy", "psycopg", "orjson",
    "asyncpg", "django", "djangorestframework", "django-ninja", "gunicorn",
)  # fmt: skip
NO_POSTGRESQL = "no PostgreSQL: **nothing was measured on it**"


def facts(
    postgresql: str | None, *, load_generator: str | None = None, packages: Sequence[str] = PACKAGES
) -> dict[str, str]:
    """Return the facts about the machine, each under its name."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return {
        "Date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "Machine": f"{os.cpu_count()} cores, {_processor()}, {platform.system()} {platform.release()}",
        "Load of the machine (1, 5, 15 minutes)": ", ".join(f"{load:.1f}" for load in os.getloadavg()),
        "Databases": f"SQLite {sqlite3.sqlite_version}, {postgresql or NO_POSTGRESQL}",
        "Load generator": load_generator or describe(),
        "Python": f"{platform.python_version()}: {versions}",
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.+)", information.read_text()) if information.exists() else None
    return found[1] if found else platform.processor() or platform.machine()
