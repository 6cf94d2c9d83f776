"""Remove texts from a SQLite file that no row has any more.

``secure_delete`` overwrites deleted rows and pages with zeros. The search index keeps the trigrams of deleted
texts until its segments are merged, and the write-ahead log keeps older pages until it is emptied.
"""

from typing import Any

from fluent_cart.database.file_lock import FileLock

# A step takes 70 ms at most, so that other writes are served in between.
PAGES = 50
CHECKPOINT_ATTEMPTS = 3
_MERGE = "INSERT INTO customers_search (customers_search, rank) VALUES ('merge', ?)"


def remove_remains(driver: Any, lock: FileLock) -> None:
    """Merge the search index step by step, and empty the write-ahead log."""
    try:
        # A number below 0 begins with all segments.
        pages, changes = -PAGES, 2
        # A step that has nothing to do counts as one change (sqlite.org/fts5.html#the_merge_command).
        while changes > 1:
            with lock:
                before = driver.total_changes
                driver.execute(_MERGE, (pages,))
                changes, pages = driver.total_changes - before, PAGES
        for _ in range(CHECKPOINT_ATTEMPTS):
            # Busy while a reader still needs the log. The next run tries again.
            busy, _, _ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                return
    finally:
        lock.close()
