"""Every closed vocabulary of the API, once."""

from enum import StrEnum


class CustomerStatus(StrEnum):
    """Whether a customer is active; the server treats both alike."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class AddressType(StrEnum):
    """What an address is for."""

    BILLING = "billing"
    SHIPPING = "shipping"


class OrderStatus(StrEnum):
    """How far an order is."""

    DRAFT = "draft"
    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    ON_HOLD = "on-hold"
    CANCELED = "canceled"
    FAILED = "failed"


class PaymentStatus(StrEnum):
    """How far an order is paid; it counts towards the totals once it is paid, also in part."""

    PENDING = "pending"
    AUTHORIZED = "authorized"
    PAID = "paid"
    PARTIALLY_PAID = "partially_paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    FAILED = "failed"

    @classmethod
    def counted(cls) -> "tuple[PaymentStatus, ...]":
        """The states in which an order counts towards its customer's totals.

        See docs/decisions.md#16-totals-of-a-customer.
        """
        return (cls.PAID, cls.PARTIALLY_PAID, cls.PARTIALLY_REFUNDED)


class SortField(StrEnum):
    """What a list is sorted by."""

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
    """What the orders of a customer are sorted by."""

    CREATED_AT = "created_at"
    ID = "id"
    TOTAL_AMOUNT = "total_amount"


class ChangeKind(StrEnum):
    """What happened to a customer."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    MERGED = "merged"
    ERASED = "erased"


class Include(StrEnum):
    """What a customer may be answered with, besides its own fields."""

    ADDRESSES = "addresses"
    STATS = "stats"
    ORDERS = "orders"


class SortDirection(StrEnum):
    """Upwards or downwards."""

    ASC = "ASC"
    DESC = "DESC"


class BulkActionName(StrEnum):
    """What can be done to many customers at once."""

    UPDATE_STATUS = "update_status"
    DELETE = "delete"
    EXPORT = "export"


class ExportFormat(StrEnum):
    """What an export is: full records, or CSV text."""

    JSON = "json"
    CSV = "csv"


class Context(StrEnum):
    """WordPress's name for the amount of detail in a response."""

    VIEW = "view"
    EMBED = "embed"
    EDIT = "edit"


class FileFormat(StrEnum):
    """What rows are written to files as."""

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
