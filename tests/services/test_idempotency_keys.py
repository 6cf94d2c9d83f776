"""Stored requests: their content, their expiry, and when a request counts as the same one."""

from datetime import timedelta

import pytest
from sqlalchemy import Connection, insert, update

from fluent_cart.clock import ago, now
from fluent_cart.database import Database
from fluent_cart.errors import IdempotencyKeyReused
from fluent_cart.models import IdempotencyKey
from fluent_cart.services.idempotency_keys import EXPIRED_PER_WRITE, Answer, Attempt, execute_once
from tests.conftest import rows

ATTEMPT = Attempt(1, "POST /customers", "key", "fingerprint")
OTHERS = (
    ATTEMPT._replace(user_id=2),
    ATTEMPT._replace(route="POST /customers/1/address"),
    ATTEMPT._replace(key="Key"),
)
DAY = timedelta(hours=24)


class Acts:
    """Something to be done once: each answer is another."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _connection: Connection) -> Answer:
        self.count += 1
        return Answer(200, f'{{"number":{self.count},"text":"\\u0000 ü"}}'.encode())


def age(connection: Connection, created_at: str) -> None:
    connection.execute(update(IdempotencyKey).values(created_at=created_at))


async def test_same_request_is_answered_with_the_same_bytes(database: Database) -> None:
    acts = Acts()
    first = await database.write(execute_once, ATTEMPT, acts)
    again = await database.write(execute_once, ATTEMPT, acts)
    assert acts.count == 1
    assert again == first._replace(replayed=True)
    [kept] = await database.scan(rows, IdempotencyKey)
    assert kept["body"].encode() == first.body


async def test_other_users_routes_and_keys_are_other_requests(database: Database) -> None:
    acts = Acts()
    answers = [await database.write(execute_once, each, acts) for each in (ATTEMPT, *OTHERS)]
    assert len({answer.body for answer in answers}) == len(answers) == acts.count
    again = [await database.write(execute_once, each, acts) for each in (ATTEMPT, *OTHERS)]
    assert [answer.body for answer in again] == [answer.body for answer in answers]


async def test_stored_key_with_another_input_is_rejected(database: Database) -> None:
    acts = Acts()
    await database.write(execute_once, ATTEMPT, acts)
    with pytest.raises(IdempotencyKeyReused):
        await database.write(execute_once, ATTEMPT._replace(fingerprint="another"), acts)
    assert acts.count == 1


async def test_failed_request_is_not_stored(database: Database) -> None:
    def fails(connection: Connection) -> Answer:
        acts(connection)
        raise LookupError

    acts = Acts()
    with pytest.raises(LookupError):
        await database.write(execute_once, ATTEMPT, fails)
    assert await database.scan(rows, IdempotencyKey) == []
    assert not (await database.write(execute_once, ATTEMPT, acts)).replayed


class TestExpiry:
    async def test_idempotency_key_expires_after_24_hours(self, database: Database) -> None:
        acts = Acts()
        await database.write(execute_once, ATTEMPT, acts)
        await database.write(age, ago(DAY - timedelta(minutes=1)))
        assert (await database.write(execute_once, ATTEMPT, acts)).replayed
        await database.write(age, ago(DAY + timedelta(minutes=1)))
        other_input = ATTEMPT._replace(fingerprint="another")
        assert not (await database.write(execute_once, other_input, acts)).replayed
        assert acts.count == 2
        [kept] = await database.scan(rows, IdempotencyKey)
        assert (kept["fingerprint"], kept["created_at"] > ago(DAY)) == ("another", True)

    async def test_new_key_removes_the_oldest_expired_keys(self, database: Database) -> None:
        def fill(connection: Connection) -> None:
            old = {"user_id": 1, "route": "", "fingerprint": "", "status": 200, "body": "{}"}
            for number in range(15):
                moment = f"2024-01-{28 - number}T10:00:00Z" if number else now()
                connection.execute(insert(IdempotencyKey), old | {"key": str(number), "created_at": moment})

        await database.write(fill)
        assert EXPIRED_PER_WRITE == 10
        for left in ({"0", "1", "2", "3", "4", "first"}, {"0", "first", "second"}):
            key = "first" if "second" not in left else "second"
            await database.write(execute_once, ATTEMPT._replace(key=key), Acts())
            assert {kept["key"] for kept in await database.scan(rows, IdempotencyKey)} == left
