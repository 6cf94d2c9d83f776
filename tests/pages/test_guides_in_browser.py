"""The guides as people see them: in Chromium, wide and on a phone."""

from typing import Literal

import pytest
from playwright.sync_api import Browser

from fluent_cart.pages import guides
from tests.support.browser import assert_accessible, needs_browser


@pytest.mark.server
@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize(("width", "scheme"), [(1400, "light"), (390, "dark")], ids=["wide", "phone"])
def test_every_guide_is_accessible_and_nothing_is_out_of_sight(
    browser: Browser, address: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    # Without the policy of the pages, because axe sets styles while it measures tables.
    page = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=scheme, bypass_csp=True)
    for path in ("/guide", *(f"/guide/{name}" for name in guides.index())):
        page.goto(address + path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert_accessible(page)
    page.close()
