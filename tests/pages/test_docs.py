"""The docs pages: served from the package, and usable in a browser that reaches nothing but the server."""

import re
from hashlib import sha256

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from fluent_cart import demo
from tests.conftest import MakeClient
from tests.e2e.test_sign_in_guide import SCRIPT
from tests.support.browser import assert_accessible, needs_browser

# Of dist/browser/standalone.js in @scalar/api-reference 1.72.1, as npm has it.
SCALAR_SHA256 = "bf091006bdc3af6067af77c2f534812e3e633e94a94e87138069f570f33b762c"


class TestPages:
    @pytest.mark.parametrize(("path", "assets"), [("/docs", 5)])
    async def test_docs_page_loads_only_from_this_server(
        self, path: str, assets: int, client_of: MakeClient
    ) -> None:
        async with client_of(prefix="") as client:
            page = (await client.get(path)).text
            found = re.findall(r'(?:src|<link [^>]*href)="([^"]+)"', page)
            assert len(found) == assets
            for asset in found:
                assert not asset.startswith(("http", "//"))
                assert (await client.get(f"/{asset.lstrip('/')}")).status_code == 200

    @pytest.mark.parametrize("path", ["/", "/docs"])
    async def test_page_has_a_content_security_policy(self, path: str, client_of: MakeClient) -> None:
        async with client_of(prefix="") as client:
            headers = (await client.get(path)).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert (policy["default-src"], policy["frame-ancestors"]) == ("'none'", "'none'")
        assert policy["connect-src"] == "'self'"
        assert re.fullmatch(r"'self'( 'sha256-[\w+/]+=')?", policy["script-src"])
        assert headers["referrer-policy"] == "same-origin"

    async def test_script_of_the_docs_page_has_the_published_checksum(self, client_of: MakeClient) -> None:
        async with client_of(prefix="") as client:
            response = await client.get("/docs/scalar-1.72.1.js")
        assert response.headers["content-type"] == "text/javascript; charset=utf-8"
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert sha256(response.content).hexdigest() == SCALAR_SHA256

    async def test_docs_page_is_also_at_the_root(self, client_of: MakeClient) -> None:
        async with client_of(prefix="") as client:
            root, page = await client.get("/"), await client.get("/docs")
        assert (root.status_code, root.content) == (200, page.content)

    async def test_text_has_every_operation_at_the_address_of_the_viewer(self, client_of: MakeClient) -> None:
        async with client_of(prefix="") as client:
            document = (await client.get("/openapi.json")).json()
            text = (await client.get("/docs")).text
        operations = [
            f"tag/{operation['tags'][0].lower().replace(' ', '-')}/{method.upper()}{path}"
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]
        assert len(operations) == 25
        assert [each for each in operations if f'<section class="operation" id="{each}">' not in text] == []

    async def test_text_has_the_introduction_with_quick_start_first(self, client_of: MakeClient) -> None:
        async with client_of(prefix="") as client:
            text = (await client.get("/docs")).text
        found = re.findall(r'<h2 id="description/([\w-]+)">', text)
        assert found[0] == "quick-start"
        assert {"base-url-and-endpoints", "responses", "pagination", "rate-limits"} <= set(found)

    async def test_links_of_the_text_lead_somewhere(self, client_of: MakeClient) -> None:
        async with client_of(prefix="") as client:
            text = (await client.get("/docs")).text
            found = {
                link for link in re.findall(r'<a [^>]*href="([^"#]+)"', text) if "admin-ajax" not in link
            }
            assert {"wp-admin/profile.php", "guide", "guide/start"} <= found
            for link in found:
                answer = await client.get(f"/{link}", follow_redirects=True)
                assert answer.status_code == 200, link

    @pytest.mark.parametrize("path", ["/docs", "/docs/page.js", "/docs/favicon.svg", "/openapi.json"])
    async def test_static_content_is_compressed_and_sent_once(self, path: str, client_of: MakeClient) -> None:
        async with client_of(prefix="") as client:
            plain = await client.get(path, headers={"Accept-Encoding": "gzip;q=0"})
            compressed = await client.get(path, headers={"Accept-Encoding": "br, gzip"})
            tag = compressed.headers["etag"]
            again = await client.get(path, headers={"Accept-Encoding": "gzip", "If-None-Match": tag})
        assert "content-encoding" not in plain.headers
        assert compressed.headers["content-encoding"] == "gzip"
        assert compressed.content == plain.content
        assert compressed.headers["cache-control"] == "public, no-cache"
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert plain.headers["etag"] != tag


DETAILS = "#tag/customers/GET/customers/{customerId}"


@pytest.mark.server
@pytest.mark.browser
@needs_browser
class TestReference:
    def open(self, page: Page, address: str, anchor: str = "") -> None:
        page.goto(f"{address}/docs{anchor}")
        expect(page.get_by_role("heading", name="FluentCart Customers API")).to_be_attached()

    def test_docs_page_shows_operations_to_everyone(self, page: Page, address: str) -> None:
        self.open(page, address, DETAILS)
        operation = page.get_by_role("region", name="Get Customer Details")
        expect(operation).to_contain_text("The response has the customer's addresses")
        # This server, and not the documentation's.
        expect(operation.locator("pre").first).to_contain_text(f'curl -X GET \\\n  "{address}/wp-json')
        operation.get_by_role("button", name="curl").click()
        assert page.get_by_role("option").all_inner_texts() == [
            "curl", "Python (httpx)", "JavaScript (fetch)", "PHP (WordPress)",
        ]  # fmt: skip
        page.get_by_role("option", name="PHP (WordPress)").click()
        expect(operation.locator("pre").first).to_contain_text("wp_remote_request(")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert_accessible(page)
        page.get_by_role("link", name="Skip to the text").press("Enter")
        expect(page.get_by_role("main")).to_be_focused()

    def test_text_without_the_viewer_is_accessible(self, page: Page, address: str) -> None:
        page.route("**/*.js", lambda route: route.abort())
        page.goto(f"{address}/docs")
        expect(page.get_by_role("heading", name="Get Customer Details")).to_be_attached()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert_accessible(page)

    @pytest.mark.parametrize("page", [(1400, "light")], ids=["wide"], indirect=True)
    def test_search_finds_the_nouns_of_the_field(self, page: Page, address: str) -> None:
        self.open(page, address)
        page.get_by_role("button", name="Search").first.click()
        for word, heading in {
            "endpoint": "Base URL and endpoints",
            "pagination": "Pagination",
            "rate limit": "Rate limits",
            "response": "Responses",
        }.items():
            page.get_by_role("combobox", name="Enter search query").fill(word)
            expect(page.get_by_role("dialog")).to_contain_text(heading)
        assert_accessible(page)

    def test_docs_page_sends_a_request_and_shows_success_and_error(self, page: Page, address: str) -> None:
        self.open(page, address)
        credentials = page.get_by_role("region", name="Authentication").first
        credentials.get_by_role("textbox", name="Username").click()
        page.keyboard.type(demo.LOGIN)
        credentials.get_by_role("textbox", name="Password").fill(demo.SECRET)
        page.goto(f"{address}/docs{DETAILS}")
        operation = page.get_by_role("region", name="Get Customer Details")
        operation.get_by_role("button", name="Test Request").click()
        trial = page.get_by_role("dialog")
        self.send(trial, "200 OK", "customer@example.com")
        assert_accessible(page)
        trial.get_by_role("row", name="customerId").get_by_role("combobox", name="Value").click()
        page.keyboard.press("Control+A")
        page.keyboard.type("999")
        self.send(trial, "404 Not Found", "Customer with ID 999 not found")

    # Both sizes of windows have the same dialog, and the viewer takes 15 s to show it twice.
    @pytest.mark.parametrize("page", [(390, "dark")], ids=["phone"], indirect=True)
    def test_request_with_a_body_is_accessible(self, page: Page, address: str) -> None:
        self.open(page, address, "#tag/customers/POST/customers")
        operation = page.get_by_role("region", name="Create Customer", exact=True)
        operation.get_by_role("button", name="Test Request").click()
        trial = page.get_by_role("dialog")
        expect(trial.get_by_role("textbox", name="Body")).to_contain_text("newcustomer@example.com")
        assert_accessible(page)
        trial.get_by_role("button", name="Send").first.click()
        answer = trial.get_by_role("region", name="Response", exact=True)
        expect(answer.get_by_role("link", name="401 Unauthorized")).to_be_attached()
        assert_accessible(page)

    def send(self, trial: Locator, status: str, text: str) -> None:
        trial.get_by_role("button", name="Send").first.click()
        answer = trial.get_by_role("region", name="Response", exact=True)
        expect(answer.get_by_role("link", name=status)).to_be_attached()
        expect(answer).to_contain_text(text)


@pytest.mark.server
@pytest.mark.browser
@needs_browser
@pytest.mark.parametrize("page", [(1400, "light")], ids=["wide"], indirect=True)
def test_docs_page_works_after_a_login_by_form(page: Page, address: str) -> None:
    """The script of the guide then reads customers with the cookie and a nonce."""
    page.goto(f"{address}/wp-login.php?redirect_to=/docs")
    page.get_by_label("User name").fill(demo.LOGIN)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("The user name or the password is not correct")
    # The name is there, and the focus is in the password.
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type(demo.LOGIN_PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="FluentCart Customers API")).to_be_visible()
    expect(page.get_by_role("link", name="Account")).to_be_visible()
    expect(page.get_by_role("link", name="Sign out")).to_be_visible()

    found = page.evaluate(f"(async () => {{ {SCRIPT}; return customers; }})()")
    assert len(found) == 10
    assert page.evaluate("document.cookie") == "", "it is out of reach for scripts"

    page.goto(f"{address}/wp-login.php?action=logout")
    page.get_by_role("link", name="sign out").click()
    expect(page.get_by_role("status")).to_have_text("You are signed out.")
    # Not by a script: on this page none may run.
    assert page.request.get(f"{address}/wp-admin/admin-ajax.php?action=rest-nonce").status == 400


@pytest.mark.server
@pytest.mark.browser
@needs_browser
def test_form_works_without_tls_where_browsers_name_no_site(browser: Browser, address: str) -> None:
    """A browser sends ``Sec-Fetch-Site`` to this machine and over TLS only, and ``Origin`` to every host."""
    page = browser.new_page()
    page.goto(f"http://shop.test:{address.rpartition(':')[2]}/wp-login.php?redirect_to=/healthz")
    page.get_by_label("User name").fill(demo.LOGIN)
    page.get_by_label("Password").fill(demo.LOGIN_PASSWORD)
    with page.expect_response("**/wp-login.php") as answered:
        page.get_by_role("button", name="Sign in").click()
    assert "sec-fetch-site" not in answered.value.request.all_headers()
    assert answered.value.status == 302
    page.close()
