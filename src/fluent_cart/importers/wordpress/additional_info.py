"""Build a customer's additional info from meta, notes, labels and values without another place.

``notes`` is the customer's note, ``labels`` the texts of its labels, ``wordpress`` the values that did not
fit. Every other key is one of meta.

See docs/decisions.md#40-content-of-a-wordpress-import.
"""

from collections import Counter, defaultdict
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from fluent_cart.database.prepared import Record
from fluent_cart.importers.row_status import RowStatus
from fluent_cart.importers.wordpress.issues import DataIssue
from fluent_cart.importers.wordpress.row_values import Values
from fluent_cart.importers.wordpress.run import ImportContext
from fluent_cart.schemas.additional_info import MAX_BYTES, AdditionalInfo

META, LINKS, LABELS = "customer_meta", "label_relationships", "labels"
RESERVED_KEYS = ("notes", "labels", "wordpress")
# A customer's own place, which is kept if there is no address.
PLACE = ("country", "state", "city", "postcode")
STATUS_ORDER = list(RowStatus)
# In characters, of which each may take four bytes.
NOTES_LENGTH = MAX_BYTES // 4 - 1000

_info = TypeAdapter(AdditionalInfo)
_META_OF = "SELECT * FROM customer_meta WHERE customer_id BETWEEN ? AND ? ORDER BY customer_id, id"
_IS_OF_CUSTOMER = "(labelable_type = 'Customer' OR labelable_type LIKE '%\\Customer')"
_LABELS_OF = f"""
SELECT links.id, labelable_id AS customer_id, label_id, value
FROM label_relationships AS links LEFT JOIN labels ON labels.id = label_id
WHERE {_IS_OF_CUSTOMER} AND labelable_id BETWEEN ? AND ? ORDER BY labelable_id, label_id, links.id
"""  # noqa: S608


class Sources:
    """The rows of the source about a batch of customers, in addition to their own rows."""

    def __init__(self, run: ImportContext, first: int, last: int) -> None:
        self._run = run
        self._meta = defaultdict[int, list[dict[str, Any]]](list)
        self._labels = defaultdict[int, list[dict[str, Any]]](list)
        # The number of rows of each table in a customer's additional info.
        self._used = defaultdict[int, Counter[str]](Counter)
        for found, statement in ((self._meta, _META_OF), (self._labels, _LABELS_OF)):
            for row in run.staging.rows(statement, (first, last)):
                found[row["customer_id"]].append(row)

    def info(self, values: Values, kept: Record) -> Record:
        """Return a customer's additional info. ``kept`` has the values without another place."""
        info: Record = {}
        for row in self._meta[values.id]:
            self._add_meta(values, row, info)
        if notes := values.text("notes", NOTES_LENGTH):
            info["notes"] = notes
        if labels := self._label_texts(values):
            info["labels"] = labels
        return {**info, "wordpress": kept} if kept else info

    def account(self, customer_id: int, status: RowStatus) -> None:
        """Report the results of the rows after that of their customer is known."""
        for table, number in self._used[customer_id].items():
            self._run.report.status(table, status, number)
        if self._used[customer_id][LINKS]:
            for row in self._labels[customer_id]:
                label_id = row["label_id"]
                # A label is as new as the newest customer who has it.
                self._run.labels[label_id] = min(
                    status, self._run.labels.get(label_id, status), key=STATUS_ORDER.index
                )

    def _add_meta(self, values: Values, row: dict[str, Any], info: Record) -> None:
        meta_key = values.fit(row["meta_key"] or "", 255)
        if meta_key in RESERVED_KEYS:
            values.record_issue(DataIssue.META_KEY_TAKEN)
            meta_key = f"meta_{meta_key}"
        if meta_key in info:
            self._run.report.skip(META, DataIssue.REPEATED, row["id"])
            return
        try:
            _info.validate_python({**info, meta_key: _decoded(row["meta_value"])})
        except ValidationError:
            self._run.report.skip(META, DataIssue.UNFIT_META, row["id"])
            return
        info[meta_key] = _decoded(row["meta_value"])
        self._used[values.id][META] += 1

    def _label_texts(self, values: Values) -> list[str]:
        texts: list[str] = []
        for row in self._labels[values.id]:
            text = values.fit(row["value"] or "", 192)
            if not text or text in texts:
                reason = DataIssue.REPEATED if text else DataIssue.UNKNOWN_LABEL
                self._run.report.skip(LINKS, reason, row["id"])
            else:
                texts.append(text)
                self._used[values.id][LINKS] += 1
        return texts


def without_reserved_keys(info: Record) -> Record:
    """Return the stored keys that the import must not overwrite.

    WordPress does not record deleted meta, so keys that are missing in the source are kept.
    """
    return {key: value for key, value in info.items() if key not in RESERVED_KEYS}


def silent(run: ImportContext) -> set[str]:
    """Return the keys that the source cannot have, because a table or a column is missing."""
    columns = run.staging.absent["customers"]
    said = {
        "notes": "notes" not in columns,
        "labels": not run.staging.is_missing(LABELS) and not run.staging.is_missing(LINKS),
        "wordpress": not run.staging.is_missing("customer_addresses")
        and columns.isdisjoint({"status", *PLACE}),
    }
    return {key for key, is_said in said.items() if not is_said}


def account_for_the_rest(run: ImportContext) -> None:
    """Report meta and labels of no customer that was imported."""
    _skip_erased(run, META, "customer_id")
    _skip_erased(run, LINKS, "labelable_id", _IS_OF_CUSTOMER)
    run.skip_orphans(META, "customer_id", "customers")
    run.skip_orphans(LINKS, "labelable_id", "customers", _IS_OF_CUSTOMER)
    for row in run.staging.rows(f"SELECT id FROM {LINKS} WHERE NOT {_IS_OF_CUSTOMER}"):  # noqa: S608
        run.report.skip(LINKS, DataIssue.OTHER_OBJECT, row["id"])
    for row in run.staging.rows(f"SELECT id FROM {LABELS}"):  # noqa: S608
        if row["id"] in run.labels:
            run.report.status(LABELS, run.labels[row["id"]])
        else:
            run.report.skip(LABELS, DataIssue.UNUSED_LABEL, row["id"])


def _skip_erased(run: ImportContext, table: str, column: str, where: str = "1") -> None:
    for row in run.staging.rows(f"SELECT id, {column} AS customer_id FROM {table} WHERE {where}"):  # noqa: S608
        if row["customer_id"] in run.erased:
            run.report.skip(table, DataIssue.ERASED, row["id"])


def _decoded(text: str | None) -> Any:
    """Return a value as FluentCart reads it: as JSON if it is a JSON object or list, or as text."""
    try:
        return orjson.loads(text or "") or text
    except orjson.JSONDecodeError:
        return text and text.replace("\0", "")
