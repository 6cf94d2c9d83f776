"""Guarantees that only the stress suite measures, each once and briefly."""

import re
from pathlib import Path

import pytest

from fluent_cart.settings import Settings
from tests.stress.__main__ import MISSING
from tests.stress.defects import DEFECTS, Defect
from tests.stress.everyday import EVERYDAY, Everyday
from tests.stress.guarantees import GUARANTEES, Scale
from tests.stress.shops import POSTGRESQL, SQLITE, Shop, Shops
from tests.support import postgres
from tests.support.paths import ROOT

SHORT = Scale(cycles=1, rounds=1, seconds=0.5)
# Times are for a machine that does nothing else.
TIMES = ("s", "ms")

pytestmark = pytest.mark.server


async def assert_held(name: str, shop: Shop) -> None:
    [guarantee] = (guarantee for guarantee in GUARANTEES if guarantee.name == name)
    figures = await guarantee.run(shop, SHORT)
    assert [figure for figure in figures if not figure.held and figure.unit not in TIMES] == []
    assert (shop.violations(), shop.tracebacks) == ({}, 0)


@pytest.mark.parametrize("name", ["A7", "E2", "E7"])
async def test_guarantee_holds_on_sqlite(name: str, sqlite_template: Path, tmp_path: Path) -> None:
    await assert_held(name, Shops(tmp_path, sqlite_template).fresh(SQLITE, name))


@pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")
@pytest.mark.parametrize("name", ["E5"])
async def test_guarantee_holds_on_postgresql(name: str, postgres_settings: Settings, tmp_path: Path) -> None:
    await assert_held(name, Shop(POSTGRESQL, postgres_settings.database_url, tmp_path))


def test_guarantees_have_unique_names() -> None:
    names = [guarantee.name for guarantee in GUARANTEES]
    assert len(set(names)) == len(names)
    assert not set(names) & MISSING.keys()


@pytest.mark.parametrize("guarantee", EVERYDAY, ids=[guarantee.name for guarantee in EVERYDAY])
def test_everyday_guarantees_name_existing_tests(guarantee: Everyday) -> None:
    for test in guarantee.tests:
        file, *names = test.split("::")
        text = (ROOT / file).read_text()
        assert all(f"class {name}" in text or f"def {name}(" in text for name in names), test


def test_guarantees_page_names_every_guarantee_and_existing_files() -> None:
    page = (ROOT / "docs" / "guarantees.md").read_text()
    ranges = re.findall(r"\b([A-F]\d+)(?: to ([A-F]\d+))?", page)
    mentioned = {name for first, last in ranges for name in between(first, last)}
    names = [guarantee.name for guarantee in GUARANTEES] + [guarantee.name for guarantee in EVERYDAY]
    assert {name.removesuffix("b") for listed in names for name in listed.split(", ")} <= mentioned
    homes = [ROOT, ROOT / "tests", ROOT / "src/fluent_cart"]
    files = re.findall(r"`((?:\w+/)*\w+\.py)", page)
    assert [file for file in files if not any((home / file).exists() for home in homes)] == []


def between(first: str, last: str) -> list[str]:
    return [f"{first[0]}{number}" for number in range(int(first[1:]), int((last or first)[1:]) + 1)]


@pytest.mark.parametrize("defect", DEFECTS, ids=[f"{each.guarantee}-{each.name}" for each in DEFECTS])
def test_defects_replace_existing_names(defect: Defect, monkeypatch: pytest.MonkeyPatch) -> None:
    defect.apply(monkeypatch.setattr)
