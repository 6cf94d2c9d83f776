"""Bars that the everyday suite holds: its tests, run here in their long forms and counted for each bar."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from tests.fire.bars import Figure, at_least, exactly, told

ROOT = Path(__file__).parents[2]


class Everyday(NamedTuple):
    """A bar, and the tests that hold it: files, classes or functions."""

    name: str
    title: str
    tests: Sequence[str]


EVERYDAY = (
    Everyday(
        "A1",
        "hashes that WordPress and PHP made, right and wrong secrets",
        ["tests/test_passwords.py", "tests/test_login_passwords.py"],
    ),
    Everyday(
        "A2",
        "what is no hash, and hashes that are damaged, let nobody in",
        [
            "tests/test_passwords.py::TestVerify",
            "tests/test_legacy_passwords.py",
            "tests/test_login_passwords.py::TestVerify",
        ],
    ),
    Everyday(
        "A3",
        "every form of the header, of names and of secrets",
        [f"tests/test_auth.py::{name}" for name in ("TestHeader", "TestNames", "TestSecrets")],
    ),
    Everyday(
        "A4", "refusals are the same bytes, and cost the same work", ["tests/test_auth.py::TestRefusals"]
    ),
    Everyday("A5", "the time of a refusal does not tell known names", ["tests/test_auth.py::TestTiming"]),
    Everyday(
        "A10",
        "the eleventh wrong password in five minutes is 429",
        ["tests/limits/test_guesses.py", "tests/test_sign_in.py::TestRefusals"],
    ),
    Everyday(
        "A11",
        "a cookie and a nonce let in together, on every operation, and end when they are told to",
        ["tests/contract/test_sessions.py", "tests/test_sign_in.py::TestOtherProcesses"],
    ),
    Everyday("A13", "no log line has a secret or a name in it", ["tests/test_security_log.py"]),
    Everyday(
        "A14",
        "the demo's password is nobody's elsewhere",
        ["tests/test_auth.py::TestSecrets::test_of_the_demo_are_nobodys_elsewhere"],
    ),
    Everyday(
        "B1",
        "who may do what: every operation, role and version",
        [f"tests/contract/test_permissions.py::{name}" for name in ("TestStrangers", "TestRoles")],
    ),
    Everyday(
        "B2",
        "routes, document and permissions name the same",
        ["tests/contract/test_permissions.py::TestUndeclaredRoutes", "tests/contract/test_openapi.py"],
    ),
    Everyday(
        "B3",
        "addresses are out of reach through another customer",
        ["tests/routers/test_addresses.py::test_an_address_is_out_of_reach_through_another_customer"],
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
        ["tests/contract/test_hostile_input.py", "tests/test_handlers.py"],
    ),
    Everyday(
        "C6",
        "1,000 searches, filters and orders answer as plain Python does",
        ["tests/services/test_customer_search.py"],
    ),
    Everyday(
        "D11",
        "totals count every order, raced",
        ["tests/contract/test_concurrency.py::test_totals_count_every_order"],
    ),
    Everyday("F1", "every dependency is locked by its hash", ["tests/test_lock_files.py"]),
)
MISSING = {
    "A12": "TLS is the proxy's; whom `X-Forwarded-*` is believed is in `tests/test_deployment.py`",
    "F1, known vulnerabilities": "their lists cannot be asked without a network",
    "F2, F3, F5": "`make lint` and `make test` themselves: types, lint, branches, warnings as errors",
    "F4": "mutants are made by hand, for each check that a change adds",
}


def run(bars: Sequence[Everyday]) -> dict[str, list[Figure]]:
    """Run the tests of all these bars at once; return the figures of each."""
    report = ROOT / ".pytest_cache" / "everyday.xml"
    tests = {test for bar in bars for test in bar.tests}
    command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", f"--junitxml={report}", *sorted(tests)]
    subprocess.run(command, cwd=ROOT, env={**os.environ, "FLUENT_CART_LONG_TESTS": "1"}, check=False)
    cases = list(ElementTree.parse(report).iter("testcase"))
    return {bar.name: list(_figures(bar, cases)) for bar in bars}


def _figures(bar: Everyday, cases: Sequence[ElementTree.Element]) -> Iterator[Figure]:
    own = [case for case in cases if any(_is_of(case, test) for test in bar.tests)]
    skipped = sum(case.find("skipped") is not None for case in own)
    failed = sum(case.find(kind) is not None for case in own for kind in ("failure", "error"))
    yield at_least("tests", len(own) - skipped, 1)
    yield exactly("of which failed", failed, 0)
    if skipped:
        yield told("tests skipped", skipped)
    for case in own:
        for recorded in case.iter("property"):
            yield told(recorded.get("name", ""), recorded.get("value", ""))


def _is_of(case: ElementTree.Element, test: str) -> bool:
    whole = f"{case.get('classname')}.{case.get('name', '').partition('[')[0]}."
    return whole.startswith(test.replace(".py", "").replace("/", ".").replace("::", ".") + ".")
