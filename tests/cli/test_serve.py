"""fluent-cart serve: its refusals, its output, and the real server as a child process."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from fluent_cart import demo
from fluent_cart.auth.rate_limit import BYTES
from fluent_cart.cli import serve
from fluent_cart.database import connect, migrations
from fluent_cart.observability.logging import log_config
from fluent_cart.server.protocol import Protocol
from fluent_cart.services import users
from fluent_cart.services.application_passwords import create_application_password
from fluent_cart.settings import Settings
from tests.cli.conftest import Run, complained, printed
from tests.support import postgres
from tests.support.server import COMMAND, START_SECONDS, free_port, is_ready

CUSTOMERS = "/wp-json/fluent-cart/v2/customers"


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """The calls of the server: the application, the database's address and the options.

    The server itself would never return. ``TestServer`` starts it.
    """
    calls: list[tuple[Any, ...]] = []

    def run(application: str, *, log_config: object, **options: Any) -> None:
        calls.append((application, os.environ["FLUENT_CART_DATABASE_URL"], options))

    monkeypatch.setattr(uvicorn, "run", run)
    # The command sets these for its worker processes. Here they end with the test.
    monkeypatch.setenv("FLUENT_CART_DATABASE_URL", "sqlite:///fluent-cart.db")
    monkeypatch.setenv("FLUENT_CART_RATE_LIMIT_FILE", "")
    return calls


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A listening socket that this process was started with."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setattr(serve, "SD_LISTEN_FDS_START", listening.fileno())
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        monkeypatch.setenv("LISTEN_FDS", "1")
        yield listening


@pytest.fixture
def made(folder: Path) -> None:
    """A database at the newest migration, where it is looked for without settings."""
    migrations.upgrade("sqlite:///fluent-cart.db")
    with connect("sqlite:///fluent-cart.db") as connection:
        users.create_user(connection, "ada", "ada@example.com", "Ada", "administrator")
        create_application_password(connection, "ada", "API")


def announced(port: int, host: str = "127.0.0.1") -> str:
    return f"Docs: http://{host}:{port}/docs\n"


def try_it(port: int, host: str = "127.0.0.1") -> str:
    form = f"Form: http://{host}:{port}/wp-login.php, username and login_password\n"
    return f"{form}Try:  curl -u username:application_password http://{host}:{port}{CUSTOMERS}\n"


def deleted(url: str) -> str:
    return f"Shop: {url}, which is deleted when the server ends\n"


class TestRefusals:
    def test_missing_database_is_named_with_the_command_that_creates_it(
        self, run: Run, folder: Path, served: list[Any], port: int
    ) -> None:
        assert run("serve", "--port", str(port)) == complained(
            "There is no database at sqlite:///fluent-cart.db. Create a shop with: fluent-cart init"
        )
        assert (served, list(folder.iterdir())) == ([], [])

    @pytest.mark.parametrize("revision", ["base", "-1"])
    def test_old_database_names_the_command_that_migrates(
        self, run: Run, made: None, served: list[Any], port: int, revision: str
    ) -> None:
        migrations.downgrade("sqlite:///fluent-cart.db", revision)
        assert run("serve", "--port", str(port)) == complained(
            "The database is not at the newest migration. Run: fluent-cart migrate"
        )
        assert served == []
        run("migrate")
        assert run("serve", "--port", str(port)).out == announced(port)

    def test_taken_port_is_named(self, run: Run, served: list[Any]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            refusal = (
                f"Cannot listen on 127.0.0.1:{port}: Address already in use. Try another --host or --port"
            )
            assert run("serve", "--demo", "--port", str(port)) == complained(refusal)
            assert run("serve", "--port", str(port)) == complained(refusal)
        assert served == []

    def test_unknown_host_is_named(self, run: Run, made: None, served: list[Any], port: int) -> None:
        refused = run("serve", "--host", "nowhere.invalid", "--port", str(port))
        assert (refused.code, refused.out, served) == (1, "", [])
        assert refused.err.startswith(f"fluent-cart: Cannot listen on nowhere.invalid:{port}: ")
        assert refused.err.count("\n") == 1

    @pytest.mark.parametrize(
        ("setting", "value", "complaint"),
        [
            ("PORT", "65536", " must be a whole number from 1 to 65535"),
            ("PORT", "http", " must be a whole number from 1 to 65535"),
            ("WORKERS", "", " is empty. It must be a whole number from 1 to 64"),
            ("WRITE_TIMEOUT", "0", " must be a number above 0, and at most 60"),
            ("LOG_LEVEL", "loud", " must be critical, error, warning, info or debug"),
            ("TELEMETRY", "perhaps", " must be true or false"),
            ("METRICS_ALLOW", "foo", ": 'foo' does not appear to be an IPv4 or IPv6 network"),
            (
                "CORS_ORIGINS",
                "https://a.example, https://b.example/",
                ": ' https://b.example/' is not an origin. Write origins as https://admin.example, in lower"
                " case, without a path or a slash at the end, and with commas between them",
            ),
        ],
    )
    def test_setting_out_of_range_is_named_in_one_line(
        self, run: Run, monkeypatch: pytest.MonkeyPatch, served: list[Any],
        setting: str, value: str, complaint: str,
    ) -> None:  # fmt: skip
        monkeypatch.setenv(f"FLUENT_CART_{setting}", value)
        assert run("serve") == complained(f"FLUENT_CART_{setting}{complaint}")
        assert served == []

    @pytest.mark.parametrize(
        "options",
        [
            ("--port", "0"),
            ("--port", "65536"),
            ("--port", "x"),
            ("--workers", "0"),
            ("--workers", "65"),
            ("now",),
        ],
    )
    def test_options_out_of_range_are_wrong_usage(
        self, run: Run, made: None, served: list[Any], options: tuple[str, ...]
    ) -> None:
        refused = run("serve", *options)
        assert (refused.code, refused.out, served) == (2, "", [])
        assert refused.err.startswith("Usage: ")


class TestAnnouncement:
    def test_serve_prints_the_address_of_the_docs(
        self, run: Run, made: None, served: list[Any], port: int
    ) -> None:
        assert run("serve", "--port", str(port)) == printed(announced(port))

    def test_serve_demo_prints_a_curl_command(self, run: Run, served: list[Any], port: int) -> None:
        output = run("serve", "--demo", "--port", str(port))
        [(_, url, _)] = served
        assert output == printed(announced(port) + try_it(port) + deleted(url))

    @pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 on this machine")
    def test_printed_ipv6_address_can_be_opened(
        self, run: Run, made: None, served: list[Any], port: int
    ) -> None:
        assert run("serve", "--host", "::1", "--port", str(port)) == printed(announced(port, "[::1]"))


class TestFirstStart:
    @pytest.fixture(autouse=True)
    def _terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin.isatty", lambda: True)

    @staticmethod
    def type(monkeypatch: pytest.MonkeyPatch, *, wanted: bool) -> None:
        answers = ["ada", "ada@example.com"]
        monkeypatch.setattr("typer.confirm", lambda _, default: wanted)
        monkeypatch.setattr("typer.prompt", lambda _: answers.pop(0))

    def test_missing_shop_is_created_on_request(
        self, run: Run, served: list[Any], port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.type(monkeypatch, wanted=True)
        done = run("serve", "--port", str(port))
        assert (done.code, done.err, len(served)) == (0, "", 1)
        assert re.search(r"^    (\w{4} ){5}\w{4}$", done.out, re.M)
        assert re.search(rf"^Try:  curl -u ada:\w{{24}} http://127.0.0.1:{port}{CUSTOMERS}$", done.out, re.M)

    def test_missing_shop_is_not_created_unless_the_answer_is_yes(
        self, run: Run, folder: Path, served: list[Any], port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.type(monkeypatch, wanted=False)
        assert run("serve", "--port", str(port)).code == 1
        assert (served, list(folder.iterdir())) == ([], [])

    def test_existing_shop_is_served_without_a_question(
        self, run: Run, made: None, served: list[Any], port: int
    ) -> None:
        assert run("serve", "--port", str(port)) == printed(announced(port))

    def test_shop_without_users_is_served_with_a_warning(
        self, run: Run, served: list[Any], port: int
    ) -> None:
        run("migrate")
        done = run("serve", "--port", str(port))
        assert done.err.startswith("fluent-cart: warning: No user with a permission can sign in. Create ")
        assert len(served) == 1


class TestOptions:
    @staticmethod
    def options(port: int, **others: Any) -> dict[str, Any]:
        return {
            "factory": True,
            "http": Protocol,
            "ws": "none",
            "host": "127.0.0.1",
            "port": port,
            "fd": None,
            "workers": 1,
            "log_level": "info",
            "forwarded_allow_ips": "127.0.0.1,::1",
            "server_header": False,
            "access_log": False,
            "timeout_graceful_shutdown": 2,
            "timeout_worker_healthcheck": 10,
        } | others

    def test_serve_options_come_from_the_settings(
        self, run: Run, made: None, served: list[Any], port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given = {"HOST": "0.0.0.0", "PORT": str(port), "WORKERS": "3", "LOG_LEVEL": "warning"}
        given["FORWARDED_ALLOW_IPS"] = proxies = "10.0.0.0/8"
        for name, value in given.items():
            monkeypatch.setenv(f"FLUENT_CART_{name}", value)
        assert run("serve") == printed(announced(port))
        expected = {"host": "0.0.0.0", "workers": 3, "log_level": "warning", "forwarded_allow_ips": proxies}
        options = self.options(port, **expected)
        assert served == [("fluent_cart.server.process:create_app", "sqlite:///fluent-cart.db", options)]

    def test_options_on_the_command_line_win_over_settings(
        self, run: Run, made: None, served: list[Any], port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in {"HOST": "0.0.0.0", "PORT": "1", "WORKERS": "3"}.items():
            monkeypatch.setenv(f"FLUENT_CART_{name}", value)
        run("serve", "--host", "127.0.0.1", "--port", str(port), "--workers", "2")
        assert [options for *_, options in served] == [self.options(port, workers=2)]

    def test_settings_of_the_env_file_reach_the_workers(
        self, run: Run, folder: Path, served: list[Any], port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("FLUENT_CART_DATABASE_URL")
        (folder / ".env").write_text("FLUENT_CART_DATABASE_URL=sqlite:///other.db\n")
        run("migrate")
        assert run("serve", "--port", str(port)).code == 0
        assert [url for _, url, _ in served] == ["sqlite:///other.db"]

    @pytest.mark.parametrize(("arguments", "host"), [((), "127.0.0.1"), (("--host", "0.0.0.0"), "0.0.0.0")])
    def test_demo_listens_on_the_network_only_if_the_command_line_says_so(
        self, run: Run, served: list[Any], port: int, monkeypatch: pytest.MonkeyPatch,
        arguments: tuple[str, ...], host: str,
    ) -> None:  # fmt: skip
        """Its password is in the documentation."""
        monkeypatch.setenv("FLUENT_CART_HOST", "0.0.0.0")
        assert run("serve", "--demo", "--port", str(port), *arguments).out.startswith(announced(port))
        assert [options for *_, options in served] == [self.options(port, host=host)]

    def test_demo_listens_where_its_own_setting_says(
        self, run: Run, served: list[Any], port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FLUENT_CART_DEMO_HOST", "0.0.0.0")
        run("serve", "--demo", "--port", str(port))
        assert [options for *_, options in served] == [self.options(port, host="0.0.0.0")]

    def test_passed_socket_wins_over_host_and_port(
        self, run: Run, made: None, served: list[Any], passed: socket.socket
    ) -> None:
        """Like a socket of systemd, whose address is the printed one."""
        port = passed.getsockname()[1]
        assert run("serve", "--host", "0.0.0.0", "--port", "1") == printed(announced(port))
        assert [options for *_, options in served] == [self.options(port, fd=passed.fileno())]

    def test_several_passed_sockets_are_rejected(
        self, run: Run, made: None, served: list[Any], passed: socket.socket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LISTEN_FDS", "2")
        assert run("serve") == complained("Started with several sockets. Use one ListenStream= only")
        assert served == []

    def test_socket_passed_to_another_process_is_ignored(
        self, run: Run, made: None, served: list[Any], port: int, passed: socket.socket,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:  # fmt: skip
        monkeypatch.setenv("LISTEN_PID", "1")
        assert run("serve", "--port", str(port)) == printed(announced(port))
        assert [options for *_, options in served] == [self.options(port)]

    def test_demo_does_not_touch_the_configured_shop(
        self, run: Run, made: None, folder: Path, served: list[Any], port: int
    ) -> None:
        before = (folder / "fluent-cart.db").read_bytes()
        run("serve", "--demo", "--port", str(port))
        assert (folder / "fluent-cart.db").read_bytes() == before

    def test_demos_of_one_folder_have_files_of_their_own(
        self, run: Run, folder: Path, served: list[Any], port: int
    ) -> None:
        for _ in range(2):
            run("serve", "--demo", "--port", str(port))
        first, second = (url for _, url, _ in served)
        assert first != second
        assert list(folder.iterdir()) == []

    def test_demo_is_served_where_its_file_can_not_be_written(
        self, run: Run, folder: Path, served: list[Any], port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A folder of the system, because root may write to a read-only one."""
        monkeypatch.chdir("/proc")
        assert run("serve", "--demo", "--port", str(port)).code == 0
        assert len(served) == 1


class TestWorkers:
    """The arguments of the server processes."""

    @pytest.fixture
    def handed(self, served: list[Any], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
        """The shared file's path, its size in bytes, and the logging."""
        seen: list[Any] = []

        def run(_application: str, *, log_config: object, **_: Any) -> None:
            file = os.environ["FLUENT_CART_RATE_LIMIT_FILE"]
            seen.extend((file, Path(file).stat().st_size if file else None, log_config))

        monkeypatch.setattr(uvicorn, "run", run)
        return seen

    def test_workers_count_requests_in_one_file(
        self, run: Run, made: None, handed: list[Any], port: int
    ) -> None:
        run("serve", "--port", str(port), "--workers", "2")
        assert handed[1] == BYTES
        assert not Path(handed[0]).parent.exists()

    def test_single_worker_needs_no_shared_file(
        self, run: Run, made: None, handed: list[Any], port: int
    ) -> None:
        run("serve", "--port", str(port))
        assert handed == ["", None, log_config("info", "auto")]


@contextmanager
def serving(folder: Path, port: int, *options: str, **settings: str) -> Iterator[subprocess.Popen[bytes]]:
    """Start the server in ``folder``, where it writes server.log, and wait until all of it is ready."""
    command = [COMMAND, "serve", "--port", str(port), *options]
    processes = 2 if "--workers" in options else 1
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdout=log, stderr=log, env={**os.environ, **settings}
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready(port) or started(folder) < processes:
            assert process.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < deadline, (folder / "server.log").read_text()
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=10)


def started(folder: Path) -> int:
    """Return the number of server processes in the log."""
    return (folder / "server.log").read_text().count("Application startup complete")


def listens(host: str, port: int) -> bool:
    with socket.socket() as caller:
        caller.settimeout(1)
        return caller.connect_ex((host, port)) == 0


@pytest.mark.server
class TestServer:
    def test_demo_server_works_as_printed_and_stops_cleanly(self, folder: Path, port: int) -> None:
        (temporary := folder / "tmp").mkdir()
        with serving(folder, port, "--demo", FLUENT_CART_HOST="0.0.0.0", TMPDIR=str(temporary)) as process:
            log = (folder / "server.log").read_text()
            [made] = temporary.iterdir()
            url = f"sqlite:///{made / demo.FILE}"
            assert log.startswith(announced(port) + try_it(port) + deleted(url))
            *_, user, address = log.splitlines()[2].split()
            login, _, secret = user.partition(":")
            answer = httpx.get(address, auth=(login, secret))
            assert (answer.status_code, answer.headers["x-wp-total"]) == (200, "40")
            assert "server" not in answer.headers
            # No program listens on another address of this machine, such as 127.0.0.2 on Linux.
            assert not listens("127.0.0.2", port)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 128 + signal.SIGTERM
        log = (folder / "server.log").read_text()
        assert "Application shutdown complete" in log
        assert "Traceback" not in log
        assert list(temporary.iterdir()) == []


@pytest.mark.server
def test_server_that_ends_closes_every_connection(folder: Path, port: int) -> None:
    migrations.upgrade("sqlite:///fluent-cart.db")
    with serving(folder, port) as process:
        process.send_signal(signal.SIGTERM)
        # Uvicorn shuts down and then dies of the signal, as a shell expects: 143 there.
        assert process.wait(timeout=10) in (0, -signal.SIGTERM)
    # There is no write-ahead log.
    assert sorted(path.name for path in folder.iterdir()) == ["fluent-cart.db", "server.log"]


@pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")
class TestCapacity:
    """Workers that together want more connections than there are would fail under load, not before."""

    @pytest.fixture(autouse=True)
    def shop(
        self, served: list[tuple[Any, ...]], postgres_settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FLUENT_CART_DATABASE_URL", postgres_settings.database_url)

    def test_too_few_connections_are_refused(
        self, run: Run, port: int, served: list[tuple[Any, ...]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FLUENT_CART_POOL_SIZE", "100")
        refused = run("serve", "--port", str(port), "--workers", "64")
        assert (refused.code, refused.out, served) == (1, "", [])
        assert re.fullmatch(
            "fluent-cart: 64 workers with 100 connections each, and 2 for exports, need 6528,"
            " but PostgreSQL has [0-9]+."
            " Lower FLUENT_CART_WORKERS or FLUENT_CART_POOL_SIZE\n",
            refused.err,
        )

    def test_server_with_enough_connections_starts(
        self, run: Run, port: int, served: list[tuple[Any, ...]]
    ) -> None:
        assert run("serve", "--port", str(port), "--workers", "4").code == 0
        assert len(served) == 1
