"""A PostgreSQL of the tests' own that can be stopped and started, and whose commits are on disk."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.support.postgres import BINARIES, OWNER
from tests.support.server import START_SECONDS


class Cluster:
    """A server in a folder that its owner can enter. An acknowledged commit is on disk."""

    def __init__(self, folder: Path, settings: Sequence[str] = ()) -> None:
        self._folder, self._log = folder, folder / "server.log"
        self._settings = settings
        self._port = _port_of_ours()
        self._process: subprocess.Popen[bytes] | None = None

    def initialise(self) -> None:
        """Make an empty cluster."""
        self._make("initdb", "-U", "shop", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")

    def copy(self, primary: "Cluster") -> None:
        """Make a standby of another cluster, which runs."""
        source = ("-d", primary.url("postgres"), "--write-recovery-conf", "--checkpoint=fast")
        self._make("pg_basebackup", *source)

    def _make(self, program: str, *arguments: str) -> None:
        command = self._command(program, *arguments)
        subprocess.run(command, check=True, user=OWNER, cwd=self._folder, stdout=subprocess.DEVNULL)

    @property
    def data(self) -> Path:
        """The folder of all files of the server's databases."""
        return self._folder / "data"

    def url(self, database: str) -> str:
        return f"postgresql://shop@127.0.0.1:{self._port}/{database}"

    def execute(self, statement: str) -> None:
        """Run a statement that belongs to no database, or to no transaction."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def start(self) -> float:
        """Start the server and return the moment from which on it takes connections."""
        settings = [
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={self._folder}",
            "fsync=on",
            *self._settings,
        ]
        options = ["-p", str(self._port), *(part for setting in settings for part in ("-c", setting))]
        # A child of ours, not of pg_ctl: one that was killed is gone only when its parent knows.
        with self._log.open("ab") as log:
            command = self._command("postgres", *options)
            self._process = subprocess.Popen(command, user=OWNER, cwd=self._folder, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self.url("postgres")):
                return time.monotonic()
            time.sleep(0.01)
        raise AssertionError(self._log.read_text())

    def stop(self, way: signal.Signals) -> None:
        if self._process:
            self._process.send_signal(way)
            self._process.wait(timeout=START_SECONDS)

    def freeze(self) -> None:
        """Stop every process of the server where it is: connections stay open, and nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let the processes of the server go on."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        assert self._process
        parent = self._process.pid
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        for process in [parent, *map(int, children)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def _command(self, program: str, *arguments: str) -> list[str]:
        assert BINARIES
        return [str(BINARIES / program), "-D", str(self.data), *arguments]


@contextmanager
def running(*settings: str) -> Iterator[Cluster]:
    """Start a new cluster. At the end it is removed completely."""
    with _started(settings, Cluster.initialise) as cluster:
        yield cluster


@contextmanager
def standby(primary: Cluster, *settings: str) -> Iterator[Cluster]:
    """Start a streaming replica of a running cluster. At the end it is removed completely."""
    with _started(settings, lambda cluster: cluster.copy(primary)) as cluster:
        yield cluster


@contextmanager
def _started(settings: Sequence[str], make: Callable[[Cluster], None]) -> Iterator[Cluster]:
    assert OWNER
    # Not below a test's own folder, where the server's user may not enter.
    folder = Path(tempfile.mkdtemp(prefix="fluent-cart-cluster-"))
    shutil.chown(folder, OWNER)
    try:
        cluster = Cluster(folder, settings)
        make(cluster)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop(signal.SIGQUIT)
    finally:
        shutil.rmtree(folder)


def _port_of_ours() -> int:
    """Return a free port below those that systems assign, so that it stays free."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
