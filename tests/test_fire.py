"""Heavy bars that have no other everyday form, each once and briefly; `make fire` tries all in earnest."""

import re
from pathlib import Path

import pytest

from fluent_cart.settings import Settings
from tests import postgres
from tests.fire import sabotage
from tests.fire.__main__ import MISSING
from tests.fire.bars import BARS, Scale
from tests.fire.everyday import EVERYDAY, ROOT, Everyday
from tests.fire.mutants import MUTANTS
from tests.fire.shops import POSTGRESQL, SQLITE, Shop, Shops

SHORT = Scale(cycles=1, rounds=1, seconds=0.5)
# Times are for a machine that does nothing else.
TIMES = ("s", "ms")

pytestmark = pytest.mark.server


async def assert_held(name: str, shop: Shop) -> None:
    [bar] = (bar for bar in BARS if bar.name == name)
    figures = await bar.run(shop, SHORT)
    assert [figure for figure in figures if not figure.held and figure.unit not in TIMES] == []
    assert (shop.violations(), shop.tracebacks) == ({}, 0)


@pytest.mark.parametrize("name", ["A7", "E2", "E7"])
async def test_on_sqlite(name: str, sqlite_template: Path, tmp_path: Path) -> None:
    await assert_held(name, Shops(tmp_path, sqlite_template).fresh(SQLITE, name))


@pytest.mark.skipif(not postgres.AVAILABLE, reason="no PostgreSQL")
@pytest.mark.parametrize("name", ["E5"])
async def test_on_postgresql(name: str, postgres_settings: Settings, tmp_path: Path) -> None:
    await assert_held(name, Shop(POSTGRESQL, postgres_settings.database_url, tmp_path))


def test_bars_have_one_name_each_and_are_run_or_not() -> None:
    names = [bar.name for bar in BARS]
    assert len(set(names)) == len(names)
    assert not set(names) & MISSING.keys()


@pytest.mark.parametrize("bar", EVERYDAY, ids=[bar.name for bar in EVERYDAY])
def test_bars_of_the_everyday_suite_name_tests_that_exist(bar: Everyday) -> None:
    for test in bar.tests:
        file, *names = test.split("::")
        text = (ROOT / file).read_text()
        assert all(f"class {name}" in text or f"def {name}(" in text for name in names), test


def test_the_page_of_bars_names_all_of_them_and_files_that_exist() -> None:
    page = (ROOT / "docs" / "bars.md").read_text()
    ranges = re.findall(r"\b([A-F]\d+)(?: to ([A-F]\d+))?", page)
    told = {name for first, last in ranges for name in between(first, last)}
    names = [bar.name for bar in BARS] + [bar.name for bar in EVERYDAY]
    assert {name.removesuffix("b") for listed in names for name in listed.split(", ")} <= told
    homes = [ROOT, ROOT / "tests", ROOT / "src/fluent_cart"]
    files = re.findall(r"`((?:\w+/)*\w+\.py)", page)
    assert [file for file in files if not any((home / file).exists() for home in homes)] == []


def between(first: str, last: str) -> list[str]:
    return [f"{first[0]}{number}" for number in range(int(first[1:]), int((last or first)[1:]) + 1)]


def test_what_is_sabotaged_is_there() -> None:
    """A text that has changed would sabotage nothing."""
    changes = [change for each in sabotage.LIST for change in each.changes]
    changes += [sabotage.Change(f"{sabotage.PACKAGE}/{file}", old, new) for file, old, new in MUTANTS]
    assert [change for change in changes if change.old not in (ROOT / change.file).read_text()] == []
