"""/metrics: who may read it, and that its figures are true."""

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from platform import python_version

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError

from fluent_cart import __version__
from fluent_cart.auth.limits import FailedLoginLimiter
from fluent_cart.database import Database, create_database
from fluent_cart.observability import metrics
from fluent_cart.services.database_size import database_bytes
from fluent_cart.settings import Settings
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import ROLES, MakeClient, MakeCustomer, credentials, secret_of
from tests.support.errors import assert_error
from tests.support.login import OnSQLite, basic
from tests.support.server import server, until

COUNT = "fluent_cart_http_request_duration_seconds_count"
Labels = tuple[tuple[str, str], ...]
Figures = dict[tuple[str, Labels], float]


def figures(text: str) -> Figures:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def requests(found: Figures) -> Counter[tuple[str, str, int]]:
    """Return how many requests there were, by route, method and status."""
    counted: Counter[tuple[str, str, int]] = Counter()
    for (name, labels), value in found.items():
        if name == COUNT:
            of = dict(labels)
            counted[of["route"], of["method"], int(of["status"])] += int(value)
    return counted


def come_from(app: FastAPI, address: str | None, host: str = "127.0.0.1:8000") -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 1) if address else None)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}")


class TestWhoMayRead(OnSQLite):
    async def test_metrics_are_readable_from_this_machine(self, app: FastAPI) -> None:
        for address in ("127.0.0.1", "::1"):
            async with come_from(app, address) as caller:
                answer = await caller.get("/metrics")
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/plain; version=")
            assert answer.headers["cache-control"] == "no-store, private"

    @pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "127.0.0.2", "/run/socket", None])
    async def test_metrics_from_elsewhere_need_a_login(self, app: FastAPI, address: str | None) -> None:
        async with come_from(app, address) as caller:
            assert_error(await caller.get("/metrics"), 401, "authentication_required")

    @pytest.mark.parametrize(
        "header",
        ["Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Real-IP"],
    )
    async def test_metrics_through_a_proxy_need_a_login(self, app: FastAPI, header: str) -> None:
        """The proxy is on this machine, but its callers are not. Their headers do not count."""
        async with come_from(app, "127.0.0.1") as caller:
            answer = await caller.get("/metrics", headers={header: "127.0.0.1"})
        assert_error(answer, 401, "authentication_required")

    @pytest.mark.parametrize(
        ("address", "host", "status"),
        [
            ("127.0.0.1", "localhost:8000", 200), ("127.0.0.1", "[::1]", 200), ("::1", "10.0.0.5", 200),
            ("127.0.0.1", "shop.example", 401), ("::1", "localhost.shop.example:8000", 401),
        ],
    )  # fmt: skip
    async def test_browser_on_this_machine_must_not_use_the_name_of_a_site(
        self, app: FastAPI, address: str, host: str, status: int
    ) -> None:
        """Its owner may have pointed the name at this machine, and its scripts would read the response."""
        async with come_from(app, address, host) as caller:
            assert (await caller.get("/metrics")).status_code == status

    @pytest.mark.parametrize("role", ROLES)
    async def test_metrics_are_readable_by_administrators_only(self, app: FastAPI, role: str) -> None:
        async with come_from(app, "192.0.2.1") as caller:
            answer = await caller.get("/metrics", auth=credentials(role))
        if role in ("administrator", "super_admin"):
            assert answer.status_code == 200
        else:
            assert_error(answer, 403, "insufficient_permissions")

    async def test_metrics_are_readable_from_configured_networks(self, app: FastAPI) -> None:
        default = app.state.metrics_allow
        for allowed, address, status in (
            ("192.0.2.0/24, 2001:db8::/32", "192.0.2.77", 200),
            ("192.0.2.0/24, 2001:db8::/32", "2001:db8::7", 200),
            ("192.0.2.0/24", "127.0.0.1", 401),
            ("", "127.0.0.1", 401),
        ):
            app.state.metrics_allow = allowed
            # A Prometheus elsewhere uses the name of the server.
            host = "127.0.0.1" if address == "127.0.0.1" else "server:8000"
            async with come_from(app, address, host) as caller:
                assert (await caller.get("/metrics")).status_code == status
        app.state.metrics_allow = default

    def test_setting_that_is_not_a_network_is_rejected(self) -> None:
        with pytest.raises(ValidationError) as caught:
            Settings(metrics_allow="127.0.0.1,everybody", _env_file=None)
        assert [error["loc"] for error in caught.value.errors()] == [("metrics_allow",)]

    async def test_metrics_are_not_in_the_document(self, app: FastAPI) -> None:
        assert "/metrics" not in app.openapi()["paths"]


class TestFigures(OnSQLite):
    @pytest.fixture
    async def read(self, app: FastAPI) -> object:
        async def read() -> Figures:
            async with come_from(app, "127.0.0.1") as caller:
                return figures((await caller.get("/metrics")).text)

        return read

    async def test_metrics_have_route_method_and_status(
        self, client_of: MakeClient, make_customer: MakeCustomer, app: FastAPI, read: object
    ) -> None:
        await make_customer(email="ann@example.com")
        before = requests(await read())  # type: ignore[operator]
        async with client_of(credentials("manager"), prefix="") as client:
            for _ in range(3):
                await client.get(f"{PREFIX}/1")
            await client.get(f"{PREFIX}/999")
            await client.put(f"{PREFIX}/1", json={"status": "odd"})
            await client.get(f"{PREFIX.replace('v2', 'v1')}/1/")
            await client.post(f"{PREFIX}/1", params={"_method": "PUT"}, json={"phone": "1"})
            await client.head("/healthz")
            await client.get("/wp-json/ann@example.com")
            await client.request("BREW", "/healthz")
        found = requests(await read())  # type: ignore[operator]
        found.subtract(before)
        one = f"{PREFIX}/{{customerId}}"
        assert {key: number for key, number in found.items() if number} == {
            (one, "GET", 200): 4,
            (one, "GET", 404): 1,
            (one, "PUT", 422): 1,
            # The request was sent as a POST.
            (one, "PUT", 200): 1,
            ("/healthz", "GET", 200): 1,
            ("none", "GET", 404): 1,
            ("/healthz", "other", 405): 1,
            ("/metrics", "GET", 200): 1,
        }

    async def test_metrics_count_refusals(
        self, app: FastAPI, anonymous: httpx.AsyncClient, read: object
    ) -> None:
        before = await read()  # type: ignore[operator]
        app.state.limits = app.state.limits._replace(failed_logins=FailedLoginLimiter(2))
        for _ in range(3):
            await anonymous.get("", headers=basic("manager:wrong"))
        await anonymous.get("", headers=basic(f"subscriber:{secret_of('subscriber')}"))
        after = await read()  # type: ignore[operator]

        def refused(code: str) -> float:
            key = ("fluent_cart_refusals_total", (("code", code),))
            return float(after.get(key, 0) - before.get(key, 0))

        assert refused("authentication_failed") == 2
        assert refused("too_many_attempts") == 1
        assert refused("insufficient_permissions") == 1

    async def test_metrics_count_shared_commits(self, database: Database, read: object) -> None:
        before = await read()  # type: ignore[operator]
        await asyncio.gather(*(database.write(lambda _: None) for _ in range(10)))
        after = await read()  # type: ignore[operator]
        units, commits = (
            after[f"fluent_cart_units_per_commit_{part}", ()]
            - before[f"fluent_cart_units_per_commit_{part}", ()]
            for part in ("sum", "count")
        )
        assert units == 10
        assert 1 <= commits < 10

    async def test_metrics_show_work_in_progress(self, app: FastAPI, read: object) -> None:
        found = await read()  # type: ignore[operator]
        own = {metrics.IN_PROGRESS, metrics.WORKERS}
        for name in metrics.GAUGES:
            assert found[f"fluent_cart_{name}", ()] == (name in own)
        app.state.limits.hash_queue._pending = 3
        assert (await read())["fluent_cart_pending_password_hashes", ()] == 3  # type: ignore[operator]
        app.state.limits.hash_queue._pending = 0

    async def test_metrics_have_the_version_the_size_and_the_last_backup(
        self, app: FastAPI, read: object, tmp_path: Path
    ) -> None:
        app.state.backup_folder = str(tmp_path / "none")
        found = await read()  # type: ignore[operator]
        [version] = [dict(labels) for name, labels in found if name == "fluent_cart_build_info"]
        assert version == {"version": __version__, "python": python_version()}
        assert found["fluent_cart_database_size_bytes", ()] > 10_000
        assert found["fluent_cart_last_backup_timestamp_seconds", ()] == 0
        app.state.backup_folder = str(tmp_path)
        for age, name in enumerate(("Tue.backup", "Mon.backup", "notes.txt")):
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (0, 1_800_000_000 - 86400 * age))
        os.utime(tmp_path / "notes.txt", (0, 1_900_000_000))
        assert (await read())["fluent_cart_last_backup_timestamp_seconds", ()] == 1_800_000_000  # type: ignore[operator]
        assert [name for name, _ in found if name.endswith("_created")] == []


async def test_size_is_left_as_it_was_while_the_database_is_away(shared_app: FastAPI, tmp_path: Path) -> None:
    nowhere = Settings(database_url=f"sqlite:///{tmp_path}/none.db", _env_file=None)
    async with create_database(nowhere) as database:
        shared_app.state.database = database
        async with come_from(shared_app, "127.0.0.1") as caller:
            assert (await caller.get("/metrics")).status_code == 200


async def test_size_is_that_of_the_database(database: Database) -> None:
    assert await database.scan(database_bytes) > 10_000


async def test_metrics_of_postgresql_have_its_connections(database: Database) -> None:
    """The connections of the other database do not count."""
    gauges = database.gauges()
    assert gauges[metrics.QUEUED_UNITS] == 0
    assert set(gauges) <= set(metrics.GAUGES)
    if metrics.LOOKUPS_IN_USE in gauges:
        lookups = database._lookups  # type: ignore[attr-defined]
        held = [await lookups._acquire() for _ in range(3)]
        waiting = asyncio.ensure_future(lookups._acquire())
        await asyncio.sleep(0)
        gauges = database.gauges()
        assert (gauges[metrics.LOOKUPS_IN_USE], gauges[metrics.LOOKUPS_WAITING]) == (3, 1)
        for connection in held:
            lookups._release(connection)
        lookups._release(await waiting)
        assert database.gauges()[metrics.LOOKUPS_IN_USE] == 0


@pytest.mark.parametrize("is_deleted", [False, True])
def test_figures_of_a_process_are_readable_without_the_shared_folder(
    tmp_path: Path, is_deleted: bool
) -> None:
    script = (
        "import os, shutil; from fluent_cart.observability import metrics;"
        "metrics.count_request('/', 'GET', 200, 0.1);"
        "shutil.rmtree(os.environ.get('PROMETHEUS_MULTIPROC_DIR', 'none'), ignore_errors=True);"
        "print(b'fluent_cart_http_request_duration_seconds_count' in metrics.page())"
    )
    environment = {**os.environ, **({"PROMETHEUS_MULTIPROC_DIR": str(tmp_path)} if is_deleted else {})}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "True\n"


@pytest.fixture(scope="module")
def shop(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("observed")
    (folder / "shop.db").write_bytes(sqlite_template.read_bytes())
    return folder


CANARIES = ("Canary", "canary.example", "wrong secret", secret_of("manager"))


def request_lines(folder: Path) -> Iterator[dict[str, object]]:
    for line in (folder / "server.log").read_text().splitlines():
        if line.startswith("{") and (read := json.loads(line))["event"] == "request":
            yield read


@pytest.mark.server
def test_two_workers_figures_and_log_are_what_the_client_counted(shop: Path) -> None:
    """Under a mixed load, at the lowest level. No line has a name, an address or a secret."""
    environment = {
        "FLUENT_CART_DATABASE_URL": f"sqlite:///{shop / 'shop.db'}",
        "FLUENT_CART_LOG_LEVEL": "debug",
        "FLUENT_CART_FAILED_LOGIN_LIMIT": "0",
    }
    counted: Counter[tuple[str, str, int]] = Counter()
    one = f"{PREFIX}/{{customerId}}"
    with server(shop, "--workers", "2", environment=environment) as running:
        until(lambda: (shop / "server.log").read_text().count("startup complete") == 2, "two workers")

        def call(route: str, method: str, path: str, **sent: object) -> None:
            # A connection of its own each time, so that both workers get some.
            address = f"{running.address}{PREFIX}{path}"
            answer = httpx.request(method, address, **sent)  # type: ignore[arg-type]
            counted[route, method, answer.status_code] += 1

        manager = credentials("manager")
        for number in range(12):
            email = f"{number}@canary.example"
            call(PREFIX, "POST", "", auth=manager, json={"email": email, "first_name": "Canary"})
            call(one, "GET", f"/{number + 1}", auth=manager)
            call(PREFIX, "GET", "?search=Canary", auth=manager)
            call(one, "PUT", f"/{number + 1}", auth=manager, json={"email": "Canary"})
            call(one, "GET", "/1", auth=("12@canary.example", "wrong secret"))
        # The counts of another worker arrive a moment later.
        address = f"{running.address}/metrics"

        def scraped() -> Counter[tuple[str, str, int]]:
            found = requests(figures(httpx.get(address).text))
            return Counter({key: number for key, number in found.items() if key[0].startswith(PREFIX)})

        found = figures(httpx.get(address).text)
        assert found["fluent_cart_workers", ()] == 2
        assert found["process_resident_memory_bytes", ()] > 2 * 30 * 1024 * 1024
        assert found["process_start_time_seconds", ()] > 1_700_000_000
        assert len([labels for name, labels in found if name == "fluent_cart_build_info"]) == 1
        until(lambda: scraped() == counted, f"{scraped()} is not {counted}", seconds=5)
        until(lambda: len([*request_lines(shop)]) >= counted.total(), "a line for each")
    lines = [line for line in request_lines(shop) if str(line["route"]).startswith(PREFIX)]
    logged = Counter((line["route"], line["method"], line["status"]) for line in lines)
    assert logged == counted
    assert {type(line["user_id"]) for line in lines if line["status"] == 200} == {int}
    assert {line["user_id"] for line in lines if line["status"] == 401} == {None}
    assert len({line["request_id"] for line in lines}) == counted.total()
    log = (shop / "server.log").read_text()
    assert "Started server process" in log
    assert [canary for canary in CANARIES if canary in log] == []
