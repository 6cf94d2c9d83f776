"""All enumerations of the API."""

from enum import StrEnum


class CustomerStatus(StrEnum):
    """Whether a customer is active. The server treats both states alike."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class AddressType(StrEnum):
    """The purpose of an address."""

    BILLING = "billing"
    SHIPPING = "shipping"


class OrderStatus(StrEnum):
    """The progress of an order."""

    DRAFT = "draft"
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    ON_HOLD = "on-hold"
    CANCELED = "canceled"
    FAILED = "failed"


class PaymentStatus(StrEnum):
    """The progress of a payment. An order counts towards the totals if it is paid at least in part."""

    PENDING = "pending"
    AUTHORIZED = "authorized"
    PAID = "paid"
    PARTIALLY_PAID = "partially_paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    FAILED = "failed"

    @classmethod
    def counted(cls) -> "tuple[PaymentStatus, ...]":
        """Return the states in which an order counts towards its customer's totals.

        See docs/decisions.md#16-totals-of-a-customer.
        """
        return (cls.PAID, cls.PARTIALLY_PAID, cls.PARTIALLY_REFUNDED)


class SortField(StrEnum):
    """The sort keys of customers."""

    ID = "id"
    EMAIL = "email"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    STATUS = "status"
    TOTAL_SPENT = "total_spent"
    ORDER_COUNT = "order_count"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"
    # The live plugin's (docs/decisions.md#136-sort-keys-of-the-plugin).
    FIRST_PURCHASE_DATE = "first_purchase_date"
    LAST_PURCHASE_DATE = "last_purchase_date"
    AOV = "aov"


class OrderSortField(StrEnum):
    """The sort keys of a customer's orders."""

    CREATED_AT = "created_at"
    ID = "id"
    TOTAL_AMOUNT = "total_amount"


class ChangeKind(StrEnum):
    """The kinds of changes of customers."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    MERGED = "merged"
    ERASED = "erased"


class DuplicateReason(StrEnum):
    """A thing that customers who may be the same person share, the surest sign first."""

    PLUS_ADDRESS = "plus_address"
    PHONE = "phone"
    NAME_AND_POSTCODE = "name_and_postcode"


class Include(StrEnum):
    """The parts that ``include`` can add to a customer."""

    ADDRESSES = "addresses"
    STATS = "stats"
    ORDERS = "orders"


class SortDirection(StrEnum):
    """Ascending or descending order."""

    ASC = "ASC"
    DESC = "DESC"


class BulkActionName(StrEnum):
    """The actions on many customers."""

    UPDATE_STATUS = "update_status"
    DELETE = "delete"
    EXPORT = "export"


class ExportFormat(StrEnum):
    """The format of a bulk export: full records, or CSV text."""

    JSON = "json"
    CSV = "csv"


class Context(StrEnum):
    """WordPress's name for the amount of detail in a response."""

    VIEW = "view"
    EMBED = "embed"
    EDIT = "edit"


class FileFormat(StrEnum):
    """The format of a file of rows."""

    CSV = "csv"
    NDJSON = "ndjson"


class Permission(StrEnum):
    """FluentCart's permissions by their own names, and two of this server: metrics and the list of users.

    See docs/decisions.md#21-permissions-and-roles, #91-metrics and #158-list-of-users.
    """

    VIEW = "customers/view"
    MANAGE = "customers/manage"
    DELETE = "customers/delete"
    OPERATE = "server/operate"
    LIST_USERS = "users/list"
