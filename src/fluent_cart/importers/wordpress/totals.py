"""Compare the customers' totals with the shop's own figures.

See docs/decisions.md#16-totals-of-a-customer.
"""

from fluent_cart.importers.wordpress.issues import DataIssue
from fluent_cart.importers.wordpress.row_values import moment
from fluent_cart.importers.wordpress.run import ImportContext

_STATEMENT = """
SELECT customers.id, purchase_count, ltv, first_purchase_date, last_purchase_date,
    coalesce(number, 0) AS order_count, coalesce(spent, 0) AS total_spent, first, last
FROM customers LEFT JOIN totals ON totals.id = customers.id
WHERE EXISTS (SELECT 1 FROM imported WHERE kind = 'customers' AND imported.id = customers.id)
ORDER BY customers.id
"""


def compare_totals(run: ImportContext) -> None:
    """Report the customers whose totals in the shop differ from those of their orders."""
    if run.staging.is_missing("orders"):
        return
    for row in run.staging.rows(_STATEMENT):
        shop = {
            "order_count": row["purchase_count"],
            "total_spent": row["ltv"],
            "first_order_date": moment(row["first_purchase_date"]),
            "last_order_date": moment(row["last_purchase_date"]),
        }
        here = {
            "order_count": row["order_count"],
            "total_spent": row["total_spent"],
            "first_order_date": row["first"],
            "last_order_date": row["last"],
        }
        if shop != here:
            run.report.note("customers", DataIssue.OTHER_TOTALS, row["id"])
            run.report.add_totals(row["id"], shop, here)
