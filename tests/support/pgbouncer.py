"""PgBouncer in front of a server of the tests, if it is installed."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sqlalchemy import make_url

from tests.support.postgres import OWNER
from tests.support.server import START_SECONDS, free_port

INSTALLED = bool(OWNER and shutil.which("pgbouncer"))


@contextmanager
def pooled(url: str, pool_mode: str, *settings: str, port: int | None = None) -> Iterator[str]:
    """Yield the address of the same database behind PgBouncer, which has fewer sessions than connections."""
    assert OWNER
    server, port = make_url(url), port or free_port()
    folder = Path(tempfile.mkdtemp(prefix="fluent-cart-pgbouncer-"))
    target = f"host={server.host} port={server.port} dbname={server.database} user={server.username}"
    lines = [
        "[databases]",
        f"shop = {target}",
        "[pgbouncer]",
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =",
        f"auth_type = any\npool_mode = {pool_mode}\ndefault_pool_size = 10",
        *settings,
    ]
    (folder / "pgbouncer.ini").write_text("\n".join(lines))
    for path in (folder, *folder.iterdir()):
        shutil.chown(path, OWNER)
    with (folder / "log").open("wb") as log:
        command = ["pgbouncer", "pgbouncer.ini"]
        process = subprocess.Popen(command, user=OWNER, cwd=folder, stdout=log, stderr=log)
    try:
        _wait_for(port, process, folder / "log")
        yield f"postgresql://shop@127.0.0.1:{port}/shop"
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)
        shutil.rmtree(folder)


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.01)
    raise AssertionError(log.read_text())
