"""The responses of the model, and its repeated responses to requests that are sent again."""

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

Record = dict[str, Any]
DAY = 24 * 3600


class Answer(NamedTuple):
    status: int
    body: Any


class ConstraintViolation(Exception):
    """An operation that is answered with an error: its status, its code, and its text if that is promised."""

    def __init__(self, status: int, code: str, text: str | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.text = status, code, text


def success(**data: Any) -> Answer:
    return Answer(200, {"success": True, "data": data})


def pick(record: Record, *names: str) -> Record:
    return {name: record[name] for name in names}


class Kept:
    """The stored responses under idempotency keys.

    See docs/decisions.md#27-idempotency-keys.
    """

    def __init__(self) -> None:
        self.seconds = 0
        self._answers: dict[tuple[int, str, str], tuple[Any, Answer | ConstraintViolation, int]] = {}

    def once(self, user_id: int, path: str, key: str, sent: Any, act: Callable[[], Answer]) -> Answer:
        """Answer as the first time within 24 hours, or do it."""
        own = (user_id, path, key)
        if own not in self._answers or self._answers[own][2] < self.seconds - DAY:
            try:
                # A copy, so that a response does not change with the model.
                answer: Answer | ConstraintViolation = Answer(200, orjson.loads(orjson.dumps(act().body)))
            except ConstraintViolation as refused:
                if refused.code not in ("invalid_email", "invalid_user"):
                    self._answers.pop(own, None)
                    raise
                answer = refused
            self._answers[own] = (sent, answer, self.seconds)
        first, answer, _ = self._answers[own]
        if first != sent:
            raise ConstraintViolation(422, "idempotency_key_reused")
        if isinstance(answer, ConstraintViolation):
            raise answer
        return answer

    def has(self, user_id: int, path: str, key: str) -> bool:
        """Return whether a request with the key would be answered as before."""
        kept = self._answers.get((user_id, path, key))
        return kept is not None and kept[2] >= self.seconds - DAY

    def forget(self, user_id: int) -> None:
        self._answers = {own: kept for own, kept in self._answers.items() if own[0] != user_id}
