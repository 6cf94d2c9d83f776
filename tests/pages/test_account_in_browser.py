"""The account and an application's question, as people see them: in Chromium, wide and on a phone."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from fluent_cart import demo
from tests.support.browser import assert_accessible, needs_browser
from tests.support.pages import AUTHORIZE, PROFILE, USERS

pytestmark = [pytest.mark.server, pytest.mark.browser, needs_browser]
MAKE, APPROVE = "Make an application password", "Yes, I approve of this connection"
NEW_PASSWORD = "Kq3vZ)8w!mT&2hX"


def sign_in(page: Page, password: str = demo.LOGIN_PASSWORD) -> None:
    """Fill in the form that is open."""
    page.get_by_label("User name").fill(demo.LOGIN)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def assert_good(page: Page, heading: str) -> None:
    """The page has this heading, nothing on it is out of sight, and axe finds nothing."""
    expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert_accessible(page)


def may_read(address: str, secret: str) -> bool:
    auth = httpx.BasicAuth(demo.LOGIN, secret)
    return httpx.get(f"{address}/wp-json/fluent-cart/v2/customers", auth=auth).status_code == 200


def test_every_state_of_the_account_is_accessible(page: Page, address: str) -> None:
    page.goto(f"{address}{PROFILE}")
    assert_good(page, "Sign in")
    sign_in(page, "wrong")
    expect(page.get_by_role("alert")).to_have_text("The user name or the password is not correct")
    assert_good(page, "Sign in")
    sign_in(page)
    assert_good(page, "Account")

    page.get_by_label("Name of a new application password").fill("Nightly report")
    page.get_by_role("button", name=MAKE).click()
    secret = page.get_by_label("Your new password for Nightly report")
    expect(secret).to_be_focused()
    assert may_read(address, secret.input_value())
    assert_good(page, "Account")
    password = secret.input_value()

    page.get_by_text("Revoke Nightly report", exact=True).click()
    assert_good(page, "Account")
    page.get_by_role("button", name="Yes, revoke Nightly report").click()
    expect(page.get_by_role("status")).to_have_text("The application password is revoked.")
    assert_good(page, "Account")
    assert not may_read(address, password)

    page.get_by_label("Current password").fill("wrong")
    page.get_by_label("New password, at least").fill(NEW_PASSWORD)
    page.get_by_label("New password again").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Change the password").click()
    expect(page.get_by_label("Current password")).to_be_focused()
    # The element with the focus, so that a screen reader begins there.
    expect(page.get_by_role("alert")).to_be_in_viewport()
    assert_good(page, "Account")

    page.goto(f"{address}{USERS}")
    assert_good(page, "Users")
    page.goto(f"{address}/wp-login.php?action=logout")
    assert_good(page, "Sign out")


def test_every_state_of_the_question_is_accessible(page: Page, address: str) -> None:
    page.goto(f"{address}{AUTHORIZE}?app_name=My+App&success_url=https://app.example/{'long' * 50}")
    sign_in(page)
    assert_good(page, "Authorize Application")
    page.goto(f"{address}{AUTHORIZE}?success_url=javascript://app.example/%250aalert(1)")
    assert_good(page, "Account")
    page.goto(f"{address}{AUTHORIZE}?app_name=My+App")
    page.get_by_label("Name of the new application password").fill(" ")
    page.get_by_role("button", name=APPROVE).click()
    expect(page.get_by_label("Name of the new application password")).to_be_focused()
    assert_good(page, "Authorize Application")
    page.keyboard.type("Typed")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Your new password for Typed")).to_be_focused()
    assert_good(page, "Authorize Application")


def test_account_works_with_the_keyboard_alone(page: Page, address: str) -> None:
    page.goto(f"{address}{PROFILE}")
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type(demo.LOGIN)
    page.keyboard.press("Tab")
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(demo.LOGIN_PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Account")).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the text")).to_be_focused()
    page.keyboard.press("Enter")
    seen = []
    for _ in range(20):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.textContent.trim() || document.activeElement.id"))
    # Other tests have made passwords, which are in between.
    assert seen[:2] == ["Users and their roles", "Revoke Demo"]
    form = seen.index("name")
    fields = ["name", MAKE, "current_password", "pass1", "pass2", "Change the password"]
    assert seen[form : form + len(fields)] == fields


@pytest.mark.parametrize("page", [(1400, "light")], ids=["wide"], indirect=True)
def test_account_works_without_javascript(page: Page, browser: Browser, address: str) -> None:
    """And a password that is changed leaves this browser signed in, and no other."""
    page.goto(f"{address}{PROFILE}")
    sign_in(page)
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(f"{address}{PROFILE}")
    sign_in(plain)
    for old, new in ((demo.LOGIN_PASSWORD, NEW_PASSWORD), (NEW_PASSWORD, demo.LOGIN_PASSWORD)):
        plain.get_by_label("Current password").fill(old)
        plain.get_by_label("New password, at least").fill(new)
        plain.get_by_label("New password again").fill(new)
        plain.get_by_role("button", name="Change the password").click()
        text = "The login password is changed, and all other sessions are ended."
        expect(plain.get_by_role("status")).to_have_text(text)
    plain.get_by_text("Revoke Demo", exact=True).click()
    expect(plain.get_by_role("button", name="Yes, revoke Demo")).to_be_visible()
    context.close()
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


class Application:
    """A program with a web page: its first address redirects to its second, on another port."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.second = self._serve("")
        self.first = self._serve(f"{self.second.address}/signed-in")

    def _serve(self, location: str) -> "_Site":
        asked = self.asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                body = b"<!doctype html><title>Connected</title>"
                self.send_response(302 if location else 200)
                if location:
                    self.send_header("Location", location)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                """Log nothing."""

        return _Site(Handler)

    def close(self) -> None:
        self.first.close()
        self.second.close()


class _Site:
    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def application() -> Iterator[Application]:
    application = Application()
    yield application
    application.close()


@pytest.fixture
def free_page(browser: Browser) -> Iterator[tuple[Page, list[str]]]:
    """A page that may open any address, and the console's messages on policies."""
    page = browser.new_page()
    page.set_default_timeout(30_000)
    said: list[str] = []
    page.on("console", lambda line: said.append(line.text) if "Security Policy" in line.text else None)
    yield page, said
    page.close()


def test_approval_leads_through_all_redirects_of_the_application(
    free_page: tuple[Page, list[str]], address: str, application: Application
) -> None:
    """A policy that named one host would stop the browser at the second, with the password already sent."""
    page, said = free_page
    page.goto(f"{address}{AUTHORIZE}?app_name=My+App&success_url={application.first.address}/in")
    sign_in(page)
    page.get_by_role("button", name=APPROVE).click()
    expect(page).to_have_url(f"{application.second.address}/signed-in")
    assert said == []
    values = parse_qs(urlsplit(application.asked[0]).query)
    assert values["site_url"] == [address]
    assert values["user_login"] == [demo.LOGIN]
    assert may_read(address, values["password"][0])


def test_refusal_leads_back_to_the_application(
    free_page: tuple[Page, list[str]], address: str, application: Application
) -> None:
    page, said = free_page
    page.goto(f"{address}{AUTHORIZE}?app_name=My+App&success_url={application.second.address}/in")
    sign_in(page)
    page.get_by_role("button", name="No, I do not approve of this connection").click()
    expect(page).to_have_url(f"{application.second.address}/in?success=false")
    assert said == []


def test_approval_opens_an_application_of_the_phone(free_page: tuple[Page, list[str]], address: str) -> None:
    """The policy has the scheme. No application of this machine uses it, so the browser stays."""
    page, said = free_page
    opened: list[str] = []
    page.on("requestfailed", lambda request: opened.append(request.url))
    page.goto(f"{address}{AUTHORIZE}?app_name=My+App&success_url=com.example.app://in")
    sign_in(page)
    with page.expect_event("requestfailed"):
        page.get_by_role("button", name=APPROVE).click()
    assert said == []
    assert opened[-1].startswith("com.example.app://in?site_url=")
