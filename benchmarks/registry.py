"""The arms: how each is started, on which database, and how durable its writes are."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import HOST

SQLITE, POSTGRESQL, NONE = "SQLite", "PostgreSQL", "none"
# On disk before the answer is sent, or in the hands of the system, which loses it with the power.
ON_DISK, NOT_YET = "on disk", "not yet on disk"

PYTHON = Path(sys.executable)
UVICORN = (
    f"{PYTHON} -m uvicorn --loop uvloop --http httptools --workers 1 --no-access-log --log-level warning"
    f" --host {HOST} --port {{port}}"
)
# Of gunicorn's own ways with one process this takes least CPU time: one thread, connections kept open.
GUNICORN = (
    f"{PYTHON} -m gunicorn --workers 1 --worker-class gthread --threads 1 --keep-alive 60 --log-level warning"
    f" --bind {HOST}:{{port}}"
)
FLUENT_CART = f"{PYTHON.with_name('fluent-cart')} serve --host {HOST} --port {{port}}"


@dataclass(frozen=True, eq=False)
class Arm:
    """A program that is measured."""

    name: str
    title: str
    database: str
    command: str
    durability: str = ON_DISK
    environment: dict[str, str] = field(default_factory=dict)


def _django(name: str, title: str, module: str) -> Arm:
    package = "benchmarks.arms.django_shop"
    environment = {
        "DJANGO_SETTINGS_MODULE": f"{package}.settings",
        "BENCHMARK_URLS": f"{package}.{module}",
    }
    command = f"{GUNICORN} {package}.wsgi:application"
    return Arm(name, title, SQLITE, command, environment=environment)


STATIC = Arm("static", "static bytes", NONE, f"{UVICORN} benchmarks.arms.static:app", durability="")
LIMIT_SQLITE = Arm(
    "limit_sqlite", "limit: raw ASGI, sqlite3", SQLITE, f"{UVICORN} benchmarks.arms.limit_sqlite:app", NOT_YET
)
OURS_SQLITE = Arm("ours_sqlite", "**this server, SQLite**", SQLITE, FLUENT_CART)
USUAL_SQLITE = Arm("usual_sqlite", "usual FastAPI, SQLite", SQLITE, f"{UVICORN} benchmarks.arms.usual:app")
REST = _django("django_rest", "Django REST Framework, SQLite", "rest")
NINJA = _django("django_ninja", "Django Ninja, SQLite", "ninja_api")
LIMIT_POSTGRESQL = Arm(
    "limit_postgresql",
    "limit: raw ASGI, asyncpg",
    POSTGRESQL,
    f"{UVICORN} benchmarks.arms.limit_postgresql:app",
)
OURS_POSTGRESQL = Arm("ours_postgresql", "**this server, PostgreSQL**", POSTGRESQL, FLUENT_CART)
USUAL_POSTGRESQL = Arm("usual_postgresql", "usual FastAPI, PostgreSQL", POSTGRESQL, USUAL_SQLITE.command)

ARMS = (
    STATIC,
    LIMIT_SQLITE,
    OURS_SQLITE,
    USUAL_SQLITE,
    REST,
    NINJA,
    LIMIT_POSTGRESQL,
    OURS_POSTGRESQL,
    USUAL_POSTGRESQL,
)
# Not timed, because it measures how long the event loop is blocked.
PROBED = Arm(
    "probed",
    "this server, probed",
    SQLITE,
    f"{UVICORN.replace('uvloop', 'asyncio')} --factory benchmarks.arms.probed:create_app",
)
# The arms that ours is compared with on each database: the limit, the usual application.
RIVALS = {
    OURS_SQLITE: (LIMIT_SQLITE, USUAL_SQLITE),
    OURS_POSTGRESQL: (LIMIT_POSTGRESQL, USUAL_POSTGRESQL),
}
