"""Requests are sent to the shops and to the model, and the responses must be the same."""

from collections.abc import Callable
from typing import Any, ClassVar

import orjson
from hypothesis.stateful import RuleBasedStateMachine

from tests.conftest import ROLES
from tests.stateful.answers import Answer, ConstraintViolation, Record
from tests.stateful.database_pair import DatabasePair, Reply
from tests.stateful.model import Model

MANAGER = ROLES.index("manager") + 1


class Asking(RuleBasedStateMachine):
    """A shop of test users, and the ways to send it requests."""

    databases: ClassVar[DatabasePair]

    def __init__(self) -> None:
        super().__init__()
        self.databases.reset()
        self.seconds = 0
        test_users = [
            {
                "id": number,
                "login": role,
                "email": f"{role}@shop.example",
                "display_name": role.title(),
                "role": role,
            }
            for number, role in enumerate(ROLES, start=1)
        ]
        self.model = Model(test_users)
        # Every application password that there ever was: its number, login and secret.
        self.secrets: list[tuple[int, str, str]] = []

    def customer(self, place: int) -> int:
        """Return the id of a customer, or one that is not there, or not yet."""
        ids = list(self.model.customers)
        return ids[place] if place < len(ids) else self.model.last_customer + place // 6

    def address(self, customer_id: int, place: int) -> int:
        """Return an address of the customer, or else of another, or the id of none."""
        own = [each["id"] for each in self.model.addresses_of(customer_id)]
        ids = own + [each for each in self.model.addresses if each not in own]
        return ids[place] if place < len(ids) else 99

    # The request, and its expected result

    def answered(self, reply: Reply, act: Callable[[], Answer]) -> Answer | None:
        """Compare a response with that of the model. Return the response if it is a success."""
        wanted: Answer | ConstraintViolation
        try:
            wanted = act()
        except ConstraintViolation as refused:
            wanted = refused
        if isinstance(wanted, ConstraintViolation):
            error = orjson.loads(reply.body)
            assert (reply.status, error["error"]["code"]) == (wanted.status, wanted.code), (reply, wanted)
            assert wanted.text in (None, error["message"]), (reply, wanted.text)
            return None
        assert (reply.status, reply.body) == (wanted.status, orjson.dumps(wanted.body)), (reply, wanted)
        return wanted

    def read(self, path: str, act: Callable[[], Answer]) -> None:
        self.answered(self.databases.ask("GET", path), act)

    def post(
        self, path: str, sent: Any, key: str | None, act: Callable[[], Answer], usual: Record | None = None
    ) -> None:
        """Send a request. A field that is left out means the same as its ``usual`` value.

        See docs/decisions.md#27-idempotency-keys.
        """
        if key is None:
            self.answered(self.databases.ask("POST", path, sent), act)
            return
        understood = usual | sent if usual else sent
        replayed = self.model.kept.has(MANAGER, path, key)
        reply = self.databases.ask("POST", path, sent, {"Idempotency-Key": key})
        reused = reply.status == 422 and b"idempotency_key_reused" in reply.body
        assert ("idempotency-replayed" in reply.headers) == (replayed and not reused), reply
        self.answered(reply, lambda: self.model.kept.once(MANAGER, path, key, understood, act))

    def put(self, path: str, customer_id: int, sent: Any, condition: str, act: Callable[[], Answer]) -> None:
        name, _, which = condition.partition(": ")
        tags = {"*": "*", "old": '"old"'}
        if which == "current":
            tags["current"] = self.model.tag(customer_id) if customer_id in self.model.customers else '"none"'
        headers = {name: tags[which]} if condition else {}

        def on_condition() -> Answer:
            self.model.customer(customer_id)
            if condition in ("If-Match: old", "If-None-Match: current"):
                raise ConstraintViolation(412, "precondition_failed")
            return act()

        reply = self.databases.ask("PUT", f"/{customer_id}{path}", sent, headers)
        if self.answered(reply, on_condition):
            assert reply.headers.get("etag") == (self.model.tag(customer_id) if condition else None)
