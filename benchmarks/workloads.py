"""The requests to every arm, as a list for the comparison and as a script for wrk."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

PATH = "/wp-json/fluent-cart/v2/customers"
USER, READER, STRANGER = "bench", "reader", "stranger"
SECRET = "abcdEFGH1234ijklMNOP5678"
CUSTOMERS = 10_000
# The epoch of the cursors of changes. Other shops have a random one.
EPOCH = "b" * 32


def authorization(login: str = USER, secret: str = SECRET) -> str:
    """Return the header of HTTP Basic."""
    return "Basic " + b64encode(f"{login}:{secret}".encode()).decode()


@dataclass(frozen=True)
class Request:
    method: str
    target: str
    body: Any = None

    def to_bytes(self, host: str) -> bytes:
        """Return the request as it goes over the wire."""
        body = b"" if self.body is None else orjson.dumps(self.body)
        head = [f"{self.method} {self.target} HTTP/1.1", f"Host: {host}", f"Authorization: {authorization()}"]
        if body:
            head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        return "\r\n".join([*head, "", ""]).encode() + body


@dataclass(frozen=True)
class Workload:
    """Requests without end. ``number`` counts them, so that no two creations are the same."""

    name: str
    request: Callable[[int], Request]
    writes: bool = False

    def requests(self) -> Iterator[Request]:
        number = 0
        while True:
            number += 1
            yield self.request(number)


def _some_id(number: int) -> int:
    # A prime step walks through all customers in no order that a cache could like.
    return number * 7919 % CUSTOMERS + 1


def get_one(number: int) -> Request:
    return Request("GET", f"{PATH}/{_some_id(number)}")


def create(number: int) -> Request:
    body = {
        "email": f"new.{number}@example.com",
        "first_name": "Jane",
        "last_name": "Doe",
        "phone": "+1 555-1234",
    }
    return Request("POST", PATH, body)


def update(number: int) -> Request:
    return Request("PUT", f"{PATH}/{_some_id(number)}", {"phone": f"+1 555-{number:07}"})


def mixed(number: int) -> Request:
    """Nine reads for each write."""
    return update(number) if number % 10 == 0 else get_one(number)


GET_ONE = Workload("get one", get_one)
LIST_10 = Workload("list 10", lambda number: Request("GET", f"{PATH}?page={number % 20 + 1}&per_page=10"))
LIST_100 = Workload("list 100", lambda number: Request("GET", f"{PATH}?page={number % 20 + 1}&per_page=100"))
CREATE = Workload("create", create, writes=True)
UPDATE = Workload("update", update, writes=True)
MIXED = Workload("mixed 90/10", mixed, writes=True)

# Reads come first: they see the copy as it was made.
WORKLOADS = (GET_ONE, LIST_10, LIST_100, MIXED, UPDATE, CREATE)
