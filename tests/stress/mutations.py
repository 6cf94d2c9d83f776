"""Whether the tests notice a server that is broken on purpose. ``make test-mutation``

Mutmut makes small changes of the code that decides who may do what, and of the errors (F4). The defects of
``defects`` break everything else that a guarantee names. Tests must fail under each of them.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.stress.defects import DEFECTS, VARIABLE, Defect
from tests.support.paths import ROOT

MUTMUT = str(Path(sys.executable).with_name("mutmut"))
# Mutmut's own folder: a copy of the source with all mutants in it, and the results.
MUTANTS = ROOT / "mutants"
MUTMUT_SECONDS = 1800
KILLED_SHARE = 0.9
STARTUP = ROOT / "tests" / "stress" / "startup"
# A line of pytest or of `make test-stress` that names a test or a figure that failed.
NOTICED = r"(?:FAILED|ERROR) tests/|  ! "


class Mutants(NamedTuple):
    """The mutants that mutmut made, and how many of them made a test fail."""

    total: int
    killed: int


def main() -> int:
    """Add the defects of the list, or of a part of it. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.stress.mutations", description=__doc__)
    parser.add_argument(
        "--only", default="", metavar="GUARANTEE,...", help="of these guarantees; F4 for mutmut"
    )
    only = {name for name in parser.parse_args().only.split(",") if name}
    unnoticed = 0
    for each in DEFECTS:
        if not only or only & set(each.guarantee.split(", ")):
            answer = try_out(each)
            unnoticed += not answer.startswith("red")
            print(f"{each.guarantee}: {each.name}: {answer}", flush=True)
    if not only or "F4" in only:
        mutants = run_mutmut()
        unnoticed += mutants.killed < KILLED_SHARE * mutants.total
        print(
            f"F4: {mutants.killed} of {mutants.total} mutants killed. `mutmut show NAME` prints one of them"
        )
    return 1 if unnoticed else 0


def try_out(defect: Defect) -> str:
    """Return "red" and the test that notices, or "GREEN" if none does. The reason if there is no result."""
    if defect.stress:
        command = ["tests.stress", "--only", defect.stress, "--quick"]
    else:
        # A defect imports plugins of pytest before pytest does.
        ignored = "ignore::pytest.PytestAssertRewriteWarning"
        command = ["pytest", "-n0", "-x", "-q", "-p", "no:cacheprovider", "-W", ignored, *defect.tests]
    path = os.pathsep.join(map(str, (STARTUP, ROOT / "src", ROOT)))
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, VARIABLE: defect.name},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return "GREEN"
    failed = [line for line in done.stdout.splitlines() if re.match(NOTICED, line)]
    return f"red {failed[0].strip()}" if failed else f"NOT TRIED: {done.stdout[-1000:]}"


def run_mutmut() -> Mutants:
    """Run mutmut on all that ``tool.mutmut`` in pyproject.toml names, and print the mutants that survive."""
    # Otherwise it would keep its verdicts on mutants whose tests have changed.
    shutil.rmtree(MUTANTS, ignore_errors=True)
    # The mutants must be found before the source.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen([MUTMUT, "run"], cwd=ROOT, env=environment) as running:
        try:
            running.wait(timeout=MUTMUT_SECONDS)
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGINT)
    subprocess.run([MUTMUT, "results"], cwd=ROOT, env=environment, check=True)
    subprocess.run([MUTMUT, "export-cicd-stats"], cwd=ROOT, env=environment, check=True)
    stats = json.loads((MUTANTS / "mutmut-cicd-stats.json").read_text())
    # A mutant that never ends is noticed, too.
    return Mutants(stats["total"], stats["killed"] + stats["timeout"])


if __name__ == "__main__":
    sys.exit(main())
