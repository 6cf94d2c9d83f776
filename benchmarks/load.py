"""Sends requests to a server as fast as it answers, with wrk where it is installed, else by itself."""

import re
import shutil
import subprocess
import tempfile
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import orjson

from benchmarks import FOLDER, HOST, client
from benchmarks.workloads import Workload

WRK = shutil.which("wrk")
CONNECTIONS = 32
# Enough that no write is sent twice within a second of load. Reads are repeated.
DIFFERENT_READS, DIFFERENT_WRITES_A_SECOND = 10_000, 8_000


class Result(NamedTuple):
    """The result of one run of a server, with times in milliseconds."""

    per_second: float
    p50: float
    p99: float
    # Answers that were not 2xx, and connections that broke.
    failures: int


def load(port: int, workload: Workload, seconds: int, connections: int = CONNECTIONS) -> Result:
    """Load a server for some seconds."""
    different = DIFFERENT_WRITES_A_SECOND * seconds if workload.writes else DIFFERENT_READS
    requests = _requests(workload, different)
    if WRK is None:
        return Result(*client.load(port, requests, seconds, connections))
    with tempfile.NamedTemporaryFile(suffix=".requests") as file:
        file.write(b"\0".join(requests))
        file.flush()
        return _wrk(port, Path(file.name), seconds, connections)


def describe() -> str:
    """Return the name of what makes the load."""
    if WRK is None:
        return "the bundled client (one process of Python: it limits the fastest arms)"
    version = subprocess.run([WRK, "-v"], check=False, capture_output=True, text=True).stdout
    found = re.search(r"wrk (?:debian/)?([\d.]+)", version)
    return f"wrk {found[1] if found else ''}, one thread"


@cache
def _requests(workload: Workload, different: int) -> list[bytes]:
    return [request.to_bytes(HOST) for request in islice(workload.requests(), different)]


def _wrk(port: int, requests: Path, seconds: int, connections: int) -> Result:
    command = [str(WRK), "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
    command += ["-s", str(FOLDER / "wrk.lua"), f"http://{HOST}:{port}", str(requests)]
    run = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 60)
    measured = orjson.loads(run.stdout.rpartition("measured: ")[2])
    return Result(**measured)
