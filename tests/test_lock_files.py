"""Guarantee F1: every dependency is installed in the tested version, by its hashes."""

import re

import pytest

from tests.support.paths import ROOT

LOCKS = sorted(path.name for path in ROOT.glob("requirements*.lock"))


def test_each_purpose_has_a_lock_file() -> None:
    assert LOCKS == ["requirements-bench.lock", "requirements-dev.lock", "requirements.lock"]


@pytest.mark.parametrize("name", LOCKS)
def test_every_dependency_has_its_version_and_hashes(name: str) -> None:
    lines = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
    required = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    assert len(required) > 20
    for line in required:
        assert re.match(r"[a-z0-9.\-]+(\[[a-z,]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", line), line


def test_lock_file_names_extras() -> None:
    # With only "coverage" pinned, pip 23 takes the newest "coverage[toml]", and then misses its hash.
    assert "\ncoverage[toml]==" in (ROOT / "requirements-dev.lock").read_text()


@pytest.mark.parametrize("name", LOCKS)
def test_lock_files_have_no_index_address(name: str) -> None:
    assert not re.search(r"://|--(extra-)?index|--find-links", (ROOT / name).read_text())
