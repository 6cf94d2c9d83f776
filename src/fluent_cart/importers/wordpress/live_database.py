"""The address of a live database of WordPress, MariaDB or MySQL."""

from collections.abc import Iterator

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from fluent_cart.importers.wordpress.dump_file import Progress
from fluent_cart.importers.wordpress.source_tables import Item, SourceError

SCHEMES = ("mysql", "mariadb")


def is_live(source: str) -> bool:
    """Return whether a source is the address of a database, not the path of a dump."""
    return "://" in source


def needs_password(source: str) -> bool:
    """Return whether a source is the address of a database, and has a user but no password."""
    url = _parsed(source) if is_live(source) else None
    return url is not None and url.username is not None and url.password is None


def without_password(source: str) -> str:
    """Return a source without its password, for messages."""
    return _parsed(source).render_as_string() if is_live(source) else source


def add_password(source: str, password: str) -> str:
    """Return the address of a database with a password in it."""
    return _parsed(source).set(password=password).render_as_string(hide_password=False)


def read_live(source: str, prefix: str | None, progress: Progress) -> Iterator[tuple[str, Item]]:
    """Yield the rows of every table to import, as ``read_dump`` does. ``SourceError`` without the driver."""
    try:
        # The driver is an extra, because a dump needs none.
        from fluent_cart.importers.wordpress import mysql_rows
    except ModuleNotFoundError as error:
        if error.name != "pymysql":
            raise
        raise SourceError(
            "A live database needs PyMySQL, which is not installed: pip install 'fluent-cart-api[mysql]',"
            " or import a dump"
        ) from None
    yield from mysql_rows.read_rows(_parsed(source), prefix, progress)


def _parsed(source: str) -> URL:
    scheme, _, rest = source.partition("://")
    # Some programs write the name of their driver, too: mysql+pymysql.
    name = scheme.lower().partition("+")[0]
    if name not in SCHEMES:
        raise SourceError(f"An address cannot begin with {scheme}://. Use mysql://USER@HOST/DATABASE")
    try:
        url = make_url(f"{name}://{rest}")
    except (ArgumentError, ValueError):  # ValueError: its port is not a number
        url = None
    if url is None or not url.database:
        raise SourceError("The address of a database must be mysql://USER:PASSWORD@HOST/DATABASE")
    return url
