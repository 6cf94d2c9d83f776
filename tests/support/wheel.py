"""The wheel of this checkout, installed as pip installs it: with its migrations, and without the checkout."""

import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT


def install(folder: Path) -> Path:
    """Build the wheel, install it into a new virtual environment in ``folder`` and return that.

    The environment of these tests has the packages that it needs.
    """
    build = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    _run(*build, "wheel", "--no-index", "--no-build-isolation", "--no-deps", "--wheel-dir", folder, ROOT)
    [wheel] = folder.glob("*.whl")
    environment = folder / "venv"
    _run(sys.executable, "-m", "venv", "--without-pip", environment)
    [packages] = environment.glob("lib/python*/site-packages")
    lent = Path(sys.prefix) / packages.relative_to(environment)
    (packages / "lent.pth").write_text(f"{lent.resolve()}\n")
    python = environment / "bin/python"
    _run(*build, "--python", python, "install", "--no-index", "--no-deps", "--ignore-installed", wheel)
    return environment


def _run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, cwd="/")
