"""A customer's whole life, by a client that openapi-generator made of the OpenAPI document."""

import json
import sys

from shop_client import ApiClient, Configuration
from shop_client.api import AddressesApi, BulkActionsApi, CustomersApi, OrdersApi, StatsApi, UserAttachmentApi
from shop_client.exceptions import NotFoundException
from shop_client.models import (
    AddressCreate,
    AddressId,
    AddressRef,
    AddressUpdate,
    BulkAction,
    BulkActionData,
    BulkActionName,
    BulkActionOptions,
    Country,
    CustomerCreate,
    CustomerFilters,
    CustomerIdsInner,
    CustomerStatus,
    CustomerUpdate,
    FileFormat,
    UserId,
    UserRef,
)

address, login, secret = sys.argv[1:]
client = ApiClient(Configuration(f"{address}/wp-json/fluent-cart/v2", username=login, password=secret))
customers, addresses, users = CustomersApi(client), AddressesApi(client), UserAttachmentApi(client)
bulk_actions = BulkActionsApi(client)


def bulk(action: BulkActionName, options: BulkActionOptions | None = None):  # type: ignore[no-untyped-def]
    data = options and BulkActionData(options)
    body = BulkAction(action=action, customer_ids=[CustomerIdsInner(customer_id)], data=data)
    return bulk_actions.do_bulk_action(body).data


customer_id = customers.create_customer(
    CustomerCreate(email="typed@example.com", first_name="Ty", phone="555-0147")
).data.customer.id
changed = customers.update_customer(
    customer_id, "*", customer_update=CustomerUpdate(last_name="Ped")
).data.customer
assert (changed.first_name, changed.last_name) == ("Ty", "Ped")
info = customers.update_additional_info(customer_id, request_body={"vip": True}).data.customer
assert info.additional_info == {"vip": True}

new = AddressCreate(address_1="1 Main St", city="Berlin", country=Country.DE)
first, second = (addresses.create_address(customer_id, new).data.address.id for _ in range(2))
moved = addresses.update_address(customer_id, AddressUpdate(address_id=AddressId(second), city="Bern"))
assert moved.data.address.city == "Bern"
addresses.make_address_primary(customer_id, AddressRef(address_id=AddressId(second)))
addresses.delete_address(customer_id, address_id=first)
[left] = addresses.list_addresses(customer_id).data.addresses
assert (left.id, left.is_primary) == (second, True)

user_id = users.list_attachable_users().data.users[0].id
users.attach_user(customer_id, UserRef(user_id=UserId(user_id)))
detail = customers.get_customer_with_http_info(customer_id)
attached = detail.data.data.customer
assert detail.headers["etag"]
users.detach_user(customer_id)

assert StatsApi(client).get_customer_stats(customer_id).data.stats.total_spent == 0
assert OrdersApi(client).list_customer_orders(customer_id).data.orders == []
found = customers.list_customers(search="typed", filters=CustomerFilters(status=CustomerStatus.ACTIVE)).data
assert found.pagination.total == 1
assert "typed@example.com" in customers.export_customers(search="typed", format=FileFormat.CSV)

assert bulk(BulkActionName.UPDATE_STATUS, BulkActionOptions(status=CustomerStatus.INACTIVE)).processed == 1
[record] = bulk(BulkActionName.EXPORT).export.actual_instance
assert bulk(BulkActionName.DELETE).failed == 0
try:
    customers.get_customer(customer_id)
except NotFoundException as error:
    gone = error.data.error.code.value

print(
    json.dumps(
        {
            "email": attached.email,
            "city": left.city,
            "user_id": attached.user_id,
            "found": [each.id == customer_id for each in found.customers],
            "exported": record.email,
            "gone": gone,
        }
    )
)
