"""The clients that WordPress itself is used with, run by Node against the real server."""

import os
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest

from fluent_cart import demo
from fluent_cart.wordpress.field_aliases import BULK_ACTIONS, NAMES, SORT_FIELDS
from tests.support import nodejs
from tests.support.paths import ROOT
from tests.support.server import demo_server

TESTS = {"api-fetch": 9, "nonce": 4, "wpapi": 6}
PAGE = (ROOT / "docs" / "wordpress-clients.md").read_text()


class TestPage:
    def test_page_lists_every_alias_of_a_field(self) -> None:
        _, _, table = PAGE.partition("## The live plugin's names")
        for operation, names in NAMES.items():
            # An action has its usual name, and other values. A batch has the names of its items.
            for name in set(names) - {"action", "create", "update"}:
                assert f"`{name}" in table, (operation, name)
        for name, documented in (SORT_FIELDS | BULK_ACTIONS).items():
            assert name in table
            assert documented in table


def test_every_script_is_run() -> None:
    assert {path.name.partition(".")[0] for path in nodejs.SOURCES.glob("*.test.mjs")} == set(TESTS)


@pytest.mark.server
@pytest.mark.skipif(not nodejs.AVAILABLE, reason="WORDPRESS CLIENTS WERE NOT TESTED: no node or no npm here")
def test_real_wordpress_clients_work(tmp_path: Path) -> None:
    try:
        folder = nodejs.install()
    except nodejs.NotInstalled as error:
        pytest.skip(f"WORDPRESS CLIENTS WERE NOT TESTED: npm could not install them: {error}")
    basic = b64encode(f"{demo.LOGIN}:{demo.SECRET}".encode()).decode()
    with demo_server(tmp_path) as address:
        shop = {
            "SITE": address,
            "LOGIN": demo.LOGIN,
            "SECRET": demo.SECRET,
            "PASSWORD": demo.LOGIN_PASSWORD,
            "AUTHORIZATION": f"Basic {basic}",
        }
        for client, number in TESTS.items():
            done = subprocess.run(
                [str(nodejs.NODE), "--test-reporter=tap", f"{client}.test.mjs"],
                cwd=folder,
                env={"PATH": os.environ["PATH"], **shop},
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert f"# pass {number}" in done.stdout.splitlines(), done.stdout
