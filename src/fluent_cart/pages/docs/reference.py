"""Render the introduction and the operations as HTML, which the viewer replaces when it is loaded."""

from collections.abc import Iterator, Sequence
from html import escape

from fluent_cart.http.routing import ApiRoute
from fluent_cart.openapi.introduction import SERVER, TAGS, TITLE, describe
from fluent_cart.pages.markdown import headings, slug, to_html

# The viewer's own anchors, so that a link to an operation works with and without the viewer.
_INTRODUCTION = "description/"


def reference(routes: Sequence[ApiRoute]) -> str:
    """Return the text of the page."""
    introduction = to_html(describe(), anchor_prefix=_INTRODUCTION, rewrite=_relative)
    groups = "\n".join(_group(tag, _routes_of(tag["name"], routes)) for tag in TAGS)
    return f"<h1>{TITLE}</h1>\n{introduction}\n{groups}"


def contents(routes: Sequence[ApiRoute]) -> str:
    """Return the page's list of contents."""
    sections = ((f"{_INTRODUCTION}{slug(title)}", title) for title in headings(describe(), "h2"))
    parts = [_links("Introduction", sections)]
    for tag in TAGS:
        operations = ((_anchor(route), str(route.summary)) for route in _routes_of(tag["name"], routes))
        parts.append(_links(tag["name"], operations))
    return "\n".join(parts)


def _links(title: str, links: Iterator[tuple[str, str]]) -> str:
    rows = "\n".join(f'<li><a href="#{escape(anchor)}">{escape(text)}</a></li>' for anchor, text in links)
    return f"<p>{escape(title)}</p>\n<ul>\n{rows}\n</ul>"


def _group(tag: dict[str, str], routes: Sequence[ApiRoute]) -> str:
    operations = "\n".join(map(_operation, routes))
    return (
        f'<h2 id="tag/{slug(tag["name"])}">{escape(tag["name"])}</h2>\n'
        f"{to_html(tag['description'])}{operations}"
    )


def _operation(route: ApiRoute) -> str:
    method, path = _endpoint(route)
    return (
        f'<section class="operation" id="{escape(_anchor(route))}">\n<h3>{escape(str(route.summary))}</h3>\n'
        f'<p><span class="method">{method}</span> <code>{escape(SERVER + path)}</code></p>\n'
        f"{to_html(route.description)}</section>"
    )


def _routes_of(tag: str, routes: Sequence[ApiRoute]) -> list[ApiRoute]:
    return [route for route in routes if tag in route.tags]


def _anchor(route: ApiRoute) -> str:
    method, path = _endpoint(route)
    return f"tag/{slug(str(route.tags[0]))}/{method}{path}"


def _endpoint(route: ApiRoute) -> tuple[str, str]:
    """Return method and path of a route, with the path as in the OpenAPI document."""
    return next(iter(route.methods or ())), route.path_format.removeprefix(SERVER)


def _relative(address: str) -> str:
    # An address on this site, which may be behind a prefix.
    return address.removeprefix("/")
