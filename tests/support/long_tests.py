"""How many examples a test takes: few in the everyday suite, many in the stress suite."""

import os

# `make test-stress` sets the variable.
LONG = os.environ.get("FLUENT_CART_LONG_TESTS") == "1"


def many(usual: int, long: int) -> int:
    """Return the number for this run."""
    return long if LONG else usual
