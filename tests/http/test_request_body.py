"""One set of fields in every form of input, and the reader of bodies alone.

See docs/decisions.md#8-forms-of-input.
"""

from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi import Request
from starlette.types import Message

from fluent_cart.errors import ApiError, PayloadTooLarge, UnreadableBody, UnsupportedMediaType
from fluent_cart.formats.strict_json import MAX_LEVELS, MAX_NODES, parse_json
from fluent_cart.http.request_body import FORM, MAX_BYTES, parse, read_bytes, read_fields
from fluent_cart.settings import Settings
from tests.conftest import MakeAddress, MakeCustomer

JSON = "application/json"


@pytest.fixture
def settings(sqlite_settings: Settings) -> Settings:
    """One database is enough, because the tested code runs before any query."""
    return sqlite_settings


@pytest.fixture
async def shop(make_customer: MakeCustomer, make_address: MakeAddress) -> None:
    """Customers 1 to 3, of whom customer 1 has the addresses 1 and 2."""
    for number in (1, 2, 3):
        await make_customer(email=f"customer{number}@example.com", first_name="Ann", last_name="Old")
    for _ in range(2):
        await make_address(1)


async def send(client: httpx.AsyncClient, method: str, path: str, body: str, kind: str = FORM) -> Any:
    headers = {"Content-Type": kind} if kind else {}
    response = await client.request(method, path, content=body.encode(), headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


async def customer(client: httpx.AsyncClient, customer_id: int = 1) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/{customer_id}")).json()["data"]["customer"]
    return found


class TestContentTypes:
    @pytest.mark.parametrize(
        "kind",
        [JSON, "", FORM, "text/plain", "application/octet-stream", "application/vnd.api+json",
         "Application/JSON", "application/json; charset=utf-8", "application/json;charset=UTF8",
         'text/plain; charset="us-ascii"',
         f"{FORM}; charset=UTF-8", "nonsense"],
    )  # fmt: skip
    async def test_json_is_read_under_any_usual_content_type(
        self, shop: None, manager: httpx.AsyncClient, kind: str
    ) -> None:
        """curl's -d sends the type of a form unless an option changes it, and some clients send none."""
        await send(manager, "PUT", "/1", ' {"first_name": "Jané", "phone": "1"}', kind)
        assert (await customer(manager))["first_name"] == "Jané"

    @pytest.mark.parametrize("kind", [FORM, f"{FORM}; charset=UTF-8", FORM.title()])
    async def test_forms_are_read_under_their_content_types(
        self, shop: None, manager: httpx.AsyncClient, kind: str
    ) -> None:
        await send(manager, "PUT", "/1", "first_name=Jan%C3%A9+M&phone=%2B1", kind)
        changed = await customer(manager)
        assert (changed["first_name"], changed["phone"]) == ("Jané M", "+1")


class TestFormsAndQueries:
    """Every list, object and number that JSON has, written as PHP's clients write it."""

    @pytest.mark.parametrize(
        "ids",
        ["customer_ids[]=1&customer_ids[]=2", "customer_ids[0]=1&customer_ids[1]=2",
         "customer_ids%5B%5D=1&customer_ids%5B%5D=2", "customer_ids[1]=1&customer_ids[]=2"],
    )  # fmt: skip
    @pytest.mark.parametrize("in_query", [False, True], ids=["form", "query"])
    async def test_bulk_action_is_read_from_a_form(
        self, shop: None, manager: httpx.AsyncClient, ids: str, in_query: bool
    ) -> None:
        fields = f"action=update_status&{ids}&data[status]=inactive"
        query, body = (f"?{fields}", "") if in_query else ("", fields)
        answer = await send(manager, "POST", f"/do-bulk-action{query}", body)
        results = [{"customer_id": 1, "success": True}, {"customer_id": 2, "success": True}]
        assert answer == {"success": True, "data": {"processed": 2, "failed": 0, "results": results}}
        statuses = [(await customer(manager, number))["status"] for number in (1, 2, 3)]
        assert statuses == ["inactive", "inactive", "active"]

    async def test_bulk_action_without_data_accepts_an_empty_field(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        answer = await send(manager, "POST", "/do-bulk-action", "action=export&customer_ids[]=1&data=")
        assert answer["data"]["processed"] == 1

    @pytest.mark.parametrize(
        "filters",
        ["filters[status]=inactive", "filters%5Bstatus%5D=inactive",
         "filters[status]=inactive&filters[date_to]=",
         "filters=" + quote('{"status": "inactive", "total_spent_min": "0"}')],
    )  # fmt: skip
    async def test_filters_are_read_from_brackets_or_json(
        self, shop: None, manager: httpx.AsyncClient, filters: str
    ) -> None:
        await manager.put("/2", json={"status": "inactive"})
        customers = (await manager.get(f"?{filters}")).json()["data"]["customers"]
        assert [found["id"] for found in customers] == [2]

    @pytest.mark.parametrize("filters", ["filters=", "filters[]", "filters=[]", "filters={}", "filters=null"])
    async def test_empty_filters_select_every_customer(
        self, shop: None, manager: httpx.AsyncClient, filters: str
    ) -> None:
        if filters == "filters[]":
            filters = "filters=%5B%5D"
        assert (await manager.get(f"?{filters}")).json()["data"]["pagination"]["total"] == 3

    @pytest.mark.parametrize(
        ("query", "body", "kind"),
        [
            ("?address_id=1", "", ""),
            ("?address_id=1", "{}", JSON),
            ("", "address_id=1", FORM),
            ("", '{"address_id": "1"}', JSON),
            ("", '{"address_id": 1}', FORM),
            ("?address_id=2", '{"address_id": 1}', JSON),
        ],
    )
    async def test_address_to_delete_is_read_from_body_or_query(
        self, shop: None, manager: httpx.AsyncClient, query: str, body: str, kind: str
    ) -> None:
        """The body wins over the query."""
        answer = await send(manager, "DELETE", f"/1/address{query}", body, kind)
        assert answer == {"success": True, "message": "Address deleted successfully"}
        assert [address["id"] for address in (await customer(manager))["addresses"]] == [2]

    async def test_field_that_the_body_lacks_is_read_from_the_query(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        await send(manager, "PUT", "/1?first_name=Query&last_name=Query", '{"last_name": "Body"}', JSON)
        changed = await customer(manager)
        assert (changed["first_name"], changed["last_name"]) == ("Query", "Body")

    async def test_address_is_read_from_a_form(self, shop: None, manager: httpx.AsyncClient) -> None:
        fields = "address_1=1+Via&city=Rome&country=it&is_primary=true&type=shipping"
        made = (await send(manager, "POST", "/3/address", fields))["data"]["address"]
        assert (made["country"], made["type"], made["first_name"]) == ("IT", "shipping", "")


class TestAdditionalInfo:
    async def test_additional_info_is_read_from_the_body_only(
        self, shop: None, manager: httpx.AsyncClient
    ) -> None:
        query = "?_locale=user&company=Query&rest_route=/x&_wpnonce=1&customerId=2"
        answer = await send(manager, "PUT", f"/1/additional-info{query}", '{"notes": [1, {"a": null}]}', JSON)
        assert answer["data"]["customer"]["additional_info"] == {"notes": [1, {"a": None}]}

    async def test_additional_info_of_a_form_is_text(self, shop: None, manager: httpx.AsyncClient) -> None:
        await send(manager, "PUT", "/1/additional-info", "a=1&b[c]=2&b[d][]=3")
        assert (await customer(manager))["additional_info"] == {"a": "1", "b": {"c": "2", "d": ["3"]}}


async def test_unknown_members_are_ignored(shop: None, manager: httpx.AsyncClient) -> None:
    before = await customer(manager)
    await send(
        manager, "PUT", "/1?id=7&unknown=1", '{"id": 9, "total_spent": 5, "user_id": 1, "x": {}}', JSON
    )
    assert await customer(manager) == before


class TestParse:
    @pytest.mark.parametrize("kind", [JSON, FORM, "", "text/xml", "multipart/form-data"])
    def test_empty_body_has_no_fields(self, kind: str) -> None:
        assert parse(b"", kind, "gzip") == {}

    def test_last_of_two_equal_keys_in_a_body_counts(self) -> None:
        assert parse(b'{"a": 1, "a": {"b": 1, "b": 2}, "a": 3}', JSON) == {"a": 3}

    @pytest.mark.parametrize(
        ("coding", "name"), [("gzip", " gzip"), ("br", " br"), ("identity, gzip", ""), ("<b>", "")]
    )
    def test_compressed_body_is_rejected(self, coding: str, name: str) -> None:
        text = f"The content coding{name} is not supported. Send the request body without Content-Encoding"
        with pytest.raises(UnsupportedMediaType, match=f"^{text}$") as caught:
            parse(b"{}", JSON, coding)
        assert caught.value.headers == {"Accept-Encoding": "identity"}
        assert parse(b"{}", JSON, "identity") == {}

    @pytest.mark.parametrize("kind", ["text/xml", "multipart/form-data", "image/png", "text/json", "x/y+xml"])
    def test_other_content_types_are_rejected(self, kind: str) -> None:
        with pytest.raises(UnsupportedMediaType):
            parse(b"{}", kind)

    @pytest.mark.parametrize("charset", ["latin-1", "utf-16", "utf-7", "", "x", "*=utf-8''x"])
    def test_other_charsets_are_rejected(self, charset: str) -> None:
        with pytest.raises(UnsupportedMediaType, match="The charset is not supported"):
            parse(b"{}", f"{JSON}; charset={charset}")

    @pytest.mark.parametrize(
        ("body", "kind"),
        [(b"\xff", JSON), (b"\xff", FORM), (b"a=%ff", FORM), (b"a=1&" * 2001, FORM), (b"[1", JSON)],
    )
    def test_unreadable_body_is_rejected(self, body: bytes, kind: str) -> None:
        with pytest.raises(UnreadableBody):
            parse(body, kind)


class TestLimitsOfJson:
    def test_json_over_the_limit_of_levels_is_rejected(self) -> None:
        assert parse_json("[" * MAX_LEVELS + "]" * MAX_LEVELS)
        with pytest.raises(UnreadableBody, match="nested too deeply"):
            parse_json("[" * MAX_LEVELS + "1" + "]" * MAX_LEVELS)

    def test_json_over_the_limit_of_members_is_rejected(self) -> None:
        """The outermost value counts as one."""
        assert len(parse_json(f"[{'1,' * (MAX_NODES - 2)}1]")) == MAX_NODES - 1
        with pytest.raises(UnreadableBody, match="too many members"):
            parse_json(f"[{'1,' * (MAX_NODES - 1)}1]")

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "9" * 5000])
    def test_json_numbers_over_the_limit_are_rejected(self, number: str) -> None:
        assert parse_json('{"a": -1.5e3}') == {"a": -1500.0}
        with pytest.raises(UnreadableBody):
            parse_json(f'{{"a": [{number}]}}')


class TestReading:
    @staticmethod
    def request(*messages: Message, headers: list[tuple[bytes, bytes]] | None = None) -> Request:
        waiting = list(messages)

        async def receive() -> Message:
            return waiting.pop(0)

        return Request({"type": "http", "method": "POST", "headers": headers or []}, receive)

    async def test_reading_stops_at_the_limit(self) -> None:
        part = {"type": "http.request", "body": b"x" * MAX_BYTES, "more_body": True}
        end: Message = {"type": "http.request", "body": b"", "more_body": False}
        assert await read_bytes(self.request(part, end)) == b"x" * MAX_BYTES
        one_more = {"type": "http.request", "body": b"x", "more_body": True}
        with pytest.raises(PayloadTooLarge) as refused:
            await read_bytes(self.request(part, one_more))  # a third message is never asked for
        assert refused.value.headers == {"Connection": "close"}

    async def test_body_whose_length_is_over_the_limit_is_rejected_before_it_is_read(self) -> None:
        """A client that sends ``Expect: 100-continue`` then sends no body."""
        with pytest.raises(PayloadTooLarge) as refused:
            await read_bytes(self.request(headers=[(b"content-length", b"1048577")]))
        assert refused.value.headers == {"Connection": "close"}

    async def test_part_of_a_body_is_rejected(self) -> None:
        with pytest.raises(UnreadableBody, match="without Content-Range"):
            await read_fields(self.request(headers=[(b"content-range", b"bytes 0-3/10")]))

    async def test_body_of_a_disconnected_caller_is_not_read(self) -> None:
        part = {"type": "http.request", "body": b"{", "more_body": True}
        with pytest.raises(ApiError) as refused:
            await read_bytes(self.request(part, {"type": "http.disconnect"}))
        assert isinstance(refused.value, UnreadableBody)


class TestForms:
    @pytest.mark.parametrize("kind", [FORM, "application/json", "", "text/plain"])
    @pytest.mark.parametrize("body", ['{"phone": "999"}', "phone=999", "[]"])
    def test_body_behind_a_byte_order_mark_is_rejected(self, kind: str, body: str) -> None:
        with pytest.raises(UnreadableBody):
            parse(f"\ufeff{body}".encode(), kind)

    @pytest.mark.parametrize("body", [b"true", b"phone", b"a&b", b"\xef\xbb\xbfx", b"12", "ä".encode()])
    def test_form_without_a_field_is_rejected(self, body: bytes) -> None:
        with pytest.raises(UnreadableBody):
            parse(body, FORM)

    def test_json_list_sent_as_a_form_is_a_list(self) -> None:
        assert parse(b'["a=b"]', FORM) == ["a=b"]
