"""Whether the tests notice: the server is broken on purpose, one change at a time. ``make test-mutation``

Each change is made to a copy of the whole tree, and the tests that protect what it breaks must fail there.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.stress.mutants import MUTANTS, WITNESSES
from tests.support.paths import ROOT

PACKAGE = "src/fluent_cart"
NOT_COPIED = (".git", ".venv*", ".*_cache", "__pycache__", "node_modules", ".bench", "*.db*")
SQLITE, SESSION = f"{PACKAGE}/database/sqlite.py", f"{PACKAGE}/database/session.py"
CHANGES = f"{PACKAGE}/services/changes.py"
# The exit code of pytest if tests ran and failed.
RED = 1


class Change(NamedTuple):
    """A text of a file, and what takes its place."""

    file: str
    old: str
    new: str


class Mutation(NamedTuple):
    """A defect, and what must fail then: tests, or a guarantee of `make test-stress` if no test is short."""

    guarantee: str
    what: str
    changes: Sequence[Change]
    tests: Sequence[str] = ()
    stress: str = ""


LOCK = 'bindparam("customer_id")).with_for_update()'
NO_ROW_LOCK = Change(f"{PACKAGE}/services/customers.py", LOCK, LOCK.removesuffix(".with_for_update()"))
LOOK_UP = "await database.read(find_by_application_password, "
ECHO = Change(
    f"{PACKAGE}/schemas/error_messages.py",
    'TEXTS.get(error["type"], error["msg"])',
    "f\"{TEXTS.get(error['type'], error['msg'])}: {error.get('input')}\"",
)
NO_FILE_LOCK = Change(
    f"{PACKAGE}/database/file_lock.py", "if fcntl:\n            try", "if False:\n            try"
)
LIST = (
    Mutation(
        "E2",
        "synchronous=NORMAL",
        [Change(SQLITE, "synchronous=FULL", "synchronous=NORMAL")],
        ["tests/stress/test_guarantees.py::test_guarantee_holds_on_sqlite[E2]"],
    ),
    Mutation(
        "E3", "synchronous=NORMAL", [Change(SQLITE, "synchronous=FULL", "synchronous=NORMAL")], stress="E3"
    ),
    Mutation("D7", "no file lock", [NO_FILE_LOCK], stress="D7"),
    Mutation(
        "D2",
        "BEGIN in place of BEGIN IMMEDIATE, and no file lock in front of it",
        [NO_FILE_LOCK, Change(SQLITE, 'begin="BEGIN IMMEDIATE"', 'begin="BEGIN"')],
        ["tests/database/test_sqlite.py::TestManyWriters", "tests/contract/test_concurrency.py"],
    ),
    Mutation(
        "D1",
        "no partial index, and no lock of the customer's row",
        [
            NO_ROW_LOCK,
            Change(
                "migrations/versions/2026_11_23_0003_customer_addresses.py",
                '["customer_id"],\n        unique=True,',
                '["customer_id"],\n        unique=False,',
            ),
        ],
        ["tests/contract/test_concurrency.py::TestAddresses"],
    ),
    Mutation(
        "E4",
        "no second try after a lost connection",
        [Change(SESSION, "return not committing and is_lost(error)", "return False and is_lost(error)")],
        ["tests/database/test_postgresql.py", "tests/database/test_session_pool.py"],
    ),
    Mutation(
        "E19",
        "a read of a replica waits for nothing",
        [Change(SESSION, "if before:", "if False:")],
        ["tests/database/test_replica.py::TestReads"],
    ),
    Mutation(
        "E19",
        "a read of a replica waits after its snapshot has begun",
        [
            Change(SESSION, "                if before:\n                    before(connection)\n", ""),
            Change(
                SESSION,
                "                result = work(connection)\n",
                "                if before:\n                    before(connection)\n"
                "                result = work(connection)\n",
            ),
        ],
        ["tests/database/test_replica.py::TestReads"],
    ),
    Mutation(
        "E20",
        "changes in the order of the sequence alone",
        [
            Change(
                CHANGES,
                "_place = (CustomerChange.xid, CustomerChange.id)",
                '_place = (literal_column("(0 + 0)", BigInteger), CustomerChange.id)',
            ),
            Change(CHANGES, 'if dialect != "postgresql":\n        return', "if dialect:\n        return"),
        ],
        stress="E20",
    ),
    Mutation(
        "B3",
        "an address is found by its id alone",
        [
            Change(
                f"{PACKAGE}/services/addresses.py",
                'Address.id == bindparam("address_id"), Address.customer_id == bindparam("customer_id")',
                'Address.id == bindparam("address_id")',
            )
        ],
        ["tests/routers/test_addresses.py"],
    ),
    Mutation(
        "A4, A6",
        "no dummies for accounts without slow hashes",
        [Change(f"{PACKAGE}/services/application_passwords.py", "return own + dummies", "return own")],
        ["tests/auth/test_dependencies.py::TestRefusals"],
    ),
    Mutation(
        "A5",
        "passwords are looked up for names that exist",
        [
            Change(
                f"{PACKAGE}/services/application_passwords.py",
                "    rows = _by_password.rows(",
                "    rows = _named.rows(connection, name=key(name)) and _by_password.rows(",
            ),
            Change(
                f"{PACKAGE}/services/application_passwords.py",
                "_by_password = ",
                "_named = Prepared(select(User.id).where(_is_named))\n_by_password = ",
            ),
        ],
        ["tests/auth/test_dependencies.py::TestTiming", "tests/auth/test_dependencies.py::TestRefusals"],
    ),
    Mutation(
        "A7",
        "users are remembered for 60 s",
        [
            Change(
                f"{PACKAGE}/auth/dependencies.py",
                f"    sign_in = {LOOK_UP}credentials.name, digest)\n",
                "    key = (credentials.name, digest)\n"
                "    if key not in _known or time.monotonic() > _known[key][0]:\n"
                f"        found = {LOOK_UP}*key)\n"
                "        _known[key] = (time.monotonic() + 60, found)\n"
                "    sign_in = _known[key][1]\n",
            ),
            Change(f"{PACKAGE}/auth/dependencies.py", "REALM = ", "import time\n_known = {}\nREALM = "),
        ],
        [
            "tests/auth/test_dependencies.py::TestOtherProcesses",
            "tests/stress/test_guarantees.py::test_guarantee_holds_on_sqlite[A7]",
        ],
    ),
    Mutation(
        "C7, C1",
        "errors repeat what was sent",
        [ECHO],
        ["tests/contract/test_hostile_input.py::TestValues"],
    ),
    Mutation(
        "C2",
        "errors repeat what was sent",
        [ECHO],
        ["tests/contract/test_conformance.py"],
    ),
    Mutation(
        "C3",
        "the email's index is gone, and nobody looks whose it is",
        [
            Change(
                f"{PACKAGE}/services/customers.py",
                "if any(owner != but_of for",
                "if email and not email.isascii() and any(owner != but_of for",
            )
        ],
        ["tests/stateful/test_stateful.py"],
    ),
    Mutation(
        "B1",
        "addresses are deleted by whoever manages",
        [
            Change(
                f"{PACKAGE}/routers/addresses.py",
                "dependencies=[can_delete]",
                "dependencies=[can_manage]",
            )
        ],
        ["tests/contract/test_matrix.py"],
    ),
    Mutation(
        "B2",
        "a route without a permission",
        [
            Change(
                f"{PACKAGE}/app.py",
                "    docs.add_docs(app)\n",
                '    docs.add_docs(app)\n    app.get(f"{PREFIX}/forgotten")(health.healthz)\n',
            )
        ],
        ["tests/contract/test_openapi.py"],
    ),
    Mutation(
        "E12",
        "a limit of connections",
        [Change(f"{PACKAGE}/cli/serve.py", "access_log=False,", "access_log=False, limit_concurrency=100,")],
        stress="E12",
    ),
)


def main() -> int:
    """Break what is on the list, or a part of it; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.mutations", description=__doc__)
    parser.add_argument(
        "--only", default="", metavar="GUARANTEE,...", help="of these guarantees; F4 for the mutants"
    )
    only = [name for name in parser.parse_args().only.split(",") if name]
    unnoticed = 0
    for each in LIST:
        if not only or set(only) & set(each.guarantee.split(", ")):
            answer = try_out(each)
            unnoticed += answer != "red"
            print(f"{each.guarantee}: {each.what}: {answer}", flush=True)
    if not only or "F4" in only:
        killed = 0
        for mutant in MUTANTS:
            answer = try_out(Mutation("F4", "", [Change(f"{PACKAGE}/{mutant[0]}", *mutant[1:])], WITNESSES))
            killed += answer == "red"
            print(f"F4: {mutant[0]}: {mutant[1]!r} -> {mutant[2]!r}: {answer}", flush=True)
        print(f"F4: {killed} of {len(MUTANTS)} mutants killed")
        unnoticed += killed < 0.9 * len(MUTANTS)
    return 1 if unnoticed else 0


def try_out(mutation: Mutation) -> str:
    """Return "red" if the tests notice, "GREEN" if they do not; else what went wrong."""
    with _copy() as tree:
        for change in mutation.changes:
            text = (tree / change.file).read_text()
            if text.count(change.old) < 1:
                return f"NOT TRIED: {change.file} has no {change.old!r} any more"
            (tree / change.file).write_text(text.replace(change.old, change.new))
        if mutation.stress:
            command = ["tests.stress", "--only", mutation.stress, "--quick"]
        else:
            command = ["pytest", "-x", "-q", "-p", "no:cacheprovider", *mutation.tests]
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tree,
            # In front of the checkout that is installed.
            env={**os.environ, "PYTHONPATH": str(tree / "src")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    if done.returncode not in (0, RED):
        return f"NOT TRIED: {done.stdout[-1000:]}"
    return "red" if done.returncode == RED else "GREEN"


@contextmanager
def _copy() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fluent-cart-mutations-") as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*NOT_COPIED))
        yield tree


if __name__ == "__main__":
    sys.exit(main())
