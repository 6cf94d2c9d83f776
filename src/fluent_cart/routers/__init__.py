"""The routes: each names its permission, hands one unit of work to the database, and wraps the result."""

from fluent_cart.routers import (
    addresses,
    bulk_actions,
    customer_export,
    customers,
    orders,
    stats,
    user_attachment,
    user_profile,
)

# Fixed paths come before the ones with a customer's id, which would swallow them.
ROUTERS = (
    stats.router,
    bulk_actions.router,
    user_attachment.router,
    customer_export.router,
    customers.router,
    orders.router,
    addresses.router,
    user_profile.router,
)
