"""The real server as a child process, for tests over real HTTP."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

COMMAND = str(Path(sys.executable).with_name("fluent-cart"))
# Enough time for a busy machine.
START_SECONDS = 60
# The passed socket is the first file after standard error, for the process that the shell becomes.
PASS_ON = 'exec 3<&{0}; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'


class Server(NamedTuple):
    """A running server. Its process is the parent of its workers, if it has several."""

    address: str
    port: int
    process: subprocess.Popen[bytes]

    def workers(self) -> list[int]:
        """Return the processes that serve, ready or not. Linux only."""
        parent = self.process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        return [int(child) for child in children if "spawn_main" in _command_line(child)] or [parent]

    def kill_all(self) -> None:
        """Kill every process of the server at once, as nothing but the system can."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _command_line(process: str) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
        return ""


def started(folder: Path) -> list[int]:
    """Return the processes that began to serve from ``folder`` and were ready, the oldest first."""
    log = (folder / "server.log").read_text()
    ready = log.count("Application startup complete")
    return [int(number) for number in re.findall(r"Started server process \[(\d+)\]", log)][:ready]


def until(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait for a condition that must become true, as long as a busy machine may need."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def status(url: str) -> int:
    """Return the status of a GET, or 0 if nothing answers.

    httpx loads the certificates of all authorities for each client: 20 ms of processor time, which questions
    that are repeated until a server starts take from it.
    """
    target = urlsplit(url)
    with closing(HTTPConnection(target.hostname or "", target.port, timeout=START_SECONDS)) as connection:
        try:
            connection.request("GET", target.path)
            return connection.getresponse().status
        except (OSError, HTTPException):
            return 0


def is_ready(port: int) -> bool:
    """Return whether the server on this port is ready."""
    return status(f"http://127.0.0.1:{port}/readyz") == 200


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def demo_server(folder: Path) -> Iterator[str]:
    """Serve a fresh demo shop from ``folder``. Yield its address when it is ready."""
    with server(folder, "--demo", environment={"TMPDIR": str(folder)}) as demo:
        yield demo.address


def demo_file_of(folder: Path) -> Path:
    """Return the file of the demo shop that ``demo_server`` serves from ``folder``."""
    [file] = folder.glob("fluent-cart-demo-*/shop.db")
    return file


@contextmanager
def server(
    folder: Path,
    *arguments: str,
    environment: Mapping[str, str] | None = None,
    path: str = "/readyz",
    under: Sequence[str] = (),
    listening: socket.socket | None = None,
) -> Iterator[Server]:
    """Run ``fluent-cart serve`` in ``folder``, where it writes server.log.

    Yield it when ``path`` returns 200.

    ``environment`` is added to the test's own, ``under`` is a command that runs and becomes the server, and
    ``listening`` is a socket that is passed as systemd does. Of several workers, one is ready.
    """
    port = listening.getsockname()[1] if listening else free_port()
    address = f"http://127.0.0.1:{port}"
    passed = [listening.fileno()] if listening else []
    if passed:
        under = ["bash", "-c", PASS_ON.format(*passed), "bash", *under]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [*under, COMMAND, "serve", "--port", str(port), *arguments],
            pass_fds=passed,
            cwd=folder,
            # A test's load comes from one user.
            env={**os.environ, "FLUENT_CART_RATE_LIMIT": "0", **(environment or {})},
            stdout=log,
            stderr=log,
            # So that a test can kill all of it at once.
            process_group=0,
        )
        try:
            _wait_until_ready(f"{address}{path}", process)
            yield Server(address, port, process)
        finally:
            process.terminate()
            try:
                process.wait(timeout=15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                raise


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if status(url) == 200:
            return
        time.sleep(0.05)
    raise AssertionError("the server did not become ready, see server.log")
