"""Only the owner reads the files of a SQLite database."""

import os
from pathlib import Path

import pytest

from fluent_cart.database import migrations


@pytest.mark.skipif(os.name == "nt", reason="Windows has no modes")
def test_database_and_files_next_to_it_are_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        migrations.upgrade(f"sqlite:///{tmp_path}/shop.db")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes
    assert set(modes.values()) == {0o600}, modes
