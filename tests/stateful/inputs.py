"""The inputs: few values, so that they repeat, and values that are easily mistaken for each other."""

from typing import Any

from hypothesis import strategies as st

from fluent_cart.enums import SortDirection, SortField

# The place of a customer or an address in the list of existing ones. The last places do not exist.
PLACES = st.integers(0, 6)
USER_IDS = st.sampled_from([1, 2, 7, 8, 9, 99])
EMAILS = st.sampled_from(
    [
        "ann@example.com",
        "Ann@example.com",
        "bob@example1.com",
        "BOB@example1.com",
        "zoe@example2.com",
        "a@b.it",
    ]
)
NAMES = st.sampled_from(["", "Ann", "ann", "Zoë", "Łukasz", "O'Brien", "100%", "a_b", "Mary Ann", "李"])
PHONES = st.sampled_from([None, "+1 (234) 567-890", "030/555-1234", "7"])
STATUSES = st.sampled_from(["active", "inactive"])
VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [1, True, 0, False, 1.5, "text", "", [1, {"a": None}], {"b": {}}, None]
)
INFOS = st.dictionaries(st.sampled_from(["vip", "notes", "10"]), VALUES, max_size=3)
CUSTOMER = {"first_name": NAMES, "last_name": NAMES, "phone": PHONES, "status": STATUSES}
PLACE = {
    "address_1": st.sampled_from(["1 Main St", "2 Side St"]),
    "city": NAMES.filter(bool),
    "country": st.sampled_from(["US", "IT"]),
}
MORE = {
    "type": st.sampled_from(["billing", "shipping"]), "is_primary": st.booleans(), "first_name": NAMES,
    "state": st.sampled_from(["", "NY"]), "postcode": st.sampled_from(["", "10001"]),
    "address_2": st.sampled_from([None, "Floor 2"]), "company_name": PHONES, "phone": PHONES,
}  # fmt: skip
KEYS = st.sampled_from([None, None, None, "one", "two"])
CONDITIONS = st.sampled_from(
    [
        "",
        "",
        "",
        "If-Match: current",
        "If-Match: old",
        "If-None-Match: current",
        "If-None-Match: old",
        "If-Match: *",
    ]
)
QUERIES = st.fixed_dictionaries(
    {
        "page": st.sampled_from([1, 1, 1, 2]),
        "per_page": st.sampled_from([1, 2, 10]),
        "order_by": st.sampled_from(list(SortField)),
        "order_type": st.sampled_from(list(SortDirection)),
        "filters": st.fixed_dictionaries(
            {},
            optional={
                "status": STATUSES,
                "date_from": st.sampled_from(["2024-01-15", "2024-01-10T12:30:05Z"]),
                "date_to": st.sampled_from(["2024-02-14", "2024-01-10T12:30:05Z"]),
                "total_spent_min": st.sampled_from([0, 1, 1000]),
                "total_spent_max": st.sampled_from([0, 999, 5000]),
            },
        ),
    },
    optional={
        "search": st.sampled_from(
            [
                "ann",
                "ANN",
                "zoe",
                "lukasz",
                "o'b",
                "%",
                "_",
                "100%",
                "example",
                "234567",
                "1",
                "李",
                "mary ann",
            ]
        )
    },
)
MONEY = st.sampled_from([0, 1, 999, 1000, 5000])
ORDERS = st.fixed_dictionaries(
    {
        "id": st.integers(1, 5),
        "status": st.sampled_from(["completed", "processing"]),
        "payment_status": st.sampled_from(
            ["paid", "paid", "partially_paid", "partially_refunded", "refunded", "pending"]
        ),
        "currency": st.just("USD"),
        "total_amount": MONEY, "total_paid": MONEY, "total_refund": MONEY,
        "created_at": st.sampled_from(
            ["2024-01-01T10:00:00Z", "2024-01-15T14:30:00Z", "2023-06-01T00:00:00Z"]
        ),
    }
)  # fmt: skip
LOGINS = st.sampled_from(["kim", "lee", "KIM"])
