"""The routes. Each declares its permission, calls one service in a unit of work, and wraps the result."""

from fluent_cart.routers import (
    addresses,
    batch,
    bulk_actions,
    changes,
    customer_export,
    customers,
    duplicates,
    merge,
    orders,
    personal_data,
    rest_methods,
    setup_checks,
    stats,
    user_attachment,
    user_profile,
)

# In the order of the documentation, which is roughly the order of use, because routes are tried in turn.
ROUTERS = (
    customers.router,
    customer_export.router,
    stats.router,
    orders.router,
    addresses.router,
    user_attachment.router,
    bulk_actions.router,
    rest_methods.router,
    batch.router,
    user_profile.router,
    setup_checks.router,
    changes.router,
    duplicates.router,
    merge.router,
    personal_data.router,
)
