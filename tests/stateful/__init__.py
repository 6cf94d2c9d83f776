"""A shop in plain Python and on each database. All return the same responses.

Measured in docs/guarantees.md, C3.
"""

from collections.abc import Sequence

import hypothesis
from hypothesis.stateful import run_state_machine_as_test

from tests.stateful.database_pair import DatabasePair
from tests.stateful.machine import STEPS, Shop

__all__ = ["STEPS", "run"]


def run(urls: Sequence[str], sequences: int, seed: int) -> None:
    """Run sequences of steps on all the shops at once.

    The shops lose their content, except the test users.
    """
    how = hypothesis.settings(
        max_examples=sequences,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    with DatabasePair(urls) as databases:
        machine = hypothesis.seed(seed)(type("BothDatabases", (Shop,), {"databases": databases}))
        run_state_machine_as_test(machine, settings=how)
