"""Makes a release: `make release VERSION=0.2.0`. It changes nothing outside this checkout.

It sets the version, dates the changelog, commits, builds the wheel, starts the demo from the wheel in an
environment of its own, and tags. A person pushes the commit and the tag, and publishes the wheel.
"""

import re
import subprocess
import sys
import time
import venv
from datetime import UTC, date, datetime
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.server import free_port

ROOT = Path(__file__).parents[1]
VERSION_FILE = ROOT / "src/fluent_cart/__init__.py"
CHANGELOG = ROOT / "CHANGELOG.md"
START_SECONDS = 60


class ReleaseError(Exception):
    """A release cannot be made. The text has the reason and what to do."""


def with_version(source: str, version: str) -> str:
    """Return the source of the package with a new version."""
    changed, number = re.subn(r'^__version__ = "[^"]*"$', f'__version__ = "{version}"', source, flags=re.M)
    if number != 1:
        raise ReleaseError("src/fluent_cart/__init__.py has no line with __version__. Add the line")
    return changed


def dated(changelog: str, version: str, day: date) -> str:
    """Return the changelog with its unreleased changes under a version and a date."""
    if f"## [{version}]" in changelog:
        raise ReleaseError(f"CHANGELOG.md already has {version}. Choose another version")
    unreleased = re.search(r"^## \[Unreleased\]\n(.*?)(?=^## |\Z)", changelog, flags=re.M | re.S)
    if not unreleased or not unreleased[1].strip():
        raise ReleaseError("CHANGELOG.md has nothing under [Unreleased]. Write down what changed")
    return changelog.replace(
        "## [Unreleased]\n", f"## [Unreleased]\n\n## [{version}] - {day.isoformat()}\n", 1
    )


def _run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True)
    if done.returncode:
        output = done.stderr.strip() or done.stdout.strip()
        raise ReleaseError(f"{' '.join(map(str, command))} failed: {output}")
    return done.stdout.strip()


def check_wheel(wheel: Path, folder: Path) -> None:
    """Start the demo from a wheel, outside of the checkout. Raise ``ReleaseError`` if it does not answer."""
    venv.create(folder / "venv", with_pip=True)
    binaries = folder / "venv" / "bin"
    _run(binaries / "pip", "install", "--quiet", "--requirement", ROOT / "requirements.lock")
    _run(binaries / "pip", "install", "--quiet", "--no-deps", wheel)
    port = free_port()
    server = subprocess.Popen(
        [binaries / "fluent-cart", "serve", "--demo", "--port", str(port)],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + START_SECONDS
        while not _answers(port):
            if server.poll() is not None or time.monotonic() > end:
                raise ReleaseError(f"The demo of {wheel.name} does not answer. Start it by hand")
            time.sleep(0.2)
    finally:
        server.terminate()
        server.wait()


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def release(version: str) -> Path:
    """Make the release. Return the path of the checked wheel."""
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise ReleaseError("Name the version, such as: make release VERSION=0.2.0")
    if _run("git", "status", "--porcelain"):
        raise ReleaseError("There are changes that are not committed. Commit them first")
    VERSION_FILE.write_text(with_version(VERSION_FILE.read_text(), version))
    CHANGELOG.write_text(dated(CHANGELOG.read_text(), version, datetime.now(UTC).date()))
    _run("git", "commit", "--all", "--message", f"Release {version}")
    build = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    _run(*build, "--wheel-dir", "dist", ".")
    [wheel] = (ROOT / "dist").glob(f"fluent_cart_api-{version}-*.whl")
    with TemporaryDirectory(prefix="fluent-cart-release-") as folder:
        check_wheel(wheel, Path(folder))
    _run("git", "tag", "--annotate", f"v{version}", "--message", f"Release {version}")
    return wheel


def main() -> int:
    try:
        wheel = release(sys.argv[1] if sys.argv[1:] else "")
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{wheel.relative_to(ROOT)} is built, checked and tagged.")
    print("Push the commit and the tag, then publish the wheel.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
