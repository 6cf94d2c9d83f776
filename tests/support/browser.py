"""Chromium in tests: its path, and axe's findings on a page."""

import shutil
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.clients import tools

# Enough time for a busy machine.
expect.set_options(timeout=30_000)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="THE PAGES WERE NOT TESTED: no Chromium on this machine"
)


def assert_accessible(page: Page) -> None:
    """By axe, of WCAG 2 at levels A and AA."""
    if not page.evaluate("'axe' in window"):
        page.evaluate((tools.node_modules() / "axe-core" / "axe.min.js").read_text())
    found: dict[str, Any] = page.evaluate("axe.run(document, {runOnly: ['wcag2a', 'wcag2aa']})")
    # A page with a heading and one link has a dozen.
    assert len(found["passes"]) > 10
    violations = {each["id"]: [node["html"] for node in each["nodes"]] for each in found["violations"]}
    assert violations == {}
