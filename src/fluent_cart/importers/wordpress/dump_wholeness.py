"""Check that a dump is complete: each part that it begins must end."""

import re

from fluent_cart.importers.wordpress.source_tables import SourceError

# A comment of the program that wrote the dump, the comment at its end, and the name of that comment.
_COMMENTS = [
    (re.compile(begin), re.compile(end), what)
    for begin, end, what in (
        (
            rb"-- (?:MariaDB|MySQL) dump |-- mysqldump-php ",
            rb"-- Dump completed",
            "the line 'Dump completed'",
        ),
        (
            rb"-- Adminer(?:Evo)? \S+ .*dump",
            rb"-- \d{4}-\d\d-\d\d \d\d:\d\d:\d\d",
            "the line with the date, which Adminer writes last,",
        ),
        (
            rb"/\* DUPLICATOR\S*.* MYSQL SCRIPT CREATED",
            rb"/\* DUPLICATOR_MYSQLDUMP_EOF",
            "the line 'DUPLICATOR_MYSQLDUMP_EOF'",
        ),
        # UpdraftPlus, WP Migrate and other descendants of wp-db-backup write both for each table.
        (
            rb"# Data contents of table ",
            rb"# End of data contents of table ",
            "the line 'End of data contents of table'",
        ),
    )
]
# Statements that begin a part, and end it.
_STATEMENTS = [
    (re.compile(begin, re.I), re.compile(end, re.I), what)
    for begin, end, what in (
        (
            rb"(?:START\s+TRANSACTION|BEGIN)\b|SET\b.*\bAUTOCOMMIT\s*=\s*0",
            rb"COMMIT\b|SET\b.*\bAUTOCOMMIT\s*=\s*1",
            "COMMIT",
        ),
        (rb"LOCK\s+TABLES?\s", rb"UNLOCK\s+TABLES?\b", "UNLOCK TABLES"),
        (
            rb"SET\b.*@OLD_CHARACTER_SET_CLIENT\s*:?=",
            rb"SET\b.*@OLD_CHARACTER_SET_CLIENT\b(?!\s*:?=)",
            "the statement that sets CHARACTER_SET_CLIENT back",
        ),
    )
]


class Wholeness:
    """Records the parts that a dump begins and ends."""

    def __init__(self) -> None:
        self._missing = set[str]()

    def note_comment(self, comment: bytes) -> None:
        self._note(comment, _COMMENTS)

    def note_statement(self, statement: bytes) -> None:
        self._note(statement, _STATEMENTS)

    def require(self) -> None:
        """Raise ``SourceError`` if a part has no end."""
        for what in sorted(self._missing):
            raise SourceError(f"The dump is not whole: {what} is missing at its end. Make the dump again")

    def _note(self, text: bytes, marks: list[tuple[re.Pattern[bytes], re.Pattern[bytes], str]]) -> None:
        for begin, end, what in marks:
            if begin.match(text):
                self._missing.add(what)
            elif end.match(text):
                self._missing.discard(what)
