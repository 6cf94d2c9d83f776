"""The issues of a source, each by name, and the action of the import.

See docs/decisions.md#40-content-of-a-wordpress-import, #41-import-into-an-existing-shop,
#42-duplicate-addresses-in-imports and #43-replacement-values-in-imports.
"""

from enum import StrEnum


class DataIssue(StrEnum):
    """The name of an issue. The reports have it, so it must not change."""

    def __new__(cls, name: str, resolution: str) -> "DataIssue":
        member = str.__new__(cls, name)
        member._value_ = name
        member.resolution = resolution
        return member

    resolution: str

    # Rows that are imported, but not as they are.
    DUPLICATE_EMAIL = (
        "duplicate_email",
        "the e-mail address has an owner already, the one with the lowest id: it became name+ID@domain",
    )
    INVALID_EMAIL = (
        "invalid_email",
        "no valid e-mail address: it became customer-ID@import.invalid or user-ID@import.invalid",
    )
    EMPTY_STATUS = "empty_status", "no status: it became active"
    UNKNOWN_STATUS = (
        "unknown_status",
        "a status that is neither active nor inactive: it became inactive, and is kept in additional_info",
    )
    STALE_USER = "stale_user", "the user does not exist, or was not imported: no user is attached"
    USER_TAKEN = "user_taken", "the user is attached to another customer: no user is attached"
    PLACE_ALONE = "place_alone", "a city or country without an address: it is kept in additional_info"
    META_KEY_TAKEN = "meta_key_taken", "a key that the import uses itself: meta_ is put in front of it"
    UNKNOWN_TYPE = "unknown_type", "an unknown type of address: it became a billing address"
    SEVERAL_PRIMARIES = (
        "several_primaries",
        "the customer (of this id) has several primary addresses: one is, billing first, then the lowest id",
    )
    NO_PRIMARY = (
        "no_primary",
        "the customer (of this id) has addresses and no primary one: one is, by the same rule",
    )
    ARCHIVED = (
        "archived_address",
        "an archived address: it is imported, and primary only if there is no other",
    )
    UNKNOWN_COUNTRY = "unknown_country", "neither a country code nor the name of a country: it stayed empty"
    COUNTRY_NAME = "country_name", "a country's name, or a code of three letters: it became the code of two"
    INCOMPLETE = "incomplete_address", "the first line or the city is missing: it stayed empty"
    UNREADABLE_META = "unreadable_meta", "the address's meta is not JSON: a company name in it is lost"
    NO_CUSTOMER = (
        "order_without_customer",
        "the customer does not exist: the order is imported without a customer",
    )
    OVER_REFUNDED = "over_refunded", "more was refunded than paid: the order counts, with 0"
    PAID_LESS_REFUND = (
        "paid_less_refund",
        "paid and refunded together are the order's amount: the shop may have subtracted the refund already",
    )
    NEGATIVE_AMOUNT = "negative_amount", "a negative amount paid or refunded: it became 0"
    FOREIGN_CURRENCY = (
        "foreign_currency",
        "another currency than most orders have: its cents are added to the totals as they are",
    )
    UNKNOWN_ORDER_STATUS = "unknown_order_status", "an unknown status of an order: it became pending"
    UNKNOWN_PAYMENT_STATUS = (
        "unknown_payment_status",
        "an unknown status of a payment: it became pending, so the order does not count",
    )
    UNREADABLE_ROLE = (
        "unreadable_role",
        "no readable role: it became none, which has no permissions. A stored role stays if the roles of the"
        " source cannot be read",
    )
    ROLE_NAME_TAKEN = (
        "role_name_taken",
        "a WordPress role with the name of a shop role: it became wordpress_ROLE",
    )
    BARRED = (
        "barred_account",
        "an account that the network marks as spam or deleted: its role became none, and it has no password",
    )
    UNKNOWN_SHOP_ROLE = (
        "unknown_shop_role",
        "a shop role that FluentCart does not have: it adds no permission",
    )
    UNKNOWN_LOGIN_HASH = (
        "unknown_login_hash",
        "the login password has an unsupported hash, such as MD5: the user has no login password",
    )
    ZERO_DATE = (
        "zero_date",
        "an invalid date: the other one of created and updated replaces it, or else 1970-01-01",
    )
    WRONG_TYPE = "wrong_type", "a text in place of a number: it is ignored"
    TEXT_CUT = "text_cut", "a text longer than the API allows: it is cut to its length"
    UNFIT_TEXT = "unfit_text", "a NUL, which was dropped, or bytes that are not text, which became U+FFFD"
    TWICE_ENCODED = (
        "twice_encoded",
        "a text that was probably encoded twice, as ZoÃ« for Zoë: it stays. Use --repair-text to decode it",
    )
    REPAIRED_TEXT = (
        "repaired_text",
        "a text that was encoded twice, as ZoÃ« for Zoë: it was decoded once more",
    )
    OTHER_TOTALS = (
        "other_totals",
        "the shop's own totals of the customer are not those of its orders: the orders count",
    )

    # Rows that are not imported.
    NO_ID = "no_id", "the id is not a whole number from 1 on"
    REPEATED_ID = "repeated_id", "an earlier row has the same id"
    ID_TAKEN = "id_taken", "the id belongs to a row here that did not come from this shop"
    MERGED = (
        "merged_customer",
        "the customer was merged into another one here, and stays so: its orders are the other one's",
    )
    ERASED = "erased", "the customer is erased here: nothing of the customer is imported but orders"
    ORPHAN = "orphan", "the customer or user that it belongs to does not exist, or was not imported"
    TEST_ORDER = "test_order", "a test order. Use --test-orders to import it"
    UNREADABLE_AMOUNT = "unreadable_amount", "an amount is not a whole number of cents, or is too large"
    NO_LOGIN = "no_login", "the user has no login, or one that no client could send"
    LOGIN_TAKEN = "login_taken", "another user has the login"
    UNKNOWN_HASH = (
        "unknown_hash",
        "the password has an unsupported hash, or its check would take too long",
    )
    UNREADABLE_LIST = (
        "unreadable_list",
        "the list of application passwords cannot be read: no password is imported or revoked",
    )
    BARRED_PASSWORD = "barred_password", "it belongs to an account that the network marks as spam or deleted"
    REPEATED = "repeated", "an earlier row is equal"
    UNFIT_META = "unfit_meta", "not a value that additional_info may hold, or too large for it"
    UNKNOWN_LABEL = "unknown_label", "the label does not exist"
    UNUSED_LABEL = "unused_label", "no customer that was imported has the label"
    OTHER_OBJECT = "other_object", "it is not about a customer"
    NOT_NEEDED = "not_needed", "neither a role nor application passwords"


# Why something of the shop is missing here. Other rows are skipped because they are not needed, or because
# their owner was deleted at the source or is one of these.
REFUSED = frozenset(
    {
        DataIssue.NO_ID,
        DataIssue.REPEATED_ID,
        DataIssue.ID_TAKEN,
        DataIssue.UNREADABLE_AMOUNT,
        DataIssue.NO_LOGIN,
        DataIssue.LOGIN_TAKEN,
        DataIssue.UNKNOWN_HASH,
        DataIssue.UNREADABLE_LIST,
        DataIssue.UNFIT_META,
    }
)
