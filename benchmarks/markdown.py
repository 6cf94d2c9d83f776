"""Pages of Markdown, from tables and facts."""

from collections.abc import Iterable, Mapping, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """Return a table. Its first columns are texts, and all others are numbers."""
    lines = [head, [*["---"] * texts, *["---:"] * (len(head) - texts)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def facts(named: Mapping[str, str]) -> str:
    """Return a list of facts, each under its name."""
    return "\n".join(f"- **{name}**: {fact}" for name, fact in named.items())


def page(title: str, *parts: str) -> str:
    """Return a page with its title."""
    return "\n\n".join([f"# {title}", *parts]) + "\n"
