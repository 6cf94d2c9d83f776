"""Random requests from the OpenAPI document, and sequences that a model follows."""

import asyncio
import random
import sys

from fluent_cart.app import create_app
from fluent_cart.database import connect
from fluent_cart.settings import Settings
from tests import stateful
from tests.conftest import make_template
from tests.stress.guarantees import Figure, NotRun, Scale, at_least, guarantee, measured, none
from tests.stress.shops import POSTGRESQL, SQLITE, Shop
from tests.support import fuzzing, postgres

SEED = 1
# A failure is reported with the sequences of its own batch alone.
BATCH = 50
MISSING = {
    "B6, object_level_authorization": "no object is a user's own: who may see one customer may see all",
}


@guarantee("C2", "what the OpenAPI document says, and what the server does: Schemathesis, all checks")
async def conformance(shop: Shop, scale: Scale) -> list[Figure]:
    figures = []
    # One that is always the same, and one that never is.
    for seed in (SEED, random.randrange(2, 2**32)):
        found = await asyncio.to_thread(_fuzz, shop, scale.examples, seed)
        print(*found.complaints, sep="\n\n", file=sys.stderr)
        fewest, number = found.requests.most_common()[-1]
        figures += [
            none(f"complaints, seed {seed}", len(found.complaints)),
            none("checks that were not made", len(fuzzing.CHECKS - found.checks.keys())),
            at_least(f"requests, of {fewest}, which had fewest", number, min(scale.examples, 300)),
            measured("requests in all", f"{found.requests.total():,}"),
        ]
    return figures


def _fuzz(shop: Shop, examples: int, seed: int) -> fuzzing.Fuzzed:
    with connect(shop.url) as connection:
        fuzzing.fill(connection, seed)
    settings = Settings(database_url=shop.url, rate_limit=0, failed_login_limit=0, _env_file=None)
    return fuzzing.fuzz(create_app(settings), examples, seed)


@guarantee("C3", f"sequences of {stateful.STEPS} steps on all databases in lockstep, which a model follows")
async def model(shop: Shop, scale: Scale) -> list[Figure]:
    urls = [shop.url]
    if shop.database == POSTGRESQL:
        urls.append(f"sqlite:///{shop.folder / 'twin.db'}")
        make_template(urls[-1])
    elif postgres.INSTALLED:
        raise NotRun("it is driven in lockstep with PostgreSQL")
    batches = range(0, scale.sequences, BATCH)
    for batch in batches:
        # An answer that is not the model's ends it.
        await asyncio.to_thread(stateful.run, urls, BATCH, SEED + batch)
    return [
        at_least("sequences without a difference", len(batches) * BATCH, scale.sequences),
        measured("databases", "both" if len(urls) > 1 else f"ONLY {SQLITE}"),
    ]
