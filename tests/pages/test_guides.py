"""The guides as a site: every page of docs/ is there, and every link leads to a page and a heading."""

import re
from pathlib import Path

import httpx
import pytest

from fluent_cart.pages import guides, markdown
from tests.conftest import MakeClient

DOCS = Path(__file__).parents[2] / "docs"
NAMES = sorted(path.stem for path in DOCS.glob("*.md") if path.stem != "README")


def links(page: httpx.Response) -> list[str]:
    return re.findall(r'<a [^>]*href="([^"]+)"', page.text)


def test_index_of_the_repository_lists_every_guide() -> None:
    assert sorted(guides.index()) == NAMES


async def test_links_of_every_page_lead_somewhere(client_of: MakeClient) -> None:
    async with client_of(prefix="") as client:
        for address in ("/guide", *(f"/guide/{name}" for name in NAMES)):
            page = await client.get(address)
            assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
            own = [each for each in links(page) if not each.startswith("http")]
            assert len(own) > len(NAMES)
            for link in own:
                target = page.url.join(link)
                # The account is behind the sign-in form.
                found = await client.get(target, follow_redirects=True)
                assert found.status_code == 200, (address, link)
                assert f'id="{target.fragment}"' in found.text if target.fragment else True, (address, link)


async def test_guide_names_its_place_in_the_contents(client_of: MakeClient) -> None:
    async with client_of(prefix="") as client:
        page = await client.get("/guide/start")
    assert re.findall(r'href="([\w-]+)" aria-current="page"', page.text) == ["start"]
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "<script" not in page.text


async def test_markdown_of_a_guide_is_the_file(client_of: MakeClient) -> None:
    async with client_of(prefix="") as client:
        page = await client.get("/guide/sign-in.md")
    assert page.headers["content-type"] == "text/markdown; charset=utf-8"
    assert page.text == (DOCS / "sign-in.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["nothing", "nothing.md", "README", "..%2Fpyproject.md"])
async def test_unknown_guide_is_404(name: str, client_of: MakeClient) -> None:
    async with client_of(prefix="") as client:
        assert (await client.get(f"/guide/{name}")).status_code == 404


async def test_llms_txt_has_the_address_of_every_guide(client_of: MakeClient) -> None:
    async with client_of(prefix="") as client:
        text = (await client.get("/llms.txt")).text
        assert text.startswith("# FluentCart Customers API\n\n> Customers of a FluentCart shop")
        found = re.findall(r"^- \[.+\]\((.+)\): .+$", text, re.MULTILINE)
        assert len(found) == len(NAMES) + 2
        for address in found:
            assert (await client.get(address)).status_code == 200, address


class TestMarkdown:
    def test_html_in_markdown_is_escaped(self) -> None:
        assert markdown.to_html("a <script>b</script>") == "<p>a &lt;script&gt;b&lt;/script&gt;</p>\n"

    def test_link_without_a_target_is_its_text(self) -> None:
        assert markdown.to_html("[a](b.py) [c](d)", rewrite={"b.py": None, "d": "e"}.get) == (
            '<p>a <a href="e">c</a></p>\n'
        )

    def test_heading_has_the_address_that_github_gives_it(self) -> None:
        assert markdown.to_html("## Roles, `users` & more") == (
            '<h2 id="roles-users--more">Roles, <code>users</code> &amp; more</h2>\n'
        )
