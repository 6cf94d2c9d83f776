"""The state of a replica, for people: whether it answers, and how far it is behind."""

import time

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from fluent_cart.database.base import ReplicaState
from fluent_cart.database.log_position import (
    Position,
    ReplicaBehind,
    ReplicaUnusable,
    read_end,
    require_replayed,
)
from fluent_cart.database.postgresql_engine import create_postgresql_engine
from fluent_cart.database.session_check import find_problem

# How long a replica may take to replay the writes of the primary.
PATIENCE_SECONDS = 1.0
MEANWHILE = "Until then the primary answers its reads"

_paused = text("SELECT pg_is_wal_replay_paused()")
_feedback = text("SELECT current_setting('hot_standby_feedback')")
_last_replayed = text(
    "SELECT extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8"
)


def examine(url: str, read_url: str) -> ReplicaState:
    """Return the state of the replica of ``url``. Raise ``DBAPIError`` if that server does not answer."""
    primary = create_postgresql_engine(url, connections=1)
    try:
        with primary.connect() as connection:
            position = read_end(connection)
    finally:
        primary.dispose()
    try:
        problem = find_problem(read_url)
        if problem:
            return ReplicaState(f"The replica is not used: {problem.text}", problem.advice)
        return _examine_replica(read_url, position)
    except DBAPIError as error:
        reason = str(error.orig).splitlines()[0]
        return ReplicaState(
            f"The replica does not answer: {reason}",
            f"Start it, or correct FLUENT_CART_DATABASE_READ_URL. {MEANWHILE}.",
        )


def _examine_replica(read_url: str, position: Position) -> ReplicaState:
    replica = create_postgresql_engine(read_url, connections=1, isolation_level="AUTOCOMMIT")
    try:
        with replica.connect() as connection:
            began = time.monotonic()
            try:
                require_replayed(connection, position, time.sleep, PATIENCE_SECONDS)
            except ReplicaBehind:
                return _behind(connection)
            except ReplicaUnusable as error:
                return ReplicaState(str(error), f"Correct FLUENT_CART_DATABASE_READ_URL. {MEANWHILE}.")
            seconds = time.monotonic() - began
            if connection.scalar(_feedback) != "on":
                return ReplicaState(
                    "The replica may cancel long exports: hot_standby_feedback is off",
                    "Set hot_standby_feedback=on at the replica.",
                )
            return ReplicaState(f"The replica had everything after {seconds * 1000:.0f} ms")
    finally:
        replica.dispose()


def _behind(connection: Connection) -> ReplicaState:
    if connection.scalar(_paused):
        return ReplicaState(
            "The replica is behind: its replay is paused",
            f"Run SELECT pg_wal_replay_resume() there. {MEANWHILE}.",
        )
    seconds = connection.scalar(_last_replayed) or 0
    return ReplicaState(
        f"The replica is behind: its last transaction is {seconds:.0f} s old",
        "Look at the load and the log of the replica, and at pg_stat_replication of the primary;"
        f" {MEANWHILE}.",
    )
