"""Bars that are tests of the everyday suite, run here in their long form."""

import asyncio
import os
import sys
from pathlib import Path
from xml.etree import ElementTree

from tests.stress.guarantees import Figure, NotRun
from tests.support.paths import ROOT


async def run_test(test: str, folder: Path) -> list[Figure]:
    """Run a test, and return its outcome with what it recorded of its numbers."""
    report = folder / "report.xml"
    # The newer family of these reports has no place for what a test records of its numbers.
    options = ["-p", "no:cacheprovider", "-o", "junit_family=xunit1", f"--junitxml={report}"]
    command = [sys.executable, "-m", "pytest", "-q", *options, test]
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**os.environ, "FLUENT_CART_LONG_TESTS": "1"},
        stdout=asyncio.subprocess.DEVNULL,
    )
    await process.wait()
    [case] = ElementTree.parse(report).iter("testcase")
    if (skipped := case.find("skipped")) is not None:
        raise NotRun(skipped.get("message", "skipped"))
    failure = next((found for kind in ("failure", "error") if (found := case.find(kind)) is not None), None)
    outcome = "passed" if failure is None else (failure.get("message") or "failed").splitlines()[0]
    recorded = [
        Figure(each.get("name", ""), "", each.get("value", ""), held=True) for each in case.iter("property")
    ]
    return [*recorded, Figure(test.partition("::")[2].replace("_", " "), "passed", outcome, failure is None)]
