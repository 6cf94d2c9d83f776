"""The real server as a child process, for tests over real HTTP."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

COMMAND = str(Path(sys.executable).with_name("fluent-cart"))
START_SECONDS = 20


class Server(NamedTuple):
    """A server that runs; its process is the parent of its workers, if it has several."""

    address: str
    port: int
    process: subprocess.Popen[bytes]


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def demo_server(folder: Path) -> Iterator[str]:
    """Serve a fresh demo shop from ``folder``; give its address once it is ready."""
    with server(folder, "--demo") as demo:
        yield demo.address


@contextmanager
def server(folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Run ``fluent-cart serve`` in ``folder``, where it writes server.log; give it once it is ready.

    ``environment`` is what it finds there beside the test's own. Of several workers, one is ready.
    """
    address = f"http://127.0.0.1:{(port := free_port())}"
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [COMMAND, "serve", "--port", str(port), *arguments],
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdout=log,
            stderr=log,
        )
        try:
            _wait_until_ready(address, process)
            yield Server(address, port, process)
        finally:
            process.terminate()
            process.wait(timeout=10)


def _wait_until_ready(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{address}/readyz").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the server did not become ready, see server.log")
