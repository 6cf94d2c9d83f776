"""The docs page: served from the package, and usable in a browser that reaches nothing but the server."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect, sync_playwright

from fluent_cart import demo
from tests.conftest import MakeClient
from tests.server import demo_server
from tests.test_sign_in_guide import SCRIPT

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class TestPage:
    async def test_all_it_loads_comes_from_the_server(self, client_of: MakeClient) -> None:
        async with client_of(prefix="") as client:
            page = (await client.get("/docs")).text
            assets = re.findall(r'(?:src|href)="([^"]+)"', page)
            assert len(assets) == 3
            for asset in assets:
                assert asset.startswith("/docs/assets/")
                assert (await client.get(asset)).status_code == 200

    async def test_the_root_leads_to_it(self, client_of: MakeClient) -> None:
        async with client_of(prefix="") as client:
            response = await client.get("/")
        assert (response.status_code, response.headers["location"]) == (307, "/docs")


@pytest.fixture
def page(tmp_path: Path) -> Iterator[tuple[Page, str, list[str]]]:
    """A browser page, the server's address, and the foreign addresses that the page asked for in vain."""
    foreign: list[str] = []
    with demo_server(tmp_path) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"],
        )
        page = browser.new_page()
        page.set_default_timeout(10_000)

        def only_the_server(route: Route) -> None:
            if route.request.url.startswith((f"{address}/", "data:")):
                route.continue_()
            else:
                foreign.append(route.request.url)
                route.abort()

        page.route("**/*", only_the_server)
        yield page, address, foreign
        browser.close()


@pytest.mark.server
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="THE DOCS PAGE WAS NOT TESTED: no Chromium on this machine")
def test_authorize_and_try_it_out(page: tuple[Page, str, list[str]]) -> None:
    browser, address, foreign = page
    browser.goto(f"{address}/docs")
    expect(browser.get_by_role("heading", name="FluentCart Customers API")).to_be_visible()
    assert browser.locator(".opblock").count() == 16

    authorize(browser, "ApplicationPassword", demo.LOGIN, demo.SECRET)
    list_customers(browser)
    assert foreign == []


@pytest.mark.server
@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="SIGNING IN WAS NOT TESTED IN A BROWSER: no Chromium here")
def test_sign_in_by_form(page: tuple[Page, str, list[str]]) -> None:
    """With the guide's script, and then on the docs page, which a cookie alone does not let in."""
    browser, address, foreign = page
    browser.goto(f"{address}/wp-login.php?redirect_to=/docs")
    browser.get_by_label("User name").fill(demo.LOGIN)
    browser.get_by_label("Password").fill("wrong")
    browser.get_by_role("button", name="Sign in").click()
    expect(browser.get_by_role("alert")).to_have_text("The user name or the password is not correct")
    browser.get_by_label("User name").fill(demo.LOGIN)
    browser.get_by_label("Password").fill(demo.LOGIN_PASSWORD)
    browser.get_by_role("button", name="Sign in").click()
    expect(browser.get_by_role("heading", name="FluentCart Customers API")).to_be_visible()

    found = browser.evaluate(f"(async () => {{ {SCRIPT}; return customers; }})()")
    assert len(found) == 10
    assert browser.evaluate("document.cookie") == "", "it is out of reach for scripts"

    nonce = browser.evaluate("fetch('/wp-admin/admin-ajax.php?action=rest-nonce').then(a => a.text())")
    authorize(browser, "Nonce", nonce)
    list_customers(browser)

    browser.goto(f"{address}/wp-login.php?action=logout")
    browser.get_by_role("link", name="sign out").click()
    expect(browser.get_by_role("alert")).to_have_text("You are signed out.")
    # Not by a script: on this page none may run.
    assert browser.request.get(f"{address}/wp-admin/admin-ajax.php?action=rest-nonce").status == 400
    assert foreign == []


def authorize(browser: Page, scheme: str, *values: str) -> None:
    """Fill in one of the forms behind the button."""
    browser.get_by_role("button", name="Authorize").first.click()
    form = browser.locator(".auth-container form").filter(has_text=f"{scheme} (")
    for place, value in enumerate(values):
        form.locator("input").nth(place).fill(value)
    form.get_by_role("button", name="Apply credentials").click()
    form.get_by_role("button", name="Close").click()


def list_customers(browser: Page) -> None:
    operation = browser.locator("[id$='-list_customers']")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    live = operation.locator(".live-responses-table")
    expect(live.locator("tbody .response-col_status")).to_contain_text("200")
    expect(live).to_contain_text("johnny.wright@example.com")
