"""A customer's whole life, by a client that was generated from the OpenAPI document."""

import json
import sys

from shop_client import AuthenticatedClient
from shop_client.api.addresses import create_address, make_address_primary
from shop_client.api.bulk_actions import do_bulk_action
from shop_client.api.customers import create_customer, get_customer, list_customers
from shop_client.api.user_attachment import attach_user, list_attachable_users
from shop_client.models import (
    AddressCreate,
    AddressRef,
    BulkAction,
    BulkActionName,
    BulkActionResponse,
    Country,
    CustomerCreate,
    CustomerDetail,
    CustomerDetailResponse,
    CustomerListResponse,
    ErrorResponse,
    NewAddressResponse,
    NewCustomerResponse,
    UserListResponse,
    UserRef,
)

address, token = sys.argv[1:]
client = AuthenticatedClient(f"{address}/wp-json/fluent-cart/v2", token, prefix="Basic")

new = create_customer.sync(client=client, body=CustomerCreate("typed@example.com", first_name="Ty"))
assert isinstance(new, NewCustomerResponse)
customer_id = new.data.customer.id

place = create_address.sync(customer_id, client=client, body=AddressCreate("1 Main St", "Berlin", Country.DE))
assert isinstance(place, NewAddressResponse)
make_address_primary.sync(customer_id, client=client, body=AddressRef(place.data.address.id))
users = list_attachable_users.sync(client=client)
assert isinstance(users, UserListResponse)
attach_user.sync(customer_id, client=client, body=UserRef(users.data.users[0].id))

detail = get_customer.sync(customer_id, client=client)
assert isinstance(detail, CustomerDetailResponse)
found = list_customers.sync(client=client, search="typed")
assert isinstance(found, CustomerListResponse)
export = do_bulk_action.sync(client=client, body=BulkAction(BulkActionName.EXPORT, [customer_id]))
assert isinstance(export, BulkActionResponse)
assert isinstance(export.data.export, list)
[record] = export.data.export
assert isinstance(record, CustomerDetail)
do_bulk_action.sync(client=client, body=BulkAction(BulkActionName.DELETE, [customer_id]))
gone = get_customer.sync(customer_id, client=client)
assert isinstance(gone, ErrorResponse)

print(
    json.dumps(
        {
            "email": detail.data.customer.email,
            "city": detail.data.customer.addresses[0].city,
            "user_id": detail.data.customer.user_id,
            "found": [each.id == customer_id for each in found.data.customers],
            "exported": record.email,
            "gone": gone.error.code,
        }
    )
)
