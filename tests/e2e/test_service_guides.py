"""docs/operate.md, upgrade.md and back-up.md: root's commands, as printed, on SQLite and on PostgreSQL."""

import re
import sys
from pathlib import Path

import pytest

from tests.support import postgres, sandbox
from tests.support.guides import blocks
from tests.support.paths import ROOT

OPERATE, UPGRADE, BACK_UP = (ROOT / "docs" / f"{name}.md" for name in ("operate", "upgrade", "back-up"))
# The only command that needs an index of packages. These tests provide the packages instead.
LOCKED = "/opt/fluent-cart/bin/pip install --require-hashes -r requirements.lock"
LEND = "echo {packages} > $(echo /opt/fluent-cart/lib/python3*/site-packages)/lent.pth"
POSTGRESQL_ONLY = re.compile(r"psql|createdb|postgresql:")
SQLITE_ONLY = re.compile(r"sqlite:|--force")
# No systemd runs here, so a function does what the units say: it starts, stops and reloads the server, and
# makes the backup. The units themselves are checked by systemd-analyze in test_operate_guide.
SYSTEMD = r"""
unit() { sed -n "s/^$2=//p" "/etc/systemd/system/$1"; }
as_unit() {
    (cd "$(unit "$1" WorkingDirectory)" && umask "$(unit fluent-cart.service UMask)" &&
        exec runuser -u "$(unit "$1" User)" -- env -i HOME=/var/lib/fluent-cart PATH=/usr/bin:/bin \
            bash -c "$(unit "$1" ExecStart | sed 's/\$\$/$/g; s/%%/%/g; s/^/exec /')")
}
ready() { curl -fs --retry 60 --retry-delay 1 --retry-connrefused http://127.0.0.1:8000/readyz >/dev/null; }
server() { pgrep -u fluent-cart -o -f 'fluent-cart serve'; }
systemctl() {
    case "$*" in
        "enable --now fluent-cart fluent-cart-backup.timer"|"start fluent-cart")
            as_unit fluent-cart.service >>/tmp/serve.log 2>&1 & ready ;;
        "stop fluent-cart.socket fluent-cart") kill "$(server)"; wait; ! server ;;
        "reload fluent-cart") kill -HUP "$(server)"; ready ;;
        "start fluent-cart-backup") as_unit fluent-cart-backup.service ;;
        "daemon-reload"|"list-timers fluent-cart-backup.timer") ;;
        *) echo "systemctl $*: not in the units" >&2; return 1 ;;
    esac
}
mount -t tmpfs tmpfs /tmp
"""
CLUSTER = r"""
chown postgres /run && install -d -o postgres /run/postgresql /tmp/cluster
runuser -u postgres -- {binaries}/initdb -D /tmp/cluster -A scram-sha-256 --auth-local=peer -E UTF8 \
    --locale=C.UTF-8 >/dev/null
runuser -u postgres -- {binaries}/pg_ctl -D /tmp/cluster -w -o '-c unix_socket_directories=/run/postgresql' \
    -l /tmp/cluster/log start >/dev/null
"""


def commands(page: Path, database: str, *having: str) -> str:
    """Return the blocks of a page for a kind of database, with ``having`` only those with such a text."""
    other = POSTGRESQL_ONLY if database == "sqlite" else SQLITE_ONLY
    found = [block for block in blocks(page) if not other.search(block)]
    script = "".join(block for block in found if not having or any(text in block for text in having))
    assert script
    packages = Path(sys.prefix) / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    return script.replace(LOCKED, LEND.format(packages=packages.resolve()))


@pytest.fixture(scope="module", autouse=True)
def _sandbox(tmp_path_factory: pytest.TempPathFactory) -> None:
    if not sandbox.is_available(tmp_path_factory.mktemp("try")):
        pytest.skip("THE GUIDES OF THE SERVICE WERE NOT RUN: root has no namespaces and overlays here")
    if Path("/usr/bin/python3").resolve().name != f"python{sys.version_info[0]}.{sys.version_info[1]}":
        pytest.skip("THE GUIDES OF THE SERVICE WERE NOT RUN: python3 is not the version of these tests")


@pytest.mark.server
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_service_is_installed_backed_up_upgraded_and_restored_as_printed(
    tmp_path: Path, database: str
) -> None:
    is_server = database == "postgresql"
    if is_server and not postgres.BINARIES:
        pytest.skip("THE GUIDES OF THE SERVICE WERE NOT RUN ON POSTGRESQL: it is not installed")
    script = "\n".join(
        [
            SYSTEMD,
            CLUSTER.format(binaries=postgres.BINARIES) if is_server else "",
            commands(OPERATE, database, "useradd", "psql", "fluent-cart init"),
            "ls -l /var/lib/fluent-cart",
            commands(BACK_UP, database),
            "ls /var/lib/fluent-cart/backups",
            commands(UPGRADE, database),
            "fluent-cart users list",
            "cat /var/lib/fluent-cart/.env; find /var/lib/fluent-cart ! -user fluent-cart",
        ]
    )
    done = sandbox.run(script, tmp_path, ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    shop = "postgresql://shop@127.0.0.1/shop" if is_server else "sqlite:///fluent-cart.db"
    assert f"The shop is {shop}.\n" in done.stdout
    restored = shop + ("_before" if is_server else "")
    assert f"{restored} is restored: 1 users, 1 application passwords" in done.stdout
    assert re.search(r"^(Mon|Tue|Wed|Thu|Fri|Sat|Sun)\.backup$", done.stdout, re.M)
    assert not re.search(r"^failure ", done.stdout, re.M)
    # The last command lists files of root in the folder. There are none.
    assert done.stdout.endswith(
        "postgresql://shop@127.0.0.1/shop_before\n" if is_server else "administrator\n"
    )
