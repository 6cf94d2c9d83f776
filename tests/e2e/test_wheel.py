"""The wheel is whole: a command outside of a checkout, without help from its environment."""

import subprocess
from pathlib import Path

import httpx
import pytest

from fluent_cart import __version__
from tests.support.guides import blocks
from tests.support.paths import ROOT
from tests.support.server import free_port, status, until

PLAIN = {"PATH": "/usr/bin:/bin"}


def test_command_prints_its_version(installed: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [installed / "bin/fluent-cart", "--version"],
        cwd=tmp_path,
        env=PLAIN,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"fluent-cart {__version__}\n"


@pytest.mark.server
def test_demo_is_served_outside_of_a_checkout(installed: Path, tmp_path: Path) -> None:
    """With its migrations, the docs page, the guides and the list of common passwords."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [installed / "bin/fluent-cart", "serve", "--demo", "--port", str(port)], cwd=tmp_path, env=PLAIN
    )
    try:
        until(lambda: status(f"{address}/readyz") == 200, "the demo of the wheel")
        auth = ("username", "application_password")
        customer = httpx.get(f"{address}/wp-json/fluent-cart/v2/customers/1", auth=auth)
        stats = httpx.get(f"{address}/wp-json/fluent-cart/v2/customers/get-stats/1", auth=auth)
        docs, script = httpx.get(f"{address}/docs"), httpx.get(f"{address}/docs/page.js")
        guide = httpx.get(f"{address}/guide/start")
    finally:
        process.terminate()
        process.wait(timeout=15)
    assert customer.json()["data"]["customer"]["email"] == "customer@example.com"
    [shown] = blocks(ROOT / "README.md", "json")
    assert stats.text == shown.strip()
    assert (docs.status_code, script.status_code, guide.status_code) == (200, 200, 200)


@pytest.mark.server
def test_first_shop_is_made_outside_of_a_checkout(installed: Path, tmp_path: Path) -> None:
    for command in (
        ("init", "--login", "ada", "--email", "ada@example.com"),
        ("users", "set-password", "ada", "--stdin"),
        ("check",),
    ):
        done = subprocess.run(
            [installed / "bin/fluent-cart", *command],
            cwd=tmp_path,
            env=PLAIN,
            input="correct horse battery staple",
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
