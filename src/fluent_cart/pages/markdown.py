"""Render Markdown as HTML: headings with anchors, tables that scroll by themselves."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise

from markdown_it import MarkdownIt
from markdown_it.token import Token

Rewrite = Callable[[str], str | None]

_parser = MarkdownIt("commonmark", {"html": False}).enable("table")
# Focusable by keyboard, because wide ones scroll. Text cannot contain these tags, because they are escaped
# there.
_SCROLLING = (
    ("<pre>", '<pre tabindex="0">'),
    ("<table>", '<div class="scroll" tabindex="0"><table>'),
    ("</table>", "</table></div>"),
)

# The characters that GitHub removes from a heading for its anchor.
_DROPPED = re.compile(r"[^\w\- ]")


def to_html(text: str, *, anchor_prefix: str = "", rewrite: Rewrite = lambda address: address) -> str:
    """Return Markdown as HTML. HTML in the Markdown is shown as text.

    ``rewrite`` returns the new address of a link. If it is None, only the link's text is kept.
    """
    tokens = _parser.parse(text)
    for token, content in zip(tokens, [*tokens[1:], None], strict=True):
        if token.type == "heading_open" and content:
            token.attrSet("id", anchor_prefix + slug(_plain(content)))
        if token.children:
            token.children = _with_links(token.children, rewrite)
    html = str(_parser.renderer.render(tokens, _parser.options, {}))
    for tag, replacement in _SCROLLING:
        html = html.replace(tag, replacement)
    return html


def headings(text: str, tag: str) -> list[str]:
    """Return the headings of one level (``h2``), without their marks."""
    tokens = _parser.parse(text)
    return [
        _plain(content)
        for token, content in pairwise(tokens)
        if token.type == "heading_open" and token.tag == tag
    ]


def slug(heading: str) -> str:
    """Return the anchor of a heading on its page, as GitHub makes it."""
    return _DROPPED.sub("", heading.lower()).replace(" ", "-")


def _plain(inline: Token) -> str:
    return "".join(child.content for child in inline.children or ())


def _with_links(tokens: Sequence[Token], rewrite: Rewrite) -> list[Token]:
    kept: list[Token] = []
    dropped = False
    for token in tokens:
        if token.type == "link_open":
            address = rewrite(str(token.attrs["href"]))
            dropped = address is None
            token.attrSet("href", address or "")
        if not (dropped and token.type in ("link_open", "link_close")):
            kept.append(token)
    return kept
