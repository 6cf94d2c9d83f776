"""Serve the guides of docs/ as pages at /guide and as Markdown, and list them in /llms.txt for programs."""

import re
from collections.abc import Mapping
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from fastapi import APIRouter, HTTPException, Request, Response

import fluent_cart
from fluent_cart.http.static_content import StaticContent
from fluent_cart.openapi.introduction import SUMMARY, TITLE
from fluent_cart.pages.layout import page, security_headers
from fluent_cart.pages.markdown import to_html
from fluent_cart.wordpress.site import site_url

# A row of the index: "- [Title](name.md): what it is about."
_ROW = re.compile(
    r"^(?:## (?P<group>.+)|- \[(?P<title>.+?)\]\((?P<name>[\w-]+)\.md\): (?P<about>.+))$", re.MULTILINE
)
# Within a page, or of another site.
_KEPT = re.compile(r"#|https?:")
_GUIDE = re.compile(r"(?P<name>[\w-]+)\.md(?P<anchor>#.*)?")

router = APIRouter(include_in_schema=False)


class Guide(NamedTuple):
    """A row of the index."""

    group: str
    name: str
    title: str
    about: str


@router.get("/guide")
async def show_index(request: Request) -> Response:
    """Show the list of guides."""
    return _index_page().response(request, security_headers())


@router.get("/guide/{name}.md")
async def send_markdown(request: Request, name: str) -> Response:
    """Send the Markdown of a guide."""
    return _markdown(_known(name)).response(request)


@router.get("/guide/{name}")
async def show_guide(request: Request, name: str) -> Response:
    """Show a guide."""
    return _guide_page(_known(name)).response(request, security_headers())


@router.get("/llms.txt")
async def list_for_programs(request: Request) -> Response:
    """List the guides with their addresses, in the form of llmstxt.org."""
    return Response(_llms_text(site_url(request)), media_type="text/markdown")


@cache
def index() -> Mapping[str, Guide]:
    """Return the guides by their names, in the order of docs/README.md."""
    found, group = {}, ""
    for row in _ROW.finditer(_read("README")):
        group = row["group"] or group
        if name := row["name"]:
            found[name] = Guide(group, name, row["title"], row["about"])
    return found


def _folder() -> Path:
    """Return the folder of the guides: inside an installed wheel, or at the top of a checkout."""
    package = Path(fluent_cart.__file__).parent
    installed = package / "guides"
    return installed if installed.is_dir() else package.parents[1] / "docs"


def _read(name: str) -> str:
    return (_folder() / f"{name}.md").read_text("utf-8")


def _known(name: str) -> str:
    if name not in index():
        raise HTTPException(404)
    return name


@cache
def _markdown(name: str) -> StaticContent:
    return StaticContent(_read(name), "text/markdown")


@cache
def _index_page() -> StaticContent:
    text = to_html(_read("README"), rewrite=lambda address: _rewritten(address, "guide/"))
    return StaticContent(page("Guides", text, contents=_contents("guide/")), "text/html")


@cache
def _guide_page(name: str) -> StaticContent:
    guide = index()[name]
    text = to_html(_read(name), rewrite=_rewritten)
    source = f'\n<p><a href="{name}.md">This guide as Markdown</a></p>'
    content = page(
        guide.title, text + source, root="../", contents=_contents(current=name), description=guide.about
    )
    return StaticContent(content, "text/html")


def _contents(prefix: str = "", current: str = "") -> str:
    return "\n".join(
        f"<p>{escape(group)}</p>\n<ul>\n{''.join(_link(guide, prefix, current) for guide in guides)}</ul>"
        for group, guides in groupby(index().values(), lambda guide: guide.group)
    )


def _link(guide: Guide, prefix: str, current: str) -> str:
    mark = ' aria-current="page"' if guide.name == current else ""
    return f'<li><a href="{prefix}{guide.name}"{mark}>{escape(guide.title)}</a></li>\n'


def _rewritten(address: str, prefix: str = "") -> str | None:
    """Return the address of a guide's link on the site, or None for a file that only the repository has."""
    if _KEPT.match(address):
        return address
    guide = _GUIDE.fullmatch(address)
    if guide and guide["name"] in index():
        return f"{prefix}{guide['name']}{guide['anchor'] or ''}"
    return None


def _llms_text(site: str) -> str:
    lines = [
        f"# {TITLE}",
        f"> {SUMMARY}: a REST API with HTTP Basic authentication and JSON.",
        "## Reference",
        f"- [OpenAPI]({site}/openapi.json): every endpoint, with samples and errors.",
        f"- [Docs page]({site}/docs): the same to read, with an introduction.",
    ]
    for group, guides in groupby(index().values(), lambda guide: guide.group):
        lines.append(f"## {group}")
        lines += [f"- [{guide.title}]({site}/guide/{guide.name}.md): {guide.about}" for guide in guides]
    return "\n\n".join(lines).replace("\n\n- ", "\n- ") + "\n"
