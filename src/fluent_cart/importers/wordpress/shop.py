"""Import a FluentCart shop from WordPress: from a dump, or from its live database.

The source is read into a temporary database (``staging``), and imported from there table by table, in batches
that are transactions. Ids stay. Existing rows stay as they are, unless they are to be updated, so an import
that was interrupted is run again and continues.

See docs/decisions.md#40-content-of-a-wordpress-import, #41-import-into-an-existing-shop,
#42-duplicate-addresses-in-imports and #43-replacement-values-in-imports.
"""

from collections.abc import Iterable, Iterator
from contextlib import closing

from fluent_cart.database import Database
from fluent_cart.importers.wordpress import live_database
from fluent_cart.importers.wordpress.addresses import import_addresses
from fluent_cart.importers.wordpress.customers import import_customers
from fluent_cart.importers.wordpress.dump_file import Progress as SourceProgress
from fluent_cart.importers.wordpress.dump_file import read_dump
from fluent_cart.importers.wordpress.orders import import_orders
from fluent_cart.importers.wordpress.report import Report
from fluent_cart.importers.wordpress.run import ImportContext, Options, Progress
from fluent_cart.importers.wordpress.source_tables import Item, SourceError
from fluent_cart.importers.wordpress.staging import Staging
from fluent_cart.importers.wordpress.totals import compare_totals
from fluent_cart.importers.wordpress.users import import_users


def read_source(
    source: str, prefix: str | None, progress: SourceProgress, charset: str | None = None
) -> Iterator[tuple[str, Item]]:
    """Yield the rows of a dump, or of a database's address."""
    if live_database.is_live(source):
        return live_database.read_live(source, prefix, progress)
    return read_dump(source, prefix, progress, charset)


async def import_shop(
    database: Database, source: Iterable[tuple[str, Item]], options: Options, progress: Progress
) -> Report:
    """Import the shop of the rows of ``source``, and report the results.

    Raise ``SourceError`` if the source cannot be read to its end. Then nothing was written. Raise
    ``ServiceUnavailable`` if the database could not write in time. Then the written batches are complete, and
    another run continues.
    """
    report = Report()
    with closing(Staging(repair_text=options.repair_text)) as staging:
        prefix = staging.fill(source, options.prefix, report)
        run = ImportContext(database, staging, report, options, prefix, progress)
        # Users first, because customers refer to them.
        await import_users(run)
        await import_customers(run)
        await import_addresses(run)
        await import_orders(run)
        compare_totals(run)
    return report


__all__ = ["Options", "Progress", "Report", "SourceError", "import_shop", "read_source"]
