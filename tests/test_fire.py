"""Heavy bars that have no other everyday form, each once and briefly; `make fire` tries all in earnest."""

from pathlib import Path

import pytest

from fluent_cart.settings import Settings
from tests import postgres
from tests.fire.__main__ import MISSING
from tests.fire.bars import BARS, Scale
from tests.fire.everyday import EVERYDAY, ROOT, Everyday
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
