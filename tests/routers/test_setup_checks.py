"""/app/init and /labels of the live plugin.

See docs/decisions.md#125-set-up-checks.
"""

import httpx
import pytest

from tests.conftest import MakeClient, credentials
from tests.support.errors import assert_error

ROOT = "/wp-json/fluent-cart/v2"


async def test_shop_is_named_in_data_and_at_the_top(client_of: MakeClient) -> None:
    async with client_of(credentials("worker"), prefix="") as client:
        answer = (await client.get(f"{ROOT}/app/init")).json()
    shop = {
        "store_name": "FluentCart Customers API",
        "site_title": "FluentCart Customers API",
        "site_url": "http://shop.example",
    }
    data = {**shop, "shop": shop}
    assert answer == {"success": True, "data": data, **data}


@pytest.mark.parametrize(("query", "page", "per_page"), [("", 1, 10), ("?per_page=1&page=2", 2, 1)])
async def test_page_of_labels_is_empty(client_of: MakeClient, query: str, page: int, per_page: int) -> None:
    async with client_of(credentials("worker"), prefix="") as client:
        answer = (await client.get(f"{ROOT}/labels{query}")).json()
    labels = {
        "current_page": page, "data": [], "from": None, "last_page": 1, "per_page": per_page, "to": None,
        "total": 0,
    }  # fmt: skip
    assert answer == {"success": True, "data": {"labels": labels}, "labels": labels}


@pytest.mark.parametrize("path", ["/app/init", "/labels?per_page=1"])
async def test_set_up_check_without_permission_fails(client_of: MakeClient, path: str) -> None:
    for auth, status, code in (
        (None, 401, "authentication_required"),
        (httpx.BasicAuth("worker", "wrong"), 401, "authentication_failed"),
        (credentials("subscriber"), 403, "insufficient_permissions"),
    ):
        async with client_of(auth, prefix="") as client:
            assert_error(await client.get(f"{ROOT}{path}"), status, code)


async def test_page_of_labels_out_of_range_is_rejected(client_of: MakeClient) -> None:
    async with client_of(credentials("worker"), prefix="") as client:
        assert_error(await client.get(f"{ROOT}/labels?per_page=0"), 422, "validation_error")
