"""docs/operate.md: the commands work while a server runs, the units and the Caddyfile keep their promises.

``test_service_guides`` runs the commands that install the service.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from prometheus_client import REGISTRY, Metric

from fluent_cart import __version__
from fluent_cart.observability import metrics
from fluent_cart.observability.access_log import RequestLog
from fluent_cart.observability.request_context import RequestContext
from fluent_cart.observability.request_events import RequestEvent
from fluent_cart.wordpress.paths import PREFIX
from tests.support.errors import assert_error
from tests.support.paths import ROOT
from tests.support.server import COMMAND, demo_file_of, demo_server, free_port, server, until

OPERATE = (ROOT / "docs" / "operate.md").read_text()
UNITS = [path for path in sorted((ROOT / "deploy").rglob("fluent-cart*")) if path.suffix != ".sh"]
UNIT = (ROOT / "deploy" / "fluent-cart.service").read_text()
CADDYFILE = (ROOT / "deploy" / "Caddyfile").read_text()
TOOLS = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
SYSTEMD = shutil.which("systemd-analyze", path=TOOLS)
CADDY = shutil.which("caddy", path=TOOLS)
# Of a service that can do anything it is 9.6.
MAX_EXPOSURE = 1.5
DEMO = ("username", "application_password")


def blocks(page: str, language: str = "sh") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page, re.M | re.S)


def shell(script: str, folder: Path, **environment: str) -> str:
    """Run a page's commands in bash, and return their output. The first failing command is a failure."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env={**os.environ, "PATH": path, "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class TestOperate:
    @pytest.mark.server
    def test_commands_of_the_guide_work_while_a_server_runs(self, tmp_path: Path) -> None:
        written = [
            block
            for block in blocks(OPERATE)
            if not re.search("useradd|psql|fluent-cart init|pip install", block)
        ]
        assert len(written) == 4
        with demo_server(tmp_path) as address:
            url = f"sqlite:///{demo_file_of(tmp_path)}"
            # The demo's password is public, and the doctor says so.
            until(lambda: '"request"' in (tmp_path / "server.log").read_text(), "a line of a request")
            shell("sed -n '/^{/p' server.log > copy.log", tmp_path)
            script = re.sub(
                r"^(fluent-cart doctor\b[^#\n]*).*$", r"\1 || true", "".join(written), flags=re.M
            ).replace("http://127.0.0.1:8000", address)
            if shutil.which("jq") is None:
                pytest.skip("THE QUERY OF THE LOG WAS NOT TRIED: no jq here")
            script = script.replace("server.log", "copy.log")
            output = shell(script, tmp_path, FLUENT_CART_DATABASE_URL=url)
        assert "fluent_cart_http_request_duration_seconds_count" in output
        assert "demo: Anyone can sign in" in output
        assert '"login": "johndoe"' in output
        assert re.search(r"^\d+ [\d.]+ /readyz$", output, re.M)

    def test_every_metric_is_in_the_table(self) -> None:
        named = set(re.findall(r"`(fluent_cart_\w+)`", "".join(re.findall(r"^\| `.*$", OPERATE, re.M))))
        own = {family.name for family in collected()}
        counters = {"fluent_cart_refusals", "fluent_cart_dropped_log_lines", "fluent_cart_replica_reads"}
        assert named == {f"{name}_total" if name in counters else name for name in own}

    def test_log_line_in_the_guide_has_the_fields_of_the_log(self) -> None:
        (line, *_) = blocks(OPERATE, "json")
        log = RequestLog("json", written := Written())
        log.on_requests([RequestEvent(0, RequestContext("a"), "/", "GET", 200, 1, 0.1)])
        assert list(json.loads(line)) == list(json.loads(written.pieces[0]))

    def test_commands_have_the_exit_codes_of_the_guide(self, tmp_path: Path) -> None:
        codes = dict(re.findall(r"^\| (\d+) \| (.*) \|$", OPERATE, re.M))
        assert list(codes) == ["0", "1", "2", "130", "143"]
        for arguments, code in ((["--version"], 0), (["check"], 1), (["begin"], 2), (["restore"], 2)):
            done = subprocess.run([COMMAND, *arguments], cwd=tmp_path, capture_output=True, check=False)
            assert done.returncode == code

    @pytest.mark.server
    @pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 0)])
    def test_exit_codes_of_signals_are_those_of_a_shell(
        self, tmp_path: Path, sent: signal.Signals, code: int
    ) -> None:
        with server(tmp_path, "--demo") as running:
            running.process.send_signal(sent)
            ended = running.process.wait(timeout=15)
        assert (ended if ended >= 0 else 128 - ended) == code


class Written:
    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def __call__(self, piece: bytes) -> bool:
        self.pieces.append(piece)
        return True


def collected() -> list[Metric]:
    assert metrics.REQUESTS
    return [family for family in REGISTRY.collect() if family.name.startswith("fluent_cart_")]


class TestChangelog:
    LOG = (ROOT / "CHANGELOG.md").read_text()

    def test_changelog_has_this_version_and_unreleased(self) -> None:
        versions = re.findall(r"^## \[(.+?)\]", self.LOG, re.M)
        assert versions[0] == "Unreleased"
        assert __version__ in versions

    def test_changelog_has_kinds_of_changes_that_are_known(self) -> None:
        kinds = set(re.findall(r"^### (.+)$", self.LOG, re.M))
        assert kinds <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


@pytest.mark.parametrize("page", ["docs/operate.md", "docs/upgrade.md", "CHANGELOG.md"])
def test_links_of_the_operating_guides_have_targets(page: str) -> None:
    file = ROOT / page
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([^)]+))?\)", file.read_text()):
        linked = (file.parent / target).resolve() if target else file
        assert linked.is_file(), target
        titles = re.findall(r"^#+ (.+)$", linked.read_text(), re.M)
        assert not anchor or anchor in [
            re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles
        ]


class TestUnit:
    def test_service_serves_and_reloads(self) -> None:
        assert "ExecStart=/opt/fluent-cart/bin/fluent-cart serve --workers 2\n" in UNIT
        assert "ExecReload=/bin/kill -HUP $MAINPID\n" in UNIT
        # Longer than a process may take to end in good order, which is ten seconds.
        assert int(re.findall(r"TimeoutStopSec=(\d+)", UNIT)[0]) > 10

    @pytest.mark.skipif(SYSTEMD is None, reason="THE SYSTEMD UNIT WAS NOT CHECKED: no systemd-analyze here")
    def test_systemd_accepts_the_unit(self, tmp_path: Path) -> None:
        assert SYSTEMD
        for unit in UNITS:
            (tmp_path / unit.name).write_text(
                unit.read_text().replace("/opt/fluent-cart/bin/fluent-cart", COMMAND)
            )
        paths = [str(tmp_path / unit.name) for unit in UNITS]
        services = [path for path in paths if path.endswith(".service")]
        assert len(services) == 3
        for command in (
            ["verify", "--man=no", *paths],
            ["security", "--offline=yes", "--no-pager", f"--threshold={MAX_EXPOSURE * 10:.0f}", *services],
        ):
            done = subprocess.run([SYSTEMD, *command], capture_output=True, text=True, check=False)
            assert (done.returncode, done.stderr) == (0, ""), done.stdout


class Proxied(NamedTuple):
    """The demo behind Caddy, and the folder of both logs."""

    clear_port: int
    tls_port: int
    folder: Path

    def request(self, method: str, path: str, scheme: str = "https", **options: Any) -> httpx.Response:
        """Send a request to the shop's name, whose certificate is Caddy's own."""
        port = self.tls_port if scheme == "https" else self.clear_port
        headers = {"Host": "shop.example.com", **options.pop("headers", {})}
        with httpx.Client(verify=False) as client:
            return client.request(
                method,
                f"{scheme}://127.0.0.1:{port}{path}",
                headers=headers,
                extensions={"sni_hostname": "shop.example.com"},
                **options,
            )


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    """The Caddyfile as it is, but for the ports and the certificate."""
    folder = tmp_path_factory.mktemp("caddy")
    clear_port, tls_port = free_port(), free_port()
    here = f"admin off\nhttp_port {clear_port}\nhttps_port {tls_port}\nlocal_certs\nskip_install_trust\n"
    with demo_server(folder) as shop:
        configured = CADDYFILE.replace("admin off\n", here)
        configured = configured.replace("127.0.0.1:8000", shop.removeprefix("http://"))
        (folder / "Caddyfile").write_text(configured)
        assert CADDY
        with (folder / "caddy.log").open("wb") as log:
            command = [CADDY, "run", "--adapter", "caddyfile", "--config", "Caddyfile"]
            environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
            caddy = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
        try:
            shop_behind = Proxied(clear_port, tls_port, folder)
            until(lambda: is_ready(shop_behind), (folder / "caddy.log").read_text())
            yield shop_behind
        finally:
            caddy.terminate()
            caddy.wait(timeout=10)


@pytest.mark.server
@pytest.mark.skipif(CADDY is None, reason="THE CADDYFILE WAS NOT TESTED: no caddy here")
class TestCaddy:
    def test_proxy_serves_the_shop_but_not_its_metrics(self, proxied: Proxied) -> None:
        answer = proxied.request("GET", PREFIX, params={"per_page": 1}, auth=DEMO)
        assert answer.status_code == 200
        assert f"<https://shop.example.com{PREFIX}?per_page=1&page=2>" in answer.headers["link"]
        assert proxied.request("GET", "/metrics").status_code == 401
        assert proxied.request("GET", "/metrics", auth=DEMO).status_code == 200

    @pytest.mark.parametrize("path", ["/docs", f"{PREFIX}/999", "/nothing"])
    def test_https_is_the_only_scheme_for_a_year(self, proxied: Proxied, path: str) -> None:
        answer = proxied.request("GET", path, auth=DEMO)
        assert answer.headers["strict-transport-security"] == "max-age=31536000"

    @pytest.mark.parametrize(
        ("method", "path", "auth"),
        [
            ("GET", PREFIX, DEMO),
            ("GET", PREFIX, None),
            ("GET", "/wp-json/", None),
            ("GET", "/?rest_route=/fluent-cart/v2/customers", None),
            ("GET", "/index.php?rest_route=/fluent-cart/v2/customers", None),
            ("POST", PREFIX, None),
            ("POST", "/wp-login.php", None),
            ("GET", "/metrics", DEMO),
        ],
    )
    def test_call_in_clear_is_rejected_and_not_redirected(
        self, proxied: Proxied, method: str, path: str, auth: tuple[str, str] | None
    ) -> None:
        answer = proxied.request(method, path, "http", auth=auth)
        assert_error(answer, 403, "https_required")

    @pytest.mark.parametrize("path", ["/", "/docs", "/wp-login.php?redirect_to=/docs"])
    def test_page_in_clear_is_redirected(self, proxied: Proxied, path: str) -> None:
        answer = proxied.request("GET", path, "http")
        assert (answer.status_code, answer.headers["location"]) == (308, f"https://shop.example.com{path}")

    def test_proxy_trusts_no_client_header_and_logs_no_search(self, proxied: Proxied) -> None:
        folder = proxied.folder
        said = {"X-Forwarded-For": "192.0.2.9", "X-Request-Id": "spoofed"}
        proxied.request("GET", PREFIX, params={"search": "Canary"}, headers=said)
        time.sleep(0.2)
        lines = [
            json.loads(line) for line in (folder / "server.log").read_text().splitlines() if line[0] == "{"
        ]
        (refusal,) = [line for line in lines if line.get("outcome") and line["request_id"] == "spoofed"]
        assert refusal["address"] == "127.0.0.1"
        assert "Canary" not in (folder / "caddy.log").read_text() + (folder / "server.log").read_text()


def is_ready(proxied: Proxied) -> bool:
    try:
        return proxied.request("GET", "/readyz").status_code == 200
    except httpx.TransportError:
        return False
