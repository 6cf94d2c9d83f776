"""Runs every test under coverage and holds the guarantees: `make test`.

The whole of ``src`` must be covered to 95 percent of its branches, and completely where a gap would be a
hole: authentication, permission, passwords, errors, input and transactions.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
COMPLETE = (
    "auth/dependencies",
    "auth/policies",
    "auth/roles",
    "database/transaction",
    "errors",
    "formats/strict_json",
    "http/error_handlers",
    "http/etags",
    "http/idempotency",
    "http/request_body",
    "pages/login",
    "security/application_passwords",
    "security/login_passwords",
    "security/session_cookies",
    "services/sessions",
)


def run(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", *arguments], cwd=ROOT, check=False).returncode


def main() -> int:
    failed = run(
        "pytest",
        "-n",
        "auto",
        "--dist",
        "worksteal",
        "--cov=fluent_cart",
        "--cov-branch",
        "--cov-report=",
        *sys.argv[1:],
    )
    if failed or sys.argv[1:]:
        return failed
    complete = ",".join(f"src/fluent_cart/{name}.py" for name in COMPLETE)
    return run("coverage", "report", "--fail-under=95") or run(
        "coverage", "report", "--fail-under=100", f"--include={complete}"
    )


if __name__ == "__main__":
    sys.exit(main())
