"""Steps in a shop, in any order: Hypothesis chooses them, and the model computes the responses."""

from functools import partial
from urllib.parse import urlencode

import orjson
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from fluent_cart.services import orders, users
from fluent_cart.services.application_passwords import (
    create_application_password,
    list_application_passwords,
    revoke_application_password,
)
from tests.stateful.answers import Answer, ConstraintViolation, Record, success
from tests.stateful.asking import Asking
from tests.stateful.inputs import (
    CONDITIONS,
    CUSTOMER,
    EMAILS,
    INFOS,
    KEYS,
    LOGINS,
    MORE,
    ORDERS,
    PLACE,
    PLACES,
    QUERIES,
    STATUSES,
    USER_IDS,
)
from tests.stateful.model import PERMISSIONS, USUAL_ADDRESS, USUAL_CUSTOMER

STEPS = 40


class Shop(Asking):
    """A sequence of requests and other events. Every response equals that of the model."""

    def __init__(self) -> None:
        super().__init__()
        self.pass_time(0)
        # Most events happen to a customer.
        for number in range(3):
            self.create_customer(f"customer{number}@example.com", {}, None)
        self.create_user("kim", "manager")
        self.create_password("kim")

    # Customers

    @rule(
        email=EMAILS,
        sent=st.fixed_dictionaries({}, optional={**CUSTOMER, "additional_info": INFOS}),
        key=KEYS,
    )
    def create_customer(self, email: str, sent: Record, key: str | None) -> None:
        sent = {"email": email, **sent}
        self.post("", sent, key, partial(self.model.create_customer, sent), USUAL_CUSTOMER)

    @rule(
        customer=PLACES,
        sent=st.fixed_dictionaries({}, optional={**CUSTOMER, "email": EMAILS}),
        condition=CONDITIONS,
    )
    def update_customer(self, customer: int, sent: Record, condition: str) -> None:
        customer_id = self.customer(customer)
        self.put("", customer_id, sent, condition, partial(self.model.update_customer, customer_id, sent))

    @rule(customer=PLACES, sent=INFOS, condition=CONDITIONS)
    def update_additional_info(self, customer: int, sent: Record, condition: str) -> None:
        customer_id = self.customer(customer)
        act = partial(self.model.update_additional_info, customer_id, sent)
        self.put("/additional-info", customer_id, sent, condition, act)

    # Addresses

    @rule(customer=PLACES, sent=st.fixed_dictionaries(PLACE, optional=MORE), key=KEYS)
    def create_address(self, customer: int, sent: Record, key: str | None) -> None:
        customer_id = self.customer(customer)
        act = partial(self.model.create_address, customer_id, sent)
        self.post(f"/{customer_id}/address", sent, key, act, USUAL_ADDRESS)

    @rule(
        customer=PLACES,
        address=PLACES,
        sent=st.fixed_dictionaries({}, optional={**PLACE, **MORE}),
        condition=CONDITIONS,
    )
    def update_address(self, customer: int, address: int, sent: Record, condition: str) -> None:
        customer_id = self.customer(customer)
        address_id = self.address(customer_id, address)
        sent = {"address_id": address_id, **sent}
        self.put(
            "/address", customer_id, sent, condition, lambda: self.model.update_address(customer_id, sent)
        )

    @rule(customer=PLACES, address=PLACES, in_query=st.booleans())
    def delete_address(self, customer: int, address: int, in_query: bool) -> None:
        customer_id = self.customer(customer)
        address_id = self.address(customer_id, address)
        sent = {"address_id": address_id}
        path = f"/{customer_id}/address"
        reply = (
            self.databases.ask("DELETE", f"{path}?{urlencode(sent)}")
            if in_query
            else self.databases.ask("DELETE", path, sent)
        )
        self.answered(reply, partial(self.model.delete_address, customer_id, sent))

    @rule(customer=PLACES, address=PLACES, key=KEYS)
    def make_primary(self, customer: int, address: int, key: str | None) -> None:
        customer_id = self.customer(customer)
        address_id = self.address(customer_id, address)
        sent = {"address_id": address_id}
        act = partial(self.model.make_primary, customer_id, sent)
        self.post(f"/{customer_id}/address/make-primary", sent, key, act)

    # Many at once

    @rule(
        action=st.sampled_from(["update_status", "export", "delete"]),
        places=st.lists(PLACES, min_size=1, max_size=4),
        status=STATUSES,
        key=KEYS,
    )
    def bulk(self, action: str, places: list[int], status: str, key: str | None) -> None:
        ids = [self.customer(place) for place in places]
        sent = {"action": action, "customer_ids": ids, "data": {"status": status}}
        self.post("/do-bulk-action", sent, key, partial(self.model.bulk, sent))

    @rule(places=st.lists(PLACES, min_size=1, max_size=4))
    def export_csv(self, places: list[int]) -> None:
        ids = [self.customer(place) for place in places]
        sent = {"action": "export", "customer_ids": ids, "data": {"format": "csv"}}
        there = {each for each in ids if each in self.model.customers}
        data = orjson.loads(self.databases.ask("POST", "/do-bulk-action", sent).body)["data"]
        assert data["processed"] == len(there)
        assert data["export"].count("\r\n") == len(there) + 1

    @rule(query=QUERIES)
    def list_customers(self, query: Record) -> None:
        written = query | {"filters": orjson.dumps(query["filters"]).decode()}
        written |= {"order_by": query["order_by"].value, "order_type": query["order_type"].value}
        self.read(f"?{urlencode(written)}", partial(self.model.list_customers, query))

    # Users and their passwords

    @rule(customer=PLACES, user_id=USER_IDS, key=KEYS)
    def attach(self, customer: int, user_id: int, key: str | None) -> None:
        customer_id = self.customer(customer)
        sent = {"user_id": user_id}
        act = partial(self.model.attach, customer_id, sent)
        self.post(f"/{customer_id}/attachable-user", sent, key, act)

    @rule(customer=PLACES, key=KEYS)
    def detach(self, customer: int, key: str | None) -> None:
        customer_id = self.customer(customer)
        self.post(f"/{customer_id}/detach-user", None, key, partial(self.model.detach, customer_id, {}))

    @rule()
    def list_attachable_users(self) -> None:
        self.read("/attachable-user", self.model.attachable)

    @rule(login=LOGINS, role=st.sampled_from(["manager", "worker", "subscriber"]))
    def create_user(self, login: str, role: str) -> None:
        email = f"{login}@shop.example"
        made = self.databases.write(users.create_user, login, email, login.title(), role)
        if self.named(login):
            assert isinstance(made, str)
            return
        self.model.last_user += 1
        assert made == self.model.last_user
        user = {"id": made, "login": login, "email": email, "display_name": login.title(), "role": role}
        self.model.users[made] = user

    @rule(login=LOGINS, role=st.sampled_from(["manager", "worker", "subscriber"]))
    def set_role(self, login: str, role: str) -> None:
        refused = self.databases.write(users.set_role, login, role)
        for user in self.named(login):
            user["role"] = role
        assert (refused is None) == bool(self.named(login))

    @rule(login=LOGINS)
    def delete_user(self, login: str) -> None:
        self.databases.write(users.delete_user, login)
        for user in self.named(login):
            self.model.delete_user(user["id"])

    @rule(login=LOGINS)
    def create_password(self, login: str) -> None:
        secret = self.databases.write(create_application_password, login, "client")
        for user in self.named(login):
            number = self.databases.write(list_application_passwords, login)[-1]["id"]
            self.secrets.append((number, login, secret))
            self.model.passwords[secret] = user["id"]

    @precondition(lambda self: self.secrets)
    @rule(data=st.data())
    def revoke_password(self, data: st.DataObject) -> None:
        number, _, secret = data.draw(st.sampled_from(self.secrets))
        refused = self.databases.write(revoke_application_password, number)
        assert (refused is None) == (self.model.passwords.pop(secret, None) is not None)

    @precondition(lambda self: self.secrets)
    @rule(data=st.data(), login=LOGINS, writes=st.booleans())
    def sign_in(self, data: st.DataObject, login: str, writes: bool) -> None:
        _, own, secret = data.draw(st.sampled_from(self.secrets))
        name = data.draw(st.sampled_from([own, own, own.swapcase(), f"{own}@SHOP.example", login]))
        owner = self.model.users.get(self.model.passwords.get(secret, 0))

        def act() -> Answer:
            if not owner or name.lower() not in (owner["login"].lower(), owner["email"].lower()):
                raise ConstraintViolation(401, "authentication_failed")
            if ("manage" if writes else "view") not in PERMISSIONS.get(owner["role"], ()):
                raise ConstraintViolation(403, "insufficient_permissions")
            raise ConstraintViolation(404, "customer_not_found")

        method, path = ("POST", "/99/detach-user") if writes else ("GET", "/99")
        self.answered(self.databases.ask(method, path, auth=(name, secret)), act)

    def named(self, login: str) -> list[Record]:
        return [user for user in self.model.users.values() if user["login"].lower() == login.lower()]

    # Orders and time

    @rule(order=ORDERS, data=st.data())
    def record_order(self, order: Record, data: st.DataObject) -> None:
        of_whom = data.draw(st.sampled_from([None, *self.model.customers]))
        order = order | {"customer_id": of_whom, "updated_at": self.model.time}
        self.databases.write(orders.record_order, order)
        self.model.record_order(order)

    @rule(seconds=st.sampled_from([1, 5, 3600, 25 * 3600, 30 * 24 * 3600]))
    def pass_time(self, seconds: int) -> None:
        self.seconds += seconds
        self.model.kept.seconds = self.seconds
        self.model.time = self.databases.set_clock(self.seconds)

    # Looking

    @rule(customer=PLACES, known=st.booleans())
    def get_customer(self, customer: int, known: bool) -> None:
        customer_id = self.customer(customer)
        tag = self.model.tag(customer_id) if customer_id in self.model.customers else '"none"'
        reply = self.databases.ask(
            "GET", f"/{customer_id}", headers={"If-None-Match": tag if known else '"old"'}
        )
        if known and customer_id in self.model.customers:
            assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", tag)
        elif self.answered(reply, lambda: success(customer=self.model.details(customer_id))):
            assert reply.headers["etag"] == tag

    @rule(customer=PLACES)
    def look_at_the_rest(self, customer: int) -> None:
        customer_id = self.customer(customer)
        self.read(f"/{customer_id}/orders", partial(self.model.list_orders, customer_id))
        self.read(f"/get-stats/{customer_id}", partial(self.model.stats, customer_id))
        self.read(f"/{customer_id}/address", partial(self.model.list_addresses, customer_id))

    def teardown(self) -> None:
        for place in range(len(self.model.customers) + 1):
            self.get_customer(place, known=False)
            self.look_at_the_rest(place)
        self.list_attachable_users()
        assert self.databases.violations() == ({}, 0)
