"""Format a log line for people at a terminal: the time, then the most important words."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from rich.console import Console
from structlog.dev import GREEN, RED, RESET_ALL, YELLOW

# Characters of a request's id that are enough to distinguish requests on a screen.
ID_LENGTH = 8
COLOURS = {"warning": YELLOW, "error": RED, "critical": RED}

Paint = Callable[[str, str], str]


def painter() -> Paint:
    """Return a function that colours a text, if standard error is a terminal with colours."""
    terminal = Console(stderr=True)
    if terminal.is_terminal and not terminal.no_color:
        return lambda text, colour: f"{colour}{text}{RESET_ALL}" if colour else text
    return lambda text, _: text


def request_line(event: Mapping[str, Any], paint: Paint) -> str:
    """Return ``07:32:10Z  200 GET /route  5 ms  user 3  8ef1a2b3``."""
    status = event["status"]
    colour = RED if status >= 500 or not status else YELLOW if status >= 400 else GREEN
    user = f"  user {event['user_id']}" if event["user_id"] else ""
    return (
        f"{clock(event['time'])}  {paint(f'{status:3}', colour)} {event['method']} {event['route']}"
        f"  {event['duration_ms']:.0f} ms{user}  {str(event['request_id'])[:ID_LENGTH]}"
    )


def event_line(event: Mapping[str, Any], paint: Paint) -> str:
    """Return the line of another event. Characters that could control the terminal are escaped."""
    rest = dict(event)
    time, level, text = (rest.pop(name) for name in ("time", "level", "event"))
    rest.pop("logger")
    exception = rest.pop("exception", "")
    shown = "" if level == "info" else f"{paint(level, COLOURS.get(level, ''))}  "
    words = " ".join(f"{name}={value!r}" for name, value in rest.items())
    line = f"{clock(datetime.fromisoformat(time))}  {shown}{_printable(text)}{f'  {words}' if words else ''}"
    return f"{line}\n{exception}" if exception else line


def clock(moment: datetime) -> str:
    """Return the time of day in UTC, for a log line."""
    return f"{moment:%H:%M:%S}Z"


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
