"""deploy/: alerts, dashboard and scrape configurations are about metrics that a loaded server has."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.conftest import credentials
from tests.support.paths import ROOT
from tests.support.server import demo_file_of, free_port, server, until

DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "alerts.yml"
DASHBOARD = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
TOOLS = os.pathsep.join([os.environ["PATH"], "/usr/sbin"])
PROMTOOL, PROMETHEUS = (shutil.which(name, path=TOOLS) for name in ("promtool", "prometheus"))
METRIC = re.compile(r"\b((?:fluent_cart|process)_\w+)")
CUSTOMERS = "/wp-json/fluent-cart/v2/customers"
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="THE ALERTS WERE NOT CHECKED: no promtool here")


def queries() -> list[str]:
    """Return the dashboard's expressions, with its variables as Grafana fills them in."""
    found = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return [each.replace("$__rate_interval", "1m").replace("$job", ".*") for each in found]


class Loaded(NamedTuple):
    address: str
    folder: Path

    def metrics(self) -> str:
        return httpx.get(f"{self.address}/metrics").text


def ask(address: str) -> None:
    """Send requests of several kinds, each on a connection of its own."""
    demo = ("username", "application_password")
    with httpx.Client(
        base_url=f"{address}{CUSTOMERS}", limits=httpx.Limits(max_keepalive_connections=0)
    ) as client:
        for number in range(20):
            client.get("/1", auth=demo)
            client.get("/999", auth=demo)
            client.get("", auth=credentials("manager"))
            client.post("", auth=demo, json={"email": f"{number}@loaded.example"})


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loaded]:
    """A server of two workers that has had some requests, and a backup."""
    folder = tmp_path_factory.mktemp("loaded")
    (folder / "backups").mkdir()
    (folder / "backups/Mon.backup").touch()
    environment = {"TMPDIR": str(folder), "FLUENT_CART_LOG_FORMAT": "json"}
    with server(folder, "--demo", "--workers", "2", environment=environment) as running:
        assert demo_file_of(folder)
        ask(running.address)
        yield Loaded(running.address, folder)


@pytest.mark.server
def test_every_metric_of_alerts_and_dashboard_is_one_of_a_loaded_server(loaded: Loaded) -> None:
    used = set(METRIC.findall(RULES.read_text() + json.dumps(queries())))
    assert len(used) > 15
    text = loaded.metrics()
    assert [name for name in sorted(used) if not re.search(rf"^{name}[{{ ]", text, re.M)] == []


def test_every_alert_has_a_time_a_severity_and_words() -> None:
    yaml = pytest.importorskip("ruamel.yaml", reason="THE ALERTS WERE NOT READ: no YAML reader here")
    [group] = yaml.YAML(typ="safe").load(RULES)["groups"]
    for rule in group["rules"]:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}, rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description"}


def test_every_panel_has_a_place_of_its_own() -> None:
    places = [tuple(panel["gridPos"].values()) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places) == len({panel["id"] for panel in DASHBOARD["panels"]})


@needs_promtool
def test_alerts_and_configurations_are_valid() -> None:
    assert PROMTOOL
    for command in (
        ["check", "rules", "--lint-fatal", str(RULES)],
        *(["check", "config", str(file)] for file in sorted(DEPLOY.glob("prometheus*.yml"))),
    ):
        done = subprocess.run([PROMTOOL, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_alerts_fire_when_they_should_and_not_before(tmp_path: Path) -> None:
    assert PROMTOOL
    shutil.copy(RULES, tmp_path)
    tests = shutil.copy(ROOT / "tests/data/alerts_test.yml", tmp_path)
    done = subprocess.run([PROMTOOL, "test", "rules", tests], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.server
def test_metrics_follow_the_rules_of_prometheus(loaded: Loaded) -> None:
    assert PROMTOOL
    done = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=loaded.metrics(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.server
@pytest.mark.skipif(PROMETHEUS is None, reason="THE DASHBOARD'S QUERIES WERE NOT RUN: no prometheus here")
def test_every_query_of_the_dashboard_answers(loaded: Loaded, tmp_path: Path) -> None:
    """With the scrape configuration as it is, but for the address and the interval."""
    text = (DEPLOY / "prometheus.yml").read_text().replace("15s", "1s")
    text = text.replace("127.0.0.1:8000", loaded.address.removeprefix("http://"))
    (tmp_path / "prometheus.yml").write_text(text)
    shutil.copy(RULES, tmp_path)
    port = free_port()
    api = f"http://127.0.0.1:{port}/api/v1"
    assert PROMETHEUS
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [PROMETHEUS, "--config.file=prometheus.yml", "--storage.tsdb.path=data",
             f"--web.listen-address=127.0.0.1:{port}"],
            cwd=tmp_path, stdout=log, stderr=log,
        )  # fmt: skip
    try:

        def answers(query: str) -> bool:
            try:
                answer = httpx.get(f"{api}/query", params={"query": query})
            except httpx.TransportError:
                return False
            if answer.status_code == 200 and answer.json()["data"]["result"]:
                return True
            ask(loaded.address)
            return False

        for query in queries():
            until(lambda query=query: answers(query), query)  # type: ignore[misc]
        rules = httpx.get(f"{api}/rules").json()["data"]["groups"][0]["rules"]
        assert {rule["health"] for rule in rules} <= {"ok", "unknown"}
    finally:
        process.terminate()
        process.wait(timeout=20)
