"""The cookie and its nonces: as WordPress writes them, and worth nothing if a letter is changed."""

import re
from urllib.parse import unquote

import pytest

from fluent_cart.security import session_cookies
from fluent_cart.security.session_cookies import Cookie

LOGIN, KEY, HASH = "J\u00fcrgen | \u00d6", "k" * 64, "$wp$2y$10$nJfGHWkJTemxzYOB0FfmlO"
TOKEN = "t" * 43
NOW = 1_800_000_000


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    seconds = [float(NOW)]
    monkeypatch.setattr("time.time", lambda: seconds[0])
    return seconds


def headers(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"accept", b"*/*"), *((b"cookie", value.encode("latin-1")) for value in values)]


def written() -> str:
    return session_cookies.write(LOGIN, NOW + 60, TOKEN, KEY, HASH)


def read(text: str) -> Cookie:
    cookie = session_cookies.read(headers(f"{session_cookies.NAME}={text}"))
    assert cookie
    return cookie


def nonce(ago: int = 0) -> str:
    return session_cookies.nonce(7, TOKEN, KEY, ago=ago)


class TestCookie:
    def test_cookie_has_the_parts_of_wordpress(self) -> None:
        assert re.fullmatch(r"wordpress_logged_in_[0-9a-f]{32}", session_cookies.NAME)
        assert re.fullmatch(r"[A-Za-z0-9%._-]+", written()), "a header takes it as it is"
        assert re.fullmatch(rf"{re.escape(LOGIN)}\|{NOW + 60}\|{TOKEN}\|[0-9a-f]{{64}}", unquote(written()))
        assert session_cookies.is_valid(read(written()), KEY, HASH)

    def test_cookie_is_found_among_others(self) -> None:
        own = f"{session_cookies.NAME}={written()}"
        for sent in (
            [own], [f"a=b;{own}"], [f"a=b;   {own} ;c=d"], ["a=b", own, "c=d"],
            [f"x{own}; wordpress_logged_in_{'0' * 32}=a|1|b|c; {own}"],
        ):  # fmt: skip
            assert session_cookies.read(headers(*sent)) == read(written())

    @pytest.mark.parametrize(
        "sent",
        ["", "a=b", session_cookies.NAME, f"{session_cookies.NAME}=", f"{session_cookies.NAME}=a|1|b",
         f"x{session_cookies.NAME}=a|1|b|c",
         f"{session_cookies.NAME}x=a|1|b|c", f"{session_cookies.NAME[:-1]}=a|1|b|c"],
    )  # fmt: skip
    def test_malformed_cookie_counts_as_absent(self, sent: str) -> None:
        assert session_cookies.read(headers(sent)) is None

    def test_changed_cookie_is_rejected(self) -> None:
        text = unquote(written())
        for place in range(len(text)):
            other = f"{text[:place]}{chr(ord(text[place]) ^ 1)}{text[place + 1 :]}"
            cookie = (
                session_cookies.read(headers(f"{session_cookies.NAME}={other}")) if other.isascii() else None
            )
            assert not (cookie and session_cookies.is_valid(cookie, KEY, HASH)), other
        for key, password_hash in [("k" * 63, HASH), (KEY, HASH[:-1]), (KEY, ""), ("", HASH)]:
            assert not session_cookies.is_valid(read(written()), key, password_hash)

    @pytest.mark.parametrize(
        "text", ["a|b|c|d", "|||", "a|1|b|\u00e9", "%ff|%00|\u00ff|%ED%A0%80", "|" * 500]
    )
    def test_cookie_with_impossible_values_is_rejected(self, text: str) -> None:
        assert not session_cookies.is_valid(read(text), KEY, HASH)

    def test_cookie_expires(self, clock: list[float]) -> None:
        cookie = read(written())
        clock[0] += 59.9
        assert session_cookies.is_valid(cookie, KEY, HASH)
        clock[0] += 0.1
        assert not session_cookies.is_valid(cookie, KEY, HASH)


class TestNonce:
    def test_nonce_has_ten_digits(self) -> None:
        assert re.fullmatch("[0-9a-f]{10}", nonce())

    def test_nonce_belongs_to_one_user_and_session(self) -> None:
        others = {
            session_cookies.nonce(8, TOKEN, KEY),
            session_cookies.nonce(7, "u" * 43, KEY),
            session_cookies.nonce(7, TOKEN, "K"),
        }
        assert len(others | {nonce()}) == 4
        assert [session_cookies.is_nonce(other, 7, TOKEN, KEY) for other in (nonce(), *others)] == [True] + [
            False
        ] * 3

    def test_only_the_exact_text_is_the_nonce(self) -> None:
        for other in ("", "0", "x" * 10_000, "\u00e9", nonce()[:-1], f"{nonce()}0", f" {nonce()}"):
            assert not session_cookies.is_nonce(other, 7, TOKEN, KEY)

    def test_nonce_is_valid_for_this_tick_and_the_next(self, clock: list[float]) -> None:
        tick = 12 * 3600
        clock[0] = 100_000 * tick + 1.0
        made = nonce()
        for later, good in [(tick - 1, True), (tick, True), (2 * tick - 2, True), (2 * tick, False)]:
            clock[0] = 100_000 * tick + 1.0 + later
            assert session_cookies.is_nonce(made, 7, TOKEN, KEY) is good, later
            assert (nonce() == made) is (later < tick)
        assert nonce(2) == made, "two ticks old"
        clock[0] = 99_999 * tick + 1.0
        assert not session_cookies.is_nonce(made, 7, TOKEN, KEY), "of the next tick"
