"""The image and the compose file are parsed, and the proxy really runs.

No container engine is needed: the same processes are started by hand. They are PostgreSQL, ``migrate``, two
servers, and nginx with the very configuration of ``deploy/``.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import psycopg
import pytest
import uvicorn

from fluent_cart.database import migrations
from fluent_cart.database.streams import MAX_STREAMS
from fluent_cart.http.request_body import MAX_BYTES
from fluent_cart.settings import Settings
from fluent_cart.wordpress.paths import PREFIX
from tests.conftest import TEMPLATE, credentials
from tests.support import postgres
from tests.support.errors import assert_error
from tests.support.paths import ROOT
from tests.support.server import COMMAND, START_SECONDS, free_port, is_ready, until

COMPOSE = ROOT / "docker-compose.yml"
PROXY = (ROOT / "deploy" / "nginx.conf").read_text()
ENTRY = "server api:8000 resolve"
# Stand-ins for the proxy of the compose file, and for the TLS proxy in front of it.
INNER, TERMINATOR = "127.0.0.2", "127.0.0.3"
TOOLS = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], "/usr/sbin"])
NGINX = shutil.which("nginx", path=TOOLS)
HADOLINT = shutil.which("hadolint", path=TOOLS)

# ${NAME:-default} has a default, ${NAME:?text} must be set.
VARIABLE = re.compile(r"\$\{(\w+):([-?])([^}]*)\}")


class Instruction(NamedTuple):
    """A line of the Dockerfile: ``RUN`` and its arguments."""

    name: str
    value: str

    @property
    def words(self) -> list[str]:
        is_list = self.value.startswith("[")
        return list(json.loads(self.value)) if is_list else shlex.split(self.value)


def read_stages() -> list[list[Instruction]]:
    """Return the instructions of each stage of the Dockerfile. Before the first are arguments only."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M)
    lines = text.replace("\\\n", " ").splitlines()
    stages: list[list[Instruction]] = []
    for name, _, value in (line.strip().partition(" ") for line in lines if line.strip()):
        if name == "FROM":
            stages.append([])
        if stages:
            stages[-1].append(Instruction(name, value.strip()))
    return stages


BUILD, FINAL = read_stages()


def only(stage: list[Instruction], name: str) -> Instruction:
    (instruction,) = [instruction for instruction in stage if instruction.name == name]
    return instruction


def health_command() -> list[str]:
    """Return the command of the image's HEALTHCHECK, with this Python."""
    _, _, command = only(FINAL, "HEALTHCHECK").value.partition("CMD ")
    program, *arguments = json.loads(command)
    assert program == "python"
    return [sys.executable, *arguments]


class TestImage:
    def test_image_copies_what_exists_and_what_the_build_context_lets_in(self) -> None:
        let_in = {
            line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
        }
        copied = {
            source for instruction in BUILD if instruction.name == "COPY" for source in instruction.words[:-1]
        }
        assert copied == let_in
        assert [name for name in copied if not (ROOT / name).exists()] == []
        assert "*" in (ROOT / ".dockerignore").read_text().splitlines()

    def test_image_installs_only_locked_files(self) -> None:
        """One command has the network, and requires hashes. All other installations have no index."""
        commands = [
            command.strip()
            for instruction in BUILD
            if instruction.name == "RUN"
            for command in instruction.value.split("&&")
            if re.search(r"\bpip\b.* (install|download|wheel) ", command)
        ]
        online = [shlex.split(command) for command in commands if "--no-index" not in command]
        assert len(commands) == 4
        assert len(online) == 1
        assert {"--require-hashes", "--only-binary", "requirements.lock"} <= set(online[0])
        # Debian's packages are checked by their signature.
        client = "update|install --yes --no-install-recommends postgresql-client"
        assert not re.search(
            rf"https?:|\b(curl|wget|git|apt-get (?!{client}))\b",
            (ROOT / "Dockerfile").read_text()[:-1].split("HEALTHCHECK")[0],
        )

    def test_image_has_the_driver_for_a_live_wordpress(self) -> None:
        [install] = [each.value for each in BUILD if "/opt/fluent-cart/bin/python install" in each.value]
        assert install.endswith('--no-index --find-links locked "$(echo wheel/*.whl)[mysql]"')
        assert "\npymysql[rsa]==" in (ROOT / "requirements.lock").read_text()

    def test_image_has_no_build_tools(self) -> None:
        """The last stage gets one folder, made without pip, and removes the pip that came with Python."""
        copies = [instruction.value for instruction in FINAL if instruction.name == "COPY"]
        assert copies == ["--from=build /opt/fluent-cart /opt/fluent-cart"]
        runs = [instruction.value for instruction in FINAL if instruction.name == "RUN"]
        assert re.findall(r"-m pip (\w+)", " ".join(runs)) == ["uninstall"]
        assert any("venv --without-pip /opt/fluent-cart" in instruction.value for instruction in BUILD)

    def test_image_runs_as_a_user_that_is_not_root(self) -> None:
        names = [instruction.name for instruction in FINAL]
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", only(FINAL, "USER").value)
        assert "RUN" not in names[names.index("USER") :]

    def test_image_serves_on_every_address_and_writes_no_bytecode(self) -> None:
        assert [*only(FINAL, "ENTRYPOINT").words, *only(FINAL, "CMD").words] == [
            "fluent-cart", "serve", "--host", "0.0.0.0",
        ]  # fmt: skip
        settings = dict(word.split("=", 1) for word in only(FINAL, "ENV").words)
        assert settings["PYTHONDONTWRITEBYTECODE"] == "1"
        assert settings["FLUENT_CART_PORT"] == only(FINAL, "EXPOSE").value
        assert not {name for name in settings if "PASSWORD" in name or "URL" in name}

    def test_image_keeps_the_shop_in_a_volume_of_its_user(self) -> None:
        """Alone, it makes a shop, serves the demo and backs PostgreSQL up."""
        assert only(FINAL, "WORKDIR").value == only(FINAL, "VOLUME").value == "/data"
        [run] = [each.value for each in FINAL if each.name == "RUN"]
        user, group = only(FINAL, "USER").value.split(":")
        assert f"install --directory --owner {user} --group {group} --mode 700 /data /data/backups" in run
        assert "postgresql-client" in run
        settings = dict(word.split("=", 1) for word in only(FINAL, "ENV").words)
        assert settings["FLUENT_CART_DEMO_HOST"] == "0.0.0.0"

    @pytest.mark.skipif(HADOLINT is None, reason="THE DOCKERFILE WAS NOT LINTED: no hadolint here")
    def test_dockerfile_has_no_hadolint_findings(self) -> None:
        assert HADOLINT
        done = subprocess.run([HADOLINT, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (0, "")


Service = dict[str, Any]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file as it is written, variables and all."""
    yaml = pytest.importorskip("ruamel.yaml", reason="THE COMPOSE FILE WAS NOT TESTED: no YAML reader here")
    document: dict[str, Any] = yaml.YAML(typ="safe").load(COMPOSE)
    return document


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Service]:
    found: dict[str, Service] = compose["services"]
    return found


def by_default(value: object) -> str:
    """Return ``value`` where the environment sets nothing."""
    return VARIABLE.sub(lambda found: found[3] if found[2] == "-" else "", str(value))


class TestCompose:
    def test_compose_is_valid_by_the_compose_specification(self) -> None:
        pytest.importorskip("check_jsonschema", reason="THE COMPOSE FILE WAS NOT TESTED: no schema here")
        command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
        done = subprocess.run([*command, COMPOSE], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

    def test_compose_is_a_database_a_migration_servers_and_a_proxy(
        self, services: dict[str, Service]
    ) -> None:
        assert set(services) == {"db", "migrate", "api", "backup", "proxy", "prometheus"}
        assert [name for name, service in services.items() if "profiles" in service] == ["prometheus"]
        assert by_default(services["api"]["deploy"]["replicas"]) == "2"
        assert services["migrate"]["command"] == ["migrate"]
        for name in ("migrate", "api", "backup"):
            assert (services[name]["build"], services[name]["image"]) == (".", "fluent-cart-api")

    def test_compose_is_reached_through_the_proxy_and_from_this_machine_only(
        self, compose: dict[str, Any], services: dict[str, Service]
    ) -> None:
        published = {name: service["ports"] for name, service in services.items() if "ports" in service}
        assert list(published) == ["proxy", "prometheus"]
        assert [by_default(port) for port in published["proxy"]] == ["127.0.0.1:8000:8080"]
        assert published["prometheus"] == ["127.0.0.1:9090:9090"]
        assert "host" not in [service.get("network_mode") for service in services.values()]
        closed = {name for name, network in compose["networks"].items() if network.get("internal")}
        assert {name: set(service["networks"]) - closed for name, service in services.items()} == {
            "db": set(), "migrate": set(), "api": set(), "backup": set(),
            "proxy": {"outer"}, "prometheus": {"outer"},
        }  # fmt: skip
        assert not set(services["proxy"]["networks"]) & set(services["db"]["networks"])

    @pytest.mark.parametrize("name", ["db", "migrate", "api", "backup", "proxy", "prometheus"])
    def test_compose_services_have_only_the_rights_they_need(
        self, services: dict[str, Service], name: str
    ) -> None:
        service = services[name]
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"])
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["tmpfs"][0].startswith("/tmp:")
        assert not {"privileged", "cap_add", "pid", "ipc", "devices"} & set(service)

    def test_compose_runs_the_image_as_the_user_it_was_made_for(self, services: dict[str, Service]) -> None:
        user = only(FINAL, "USER").value
        assert (services["api"]["user"], services["migrate"]["user"]) == (user, user)

    def test_compose_has_no_secret_and_requires_each(self, services: dict[str, Service]) -> None:
        values = {
            (name, variable): value
            for name, service in services.items()
            for variable, value in service.get("environment", {}).items()
        }
        secrets = {key: value for key, value in values.items() if "PASSWORD" in key[1]}
        assert {name for name, _ in secrets} == {"db", "migrate", "api", "backup"}
        assert [value for value in secrets.values() if not re.fullmatch(r"\$\{\w+:\?set it\}", value)] == []
        addresses = {value for (_, variable), value in values.items() if variable.endswith("_URL")}
        # There is no replica, unless one is named.
        assert {by_default(address) for address in addresses} == {"postgresql://shop@db/shop", ""}

    def test_compose_names_in_the_example_what_can_be_set_and_no_value(self) -> None:
        example = (ROOT / ".env.example").read_text()
        variables = {(name, kind) for name, kind, _ in VARIABLE.findall(COMPOSE.read_text())}
        assert dict(re.findall(r"^(\w+)=(.*)$", example, re.M)) == {
            name: "" for name, kind in variables if kind == "?"
        }
        assert set(re.findall(r"^# (\w+)=$", example, re.M)) == {
            name for name, kind in variables if kind == "-"
        }

    def test_compose_starts_each_service_when_what_it_needs_is_there(
        self, services: dict[str, Service]
    ) -> None:
        needs = {
            name: {other: need["condition"] for other, need in service.get("depends_on", {}).items()}
            for name, service in services.items()
        }
        assert needs == {
            "db": {},
            "migrate": {"db": "service_healthy"},
            "api": {"migrate": "service_completed_successfully", "db": "service_healthy"},
            "backup": {"migrate": "service_completed_successfully"},
            "proxy": {"api": "service_healthy"},
            "prometheus": {},
        }
        assert services["migrate"]["restart"] == "no"

    def test_compose_has_a_health_check_for_each_service(self, services: dict[str, Service]) -> None:
        assert services["db"]["healthcheck"]["test"][1] == "pg_isready"
        assert services["proxy"]["healthcheck"]["test"][-1].endswith(":8080/readyz")
        assert services["migrate"]["healthcheck"] == {"disable": True}
        # Nothing here stands in the way of the image's own.
        assert "healthcheck" not in services["api"]

    def test_compose_mounts_existing_files_read_only(
        self, compose: dict[str, Any], services: dict[str, Service]
    ) -> None:
        for name in ("db", "proxy", "prometheus"):
            for source, *_, mode in (volume.split(":") for volume in services[name]["volumes"]):
                assert source in compose["volumes"] or ((ROOT / source).is_file() and mode == "ro")

    def test_compose_has_connections_for_twice_the_servers(self, services: dict[str, Service]) -> None:
        """New servers start before the old ones end. 10 more are for PostgreSQL and commands."""
        settings = services["api"]["environment"]
        each = [by_default(settings[f"FLUENT_CART_{name}"]) for name in ("WORKERS", "POOL_SIZE")]
        replicas = int(by_default(services["api"]["deploy"]["replicas"]))
        limit = by_default(services["db"]["command"][-1]).removeprefix("max_connections=")
        assert 2 * replicas * int(each[0]) * (int(each[1]) + MAX_STREAMS) + 10 <= int(limit)

    def test_compose_servers_trust_only_the_proxy(
        self, compose: dict[str, Any], services: dict[str, Service]
    ) -> None:
        subnets = [compose["networks"][name]["ipam"]["config"][0]["subnet"] for name in ("inner", "outer")]
        believed = by_default(services["api"]["environment"]["FLUENT_CART_FORWARDED_ALLOW_IPS"])
        # The outer network has the proxy and its gateway, which is this host.
        assert believed.split(",") == [by_default(subnet) for subnet in subnets]
        assert [ip_network(subnet).is_private for subnet in believed.split(",")] == [True, True]
        on = {
            name: {one for one, each in services.items() if name in each["networks"]}
            for name in ("inner", "outer")
        }
        # Prometheus is in the outer one to be reached, and the servers are not.
        assert on == {"inner": {"api", "proxy"}, "outer": {"proxy", "prometheus"}}

    def test_compose_sets_only_known_settings(self, services: dict[str, Service]) -> None:
        known = {f"FLUENT_CART_{name.upper()}" for name in Settings.model_fields}
        assert set(services["api"]["environment"]) - {"PGPASSWORD"} <= known

    def test_compose_passes_every_setting_on_with_its_default(self, services: dict[str, Service]) -> None:
        """Except for the settings of the image and the program."""
        given = services["api"]["environment"]
        own = {"HOST", "DEMO_HOST", "PORT", "RATE_LIMIT_FILE", "BACKUP_FOLDER"}
        other = {"DATABASE_URL", "WORKERS", "LOG_FORMAT", "METRICS_ALLOW", "FORWARDED_ALLOW_IPS"}
        for name, field in Settings.model_fields.items():
            if name.upper() not in own:
                value = by_default(given[f"FLUENT_CART_{name.upper()}"])
                assert value == str(field.default).replace("False", "false") or name.upper() in other

    def test_compose_allows_only_prometheus_to_read_replicas(
        self, compose: dict[str, Any], services: dict[str, Service]
    ) -> None:
        subnet = by_default(compose["networks"]["monitoring"]["ipam"]["config"][0]["subnet"])
        allowed = by_default(services["api"]["environment"]["FLUENT_CART_METRICS_ALLOW"]).split(",")
        assert allowed == [*Settings.model_fields["metrics_allow"].default.split(","), subnet]
        members = {name for name, service in services.items() if "monitoring" in service["networks"]}
        assert members == {"api", "prometheus"}
        scrape = (ROOT / "deploy/prometheus-compose.yml").read_text()
        assert f"names: [api], type: A, port: {only(FINAL, 'EXPOSE').value}" in scrape

    def test_compose_keeps_backups_in_a_volume_that_servers_only_read(
        self, services: dict[str, Service]
    ) -> None:
        assert services["backup"]["volumes"] == ["backups:/data/backups"]
        assert services["api"]["volumes"] == ["backups:/data/backups:ro"]
        command = services["backup"]["command"][0].replace("$$", "$")
        assert subprocess.run(["sh", "-n", "-c", command], check=False).returncode == 0
        assert all(service["logging"]["options"]["max-size"] for service in services.values())


class TestProxyConfiguration:
    def test_proxy_configuration_names_the_port_of_the_image_and_the_one_that_is_published(self) -> None:
        assert PROXY.count(ENTRY) == 1
        assert ENTRY.split()[1] == f"api:{only(FINAL, 'EXPOSE').value}"
        assert PROXY.count("listen 8080;") == 1

    def test_proxy_configuration_leaves_the_limit_of_bodies_to_the_server(self) -> None:
        (kilobytes,) = re.findall(r"client_max_body_size (\d+)k;", PROXY)
        assert MAX_BYTES < int(kilobytes) * 1024 < 2 * MAX_BYTES

    def test_proxy_configuration_gives_up_idle_connections_before_the_server_does(self) -> None:
        (seconds,) = re.findall(r"\n        keepalive_timeout (\d+)s;", PROXY)
        assert int(seconds) < uvicorn.Config("unused").timeout_keep_alive

    def test_proxy_configuration_sends_no_request_twice_that_may_have_happened(self) -> None:
        """By default nginx retries only idempotent requests. One word would change that."""
        assert re.findall(r"proxy_next_upstream (.*);", PROXY) == ["error timeout"]


class Deployment(NamedTuple):
    """Two servers behind the proxy."""

    proxy: str
    ports: tuple[int, int]
    servers: tuple["subprocess.Popen[bytes]", "subprocess.Popen[bytes]"]
    folder: Path

    def client(self, **options: Any) -> httpx.Client:
        """Return a manager who calls through the proxy, as the world sees it."""
        headers = {"Host": "shop.example"}
        return httpx.Client(base_url=self.proxy, auth=credentials("manager"), headers=headers, **options)

    def log(self) -> str:
        return (self.folder / "proxy.log").read_text()

    def wait_for_log(self, line: str) -> None:
        """Wait for the log line that the proxy writes after a response."""
        deadline = time.monotonic() + 5
        while line not in self.log():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.01)

    def answered_by(self) -> Counter[int]:
        """Return how many requests each server's port had answered."""
        return Counter(int(port) for port in re.findall(r'127\.0\.0\.1:(\d+)" "200"$', self.log(), re.M))


def is_healthy(port: int) -> bool:
    """Return the result of the image's healthcheck."""
    environment = {**os.environ, "FLUENT_CART_PORT": str(port)}
    return subprocess.run(health_command(), env=environment, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="class")
def database_url(postgres_template: str) -> Iterator[str]:
    """A shop for the whole class, one migration behind."""
    with psycopg.connect(f"{postgres_template}/postgres", autocommit=True) as connection:
        name = f"fluent_cart_{uuid4().hex}"
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY".encode())
        migrations.downgrade(url := f"{postgres_template}/{name}", "-1")
        yield url
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="class")
def deployment(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The processes of the compose file, in its order."""
    folder = tmp_path_factory.mktemp("deployment")
    environment = {
        **os.environ,
        "FLUENT_CART_DATABASE_URL": database_url,
        "FLUENT_CART_FORWARDED_ALLOW_IPS": believed_proxies(),
    }
    subprocess.run([COMMAND, "migrate"], cwd=folder, env=environment, check=True, capture_output=True)
    port, ports = free_port(), (free_port(), free_port())
    (configuration := folder / "nginx.conf").write_text(addressed(PROXY, port, ports))
    with ExitStack() as stack:

        def start(name: str, *command: str) -> "subprocess.Popen[bytes]":
            # To append to: nginx opens its standard output a second time.
            log = stack.enter_context((folder / f"{name}.log").open("ab"))
            process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
            stack.callback(process.wait, timeout=10)
            stack.callback(process.terminate)
            return process

        one, two = (start(f"server-{port}", COMMAND, "serve", "--port", str(port)) for port in ports)
        assert NGINX
        start("proxy", NGINX, "-e", "stderr", "-p", str(folder), "-c", str(configuration))
        deadline = time.monotonic() + START_SECONDS
        while not all(map(is_ready, (*ports, port))):
            assert time.monotonic() < deadline, [path.read_text() for path in folder.glob("*.log")]
            time.sleep(0.05)
        yield Deployment(f"http://127.0.0.1:{port}", ports, (one, two), folder)
    assert "Traceback" not in "".join(path.read_text() for path in folder.glob("server-*.log"))


def believed_proxies() -> str:
    """Return the compose file's setting, with addresses on this machine."""
    [value] = re.findall(r"FLUENT_CART_FORWARDED_ALLOW_IPS: (.*)", COMPOSE.read_text())
    here = {"INNER_SUBNET": INNER, "TRUSTED_PROXIES": TERMINATOR}
    return VARIABLE.sub(lambda found: here[found[1]], value)


def addressed(configuration: str, port: int, ports: tuple[int, int]) -> str:
    """Return the proxy's configuration with addresses on this machine, and otherwise as it is."""
    (line,) = re.findall(rf"^ *{ENTRY}(.*)$", configuration, re.M)
    entries = "\n".join(f"server 127.0.0.1:{port}{line}" for port in ports)
    return configuration.replace(f"{ENTRY}{line}", entries).replace(
        "listen 8080;", f"listen 127.0.0.1:{port};\n        proxy_bind {INNER};"
    )


@pytest.mark.server
@pytest.mark.skipif(not postgres.AVAILABLE, reason="THE PROXY WAS NOT TESTED: no PostgreSQL here")
@pytest.mark.skipif(NGINX is None, reason="THE PROXY WAS NOT TESTED: no nginx here")
class TestTwoServers:
    """In the order in which they are written: the last one leaves no server behind."""

    def test_two_servers_serve_one_shop(self, deployment: Deployment) -> None:
        emails = [f"{number}@one.example" for number in range(20)]
        with deployment.client() as client:
            made = [client.post(PREFIX, json={"email": email}) for email in emails]
            read = [client.get(f"{PREFIX}/{answer.json()['data']['customer']['id']}") for answer in made]
        assert [answer.status_code for answer in (*made, *read)] == [200] * 40
        assert [answer.json()["data"]["customer"]["email"] for answer in read] == emails
        assert min(deployment.answered_by()[port] for port in deployment.ports) >= 18
        for port in deployment.ports:
            answer = httpx.get(f"http://127.0.0.1:{port}{PREFIX}", auth=credentials("manager"))
            assert answer.headers["x-wp-total"] == "20"

    def test_two_servers_use_the_address_of_the_proxy(self, deployment: Deployment) -> None:
        with deployment.client() as client:
            for number in range(2):
                client.post(PREFIX, json={"email": f"{number}@called.example"})
            asked = {"X-Forwarded-Proto": "https", "X-Request-Id": "of-the-caller"}
            answer = client.get(PREFIX, params={"per_page": 1, "search": "called"}, headers=asked)
            plain = client.get(PREFIX, params={"per_page": 1})
            odd = client.get(PREFIX, headers={"X-Request-Id": "{odd}"})
            # The server's own limit, and the proxy's for what is far beyond it.
            refused = [client.post(PREFIX, content=b"x" * size) for size in (MAX_BYTES + 1, 2 * MAX_BYTES)]
        assert f"<https://shop.example{PREFIX}?per_page=1&search=called&page=2>" in answer.headers["link"]
        assert f"<http://shop.example{PREFIX}?per_page=1&page=2>" in plain.headers["link"]
        assert answer.headers["x-request-id"] == "of-the-caller"
        assert odd.headers["x-request-id"] != "{odd}"
        by_the_server, by_the_proxy = (set(response.headers) for response in refused)
        # The proxy knows of no user's bucket, and no route's methods.
        limits = {name for name in by_the_server if name.startswith("x-ratelimit-")}
        assert by_the_server - by_the_proxy - limits <= {"connection", "allow"}
        for response in refused:
            assert_error(response, 413, "payload_too_large", "The request body is larger than 1 MiB")
        for response in (answer, plain, odd, *refused):
            deployment.wait_for_log(response.headers["x-request-id"])
        assert "called" not in deployment.log()

    def test_call_that_reached_the_tls_proxy_in_clear_is_rejected(self, deployment: Deployment) -> None:
        with deployment.client() as client:
            clear = client.get(PREFIX, headers={"X-Forwarded-Proto": "http"})
            local = client.get(PREFIX)
            encrypted = client.get(f"{PREFIX}/999", headers={"X-Forwarded-Proto": "https"})
        assert_error(clear, 403, "https_required")
        assert local.status_code == 200
        assert "strict-transport-security" not in {*clear.headers, *local.headers}
        assert_error(encrypted, 404, "customer_not_found")
        assert encrypted.headers.get_list("strict-transport-security") == ["max-age=31536000"]

    @pytest.mark.parametrize(
        ("caller", "address"),
        [(TERMINATOR, "203.0.113.7"), ("127.0.0.4", "127.0.0.4")],
        ids=["tls", "stranger"],
    )
    def test_client_address_is_believed_from_the_tls_proxy_only(
        self, deployment: Deployment, caller: str, address: str
    ) -> None:
        transport = httpx.HTTPTransport(local_address=caller)
        said = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7", "X-Request-Id": uuid4().hex}
        with httpx.Client(transport=transport, base_url=deployment.proxy) as client:
            assert client.get(PREFIX, auth=("worker", "wrong"), headers=said).status_code == 401
        logs = "".join(path.read_text() for path in deployment.folder.glob("server-*.log"))
        lines = [line for line in logs.splitlines() if "authentication_failed" in line]
        [line] = [line for line in lines if said["X-Request-Id"] in line and '"address"' in line]
        assert json.loads(line)["address"] == address

    def test_no_read_fails_when_one_of_two_servers_dies(self, deployment: Deployment) -> None:
        """No write is lost or made twice. A write that was in flight is answered 503, once.

        Uvicorn sends the head of a response before its body. If it was cut between them, the proxy has passed
        the head on and cannot retry. Each caller can have at most one such response.
        """
        assert [is_healthy(port) for port in deployment.ports] == [True, True]
        stop, reads, writes, cut = threading.Event(), Counter[int](), Counter[int](), 0

        def status(client: httpx.Client, method: str, **sent: Any) -> int:
            try:
                return client.request(method, PREFIX, **sent).status_code
            except httpx.RemoteProtocolError:
                return cut

        def read() -> None:
            with deployment.client() as client:
                while not stop.is_set():
                    reads[status(client, "GET", params={"per_page": 1})] += 1

        def write() -> None:
            with deployment.client() as client:
                while not stop.is_set():
                    email = f"{writes.total()}@lost.example"
                    writes[status(client, "POST", json={"email": email})] += 1

        callers = [threading.Thread(target=caller) for caller in (read, read, read, write)]
        for caller in callers:
            caller.start()
        until(lambda: reads[200] >= 40 and writes[200] >= 10, "load")
        deployment.servers[0].kill()
        deployment.servers[0].wait()
        before, read_before, written_before = deployment.answered_by(), reads[200], writes[200]
        until(
            lambda: reads[200] - read_before >= 100 and writes[200] - written_before >= 10,
            "answers of the other server",
        )
        stop.set()
        for caller in callers:
            caller.join()
        after = deployment.answered_by()
        assert [is_healthy(port) for port in deployment.ports] == [False, True]
        assert set(reads) <= {200, cut}
        assert reads[cut] <= 3
        assert set(writes) <= {200, 503, cut}
        assert writes.total() - writes[200] <= 1
        assert [after[port] - before[port] > 20 for port in deployment.ports] == [False, True]

        with deployment.client() as client:
            total = int(client.get(PREFIX, params={"search": "lost.example"}).headers["x-wp-total"])
            assert writes[200] <= total <= writes.total()
            # Without any server, the proxy itself responds as the server would.
            deployment.servers[1].kill()
            deployment.servers[1].wait()
            rejected = client.get(PREFIX)
        assert_error(rejected, 503, "service_unavailable")
        assert rejected.headers["retry-after"] == "1"
        # The log of these failures has no search term.
        assert not re.search(r"per_page|lost\.example", deployment.log())
