"""A PostgreSQL server for the tests: the one that is named, else a scratch cluster, else none."""

import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.server import free_port

NAMED = os.environ.get("FLUENT_CART_TEST_POSTGRES_URL")


def _binaries() -> Path | None:
    """Return the folder that has initdb: Debian keeps it out of the path."""
    found = shutil.which("initdb")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return Path(found).resolve().parent if found else installed[-1].parent if installed else None


def _owner() -> str | None:
    """Return a user other than root for the server, or None."""
    if os.geteuid() != 0:
        return getpass.getuser()
    return "postgres" if any(user.pw_name == "postgres" for user in pwd.getpwall()) else None


BINARIES, OWNER = _binaries(), _owner()
# Whether the tests can start a server. They must not stop a named one.
INSTALLED = bool(BINARIES and OWNER)
AVAILABLE = bool(NAMED) or INSTALLED


@contextmanager
def server() -> Iterator[str]:
    """Yield the address of a server for new databases: ``postgresql://...@host:port``."""
    if NAMED:
        yield NAMED.rpartition("/")[0]
        return
    assert BINARIES
    assert OWNER
    folder = Path(tempfile.mkdtemp(prefix="fluent-cart-postgres-"))
    shutil.chown(folder, OWNER)

    def run(*command: str) -> None:
        subprocess.run(command, check=True, user=OWNER, cwd=folder, stdout=subprocess.DEVNULL)

    data, control = str(folder / "data"), str(BINARIES / "pg_ctl")

    def start() -> int:
        port = free_port()
        # Nothing outlives the tests, so nothing needs to reach the disk.
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=200"
        run(control, "-D", data, "-w", "-o", options, "-l", str(folder / "server.log"), "start")
        return port

    run(str(BINARIES / "initdb"), "-D", data, "-U", "shop", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
    try:
        port = start()
    except subprocess.CalledProcessError:
        # Another process may use the port meanwhile.
        port = start()
    try:
        yield f"postgresql://shop@127.0.0.1:{port}"
    finally:
        run(control, "-D", data, "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)
