"""The tables of a shop."""

from fluent_cart.models.addresses import Address
from fluent_cart.models.base import Base
from fluent_cart.models.customer_changes import CustomerChange, CustomerChangeLog
from fluent_cart.models.customers import Customer
from fluent_cart.models.idempotency_keys import IdempotencyKey
from fluent_cart.models.merged_customers import MergedCustomer
from fluent_cart.models.orders import Order
from fluent_cart.models.sessions import Session
from fluent_cart.models.users import ApplicationPassword, User

__all__ = [
    "Address",
    "ApplicationPassword",
    "Base",
    "Customer",
    "CustomerChange",
    "CustomerChangeLog",
    "IdempotencyKey",
    "MergedCustomer",
    "Order",
    "Session",
    "User",
]
