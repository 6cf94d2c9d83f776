"""Requests while the server's processes begin, end and replace each other."""

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from fluent_cart.database import connect
from fluent_cart.models import Customer
from fluent_cart.services import invariants
from fluent_cart.settings import Settings
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import credentials, secret_of
from tests.support import postgres
from tests.support.server import Server, free_port, server, started, status, until

# How long anything here may take on a busy machine before it counts as never.
NEVER = 30

pytestmark = pytest.mark.server


@contextmanager
def serving(folder: Path, settings: Settings, *options: str) -> Iterator[Server]:
    """Serve a shop with two processes, both of them ready."""
    environment = {"FLUENT_CART_DATABASE_URL": settings.database_url}
    with server(folder, "--workers", "2", *options, environment=environment) as running:
        until(lambda: len(started(folder)) == 2, "two workers")
        yield running


class Load:
    """Callers who send one request after the other, over new connections or over kept ones."""

    def __init__(self, ask: Callable[[httpx.Client, int], httpx.Response], *, kept_alive: bool) -> None:
        self.answers: list[httpx.Response] = []
        self.failures: list[httpx.TransportError] = []
        self._ask, self._limits = ask, httpx.Limits(max_keepalive_connections=None if kept_alive else 0)
        self._stop = threading.Event()
        self._callers = [threading.Thread(target=self._call, args=(number,)) for number in range(4)]

    def __enter__(self) -> "Load":
        for caller in self._callers:
            caller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for caller in self._callers:
            caller.join()

    def _call(self, caller: int) -> None:
        with httpx.Client(auth=credentials("manager"), limits=self._limits, timeout=NEVER) as client:
            number = caller
            while not self._stop.is_set():
                try:
                    self.answers.append(self._ask(client, number))
                except httpx.TransportError as failure:
                    self.failures.append(failure)
                number += len(self._callers)
                # The server is to be busy, not the machine: a worker that starts needs its time, too.
                time.sleep(0.04)


class TestStop:
    def test_stop_loses_no_request_and_is_not_ready_beforehand(
        self, sqlite_settings: Settings, tmp_path: Path
    ) -> None:
        """E8 in short: SIGTERM under load, with a request under way."""

        def create(client: httpx.Client, number: int) -> httpx.Response:
            return client.post(f"{running.address}{PREFIX}", json={"email": f"{number}@load.example"})

        with serving(tmp_path, sqlite_settings) as running, Load(create, kept_alive=True) as load:
            until(lambda: len(load.answers) >= 40, "load")
            with half_sent(running) as finish:
                running.process.send_signal(signal.SIGTERM)
                until(lambda: status(f"{running.address}/readyz") == 503, "not ready")
                assert status(f"{running.address}/healthz") == 200
                late = finish()
            assert running.process.wait(timeout=10) in (0, -signal.SIGTERM)
            until(lambda: load.failures, "the end")
        assert b"HTTP/1.1 200 OK" in late
        assert {answer.status_code for answer in load.answers} == {200}
        acknowledged = [answer.json()["data"]["customer"]["email"] for answer in load.answers]
        with connect(sqlite_settings.database_url) as connection:
            stored = connection.scalars(select(Customer.email)).all()
            assert invariants.find_violations(connection) == {}
        assert sorted(stored) == sorted([*acknowledged, "late@load.example"])
        log = (tmp_path / "server.log").read_text()
        assert log.count("Application shutdown complete") == 2
        assert "Traceback" not in log


@contextmanager
def half_sent(server: Server) -> Iterator[Callable[[], bytes]]:
    """Send half a request. When the server waits for the rest, yield a function that sends it."""
    body = b'{"email": "late@load.example"}'
    user, secret = "manager", secret_of("manager")
    request = httpx.Request("POST", f"{server.address}{PREFIX}", content=body)
    request = next(httpx.BasicAuth(user, secret).auth_flow(request))
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    with socket.create_connection(("127.0.0.1", server.port), timeout=NEVER) as peer:
        peer.sendall(f"POST {PREFIX} HTTP/1.1\r\n{head}Expect: 100-continue\r\n\r\n".encode())
        # It sends 100 Continue when it has read the head and waits for the body.
        assert peer.recv(1000).startswith(b"HTTP/1.1 100 ")
        peer.sendall(body[:5])

        def finish() -> bytes:
            peer.sendall(body[5:])
            return b"".join(iter(lambda: peer.recv(10_000), b""))

        yield finish


class TestWorkers:
    def test_workers_are_replaced_without_a_failure_and_end_with_their_supervisor(
        self, sqlite_settings: Settings, tmp_path: Path
    ) -> None:
        """E9 and E11 in short: SIGHUP, then a killed worker, then a killed supervisor."""

        def read(client: httpx.Client, _number: int) -> httpx.Response:
            return client.get(f"{running.address}{PREFIX}")

        with serving(tmp_path, sqlite_settings) as running:
            with Load(read, kept_alive=False) as load:
                first = started(tmp_path)
                # On a busy machine a new worker may not be ready in time: then the old one stays.
                while any(map(runs, first)):
                    given_up = aborted(tmp_path)
                    running.process.send_signal(signal.SIGHUP)
                    until(
                        lambda: not any(map(runs, first)) or aborted(tmp_path) > given_up,  # noqa: B023
                        "others in their place",
                    )
            assert load.failures == []
            assert {answer.status_code for answer in load.answers} == {200}
            assert len(load.answers) > 10

            known = set(started(tmp_path))
            one, _ = filter(runs, known)
            os.kill(one, signal.SIGKILL)
            until(lambda: len(set(started(tmp_path)) - known) == 1, "another in its place")

            running.process.kill()
            until(lambda: not listens(running.port), "no orphans")
        assert "The supervisor is gone" in (tmp_path / "server.log").read_text()


class TestPassedSocket:
    def test_callers_of_a_passed_socket_wait_while_the_server_restarts(
        self, sqlite_settings: Settings, tmp_path: Path
    ) -> None:
        """The short form of E10: with `deploy/fluent-cart.socket`, no request is refused."""
        environment = {"FLUENT_CART_DATABASE_URL": sqlite_settings.database_url}
        with socket.create_server(("127.0.0.1", 0)) as listening:
            with server(tmp_path, environment=environment, listening=listening) as running:
                # The caller's own address is known as ever: these are for this machine alone.
                assert status(f"{running.address}/metrics") == 200
                assert f"Docs: {running.address}/docs" in (tmp_path / "server.log").read_text()
            with closing(HTTPConnection("127.0.0.1", running.port, timeout=NEVER)) as waiting:
                waiting.request("GET", "/readyz")
                with server(tmp_path, "--workers", "2", environment=environment, listening=listening):
                    assert waiting.getresponse().status == 200


def aborted(folder: Path) -> int:
    return (folder / "server.log").read_text().count("aborting the restart")


def runs(number: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(number, 0)
        return True
    return False


def listens(port: int) -> bool:
    with socket.socket() as caller:
        caller.settimeout(NEVER)
        return caller.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")
class TestStart:
    def test_server_without_its_database_waits_for_it(
        self, postgres_settings: Settings, tmp_path: Path
    ) -> None:
        """E6: alive but not ready until the database is there, and then ready without a new start."""
        address, _, rest = postgres_settings.database_url.rpartition(":")
        port = free_port()
        environment = {"FLUENT_CART_DATABASE_URL": f"{address}:{port}/{rest.partition('/')[2]}"}
        with server(tmp_path, environment=environment, path="/healthz") as running:
            assert status(f"{running.address}/readyz") == 503
            refused = httpx.get(f"{running.address}{PREFIX}", auth=credentials("manager"))
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            with relay(port, int(rest.partition("/")[0])):
                until(lambda: status(f"{running.address}/readyz") == 200, "ready")
                answer = httpx.get(f"{running.address}{PREFIX}", auth=credentials("manager"))
                assert answer.status_code == 200
        log = (tmp_path / "server.log").read_text()
        assert "fluent-cart: Responses are 503 until the database is available: " in log
        assert "Traceback" not in log


@contextmanager
def relay(port: int, target: int) -> Iterator[None]:
    """Forward connections from ``port`` to ``target``."""
    ends: list[socket.socket] = []

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(("127.0.0.1", target))
                ends.extend((near, far))
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()

    with socket.create_server(("127.0.0.1", port)) as listener:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for end in ends:
                end.close()
