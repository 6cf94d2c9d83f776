"""A MariaDB server for the tests: a scratch one, if there is MariaDB on this machine."""

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from tests.support.server import START_SECONDS, free_port

_PROGRAMS = ("mariadbd", "mariadb-install-db", "mariadb", "mariadb-dump")
# Debian keeps servers where only root looks.
_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/libexec"])
PASSWORD = "p@ss/wörd:"


def _owner() -> str | None:
    """Return a user other than root for the server, or None."""
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid()).pw_name
    return "mysql" if any(user.pw_name == "mysql" for user in pwd.getpwall()) else None


AVAILABLE = all(shutil.which(program, path=_PATH) for program in _PROGRAMS) and bool(_owner())


class Shop(NamedTuple):
    """A database with a shop: its address, its address by socket, a dump, and a loader of dumps."""

    url: str
    socket_url: str
    dump: bytes
    load: Callable[[bytes], None]


@contextmanager
def shop(dump: bytes) -> Iterator[Shop]:
    """Run a server with the shop of ``dump``."""
    owner = _owner()
    assert owner
    folder = Path(tempfile.mkdtemp(prefix="fluent-cart-mariadb-"))
    folder.chmod(0o755)
    shutil.chown(folder, owner)
    data, socket, port = folder / "data", folder / "socket", free_port()

    def run(program: str, *arguments: str, stdin: bytes = b"") -> bytes:
        command = [program, "--no-defaults", *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, check=True, env={"PATH": _PATH})
        return done.stdout

    run("mariadb-install-db", f"--datadir={data}", f"--user={owner}", "--skip-test-db",
        "--auth-root-authentication-method=normal")  # fmt: skip
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("mariadbd", "--no-defaults", f"--user={owner}", f"--datadir={data}", f"--socket={socket}"),
                *(f"--port={port}", "--bind-address=127.0.0.1", "--innodb-flush-log-at-trx-commit=0"),
                "--skip-name-resolve",
            ],
            env={"PATH": _PATH},
            stdout=log,
            stderr=log,
        )
        try:
            _wait_until_ready(process, socket)
            client = ("mariadb", f"--socket={socket}", "--user=root", "--default-character-set=utf8mb4")
            account = f"reader@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'"
            grant = f"CREATE DATABASE shop; GRANT SELECT ON shop.* TO {account};"
            run(*client, stdin=grant.encode())

            def load(dump: bytes) -> None:
                # Otherwise the client drops a NUL, and turns \r\n into \n.
                run(*client, "--binary-mode", "shop", stdin=dump)

            load(dump)
            yield Shop(
                f"mysql://reader:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/shop",
                f"mariadb://root@localhost/shop?unix_socket={socket}",
                run("mariadb-dump", f"--socket={socket}", "--user=root", "shop"),
                load,
            )
        finally:
            process.terminate()
            process.wait(timeout=START_SECONDS)
            shutil.rmtree(folder)


def _wait_until_ready(process: "subprocess.Popen[bytes]", socket: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if socket.exists():
            return
        time.sleep(0.05)
    raise AssertionError("MariaDB did not start")
