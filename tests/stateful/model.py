"""The shop in plain Python, by the documentation and the decisions, with whole responses."""

from collections.abc import Iterable
from hashlib import blake2b

import orjson

from tests.services.test_customer_search import expected as found
from tests.stateful.answers import Answer, ConstraintViolation, Kept, Record, pick, success

LISTED = (
    "id", "email", "first_name", "last_name", "status", "total_spent", "order_count", "created_at",
    "updated_at",
)  # fmt: skip
DETAILED = (*LISTED[:4], "phone", *LISTED[4:])
PLACE = ("first_name", "last_name", "address_1", "city", "state", "postcode", "country")
MORE = ("address_2", "company_name", "phone")
ADDRESS = ("id", "type", *PLACE, "is_primary", *MORE)
PERMISSIONS = {"manager": ("view", "manage", "delete"), "worker": ("view",)}
# The values of fields that are not sent.
USUAL_CUSTOMER: Record = {
    "first_name": "", "last_name": "", "phone": None, "status": "active", "additional_info": {},
}  # fmt: skip
USUAL_ADDRESS: Record = (
    dict.fromkeys(MORE) | dict.fromkeys(PLACE, "") | {"type": "billing", "is_primary": False}
)
COUNTED = ("paid", "partially_paid", "partially_refunded")


class Model:
    """The whole state of the shop. ``time`` is the present, as text."""

    def __init__(self, users: Iterable[Record]) -> None:
        self.time = ""
        self.customers: dict[int, Record] = {}
        self.addresses: dict[int, Record] = {}
        self.orders: dict[int, Record] = {}
        self.users = {user["id"]: user for user in users}
        # The user of each secret.
        self.passwords: dict[str, int] = {}
        self.kept = Kept()
        self.last_customer = self.last_address = self.last_order = 0
        self.last_user = max(self.users)

    # Customers

    def customer(self, customer_id: int) -> Record:
        if customer_id not in self.customers:
            raise ConstraintViolation(404, "customer_not_found", f"Customer with ID {customer_id} not found")
        return self.customers[customer_id]

    def details(self, customer_id: int) -> Record:
        customer = self.customer(customer_id)
        own = [pick(address, *ADDRESS) for address in self.addresses_of(customer_id)]
        shown = pick(customer, *DETAILED) | {"addresses": own}
        return shown | pick(customer, "user_id", "additional_info")

    def tag(self, customer_id: int) -> str:
        shown = orjson.dumps(success(customer=self.details(customer_id)).body)
        return f'"{blake2b(shown, digest_size=16).hexdigest()}"'

    def create_customer(self, sent: Record) -> Answer:
        self.free(sent["email"], None)
        self.last_customer += 1
        customer = {
            "id": self.last_customer, "total_spent": 0, "order_count": 0,
            "first_order_at": None, "last_order_at": None,
            "user_id": None, "created_at": self.time, "updated_at": self.time, **USUAL_CUSTOMER, **sent,
        }  # fmt: skip
        self.customers[self.last_customer] = customer
        names = ("id", "email", "first_name", "last_name", "phone", "status", "created_at")
        return success(customer=pick(customer, *names))

    def free(self, email: str, but_of: int | None) -> None:
        for customer in self.customers.values():
            if customer["email"].lower() == email.lower() and customer["id"] != but_of:
                raise ConstraintViolation(
                    422, "invalid_email", "The email address belongs to another customer"
                )

    def update_customer(self, customer_id: int, sent: Record) -> Answer:
        customer = self.customer(customer_id)
        if customer["email"] != sent.get("email", customer["email"]):
            self.free(sent["email"], customer_id)
        self.change(customer, sent)
        names = ("id", "first_name", "last_name", "phone", "status", "updated_at")
        return success(customer=pick(customer, *names))

    def update_additional_info(self, customer_id: int, sent: Record) -> Answer:
        customer = self.customer(customer_id)
        merged = {**customer["additional_info"], **sent}
        kept = {name: value for name, value in merged.items() if sent.get(name, 0) is not None}
        self.change(customer, {"additional_info": kept})
        return success(customer=pick(customer, "id", "additional_info", "updated_at"))

    def change(self, record: Record, sent: Record) -> None:
        # As JSON: to Python, 1 and True are the same.
        if any(orjson.dumps(record[name]) != orjson.dumps(value) for name, value in sent.items()):
            record |= sent | {"updated_at": self.time}

    # Addresses

    def addresses_of(self, customer_id: int) -> list[Record]:
        return [address for address in self.addresses.values() if address["customer_id"] == customer_id]

    def list_addresses(self, customer_id: int) -> Answer:
        self.customer(customer_id)
        return success(addresses=[pick(address, *ADDRESS) for address in self.addresses_of(customer_id)])

    def address(self, customer_id: int, address_id: int) -> Record:
        self.customer(customer_id)
        address = self.addresses.get(address_id)
        if not address or address["customer_id"] != customer_id:
            raise ConstraintViolation(404, "address_not_found", f"Address with ID {address_id} not found")
        return address

    def create_address(self, customer_id: int, sent: Record) -> Answer:
        self.customer(customer_id)
        self.last_address += 1
        address = USUAL_ADDRESS | sent
        address |= {"id": self.last_address, "customer_id": customer_id}
        address |= {"created_at": self.time, "updated_at": self.time, "is_primary": False}
        first = not self.addresses_of(customer_id)
        self.addresses[self.last_address] = address
        if first or sent.get("is_primary"):
            self.crown(address, new=True)
        return success(address=pick(address, "id", "type", *PLACE, "created_at", *MORE))

    def crown(self, address: Record, *, new: bool = False) -> None:
        """Make an address the primary one of its customer."""
        for other in self.addresses_of(address["customer_id"]):
            self.change(other, {"is_primary": False} if other is not address else {})
        if new:
            address["is_primary"] = True
        else:
            self.change(address, {"is_primary": True})

    def update_address(self, customer_id: int, sent: Record) -> Answer:
        address = self.address(customer_id, sent["address_id"])
        changes = {name: value for name, value in sent.items() if name != "address_id"}
        if address["is_primary"] and changes.get("is_primary") is False:
            raise ConstraintViolation(422, "validation_error")
        if changes.get("is_primary"):
            self.crown(address)
        self.change(address, changes)
        return success(address=pick(address, "id", *PLACE, "updated_at", *MORE))

    def delete_address(self, customer_id: int, sent: Record) -> Answer:
        address = self.address(customer_id, sent["address_id"])
        del self.addresses[address["id"]]
        if address["is_primary"] and (left := self.addresses_of(customer_id)):
            self.crown(min(left, key=lambda each: int(each["id"])))
        return Answer(200, {"success": True, "message": "Address deleted successfully"})

    def make_primary(self, customer_id: int, sent: Record) -> Answer:
        address = self.address(customer_id, sent["address_id"])
        self.crown(address)
        return success(address=pick(address, "id", "is_primary", "updated_at", *MORE))

    # Users

    def attach(self, customer_id: int, sent: Record) -> Answer:
        customer, user_id = self.customer(customer_id), sent["user_id"]
        if customer["user_id"] != user_id:
            if user_id not in self.users:
                raise ConstraintViolation(422, "invalid_user", f"WordPress user with ID {user_id} not found")
            if customer["user_id"] is not None:
                raise ConstraintViolation(422, "invalid_user", "The customer is attached to another user")
            if any(other["user_id"] == user_id for other in self.customers.values()):
                raise ConstraintViolation(422, "invalid_user", "The user is attached to another customer")
            self.change(customer, {"user_id": user_id})
        return success(customer=pick(customer, "id", "user_id", "updated_at"))

    def detach(self, customer_id: int, _sent: Record) -> Answer:
        customer = self.customer(customer_id)
        self.change(customer, {"user_id": None})
        return success(customer=pick(customer, "id", "user_id", "updated_at"))

    def attachable(self) -> Answer:
        taken = {customer["user_id"] for customer in self.customers.values()}
        shown = [
            {
                "id": user["id"], "display_name": user["display_name"], "user_email": user["email"],
                "user_login": user["login"],
            }
            for user in self.users.values()
            if user["id"] not in taken
        ]  # fmt: skip
        return success(users=shown)

    def delete_user(self, user_id: int) -> None:
        del self.users[user_id]
        self.passwords = {secret: owner for secret, owner in self.passwords.items() if owner != user_id}
        self.kept.forget(user_id)
        for customer in self.customers.values():
            if customer["user_id"] == user_id:
                customer["user_id"] = None

    # Orders

    def record_order(self, order: Record) -> None:
        """Store an order, or the new state of one."""
        self.last_order = max(self.last_order, order["id"])
        self.orders[order["id"]] = order
        for customer in self.customers.values():
            counted = [each for each in self.orders_of(customer["id"]) if each["payment_status"] in COUNTED]
            times = [each["created_at"] for each in counted]
            customer |= {
                "order_count": len(counted),
                "total_spent": sum(max(0, each["total_paid"] - each["total_refund"]) for each in counted),
                "first_order_at": min(times, default=None),
                "last_order_at": max(times, default=None),
            }

    def orders_of(self, customer_id: int) -> list[Record]:
        own = [order for order in self.orders.values() if order["customer_id"] == customer_id]
        return sorted(own, key=lambda order: (order["created_at"], order["id"]))

    def list_orders(self, customer_id: int) -> Answer:
        self.customer(customer_id)
        names = ("id", "status", "payment_status", "total_amount", "currency", "created_at")
        return success(orders=[pick(order, *names) for order in self.orders_of(customer_id)])

    def stats(self, customer_id: int) -> Answer:
        customer = self.customer(customer_id)
        total, count = customer["total_spent"], customer["order_count"]
        return success(
            stats={
                "total_spent": total, "order_count": count,
                "average_order_value": (2 * total + count) // (2 * count) if count else 0,
                "last_order_date": customer["last_order_at"], "first_order_date": customer["first_order_at"],
            }
        )  # fmt: skip

    # Many at once

    def list_customers(self, query: Record) -> Answer:
        ids, total = found(list(self.customers.values()), query)
        page = {"current_page": query["page"], "per_page": query["per_page"], "total": total}
        page["total_pages"] = -(-total // query["per_page"])
        return success(customers=[pick(self.customers[each], *LISTED) for each in ids], pagination=page)

    def bulk(self, sent: Record) -> Answer:
        ids = list(dict.fromkeys(sent["customer_ids"]))
        there = [each for each in ids if each in self.customers]
        exported = {"export": [self.details(each) for each in there]} if sent["action"] == "export" else {}
        results: list[Record] = []
        for each in ids:
            results.append({"customer_id": each, "success": each in there})
            if each not in there:
                text = f"Customer with ID {each} not found"
                results[-1]["error"] = {"code": "customer_not_found", "message": text}
        for each in there:
            if sent["action"] == "update_status":
                self.change(self.customers[each], {"status": sent["data"]["status"]})
            elif sent["action"] == "delete":
                self.delete_customer(each)
        return success(processed=len(there), failed=len(ids) - len(there), results=results, **exported)

    def delete_customer(self, customer_id: int) -> None:
        del self.customers[customer_id]
        for address in self.addresses_of(customer_id):
            del self.addresses[address["id"]]
        for order in self.orders_of(customer_id):
            order["customer_id"] = None
