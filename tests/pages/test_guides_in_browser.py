"""The guides as people see them: in Chromium, wide and on a phone."""

from typing import Literal

import pytest
from playwright.sync_api import Browser

from fluent_cart.pages import guides
from tests.support.browser import assert_accessible, needs_browser

WINDOWS: list[tuple[int, Literal["light", "dark"]]] = [(1400, "light"), (390, "dark")]


@pytest.mark.server
@pytest.mark.browser
@needs_browser
def test_every_guide_is_accessible_and_nothing_is_out_of_sight(browser: Browser, address: str) -> None:
    # Without the policy of the pages, because axe sets styles while it measures tables.
    page = browser.new_page(bypass_csp=True)
    for path in ("/guide", *(f"/guide/{name}" for name in guides.index())):
        page.goto(address + path)
        for width, scheme in WINDOWS:
            page.set_viewport_size({"width": width, "height": 844})
            page.emulate_media(color_scheme=scheme)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path, width)
            assert_accessible(page)
    page.close()
