"""Defects of the server that tests must notice. Each one replaces functions or statements of the server.

The name of a defect is its function's, and its docstring describes it. It runs before the server is
imported (``startup/sitecustomize.py``), so other modules import what it has put in place.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

# Names a defect in the environment of a process.
VARIABLE = "FLUENT_CART_TEST_DEFECT"
MATRIX = "tests/contract/test_matrix.py"
POLICIES = ("tests/auth/test_policies.py", MATRIX)

# Replaces an attribute of a module or a class, and raises AttributeError if there is none: `setattr` of
# pytest's monkeypatch.
Replace = Callable[[object, str, object], None]


class Defect(NamedTuple):
    """A defect, and what must fail then: tests, or a guarantee of `make test-stress` if no test is short."""

    guarantee: str
    apply: Callable[[Replace], None]
    tests: Sequence[str]
    stress: str

    @property
    def name(self) -> str:
        return self.apply.__name__

    @property
    def text(self) -> str:
        return self.apply.__doc__ or ""


DEFECTS: list[Defect] = []


def defect(
    guarantee: str, *tests: str, stress: str = ""
) -> Callable[[Callable[[Replace], None]], Callable[[Replace], None]]:
    """Add a function to the list."""

    def add(function: Callable[[Replace], None]) -> Callable[[Replace], None]:
        DEFECTS.append(Defect(guarantee, function, tests, stress))
        return function

    return add


def apply(name: str) -> None:
    """Apply a defect to this process."""
    [found] = {each.apply for each in DEFECTS if each.name == name}
    found(_replace)


def _replace(target: object, name: str, value: object) -> None:
    getattr(target, name)
    setattr(target, name, value)


@defect("E2", "tests/stress/test_guarantees.py::test_guarantee_holds_on_sqlite[E2]")
@defect("E3", stress="E3")
def commits_do_not_wait_for_the_disk(replace: Replace) -> None:
    """SQLite runs with synchronous=NORMAL."""
    from sqlalchemy import event

    from fluent_cart.database import sqlite

    engine = sqlite.create_sqlite_engine

    def without_sync(url: str, **options: Any) -> Any:
        made = engine(url, **options)
        event.listen(made, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=NORMAL"))
        return made

    replace(sqlite, "create_sqlite_engine", without_sync)


# Two cores serve all writers in turn even without the lock, so the guarantee itself would not notice.
@defect("D7", "tests/database/test_file_lock.py")
def no_file_lock(replace: Replace) -> None:
    """Writers of a SQLite file take no lock in front of it."""
    from fluent_cart.database import file_lock

    replace(file_lock, "fcntl", None)


@defect("D2", "tests/database/test_sqlite.py::TestManyWriters", "tests/contract/test_concurrency.py")
def writes_begin_as_reads(replace: Replace) -> None:
    """Writes begin with BEGIN, and no file lock is in front of them."""
    from fluent_cart.database import sqlite

    engine = sqlite.create_sqlite_engine

    def deferred(url: str, *, begin: str | None, **options: Any) -> Any:
        return engine(url, begin=begin and "BEGIN", **options)

    no_file_lock(replace)
    replace(sqlite, "create_sqlite_engine", deferred)


@defect("D1", "tests/contract/test_concurrency.py::TestAddresses")
def two_primary_addresses(replace: Replace) -> None:
    """No partial index of primary addresses, and no lock of the customer's row."""
    from sqlalchemy import bindparam, select, text

    from fluent_cart.database import connect, migrations
    from fluent_cart.database.prepared import Prepared
    from fluent_cart.models import Customer
    from fluent_cart.services import customers

    upgrade = migrations.upgrade

    def without_index(url: str, *revision: str) -> None:
        upgrade(url, *revision)
        with connect(url) as connection:
            connection.execute(text("DROP INDEX IF EXISTS uq_customer_addresses_primary"))

    replace(migrations, "upgrade", without_index)
    unlocked = select(Customer.__table__).where(Customer.id == bindparam("customer_id"))
    replace(customers, "_locked", Prepared(unlocked))


@defect("E4", "tests/database/test_postgresql.py", "tests/database/test_session_pool.py")
def one_try_on_a_lost_connection(replace: Replace) -> None:
    """A unit of work is not repeated after its connection is lost."""
    from fluent_cart.database import session

    did_not_happen = session._did_not_happen

    def unless_lost(error: BaseException, committing: bool) -> bool:
        return did_not_happen(error, committing) and not session.is_lost(error)

    replace(session, "_did_not_happen", unless_lost)


@defect("E19", "tests/database/test_replica.py::TestReads")
def replica_waits_for_nothing(replace: Replace) -> None:
    """A read of a replica does not wait for the caller's last write."""
    from fluent_cart.database.session import Session

    run = Session._run
    replace(Session, "_run", lambda self, work, transaction, before: run(self, work, transaction, None))


@defect("E19", "tests/database/test_replica.py::TestReads")
def replica_waits_too_late(replace: Replace) -> None:
    """A read of a replica waits after its snapshot has begun."""
    from fluent_cart.database.session import Session, Transaction, Work

    run = Session._run

    def late(self: Session, work: Work[Any], transaction: Transaction, before: Work[None] | None) -> Any:
        return run(
            self, lambda connection: (before and before(connection), work(connection))[1], transaction, None
        )

    replace(Session, "_run", late)


@defect("B3", "tests/routers/test_addresses.py")
def addresses_of_other_customers(replace: Replace) -> None:
    """An address is found by its id alone."""
    from sqlalchemy import bindparam, select

    from fluent_cart.database.prepared import LookupConnection, Prepared, Record
    from fluent_cart.models import Address
    from fluent_cart.services import addresses

    found = Prepared(select(Address.__table__).where(Address.id == bindparam("address_id")))

    class ByIdAlone:
        def records(self, connection: LookupConnection, *, address_id: int, customer_id: int) -> list[Record]:
            return found.records(connection, address_id=address_id)

    replace(addresses, "_one_of_customer", ByIdAlone())


@defect("A4, A6", "tests/auth/test_dependencies.py::TestRefusals")
def no_dummy_hashes(replace: Replace) -> None:
    """Accounts without slow hashes are rejected sooner."""
    from fluent_cart.services import application_passwords

    legacy_hashes = application_passwords.legacy_hashes
    replace(
        application_passwords,
        "legacy_hashes",
        lambda connection, name: [own for own in legacy_hashes(connection, name) if own[0]],
    )


@defect("A5", "tests/auth/test_dependencies.py::TestTiming", "tests/auth/test_dependencies.py::TestRefusals")
def known_names_take_longer(replace: Replace) -> None:
    """Passwords are looked up only for names that exist."""
    from sqlalchemy import select

    from fluent_cart.database.prepared import LookupConnection, Prepared
    from fluent_cart.models import User
    from fluent_cart.services import application_passwords, users

    named = Prepared(select(User.id).where(users.is_named))
    find = application_passwords.find_by_application_password

    def find_of_known(connection: LookupConnection, name: str, digest: str) -> Any:
        return find(connection, name, digest) if named.rows(connection, name=users.key(name)) else None

    replace(application_passwords, "find_by_application_password", find_of_known)


@defect(
    "A7",
    "tests/auth/test_dependencies.py::TestOtherProcesses",
    "tests/stress/test_guarantees.py::test_guarantee_holds_on_sqlite[A7]",
)
def users_are_remembered(replace: Replace) -> None:
    """A user of an application password is remembered for 60 s."""
    from fluent_cart.database.prepared import LookupConnection
    from fluent_cart.services import application_passwords

    find = application_passwords.find_by_application_password
    known: dict[tuple[str, str], tuple[float, Any]] = {}

    def remembered(connection: LookupConnection, name: str, digest: str) -> Any:
        until, found = known.get((name, digest), (0.0, None))
        if time.monotonic() > until:
            found = find(connection, name, digest)
            known[name, digest] = (time.monotonic() + 60, found)
        return found

    replace(application_passwords, "find_by_application_password", remembered)


@defect("C7, C1", "tests/contract/test_hostile_input.py::TestValues")
@defect("C2", "tests/contract/test_conformance.py")
def errors_repeat_what_was_sent(replace: Replace) -> None:
    """The texts of input errors have the input in them."""
    from fluent_cart.schemas import error_messages

    messages_by_field = error_messages.messages_by_field

    def repeating(errors: Sequence[dict[str, Any]], **options: Any) -> dict[str, list[str]]:
        texts = [error_messages.TEXTS.get(error["type"], error["msg"]) for error in errors]
        return messages_by_field(
            [
                {**error, "type": "", "msg": f"{text}: {error.get('input')}"}
                for error, text in zip(errors, texts, strict=True)
            ],
            **options,
        )

    replace(error_messages, "messages_by_field", repeating)


@defect("C3", "tests/stateful/test_stateful.py")
def email_addresses_are_not_checked(replace: Replace) -> None:
    """No look whose an e-mail address is, so that only the index rejects it."""
    from fluent_cart.services import customers

    replace(customers, "_require_free_email", lambda *_, **__: None)


@defect("B1", MATRIX)
def managers_delete(replace: Replace) -> None:
    """The permission to manage is enough to delete."""
    from fluent_cart.auth import policies

    replace(policies, "can_delete", policies.can_manage)


@defect("B1", MATRIX)
def viewers_change(replace: Replace) -> None:
    """The permission to view is enough to change."""
    from fluent_cart.auth import policies

    replace(policies, "can_manage", policies.can_view)


def _roles(replace: Replace, **permissions: Any) -> None:
    from fluent_cart.auth import roles

    replace(roles, "ROLE_PERMISSIONS", {**roles.ROLE_PERMISSIONS, **permissions})


@defect("F4", *POLICIES)
def workers_do_everything(replace: Replace) -> None:
    """The role worker has every permission."""
    from fluent_cart.auth import roles

    _roles(replace, worker=roles.EVERYTHING)


@defect("F4", *POLICIES)
def accountants_do_nothing(replace: Replace) -> None:
    """The role accountant has no permission."""
    _roles(replace, accountant=frozenset())


@defect("F4", *POLICIES)
def managers_operate_the_server(replace: Replace) -> None:
    """The role manager has every permission."""
    from fluent_cart.auth import roles

    _roles(replace, manager=roles.EVERYTHING)


@defect("F4", *POLICIES)
def administrators_only_read(replace: Replace) -> None:
    """The role administrator has the permission to view only."""
    from fluent_cart.auth import roles

    _roles(replace, administrator=roles.READ_ONLY)


def _bulk_action(replace: Replace, action: str, permission: str) -> None:
    from fluent_cart.auth import policies
    from fluent_cart.enums import BulkActionName, Permission

    changed = {**policies.BULK_PERMISSIONS, BulkActionName[action]: Permission[permission]}
    replace(policies, "BULK_PERMISSIONS", changed)


@defect("F4", *POLICIES)
def bulk_deletion_is_management(replace: Replace) -> None:
    """The permission to manage is enough to delete many customers."""
    _bulk_action(replace, "DELETE", "MANAGE")


@defect("F4", *POLICIES)
def bulk_export_is_management(replace: Replace) -> None:
    """The permission to view is not enough to export chosen customers."""
    _bulk_action(replace, "EXPORT", "MANAGE")


@defect("B2", "tests/contract/test_openapi.py")
def route_without_a_permission(replace: Replace) -> None:
    """A route of the API declares no permission."""
    from fastapi import FastAPI

    from fluent_cart.pages import docs, health
    from fluent_cart.wordpress.paths import PREFIX

    add_docs = docs.add_docs

    def add_more(app: FastAPI) -> None:
        add_docs(app)
        app.get(f"{PREFIX}/forgotten")(health.healthz)

    replace(docs, "add_docs", add_more)


@defect("E12", stress="E12")
def at_most_100_connections(replace: Replace) -> None:
    """The server answers 503 to more than 100 connections."""
    import uvicorn

    replace(uvicorn, "run", partial(uvicorn.run, limit_concurrency=100))


@defect("E20", stress="E20")
def changes_in_the_order_of_the_sequence(replace: Replace) -> None:
    """Changes are in the order of their ids alone, and are shown at once, on PostgreSQL too."""
    from sqlalchemy import BigInteger, literal_column, true

    from fluent_cart.models import CustomerChange
    from fluent_cart.services import changes

    # ORDER BY with a plain number is the number of a column.
    replace(changes, "_place", (literal_column("(0 + 0)", BigInteger), CustomerChange.id))
    replace(changes, "_is_final", lambda _: true())
