"""WordPress's own clients, installed once for all tests by Node's package manager."""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT

NODE, NPM = shutil.which("node"), shutil.which("npm")
AVAILABLE = bool(NODE and NPM)
SOURCES = ROOT / "tests" / "e2e" / "node"
# Next to the packages of pip, and deleted with them.
FOLDER = Path(sys.prefix) / "wordpress-clients"


class NotInstalled(Exception):
    """The clients are not on this machine, and the registry did not answer."""


def install() -> Path:
    """Return a folder with the clients, as the lock file has them, and with the scripts that use them."""
    FOLDER.mkdir(exist_ok=True)
    # Tests run in several processes.
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted, installed = (SOURCES / "package-lock.json").read_bytes(), FOLDER / "installed.json"
        for source in SOURCES.iterdir():
            if source.is_file():
                shutil.copy(source, FOLDER)
        if not installed.exists() or installed.read_bytes() != wanted:
            command = [str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
            done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=False)
            if done.returncode:
                raise NotInstalled(done.stderr.strip().splitlines()[-1:])
            installed.write_bytes(wanted)
    return FOLDER
