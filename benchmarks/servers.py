"""Starts arms as child processes, and ends those and no others."""

import os
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks import HOST, ROOT, WORK
from benchmarks.registry import Arm
from benchmarks.workloads import PATH, authorization
from tests.support.server import free_port

START_SECONDS, STOP_SECONDS = 20, 10


@dataclass(frozen=True)
class Server:
    """A running arm. ``started_in`` is the number of seconds until its first response."""

    arm: Arm
    port: int
    process: "subprocess.Popen[bytes]"
    started_in: float

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.port}"

    def memory(self) -> int:
        """Return the resident memory of the process and its children in bytes, or 0 if it is unknown."""
        ids = [self.process.pid]
        for number in ids:
            children = Path(f"/proc/{number}/task/{number}/children")
            ids += [int(child) for child in children.read_text().split()] if children.exists() else []
        sizes = [Path(f"/proc/{number}/statm") for number in ids]
        pages = [int(size.read_text().split()[1]) for size in sizes if size.exists()]
        return sum(pages) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def serve(arm: Arm, database_url: str) -> Iterator[Server]:
    """Start an arm. Yield it when it answers, and end it at last."""
    port = free_port()
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "BENCHMARK_DATABASE": database_url,
        "FLUENT_CART_DATABASE_URL": database_url,
        # One user is the whole load. Out of reach, not off: counting is a part of each request.
        "FLUENT_CART_RATE_LIMIT": "1000000",
        **arm.environment,
    }
    command = shlex.split(arm.command.format(port=port))
    with (WORK / f"{arm.name}.log").open("wb") as log:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=WORK, env=environment, stdout=log, stderr=log)
        try:
            _wait_until_ready(arm, port, process)
            yield Server(arm, port, process, time.monotonic() - began)
        finally:
            process.terminate()
            try:
                process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(arm: Arm, port: int, process: "subprocess.Popen[bytes]") -> None:
    headers = {"Authorization": authorization()}
    deadline = time.monotonic() + START_SECONDS
    with httpx.Client(base_url=f"http://{HOST}:{port}", headers=headers) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if client.get(f"{PATH}/1").status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.01)
    raise RuntimeError(f"{arm.name} did not start: see {WORK.name}/{arm.name}.log")
