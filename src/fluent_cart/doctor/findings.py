"""The findings of the checks."""

from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    OK = "ok"
    # It works now, but may fail later or for some users.
    WARNING = "warning"
    # The shop cannot be served, or not safely.
    FAILURE = "failure"


class Finding(NamedTuple):
    check: str
    state: Severity
    text: str
    # The advice, or "" if none is needed.
    advice: str = ""


def ok(check: str, text: str) -> Finding:
    return Finding(check, Severity.OK, text)


def warning(check: str, text: str, advice: str) -> Finding:
    return Finding(check, Severity.WARNING, text, advice)


def failure(check: str, text: str, advice: str) -> Finding:
    return Finding(check, Severity.FAILURE, text, advice)
