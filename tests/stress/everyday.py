"""Guarantees that the everyday suite holds: its tests in their long forms, counted for each guarantee."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

from tests.stress.guarantees import Figure, at_least, exactly, measured
from tests.support.paths import ROOT


class Everyday(NamedTuple):
    """A guarantee, and the tests that hold it: files, classes or functions."""

    name: str
    title: str
    tests: Sequence[str]


EVERYDAY = (
    Everyday(
        "A1",
        "hashes that WordPress and PHP made, right and wrong secrets",
        ["tests/security/test_application_passwords.py", "tests/security/test_login_passwords.py"],
    ),
    Everyday(
        "A2",
        "what is no hash, and hashes that are damaged, let nobody in",
        [
            "tests/security/test_application_passwords.py::TestVerify",
            "tests/security/test_legacy_passwords.py",
            "tests/security/test_login_passwords.py::TestVerify",
        ],
    ),
    Everyday(
        "A3",
        "every form of the header, of names and of secrets",
        [f"tests/auth/test_dependencies.py::{name}" for name in ("TestHeader", "TestNames", "TestSecrets")],
    ),
    Everyday(
        "A4",
        "refusals are the same bytes, and cost the same work",
        ["tests/auth/test_dependencies.py::TestRefusals"],
    ),
    Everyday(
        "A5",
        "the time of a refusal does not reveal known names",
        ["tests/auth/test_dependencies.py::TestTiming"],
    ),
    Everyday(
        "A10",
        "the eleventh wrong password in five minutes is 429",
        ["tests/auth/test_failed_logins.py", "tests/pages/test_login.py::TestRefusals"],
    ),
    Everyday(
        "A11",
        "a cookie and a nonce let in together, on every operation, and end on request",
        ["tests/contract/test_sessions.py", "tests/pages/test_login.py::TestOtherProcesses"],
    ),
    Everyday("A13", "no log line has a secret or a name in it", ["tests/observability/test_security_log.py"]),
    Everyday(
        "A14",
        "the demo's password is nobody's elsewhere",
        ["tests/auth/test_dependencies.py::TestSecrets::test_demo_password_is_rejected_outside_the_demo"],
    ),
    Everyday(
        "B1",
        "who may do what: every operation, role and version",
        [
            "tests/contract/test_matrix.py",
            *(f"tests/contract/test_permissions.py::{name}" for name in ("TestStrangers", "TestRoles")),
        ],
    ),
    Everyday(
        "B2",
        "routes, document and permissions name the same",
        ["tests/contract/test_permissions.py::TestUndeclaredRoutes", "tests/contract/test_openapi.py"],
    ),
    Everyday(
        "B3",
        "addresses are out of reach through another customer",
        ["tests/routers/test_addresses.py::test_address_is_out_of_reach_through_another_customer"],
    ),
    Everyday("B4", "nothing of the server's can be sent along", ["tests/contract/test_mass_assignment.py"]),
    Everyday(
        "B5",
        "answers have the documented keys, and no other",
        ["tests/contract/test_response_models.py", "tests/contract/test_examples.py"],
    ),
    Everyday(
        "C1, C7",
        "hostile values, bodies, addresses and headers; what errors repeat of them",
        [
            "tests/contract/test_hostile_input.py",
            "tests/stateful/test_stateful.py::test_hostile_input_is_answered_alike_and_soon",
            "tests/http/test_error_handlers.py",
        ],
    ),
    Everyday(
        "C5",
        "40 formula cells through create and export, read by two readers; 10,000 hostile customers come back",
        [
            "tests/formats/test_csv_cells.py",
            "tests/routers/test_customer_export.py::TestFormulas",
            "tests/importers/test_rows.py::test_exported_files_can_be_imported",
            "tests/services/test_customer_export.py",
        ],
    ),
    Everyday(
        "C6",
        "1,000 searches, filters and orders answer as plain Python does",
        ["tests/services/test_customer_search.py"],
    ),
    Everyday(
        "D11",
        "totals count every order, raced",
        [
            f"tests/contract/test_concurrency.py::{name}"
            for name in (
                "test_totals_count_every_order",
                "test_stats_that_are_read_between_writes_fit_together",
            )
        ],
    ),
    Everyday(
        "E19",
        "2,000 reads that follow a write are never those of the past, and a lost replica costs no request",
        ["tests/e2e/test_replica.py", "tests/database/test_replica.py"],
    ),
    Everyday("F1", "every dependency is locked by its hash", ["tests/test_lock_files.py"]),
)
MISSING = {
    "A12": "TLS is the proxy's; whom `X-Forwarded-*` is believed is in `tests/e2e/test_deploy_files.py`",
    "F1, known vulnerabilities": "their lists cannot be asked without a network",
    "F2, F3, F5": "`make lint` and `make test` themselves: types, lint, branches, warnings as errors",
    "F4": "`make test-mutation` runs mutmut, and breaks what the other guarantees protect",
}


def run(guarantees: Sequence[Everyday]) -> dict[str, list[Figure]]:
    """Run the tests of all these guarantees at once. Return the figures of each."""
    report = ROOT / ".pytest_cache" / "everyday.xml"
    tests = {test for guarantee in guarantees for test in guarantee.tests}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", f"--junitxml={report}", *sorted(tests)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "FLUENT_CART_LONG_TESTS": "1"}, check=False)
    cases = list(ElementTree.parse(report).iter("testcase"))
    return {guarantee.name: list(_figures(guarantee, cases)) for guarantee in guarantees}


def _figures(guarantee: Everyday, cases: Sequence[ElementTree.Element]) -> Iterator[Figure]:
    own = [case for case in cases if any(_is_of(case, test) for test in guarantee.tests)]
    skipped = sum(case.find("skipped") is not None for case in own)
    failed = sum(case.find(kind) is not None for case in own for kind in ("failure", "error"))
    yield at_least("tests", len(own) - skipped, 1)
    yield exactly("of which failed", failed, 0)
    if skipped:
        yield measured("tests skipped", skipped)
    for case in own:
        for recorded in case.iter("property"):
            yield measured(recorded.get("name", ""), recorded.get("value", ""))


def _is_of(case: ElementTree.Element, test: str) -> bool:
    whole = f"{case.get('classname')}.{case.get('name', '').partition('[')[0]}."
    return whole.startswith(test.replace(".py", "").replace("/", ".").replace("::", ".") + ".")
