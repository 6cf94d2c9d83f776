"""docs/architecture.md is true: its picture, its packages, and its walk of one request."""

import re
import sys
from itertools import pairwise
from pathlib import Path
from types import FrameType

import httpx

import fluent_cart
from tests.conftest import MakeAddress, MakeCustomer
from tests.support.login import OnSQLite
from tests.support.paths import ROOT
from tests.test_imports import LAYERS

PAGE = (ROOT / "docs" / "architecture.md").read_text()
PACKAGE = Path(fluent_cart.__file__).parent
# A file below the package, and a class or a function in it.
WALK = re.findall(r"^\| `(\w+/\w+\.py)` \| `([\w.]+)` \|", PAGE, re.MULTILINE)


def test_every_arrow_of_the_picture_is_an_allowed_import() -> None:
    [picture] = re.findall(r"```mermaid\nflowchart TD\n(.*?)```", PAGE, re.DOTALL)
    arrows = []
    for line in picture.splitlines():
        steps = [re.findall(r"\w+", step) for step in line.split("-->")]
        arrows += [
            (upper, lower) for uppers, lowers in pairwise(steps) for upper in uppers for lower in lowers
        ]
    allowed = {
        (upper, lower.partition(".")[0]) for upper, lowers in LAYERS.items() for lower in lowers.split()
    }
    assert set(arrows) - allowed == set()
    assert {layer for layer in LAYERS if not layer.startswith("__")} == {
        each for pair in arrows for each in pair
    }


def test_table_of_packages_names_every_package_and_module() -> None:
    named = set(re.findall(r"`(\w+)(?:/|\.py)`", PAGE))
    assert {layer for layer in LAYERS if not layer.startswith("__")} - named == set()


class TestWalk(OnSQLite):
    async def test_walk_of_the_architecture_page_is_that_of_a_request(
        self, manager: httpx.AsyncClient, make_customer: MakeCustomer, make_address: MakeAddress
    ) -> None:
        customer = await make_customer(email="ann@example.com")
        await make_address(customer["id"])
        calls: list[tuple[str, str]] = []

        def note(frame: FrameType, event: str, _: object) -> None:
            if event == "call" and frame.f_code.co_filename.startswith(f"{PACKAGE}/"):
                file = Path(frame.f_code.co_filename).relative_to(PACKAGE).as_posix()
                calls.append((file, frame.f_code.co_qualname))

        sys.setprofile(note)
        try:
            response = await manager.put("/1/address", json={"address": {"id": 1, "city": "Bonn"}})
        finally:
            sys.setprofile(None)
        assert response.status_code == 200
        # No server is in front of the application here.
        (_, server_class), *walk = WALK
        assert f"class {server_class}(" in (PACKAGE / "server/protocol.py").read_text()
        assert [calls.index(step) for step in walk] == sorted(calls.index(step) for step in walk)
