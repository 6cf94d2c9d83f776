"""``_fields`` and ``_envelope``: the functions, then over HTTP, and together with other features.

See docs/decisions.md#72-response-shape.
"""

from typing import Any

import httpx
import orjson
import pytest
from starlette.types import Message

from fluent_cart.settings import Settings
from fluent_cart.wordpress.exposed_headers import canonical_names
from fluent_cart.wordpress.response_shape import (
    MAX_LEVELS,
    read_fields,
    select,
    shape_response,
    wants_shaping,
)
from tests.conftest import MakeAddress, MakeClient, MakeCustomer, credentials
from tests.support.errors import assert_error


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """One database is enough, because responses are shaped after all queries."""
    return sqlite_settings


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress) -> None:
    """Customers 1 to 3, of whom customer 1 has two addresses."""
    for number in (1, 2, 3):
        await make_customer(
            email=f"customer{number}@example.com", additional_info={"tags": [{"a": 1, "b": 2}]}
        )
    for city in ("Rome", "Oslo"):
        await make_address(1, city=city)


class TestReadingFields:
    @pytest.mark.parametrize(
        ("value", "fields"),
        [
            ("id", {"id": None}),
            ("id,email", {"id": None, "email": None}),
            (" id ,\temail  status,,", {"id": None, "email": None, "status": None}),
            (["id", "email,status", 1], {"id": None, "email": None, "status": None}),
            ("a.b,a.c.d", {"a": {"b": None, "c": {"d": None}}}),
            ("a,a.b", {"a": None}),
            ("a.b,a", {"a": None}),
            (".a", {"": {"a": None}}),
            ("", {}),
            (None, {}),
            ({"x": "id"}, {}),
        ],
    )
    def test_fields_are_read_as_wordpress_writes_them(self, value: Any, fields: Any) -> None:
        assert read_fields(value) == fields

    def test_fields_are_read_to_a_limited_depth(self) -> None:
        fields: Any = read_fields(".".join("a" * 30_000))
        depth = 0
        while fields:
            [fields] = fields.values()
            depth += 1
        assert depth == MAX_LEVELS + 1


RECORD = {"id": 1, "email": "a", "tags": [{"a": 1, "b": 2}, 3], "info": {"x": {"y": 1, "z": 2}}}


class TestSelecting:
    @pytest.mark.parametrize(
        ("fields", "expected"),
        [
            ("id", {"id": 1}),
            ("email,id", {"id": 1, "email": "a"}),
            ("info.x.y", {"info": {"x": {"y": 1}}}),
            ("tags.a", {"tags": [{"a": 1}, 3]}),
            ("id.deeper", {"id": 1}),
            ("nothing", {}),
        ],
    )
    def test_fields_are_selected_from_a_record(self, fields: str, expected: Any) -> None:
        wanted = read_fields(fields)
        assert select(RECORD, wanted) == expected
        assert select([RECORD, RECORD], wanted) == [expected, expected]
        one = {"success": True, "data": {"customer": RECORD}}
        assert select(one, wanted) == {"success": True, "data": {"customer": expected}}
        page = {"success": True, "data": {"customers": [RECORD], "pagination": {"total": 1}}}
        assert select(page, wanted) == {
            "success": True,
            "data": {"customers": [expected], "pagination": {"total": 1}},
        }

    @pytest.mark.parametrize("path", ["id", "customer.id", "data.id", "data.customer.id"])
    def test_fields_may_begin_at_the_envelope(self, path: str) -> None:
        answer = {"success": True, "data": {"customer": RECORD}}
        assert select(answer, read_fields(path)) == {"success": True, "data": {"customer": {"id": 1}}}

    @pytest.mark.parametrize("path", ["data", "data.customer", "customer", "data,customer.id"])
    def test_no_fields_select_all(self, path: str) -> None:
        answer = {"success": True, "data": {"customer": RECORD}}
        assert select(answer, read_fields(path)) == answer

    def test_fields_are_selected_from_a_bulk_action(self) -> None:
        answer = {"success": True, "data": {"processed": 1, "results": [{"customer_id": 1, "success": True}]}}
        assert select(answer, read_fields("results.success")) == {
            "success": True,
            "data": {"results": [{"success": True}]},
        }

    def test_message_is_not_changed_by_fields(self) -> None:
        answer = {"success": True, "message": "Deleted"}
        assert select(answer, read_fields("id")) == answer

    def test_fields_are_selected_in_both_copies(self) -> None:
        answer = {"success": True, "data": {"customer": RECORD}, "message": "Done", "customer": RECORD}
        assert select(answer, read_fields("id")) == {
            "success": True, "data": {"customer": {"id": 1}}, "message": "Done", "customer": {"id": 1},
        }  # fmt: skip
        assert select({"success": True, "data": {"data": [RECORD]}}, read_fields("id")) == {
            "success": True, "data": {"data": [{"id": 1}]},
        }  # fmt: skip


class TestFields:
    async def test_fields_are_selected_from_every_customer(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        answer = await manager.get("?_fields=id,email&per_page=2")
        assert answer.json()["data"] == {
            "customers": [
                {"id": 3, "email": "customer3@example.com"},
                {"id": 2, "email": "customer2@example.com"},
            ],
            "pagination": {"current_page": 1, "per_page": 2, "total": 3, "total_pages": 2},
        }
        assert int(answer.headers["content-length"]) == len(answer.content)
        assert "_fields=id" in answer.headers["link"]
        assert answer.content == (await manager.get("?_fields[]=id&_fields[]=email&per_page=2")).content

    async def test_dotted_fields_select_nested_members(self, shop: None, manager: httpx.AsyncClient) -> None:
        answer = await manager.get("/1?_fields=addresses.city,additional_info.tags.a")
        assert answer.json()["data"]["customer"] == {
            "addresses": [{"city": "Rome"}, {"city": "Oslo"}],
            "additional_info": {"tags": [{"a": 1}]},
        }

    async def test_empty_fields_select_all(self, shop: None, manager: httpx.AsyncClient) -> None:
        for query in ("?_fields=", "?_fields=,", "?x_fields=id", "?x=_fields"):
            assert (await manager.get(f"/1{query}")).content == (await manager.get("/1")).content

    async def test_errors_stay_whole_with_fields(self, shop: None, manager: httpx.AsyncClient) -> None:
        assert_error(await manager.get("/999?_fields=code"), 404, "customer_not_found")
        assert_error(await manager.post("?_fields=id", json={}), 422, "validation_error")

    async def test_fields_are_selected_from_the_response_to_a_write(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        answer = await manager.put("/1?_fields=first_name", json={"first_name": "Ann"})
        assert answer.json() == {"success": True, "data": {"customer": {"first_name": "Ann"}}}

    async def test_fields_work_with_plain_permalinks(self, shop: None, client_of: MakeClient) -> None:
        async with client_of(credentials("manager"), prefix="") as site:
            answer = await site.get("/?rest_route=/fluent-cart/v2/customers/1&_fields=id")
        assert answer.json()["data"]["customer"] == {"id": 1}

    async def test_fields_are_ignored_outside_the_api(self, client_of: MakeClient) -> None:
        async with client_of(prefix="") as site:
            for path in ("/healthz", "/openapi.json"):
                answer = await site.get(f"{path}?_fields=nothing&_envelope")
                assert answer.content == (await site.get(path)).content


class TestEnvelope:
    async def test_envelope_has_status_and_headers(self, shop: None, manager: httpx.AsyncClient) -> None:
        plain, answer = await manager.get("?per_page=2"), await manager.get("?per_page=2&_envelope")
        assert answer.status_code == 200
        enveloped = answer.json()
        assert list(enveloped) == ["body", "status", "headers"]
        assert (enveloped["body"], enveloped["status"]) == (plain.json(), 200)
        assert enveloped["headers"]["X-WP-Total"] == "3"
        assert enveloped["headers"]["X-WP-TotalPages"] == "2"
        assert enveloped["headers"]["Allow"] == "GET, HEAD, OPTIONS, POST"
        assert enveloped["headers"]["X-Request-Id"] == answer.headers["x-request-id"]
        assert not {"Content-Length", "Content-Type"} & set(enveloped["headers"])
        assert int(answer.headers["content-length"]) == len(answer.content)

    @pytest.mark.parametrize(
        ("path", "status", "code"),
        [
            ("/999", 404, "customer_not_found"),
            ("?page=0", 422, "validation_error"),
            ("/1/x", 404, "rest_no_route"),
        ],
    )
    async def test_envelope_of_an_error_is_200(
        self, shop: None, manager: httpx.AsyncClient, path: str, status: int, code: str
    ) -> None:
        answer = await manager.get(
            path, params={**httpx.QueryParams(path.partition("?")[2]), "_envelope": "1"}
        )
        enveloped = answer.json()
        assert (answer.status_code, enveloped["status"], enveloped["body"]["code"]) == (200, status, code)

    async def test_envelope_of_a_401_has_its_status(self, shop: None, anonymous: httpx.AsyncClient) -> None:
        enveloped = (await anonymous.get("/1?_envelope")).json()
        assert (enveloped["status"], enveloped["body"]["code"]) == (401, "authentication_required")
        assert enveloped["headers"]["WWW-Authenticate"].startswith("Basic")

    async def test_envelope_of_an_unexpected_error_is_500_inside(
        self, shop: None, manager: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fluent_cart.services.addresses.list_addresses", None)
        enveloped = (await manager.get("/1/address?_envelope")).json()
        assert (enveloped["status"], enveloped["body"]["code"]) == (500, "internal_error")
        assert enveloped["headers"]["X-Request-Id"] in enveloped["body"]["message"]

    async def test_envelope_has_only_the_selected_fields(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        answer = await manager.get("/1?_envelope&_fields=id")
        assert answer.json()["body"] == {"success": True, "data": {"customer": {"id": 1}}}


class TestBesideOtherFeatures:
    async def test_etag_is_that_of_the_whole_response(self, shop: None, manager: httpx.AsyncClient) -> None:
        tag = (await manager.get("/1")).headers["etag"]
        for query in ("?_fields=id", "?_envelope", "?_fields=id&_envelope"):
            assert (await manager.get(f"/1{query}")).headers["etag"] == tag
            known = await manager.get(f"/1{query}", headers={"If-None-Match": tag})
            assert (known.status_code, known.content) == (304, b"")
            changed = await manager.put(f"/1{query}", json={}, headers={"If-Match": tag})
            assert changed.headers["etag"] == tag

    async def test_repeated_request_with_fields_has_the_stored_response(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        key, body = {"Idempotency-Key": "k"}, {"email": "once@example.com"}
        first = await manager.post("?_fields=id", json=body, headers=key)
        again = await manager.post("?_envelope", json=body, headers=key)
        assert first.json()["data"]["customer"] == {"id": 4}
        assert again.json()["headers"]["Idempotency-Replayed"] == "true"
        whole = await manager.post("", json=body, headers=key)
        assert again.json()["body"] == whole.json()
        assert whole.json()["data"]["customer"]["email"] == "once@example.com"

    async def test_head_has_the_length_of_what_get_sends(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        for query in ("?_fields=id", "?_envelope=1&_fields=id"):
            head, get = await manager.head(f"/1{query}"), await manager.get(f"/1{query}")
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"].isdigit()
            assert get.headers["content-length"] == str(len(get.content))
        assert (await manager.head("/1?_fields=id")).headers["content-length"] == str(
            len((await manager.get("/1?_fields=id")).content)
        )

    async def test_request_without_a_shape_costs_nothing(self) -> None:
        for query in (b"", b"page=1", b"per_page=2&filters[status]=active"):
            assert not wants_shaping(query)

    async def test_streamed_file_ignores_fields(self) -> None:
        """JSON in pieces is shaped as a whole, anything else passes piece by piece."""
        for kind, pieces in ((b"application/json", 1), (b"text/csv", 3)):
            sent: list[Message] = []

            async def send(message: Message, sent: list[Message] = sent) -> None:
                sent.append(message)

            send_shaped = shape_response(send, b"_fields=id")
            await send_shaped(
                {"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]}
            )
            for piece in (b'[{"id": 1,', b' "email": "a"}', b"]"):
                more = piece != b"]"
                await send_shaped({"type": "http.response.body", "body": piece, "more_body": more})
                assert (len(sent) > 1) == (kind != b"application/json" or not more)
            assert len(sent) == 1 + pieces
            if pieces == 1:
                assert orjson.loads(sent[1]["body"]) == [{"id": 1}]
                assert dict(sent[0]["headers"])[b"content-length"] == b"10"


def test_envelope_has_headers_by_their_usual_names_and_no_cookies() -> None:
    assert canonical_names(
        [
            (b"x-wp-total", b"1"), (b"etag", b'"x"'), (b"link", b"<a>"), (b"Link", b"<b>"),
            (b"vary", b"Origin"),
            (b"set-cookie", b"secret"), (b"content-length", b"1"), (b"content-type", b"text/plain"),
        ]
    ) == {"X-WP-Total": "1", "ETag": '"x"', "Link": "<a>, <b>", "Vary": "Origin"}  # fmt: skip
